#include "aggregator/folder.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "aggregator/files.h"

namespace paperboy {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool DiskFolder::Has(const std::string& path) {
  std::error_code unreadable;
  return fs::is_regular_file(fs::path(path_) / path, unreadable);
}

std::optional<std::string> DiskFolder::Read(const std::string& path) {
  std::ifstream file(fs::path(path_) / path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

Status DiskFolder::Write(const std::string& path, const std::string& content) {
  const fs::path target = fs::path(path_) / path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) {
    return Error{ErrorKind::kStorage,
                 "cannot make " + target.parent_path().string() + ": " + error.message()};
  }
  const fs::path aside = target.string() + ".new";
  if (auto status = WriteAndSync(aside, content); !status) return status;
  if (rename(aside.c_str(), target.c_str()) != 0) return FileError("cannot rename", aside);
  return SyncFolder(target.parent_path());
}

Status DiskFolder::Remove(const std::string& path) {
  const fs::path target = fs::path(path_) / path;
  if (unlink(target.c_str()) != 0) return FileError("cannot remove", target);
  return SyncFolder(target.parent_path());
}

}  // namespace paperboy
