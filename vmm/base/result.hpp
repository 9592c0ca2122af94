// Result: a value or an Error, with std::expected's interface, which g++ 12, clang 14 and nvcc lack.
//
// Errors are values here: no exception crosses a layer. An Error carries what the user will see (an errno), what the
// driver said (a CUresult, 0 where no driver was involved) and what was being done.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

namespace gmemfs {

/// What went wrong. A plain value; copying it costs an allocation only where `detail` is long.
struct Error {
    int code = EIO;           ///< errno that the user sees; never 0
    int driver = 0;           ///< CUresult, 0 where the driver wasn't the cause
    const char *doing = "";   ///< a literal: "map extent"
    std::string detail = {};  ///< on what, and what to do about it; empty where `doing` says it all
    std::string text() const; ///< one line for people, with the errno's meaning and the CUresult's number
};

/// The same error with what it is about before its detail: "PATH", or "PATH: detail".
Error about(const std::string &what, Error error);

/// An Error that one Result hands to the next: what TRY returns. The Result that is made of it owns it.
struct Failure {
    Error *error;
};
/// Out of line, so that success costs a comparison, and a unit that passes errors on little code.
Error *keep_error(Error &&error);
Error *copy_error(const Error &error);
void drop_error(Error *error);

/// A value of type T, or an Error. Not thread-safe, like any value.
template <typename T>
class [[nodiscard]] Result {
public:
    // NOLINTNEXTLINE(google-explicit-constructor): returning a T or an Error is the point of the type
    Result(T value) : has_value_(true) { new (&value_) T(std::move(value)); }
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(Error error) : error_(keep_error(std::move(error))), has_value_(false) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(Failure failure) : error_(failure.error), has_value_(false) {}
    Result(Result &&other) noexcept : has_value_(other.has_value_) {
        if (has_value_)
            new (&value_) T(std::move(other.value_));
        else
            error_ = std::exchange(other.error_, nullptr);
    }
    Result(const Result &) = delete;
    Result &operator=(Result &&other) noexcept {
        if (this != &other) {
            this->~Result();
            new (this) Result(std::move(other));
        }
        return *this;
    }
    Result &operator=(const Result &) = delete;
    ~Result() {
        if (has_value_)
            value_.~T();
        else
            drop_error(error_);
    }

    explicit operator bool() const { return has_value_; }
    bool has_value() const { return has_value_; }
    T &operator*() & { return check(), value_; }
    const T &operator*() const & { return check(), value_; }
    T &&operator*() && { return check(), std::move(value_); }
    T *operator->() { return check(), &value_; }
    const T *operator->() const { return check(), &value_; }
    Error &error() { return assert(!has_value_), *error_; }
    const Error &error() const { return assert(!has_value_), *error_; }
    Failure pass_on() { return assert(!has_value_), Failure{std::exchange(error_, nullptr)}; } ///< the last use of this

private:
    void check() const { assert(has_value_); }
    union {
        T value_;
        Error *error_; // owned; null after it was passed on
    };
    bool has_value_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(Error error) : error_(keep_error(std::move(error))) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Result(Failure failure) : error_(failure.error) {}
    Result(Result &&other) noexcept : error_(std::exchange(other.error_, nullptr)) {}
    Result(const Result &other) : error_(other.error_ == nullptr ? nullptr : copy_error(*other.error_)) {}
    Result &operator=(Result other) noexcept {
        std::swap(error_, other.error_);
        return *this;
    }
    ~Result() {
        if (error_ != nullptr) [[unlikely]]
            drop_error(error_);
    }
    explicit operator bool() const { return error_ == nullptr; }
    bool has_value() const { return error_ == nullptr; }
    void operator*() const { assert(error_ == nullptr); }
    const Error &error() const { return assert(error_ != nullptr), *error_; }
    Failure pass_on() { return assert(error_ != nullptr), Failure{std::exchange(error_, nullptr)}; }

private:
    Error *error_ = nullptr; // owned
};

/// Aborts with a message where the condition is false, in release builds too. For programmers' errors, never for input
/// from outside.
#define GMEMFS_ASSERT(condition)                                                                                       \
    ((condition) ? void(0)                                                                                             \
                 : (void(std::fprintf(stderr, "ASSERT %s:%d: %s\n", __FILE__, __LINE__, #condition)), std::abort()))

#define GMEMFS_TRY_NAMED(name, expression)                                                                             \
    __extension__({                                                                                                    \
        auto name = (expression);                                                                                      \
        if (!name) [[unlikely]]                                                                                        \
            return name.pass_on();                                                                                     \
        *std::move(name);                                                                                              \
    })
#define GMEMFS_TRY_COUNTED(counter, expression) GMEMFS_TRY_NAMED(try_##counter##_, expression)
#define GMEMFS_TRY_EXPANDED(counter, expression) GMEMFS_TRY_COUNTED(counter, expression)
/// The value of a Result, or a return of its Error from the calling function. Each use has a name of its own, so that
/// nested uses pass -Wshadow. TRY returns from the middle of an expression, so temporaries of that expression that were
/// made before aren't destroyed. So no owner stands beside a TRY in one expression.
#define TRY(...) GMEMFS_TRY_EXPANDED(__COUNTER__, (__VA_ARGS__))

} // namespace gmemfs
