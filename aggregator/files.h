// Files that survive a power failure: written, synced, and in their folder.
#pragma once

#include <filesystem>
#include <string>

#include "common/result.h"

namespace paperboy {

// Each is kStorage on failure, with the path and the system's reason.
Status SyncFile(const std::filesystem::path& path);
// After a file in it was made, renamed or removed.
Status SyncFolder(const std::filesystem::path& folder);
Status WriteAndSync(const std::filesystem::path& path, const std::string& content);

// Whether something of that name is there, be it a link that leads nowhere.
bool Exists(const std::filesystem::path& path);

// "what PATH: the system's reason" of errno.
Error FileError(const std::string& what, const std::filesystem::path& path);

}  // namespace paperboy
