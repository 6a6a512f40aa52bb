#include "common/options.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/text.h"

namespace paperboy {
namespace {

constexpr std::string_view kProcesses[] = {"fetcher", "scorer", "aggregator"};

bool IsCommon(std::string_view name) {
  static const std::vector<Option> common = CommonOptions("");
  return std::ranges::find(common, name, &Option::name) != common.end();
}

std::string EnvironmentName(const Option& option) {
  if (!option.env.empty()) return option.env;
  std::string name = "PAPERBOY_" + option.name;
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

std::string FileKey(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (std::istringstream stream(text); std::getline(stream, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> TextOf(const Option& option, const std::string& text) {
  return option.type == OptionType::kList ? SplitAtCommas(text) : std::vector{text};
}

// What a value may be, for people; "" if any text will do.
std::string Allowed(const Option& option) {
  const std::string range =
      option.min == option.max ? "" : fmt::format(" from {} to {}", option.min, option.max);
  switch (option.type) {
    case OptionType::kInteger:
      return "a whole number" + range;
    case OptionType::kNumber:
      return "a number" + range;
    case OptionType::kFlag:
      return "true or false";
    default:
      return option.choices.empty() ? "" : "one of " + Join(option.choices, ", ");
  }
}

template <class T>
bool IsNumberWithin(const Option& option, const std::string& text) {
  T number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return false;
  const auto value = static_cast<double>(number);
  return std::isfinite(value) &&
         (option.min == option.max || (value >= option.min && value <= option.max));
}

// "true" or "false"; "" for anything else.
std::string FlagText(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* yes : {"1", "true", "yes", "on"}) {
    if (text == yes) return "true";
  }
  for (const char* no : {"0", "false", "no", "off"}) {
    if (text == no) return "false";
  }
  return "";
}

// A TOML string; JSON's escapes are a subset of TOML's.
std::string Quoted(const std::string& text) {
  return nlohmann::json(MaskPassword(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ScalarText(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  std::ostringstream out;
  node.visit([&out](const auto& value) { out << value; });
  return out.str();
}

// A scalar, or an array of scalars for a list; the error names only the shape.
Result<std::vector<std::string>> FileText(const Option& option, const toml::node& node) {
  const toml::array* array = node.as_array();
  const bool nested = array != nullptr && std::any_of(array->begin(), array->end(), [](auto& each) {
                        return each.is_table() || each.is_array();
                      });
  if (node.is_table() || nested) return Invalid("must be a plain value");
  if (array == nullptr) return std::vector{ScalarText(node)};
  if (option.type != OptionType::kList) return Invalid("takes one value, not a list");
  std::vector<std::string> texts;
  for (const toml::node& each : *array) texts.push_back(ScalarText(each));
  return texts;
}

// The option that `key` sets, at the top of the file or in the table of `process`.
Result<const Option*> OptionOfKey(const std::vector<Option>& table, const std::string& process,
                                  std::string_view key, bool top) {
  const auto option =
      std::ranges::find_if(table, [&](const Option& each) { return FileKey(each.name) == key; });
  if (option == table.end() || option->name == "config") {
    return Invalid(fmt::format("unknown key {}{}", top ? "" : process + ".", key));
  }
  if (option->secret) {
    return Invalid(fmt::format("{} is a secret and is read from the environment only: set {}", key,
                               EnvironmentName(*option)));
  }
  if (top && !IsCommon(option->name)) {
    return Invalid(fmt::format("{} belongs in the table [{}]", key, process));
  }
  return &*option;
}

// The first unknown flag, else the first stray word. A flag's value is left out:
// somebody may try to hand a secret over that way.
std::string Unexpected(const std::vector<std::string>& arguments) {
  const auto flag =
      std::ranges::find_if(arguments, [](const auto& each) { return each.starts_with('-'); });
  return flag == arguments.end() ? arguments.at(0) : flag->substr(0, flag->find('='));
}

constexpr size_t kHelpWidth = 90;

// `text` broken at spaces so that each line, `indent` spaces first, keeps kHelpWidth.
std::string Wrap(const std::string& text, size_t indent) {
  std::string out, line, word;
  for (std::istringstream words(text); words >> word;) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kHelpWidth) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + std::string(indent, ' ') + line + "\n";
}

std::string HelpOf(const Option& option) {
  if (option.secret) {
    return fmt::format("  {}\n{}", EnvironmentName(option), Wrap(option.help, 6));
  }
  std::string facts = option.help;
  if (option.type == OptionType::kList) facts += " May be repeated.";
  if (const std::string allowed = Allowed(option);
      !allowed.empty() && option.type != OptionType::kFlag) {
    facts += fmt::format(" Allowed: {}.", allowed);
  }
  if (option.type != OptionType::kFlag) {
    facts += " Default: " + (option.default_value.empty() ? "none" : option.default_value) + ".";
  }
  return fmt::format("  --{}{}{}\n{}      [{}]\n", option.name,
                     option.type == OptionType::kFlag ? "" : " ", option.placeholder,
                     Wrap(facts, 6), EnvironmentName(option));
}

}  // namespace

std::vector<Option> CommonOptions(const std::string& default_http) {
  return {
      {.name = "config",
       .placeholder = "FILE",
       .help = "Configuration file in TOML. Keys are the options' names with _ for -, those of one "
               "process in its own table, as [scorer]."},
      {.name = "redis",
       .default_value = "redis://127.0.0.1:6379/0",
       .placeholder = "URL",
       .help =
           "Redis, shared by every fetcher, scorer and aggregator: "
           "redis://[:password@]host:port/db, or rediss:// for TLS. A password is better given in "
           "the environment than on the command line, where everybody can read it."},
      {.name = "redis-ca",
       .placeholder = "FILE",
       .help = "The certificates (PEM) of whom to trust for rediss://. Empty: whom the system "
               "trusts."},
      {.name = "keys",
       .placeholder = "DIR",
       .help = "Folder with this process's keys, as `paperboy-aggregator keys DIR` makes them: the "
               "links between the processes are then encrypted, and only who has a key is let in. "
               "Empty: in clear, for everybody. All processes have keys, or none."},
      {.name = "http",
       .default_value = default_http,
       .placeholder = "HOST:PORT",
       .help = "Where to serve /healthz, /readyz and /metrics. Port 0 takes any free one and logs "
               "which."},
      {.name = "log-level",
       .default_value = "info",
       .placeholder = "LEVEL",
       .help = "The least serious messages to log.",
       .choices = {"trace", "debug", "info", "warn", "error"}},
      {.name = "log-format",
       .default_value = "text",
       .placeholder = "FORMAT",
       .help = "text for people, json (one object a line) for collectors.",
       .choices = {"text", "json"}},
  };
}

std::string MaskPassword(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const size_t start = scheme + 3;
  // An unescaped / or @ in a password is wrong, yet it must not be shown for that.
  const size_t at = url.rfind('@');
  if (at == std::string::npos || at < start) return url;
  const size_t colon = url.find(':', start);
  if (colon == std::string::npos || colon > at) return url;
  return url.substr(0, colon + 1) + "***" + url.substr(at);
}

Options::Options(std::string process, std::string about, std::string after,
                 std::vector<Option> table)
    : process_(std::move(process)),
      about_(std::move(about)),
      after_(std::move(after)),
      table_(std::move(table)) {}

// What stands on the command line, before it is compared with other sources.
struct Options::CommandLine {
  bool help = false, version = false, print_config = false;
  std::map<std::string, std::vector<std::string>> flags;
};

Result<Options::CommandLine> Options::ReadCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("", "paperboy-" + process_);
  app.set_help_flag();
  app.add_flag("-h,--help", line.help);
  app.add_flag("--version", line.version);
  app.add_flag("--print-config", line.print_config);
  for (const Option& option : table_) {
    if (option.secret) continue;
    std::vector<std::string>& values = line.flags[option.name];
    if (option.type == OptionType::kFlag) {
      app.add_flag("--" + option.name, values)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
      continue;
    }
    auto* flag = app.add_option("--" + option.name, values)->allow_extra_args(false);
    if (option.type != OptionType::kList) {
      flag->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  if (words_allowed_) app.add_option("words", words_);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return Invalid(fmt::format("command line: {} is not expected; see paperboy-{} --help",
                               Unexpected(app.remaining()), process_));
  } catch (const CLI::ParseError& error) {
    return Invalid(fmt::format("command line: {}; see paperboy-{} --help", error.what(), process_));
  }
  std::erase_if(line.flags, [](const auto& flag) { return flag.second.empty(); });
  return line;
}

void Options::ReadDefaults() {
  for (const Option& option : table_) {
    values_[option.name] = {.text = TextOf(option, option.default_value), .place = "its default"};
  }
}

Status Options::ReadFile(const std::string& path) {
  std::error_code unknown;  // parse_file then says what
  if (std::filesystem::is_directory(path, unknown)) return Invalid(path + ": is a folder");
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return Invalid(line == 0 ? fmt::format("{}: {}", path, error.description())
                             : fmt::format("{}:{}: {}", path, line, error.description()));
  }
  Status first = Ok();  // the rest is read all the same: it may say how to tell
  const auto wrong = [&first](std::string what) {
    if (first.ok()) first = Invalid(std::move(what));
  };
  const auto take = [&](std::string_view key, const toml::node& node, bool top) {
    const std::string place = fmt::format("{}:{}", path, node.source().begin.line);
    const auto option = OptionOfKey(table_, process_, key, top);
    if (!option.ok()) return wrong(place + ": " + option.error().message);
    auto text = FileText(**option, node);
    if (!text.ok()) return wrong(fmt::format("{}: {} {}", place, key, text.error().message));
    values_[(*option)->name] = {std::move(*text), "file", place};
  };
  const toml::table* own = nullptr;
  for (const auto& [key, node] : file) {
    const bool process = std::ranges::find(kProcesses, key.str()) != std::end(kProcesses);
    if (node.is_table() && process) {
      if (key.str() == process_) own = node.as_table();
      continue;
    }
    take(key.str(), node, true);
  }
  if (own == nullptr) return first;
  for (const auto& [key, node] : *own) take(key.str(), node, false);
  return first;
}

void Options::ReadEnvironment(const Environment& environment) {
  for (const Option& option : table_) {
    const std::string name = EnvironmentName(option);
    const char* text = environment(name.c_str());
    if (text == nullptr || *text == '\0') continue;
    values_[option.name] = {TextOf(option, text), "environment", name};
  }
}

Status Options::Check(const Option& option, Value* value) const {
  if (option.type == OptionType::kList) return Ok();
  std::string& text = value->text.at(0);
  bool good = true;
  if (option.type == OptionType::kInteger) {
    good = IsNumberWithin<int64_t>(option, text);
  } else if (option.type == OptionType::kNumber) {
    good = IsNumberWithin<double>(option, text);
  } else if (option.type == OptionType::kFlag) {
    const std::string flag = FlagText(text);
    good = !flag.empty();
    if (good) text = flag;
  } else if (!option.choices.empty()) {
    good = std::ranges::find(option.choices, text) != option.choices.end();
  }
  if (good) return Ok();
  return Invalid(fmt::format("option {} (from {}): \"{}\" is not {}", option.name, value->place,
                             option.secret ? "***" : MaskPassword(text), Allowed(option)));
}

Result<Options::Parsed> Options::Parse(int argc, const char* const* argv,
                                       const Environment& environment) {
  words_.clear();
  values_.clear();
  auto line = ReadCommandLine(argc, argv);
  if (!line.ok()) return line.error();
  if (line->help) return Parsed{true, Help()};
  if (line->version) return Parsed{true, "paperboy-" + process_ + " " PAPERBOY_VERSION "\n"};

  ReadDefaults();
  if (const Option* config = Find("config"); config != nullptr) {
    const char* set = environment(EnvironmentName(*config).c_str());
    const auto flag = line->flags.find("config");
    const std::string path = flag != line->flags.end() ? flag->second[0]
                             : set != nullptr          ? set
                                                       : "";
    if (!path.empty()) {
      if (Status read = ReadFile(path); !read.ok()) return read.error();
    }
  }
  ReadEnvironment(environment);
  for (auto& [name, text] : line->flags) {
    values_[name] = {std::move(text), "flag", "--" + name};
  }
  for (const Option& option : table_) {
    if (Status checked = Check(option, &values_[option.name]); !checked.ok()) {
      return checked.error();
    }
  }
  if (line->print_config) return Parsed{true, Config()};
  return Parsed{};
}

std::string Options::LogFormat(int argc, const char* const* argv,
                               const Environment& environment) const {
  constexpr std::string_view kFlag = "--log-format";
  std::string format;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == kFlag && i + 1 < argc) format = argv[i + 1];
    if (word.starts_with(kFlag) && word.substr(kFlag.size()).starts_with('=')) {
      format = word.substr(kFlag.size() + 1);
    }
  }
  if (!format.empty()) return format;
  const char* set = environment("PAPERBOY_LOG_FORMAT");
  if (set != nullptr && *set != '\0') return set;
  const auto value = values_.find("log-format");
  return value == values_.end() ? "text" : value->second.text.at(0);
}

const Option* Options::Find(std::string_view name) const {
  const auto option = std::ranges::find(table_, name, &Option::name);
  return option == table_.end() ? nullptr : &*option;
}

const Options::Value& Options::Get(const std::string& name) const {
  const auto value = values_.find(name);
  if (value == values_.end()) {
    fmt::print(stderr, "paperboy-{}: no option named {} in its table\n", process_, name);
    std::abort();
  }
  return value->second;
}

const std::string& Options::String(const std::string& name) const { return Get(name).text.at(0); }

int64_t Options::Integer(const std::string& name) const {
  const std::string& text = String(name);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

double Options::Number(const std::string& name) const {
  const std::string& text = String(name);
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool Options::Flag(const std::string& name) const { return String(name) == "true"; }

const std::vector<std::string>& Options::List(const std::string& name) const {
  return Get(name).text;
}

std::string Options::FlagsGiven(const std::vector<std::string>& without,
                                std::vector<std::string>* left_out) const {
  std::string flags;
  for (const Option& option : table_) {
    const Value& value = Get(option.name);
    if (value.origin != "flag" || std::ranges::count(without, option.name) > 0) continue;
    for (const std::string& text : value.text) {
      if (MaskPassword(text) != text) {
        left_out->push_back("--" + option.name);
      } else if (option.type == OptionType::kFlag) {
        flags += " --" + option.name + (text == "true" ? "" : "=" + text);
      } else {
        flags += " --" + option.name + " " + ShellWord(text);
      }
    }
  }
  return flags;
}

const std::string& Options::Origin(const std::string& name) const { return Get(name).origin; }

std::string Options::Help() const {
  std::string out = fmt::format("{}\n\nUsage: paperboy-{} [OPTIONS]{}\n", about_, process_,
                                words_allowed_ ? " [WORDS]" : "");
  if (words_allowed_) out += "\nWords:\n" + Wrap(words_help_, 2);
  const auto group = [&](const std::string& title, auto belongs) {
    std::string options;
    for (const Option& option : table_) {
      if (belongs(option)) options += HelpOf(option);
    }
    if (!options.empty()) out += "\n" + title + ":\n" + options;
  };
  group("Options of this process",
        [](const Option& option) { return !option.secret && !IsCommon(option.name); });
  group("Options of every process",
        [](const Option& option) { return !option.secret && IsCommon(option.name); });
  group("Secrets, read from the environment only and never printed",
        [](const Option& option) { return option.secret; });
  out += fmt::format(
      "\nMore:\n  -h, --help      Print this and exit.\n"
      "  --version       Print the version and exit.\n"
      "  --print-config  Print every option with its value and where that came from, as a\n"
      "                  configuration file, and exit.\n"
      "\nAn option can also be set by the environment name in brackets under it (lists with\n"
      "commas), or in the configuration file: a flag beats the environment, which beats the\n"
      "file, which beats the default. In the file, --some-name is the key some_name in the\n"
      "table [{}]; options of every process may also stand at its top.\n",
      process_);
  if (!after_.empty()) out += "\n" + after_ + (after_.ends_with('\n') ? "" : "\n");
  return out;
}

std::string Options::Config() const {
  const auto line = [&](const Option& option) {
    const Value& value = Get(option.name);
    if (option.secret) {
      return fmt::format("# {}: {}\n", EnvironmentName(option),
                         value.text[0].empty() ? "(not set)" : "(set)");
    }
    std::string text;
    if (option.type == OptionType::kList) {
      std::vector<std::string> quoted;
      for (const std::string& each : value.text) quoted.push_back(Quoted(each));
      text = "[" + Join(quoted, ", ") + "]";
    } else {
      text = option.type == OptionType::kString ? Quoted(value.text[0]) : value.text[0];
    }
    return fmt::format("{}{} = {}  # {}\n", option.name == "config" ? "# " : "",
                       FileKey(option.name), text, value.origin);
  };
  std::string top, own;
  for (const Option& option : table_) (IsCommon(option.name) ? top : own) += line(option);
  return fmt::format("# paperboy-{} {}\n{}\n[{}]\n{}", process_, PAPERBOY_VERSION, top, process_,
                     own);
}

}  // namespace paperboy
