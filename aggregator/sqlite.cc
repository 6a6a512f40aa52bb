#include "aggregator/sqlite.h"

#include <sqlite3.h>

#include <algorithm>

#include "spdlog/spdlog.h"

namespace paperboy {
namespace {

// A reader beside us (why, status) holds locks for milliseconds at most.
constexpr int kBusyTimeoutMs = 5'000;

// Of a script its first line says enough.
[[noreturn]] void Fail(sqlite3* db, const std::string& what) {
  throw StorageError(db ? sqlite3_errmsg(db) : "out of memory", what.substr(0, what.find('\n')));
}

void Check(sqlite3_stmt* statement, int code) {
  if (code != SQLITE_OK) Fail(sqlite3_db_handle(statement), "binding a value");
}

}  // namespace

Cursor::~Cursor() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Cursor::Next() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      Fail(sqlite3_db_handle(statement_), sqlite3_sql(statement_));
  }
}

bool Cursor::Null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
int64_t Cursor::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Cursor::Real(int column) const { return sqlite3_column_double(statement_, column); }
std::string Cursor::Text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes ? std::string(bytes, sqlite3_column_bytes(statement_, column)) : std::string();
}
std::optional<int64_t> Cursor::OptInt(int column) const {
  if (Null(column)) return std::nullopt;
  return Int(column);
}

void Cursor::Bind(int index, int64_t value) {
  Check(statement_, sqlite3_bind_int64(statement_, index, value));
}
void Cursor::Bind(int index, std::string_view value) {
  Check(statement_, sqlite3_bind_text64(statement_, index, value.data() ? value.data() : "",
                                        value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}
void Cursor::Bind(int index, Blob value) {
  Check(statement_, sqlite3_bind_blob64(statement_, index, value.bytes.data(), value.bytes.size(),
                                        SQLITE_TRANSIENT));
}
void Cursor::Bind(int index, std::nullptr_t) {
  Check(statement_, sqlite3_bind_null(statement_, index));
}

Database::Database(const std::string& path, Access access) {
  const int flags = access == Access::kRead    ? SQLITE_OPEN_READONLY
                    : access == Access::kWrite ? SQLITE_OPEN_READWRITE
                                               : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
    const std::string why = db_ ? sqlite3_errmsg(db_) : "out of memory";
    sqlite3_close(db_);
    throw StorageError("cannot open " + path + ": " + why);
  }
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

sqlite3_stmt* Database::Prepare(const char* sql) {
  if (auto it = statements_.find(sql); it != statements_.end()) return it->second;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    Fail(db_, sql);
  }
  // The key is SQLite's own copy of the text, which lives as long as the statement.
  statements_.emplace(sqlite3_sql(statement), statement);
  return statement;
}

void Database::Script(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) Fail(db_, sql);
}

int64_t Database::Changes() const { return sqlite3_changes64(db_); }

bool Database::InTransaction() const { return sqlite3_get_autocommit(db_) == 0; }

std::string Database::Image() {
  sqlite3_int64 size = 0;
  unsigned char* bytes = sqlite3_serialize(db_, "main", &size, 0);
  if (bytes == nullptr) return "";
  std::string image(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  sqlite3_free(bytes);
  return image;
}

void Database::Load(const std::string& image) {
  auto* bytes = static_cast<unsigned char*>(sqlite3_malloc64(std::max<size_t>(image.size(), 1)));
  if (bytes == nullptr) throw StorageError("out of memory");
  std::copy(image.begin(), image.end(), bytes);
  const auto size = static_cast<sqlite3_int64>(image.size());
  if (sqlite3_deserialize(db_, "main", bytes, size, size,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) !=
      SQLITE_OK) {
    Fail(db_, "loading an image");
  }
}

void Database::SetCommitHook(std::function<bool()> may_commit) {
  may_commit_ = std::move(may_commit);
  sqlite3_commit_hook(
      db_, [](void* hook) { return (*static_cast<std::function<bool()>*>(hook))() ? 0 : 1; },
      &may_commit_);
}

Transaction::~Transaction() {
  if (done_) return;
  try {
    db_.Exec("ROLLBACK");
  } catch (const StorageError& e) {
    // SQLite has rolled back by itself (disk full, I/O error).
    spdlog::debug("rollback: {}", e.what());
  }
}

}  // namespace paperboy
