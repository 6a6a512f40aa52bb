// A process's options: one table, from which flags, environment names, the
// configuration file's keys, --help and --print-config all come. A flag beats
// the environment, which beats the file, which beats the default.
//
// The option "arxiv-interval" is the flag --arxiv-interval, the environment
// name PAPERBOY_ARXIV_INTERVAL and the key arxiv_interval in the file, either at
// its top (for options that every process has) or in the table of the process,
// as [fetcher], which wins. Tables of other processes are not looked at. An
// unknown key is an error. An environment name that is set but empty counts as
// not set.
//
// Every source is read as text and checked by the same rules. A list is a
// repeated flag, or comma-separated in the environment and in its default, or an
// array in the file. A flag's yes is 1, true, yes or on, its no 0, false, no or off.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace paperboy {

enum class OptionType { kString, kInteger, kNumber, kFlag, kList };

struct Option {
  std::string name;  // as in the flag, without the dashes
  OptionType type = OptionType::kString;
  std::string default_value;  // as one would write it; "" for an empty list, "false" for a flag
  std::string placeholder;    // as HOST:PORT, in --help
  std::string help;           // one or two sentences, with the unit
  double min = 0;             // for numbers; min == max: no limits
  double max = 0;
  std::vector<std::string> choices = {};  // for strings; empty: any
  bool secret = false;   // not a flag and not printed: environment only, under `env`
  std::string env = {};  // another environment name than PAPERBOY_...
};

// Options that every process has: --config, --redis, --redis-ca, --keys, --http,
// --log-level, --log-format.
std::vector<Option> CommonOptions(const std::string& default_http);

// A URL with the password in it made ***.
std::string MaskPassword(const std::string& url);

// Not thread-safe while it parses; afterwards any thread may read.
class Options {
 public:
  // What a name is set to in the environment; nullptr if it is not.
  using Environment = std::function<const char*(const char*)>;

  // `process` is fetcher, scorer or aggregator. `about` is the text above the
  // options in --help, `after` the text below (examples, exit codes).
  Options(std::string process, std::string about, std::string after, std::vector<Option> table);

  // Reads everything. When --help, --version or --print-config was given,
  // `done` is true and `output` is what to print before exiting with 0.
  // An error (kInvalid) names the option, where the value came from, the value
  // and what is allowed; never a secret.
  struct Parsed {
    bool done = false;
    std::string output;
  };
  Result<Parsed> Parse(int argc, const char* const* argv,
                       const Environment& environment = ::getenv);

  // What --log-format is, or seems to be after an error of Parse with the same arguments.
  std::string LogFormat(int argc, const char* const* argv,
                        const Environment& environment = ::getenv) const;

  // Require a successful Parse, and an option of that name and type in the
  // table (String: any type but a list).
  const std::string& String(const std::string& name) const;
  int64_t Integer(const std::string& name) const;
  double Number(const std::string& name) const;
  bool Flag(const std::string& name) const;
  const std::vector<std::string>& List(const std::string& name) const;
  // The flags that were given, but those named in `without`, each with a blank before it,
  // as a shell reads them. One whose value holds a password is left out, and its name
  // added to `left_out`.
  std::string FlagsGiven(const std::vector<std::string>& without,
                         std::vector<std::string>* left_out) const;
  // Where the value came from: default, file, environment, flag.
  const std::string& Origin(const std::string& name) const;
  // Words left over after the options (subcommands), if AllowWords was called
  // before Parse. `help` is their line in --help.
  const std::vector<std::string>& words() const { return words_; }
  void AllowWords(std::string help) {
    words_help_ = std::move(help);
    words_allowed_ = true;
  }

 private:
  struct Value {
    std::vector<std::string> text;  // one string unless a list
    std::string origin = "default";
    std::string place = {};  // for errors: --rpm, PAPERBOY_RPM, paperboy.toml:3
  };
  struct CommandLine;

  Result<CommandLine> ReadCommandLine(int argc, const char* const* argv);
  void ReadDefaults();
  Status ReadFile(const std::string& path);
  void ReadEnvironment(const Environment& environment);
  Status Check(const Option& option, Value* value) const;
  std::string Help() const;
  std::string Config() const;  // as TOML, with each value's origin as a comment
  const Option* Find(std::string_view name) const;
  const Value& Get(const std::string& name) const;

  std::string process_, about_, after_, words_help_;
  bool words_allowed_ = false;
  std::vector<Option> table_;
  std::map<std::string, Value> values_;
  std::vector<std::string> words_;
};

}  // namespace paperboy
