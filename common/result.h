// Errors as values. A function that can fail for a reason outside the program
// returns Result<T>; the one who handles the error logs it, once.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace paperboy {

// One kind for each thing a caller does differently.
enum class ErrorKind {
  kInvalid,      // the input is wrong and will stay so: report, do not retry
  kUnavailable,  // a dependency did not answer: try again later
  kConflict,     // somebody else holds or replaced it
  kStorage,      // the disk or the database failed: nothing was stored
  kUnreached,    // as kUnavailable, and nothing was sent to it
  kTimedOut,     // as kUnavailable, because it did not answer in time
  kUntrusted,    // a server cannot prove who it is; nothing was sent: report, and have it mended
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalid;
  std::string message;  // what, where, and what to do; never a secret
};

inline Error Invalid(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }
inline Error Unavailable(std::string message) {
  return {ErrorKind::kUnavailable, std::move(message)};
}

struct Nothing {};

// Either a value or an Error. value() and error() require the matching ok().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(v_); }
  const T& value() const& { return std::get<0>(v_); }
  T&& value() && { return std::get<0>(std::move(v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(v_); }

 private:
  std::variant<T, Error> v_;
};

using Status = Result<Nothing>;
inline Status Ok() { return Nothing{}; }

}  // namespace paperboy
