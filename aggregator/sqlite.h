// A thin layer over SQLite: prepared statements by their text, typed binding,
// and one exception for everything that the disk or the database can do to us.
// The exception stays inside the aggregator: the turn that meets it is rolled
// back as a whole. A Database is used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace paperboy {

struct StorageError : std::runtime_error {
  explicit StorageError(const std::string& why) : StorageError(why, "") {}
  // `doing` is the statement that failed.
  StorageError(const std::string& why, const std::string& doing)
      : std::runtime_error(doing.empty() ? why : doing + ": " + why), why(why), doing(doing) {}
  std::string why, doing;
};

// Bytes to bind as a BLOB rather than as text.
struct Blob {
  std::string_view bytes;
};

// A running statement. At most one at a time for each text; it is reset when
// this goes out of scope.
class Cursor {
 public:
  explicit Cursor(sqlite3_stmt* statement) : statement_(statement) {}
  ~Cursor();
  Cursor(Cursor&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  bool Next();  // false after the last row
  bool Null(int column) const;
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;  // text and blobs; "" for NULL
  std::optional<int64_t> OptInt(int column) const;

  void Bind(int index, int64_t value);
  void Bind(int index, std::string_view value);
  void Bind(int index, Blob value);
  void Bind(int index, std::nullptr_t);
  template <class T>
  void Bind(int index, const std::optional<T>& value) {
    if (value) {
      Bind(index, *value);
    } else {
      Bind(index, nullptr);
    }
  }

 private:
  sqlite3_stmt* statement_;
};

enum class Access {
  kRead,    // beside a writer
  kWrite,   // a file that is there
  kCreate,  // as kWrite, and makes it
};

class Database {
 public:
  // Throws StorageError.
  Database(const std::string& path, Access access);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  template <class... Args>
  Cursor Query(const char* sql, const Args&... args) {
    Cursor cursor(Prepare(sql));
    int index = 0;
    (BindOne(cursor, ++index, args), ...);
    return cursor;
  }
  // Runs a statement to its end.
  template <class... Args>
  void Exec(const char* sql, const Args&... args) {
    auto cursor = Query(sql, args...);
    while (cursor.Next()) {
    }
  }
  // Several statements without parameters.
  void Script(const std::string& sql);
  // Rows that the last Exec changed.
  int64_t Changes() const;
  // Whether a transaction is open.
  bool InTransaction() const;

  // The whole database as bytes, and one in memory made of them (instead of what
  // it held); for simulations and tests. An empty image is an empty database.
  std::string Image();
  void Load(const std::string& image);
  // Asked before every commit; false makes it fail, as a full disk does. For
  // simulations and tests.
  void SetCommitHook(std::function<bool()> may_commit);

 private:
  template <class T>
  static void BindOne(Cursor& cursor, int index, const T& value) {
    if constexpr (std::is_integral_v<T>) {
      cursor.Bind(index, static_cast<int64_t>(value));
    } else {
      cursor.Bind(index, value);
    }
  }
  static void BindOne(Cursor& cursor, int index, const std::string& value) {
    cursor.Bind(index, std::string_view(value));
  }
  static void BindOne(Cursor& cursor, int index, const char* value) {
    cursor.Bind(index, std::string_view(value));
  }
  sqlite3_stmt* Prepare(const char* sql);

  sqlite3* db_ = nullptr;
  std::unordered_map<std::string_view, sqlite3_stmt*> statements_;
  std::function<bool()> may_commit_;
};

// A transaction that is rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db) { db_.Exec("BEGIN IMMEDIATE"); }
  ~Transaction();
  void Commit() {
    db_.Exec("COMMIT");
    done_ = true;
  }

 private:
  Database& db_;
  bool done_ = false;
};

}  // namespace paperboy
