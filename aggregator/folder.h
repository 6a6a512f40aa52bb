// Where published files go: a folder on disk in the program. One thread.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"

namespace paperboy {

// Paths are relative to the folder.
class Folder {
 public:
  virtual ~Folder() = default;
  virtual const std::string& path() const = 0;  // the folder's own, for people
  virtual bool Has(const std::string& path) = 0;
  // The whole file; nothing when it is not there or cannot be read.
  virtual std::optional<std::string> Read(const std::string& path) = 0;
  // Nobody ever sees a part of a file. kStorage names the file that could not be
  // written.
  virtual Status Write(const std::string& path, const std::string& content) = 0;
  // A file that is there. kStorage names one that could not be removed.
  virtual Status Remove(const std::string& path) = 0;
};

// Files are written aside, synced and renamed.
class DiskFolder : public Folder {
 public:
  explicit DiskFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const override { return path_; }
  bool Has(const std::string& path) override;
  std::optional<std::string> Read(const std::string& path) override;
  Status Write(const std::string& path, const std::string& content) override;
  Status Remove(const std::string& path) override;

 private:
  std::string path_;
};

}  // namespace paperboy
