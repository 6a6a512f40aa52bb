#include "aggregator/make_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/keys.h"

namespace paperboy {
namespace {

constexpr mode_t kSecret = 0600, kPublic = 0644;
constexpr size_t kNameChars = 64;

using Lines = std::vector<std::string>;

Error Failed(const std::string& what, const std::string& path) {
  return Invalid("cannot " + what + " " + path + ": " + std::strerror(errno));
}

Result<KeyPair> NewPair() {
  std::array<char, 41> public_key, secret_key;
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    return Invalid("this ZeroMQ was built without CURVE");
  }
  return KeyPair{public_key.data(), secret_key.data()};
}

Status Write(int fd, const std::string& path, const std::string& text) {
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  const Status status = written ? Ok() : Status(Failed("write", path));
  ::close(fd);
  return status;
}

Status WriteNew(const std::string& path, const std::string& text, mode_t mode, Lines* made) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) {
    return errno == EEXIST ? Invalid(path +
                                     " is there already, and keys are not overwritten: "
                                     "name another one, or move it away")
                           : Failed("make", path);
  }
  made->push_back(path);
  return Write(fd, path, text);
}

Status Append(const std::string& path, std::string line) {
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
  if (fd < 0) return Failed("open", path);
  char last = '\n';
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size > 0 && ::pread(fd, &last, 1, size - 1) == 1 && last != '\n') line = "\n" + line;
  return Write(fd, path, line);
}

// A pair of which the secret key, and of the aggregator the public one, is in files.
Result<KeyPair> WritePair(const std::string& folder, const std::string& role,
                          const std::string& name, Lines* made) {
  const Result<KeyPair> pair = NewPair();
  if (!pair) return pair.error();
  const Status secret = WriteNew(KeyFile(folder, name), pair->secret_key + "\n", kSecret, made);
  if (!secret) return secret.error();
  if (role != "aggregator") return *pair;
  const Status known =
      WriteNew(folder + "/" + name + ".pub", pair->public_key + "\n", kPublic, made);
  if (!known) return known.error();
  return *pair;
}

// A list that does not hold would take a new key along into its trouble; and of two keys of
// one name nobody could say which one is to go.
Status NotYetNamed(const std::string& list, const std::string& name) {
  const auto allowed = ReadAllowList(list);
  if (!allowed) return allowed.error();
  for (const auto& [key, named] : *allowed) {
    if (named != name) continue;
    return Invalid(list + ": a key named \"" + name +
                   "\" is there already: take its line out if that key is of no use any more; "
                   "else change its name there, or give the new key another one");
  }
  return Ok();
}

Status MakeFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return Ok();
  return Failed("make", folder);
}

}  // namespace

Result<Lines> MakeKeys(const std::string& folder) {
  if (const Status made = MakeFolder(folder); !made) return made.error();
  Lines made;
  const Result<KeyPair> own = WritePair(folder, "aggregator", "aggregator", &made);
  if (!own) return own.error();
  for (const std::string role : {"fetcher", "scorer"}) {
    const Result<KeyPair> pair = WritePair(folder, role, role, &made);
    if (!pair) return pair.error();
    const Status listed =
        WriteNew(AllowFile(folder, role), pair->public_key + " first\n", kPublic, &made);
    if (!listed) return listed.error();
  }
  return made;
}

Result<Lines> AddKey(const std::string& folder, const std::string& role, const std::string& name) {
  if (role != "aggregator" && role != "fetcher" && role != "scorer") {
    return Invalid("\"" + role + "\" has no keys; aggregator, fetcher and scorer have");
  }
  const auto good = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  if (name.empty() || name.size() > kNameChars || !std::all_of(name.begin(), name.end(), good)) {
    return Invalid("the name of a key is of letters, digits, - and _, at most " +
                   std::to_string(kNameChars));
  }
  if (role != "aggregator") {
    if (const Status unnamed = NotYetNamed(AllowFile(folder, role), name); !unnamed) {
      return unnamed.error();
    }
  }
  Lines made;
  const Result<KeyPair> pair = WritePair(folder, role, role + "-" + name, &made);
  if (!pair) return pair.error();
  if (role == "aggregator") return made;
  const Status listed = Append(AllowFile(folder, role), pair->public_key + " " + name + "\n");
  if (!listed) return listed.error();
  made.push_back(AllowFile(folder, role) + ", with its public key");
  return made;
}

}  // namespace paperboy
