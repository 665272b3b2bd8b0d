// Errors: `Result<T>` for what bad data can cause, one replaceable handler for programmer errors.
//
//   thaw::Result<Ratings> r = read_ratings("ratings.csv");
//   if (!r) { std::fputs(r.fault().text, stderr); return 1; }
//   use(r.value());
//
// The library neither throws nor catches. `value_or_throw()` exists when exceptions are on.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "thaw/core/config.hpp"

#if !defined(THAW_NO_STDIO)
#include <cstdio>
#include <cstdlib>
#endif

namespace thaw::inline v0 {

enum class FaultKind : std::uint8_t {
  not_found,      // a file or name does not exist
  unreadable,     // the system refused to read or write
  malformed,      // the bytes do not follow the format
  mismatch,       // valid, but not what was asked for (shape, type, name)
  out_of_range,   // an id, size or setting outside its limits
  out_of_memory,  // the caller's buffer is too small
  unsupported,    // valid, but this build or function cannot do it
};

// A text view that does not need <string_view>.
struct TextView {
  const char* data;
  std::size_t size;
};

// What went wrong: which thing, where, and what to do. Long parts are cut, never overrun.
struct Fault {
  static constexpr std::size_t kCapacity = 504;
  FaultKind kind = FaultKind::malformed;
  std::uint16_t size = 0;
  char text[kCapacity] = {0};

  Fault& add(const char* s) {
    while (*s != '\0') push(*s++);
    return *this;
  }
  Fault& add(TextView s) {
    for (std::size_t i = 0; i < s.size; ++i) push(s.data[i]);
    return *this;
  }
  Fault& add(char c) {
    push(c);
    return *this;
  }
  template <class T>
  requires(std::is_integral_v<T>) Fault& add(T number) {
    if constexpr (std::is_signed_v<T>) {
      if (number < 0) {
        push('-');
        return digits(std::uint64_t(0) - static_cast<std::uint64_t>(number));
      }
    }
    return digits(static_cast<std::uint64_t>(number));
  }
  // Six decimals are enough to recognise a number in a message.
  Fault& add(double number) {
    if (number != number) return add("nan");
    if (number < 0) {
      push('-');
      number = -number;
    }
    if (number > 1e18) return add("more than 1e18");
    auto whole = static_cast<std::uint64_t>(number);
    auto fraction = static_cast<std::uint64_t>((number - static_cast<double>(whole)) * 1e6 + 0.5);
    if (fraction > 999999) {
      ++whole;
      fraction = 0;
    }
    digits(whole);
    if (fraction == 0) return *this;
    push('.');
    std::uint64_t place = 100000;
    while (fraction != 0) {
      push(static_cast<char>('0' + fraction / place));
      fraction %= place;
      place /= 10;
    }
    return *this;
  }
  // Any type that knows how to describe itself in a fault (Shape does).
  template <class T>
  requires requires(const T& t, Fault& f) { t.describe(f); }
  Fault& add(const T& thing) {
    thing.describe(*this);
    return *this;
  }

 private:
  void push(char c) {
    if (size + 1u < kCapacity) {
      text[size++] = c;
      text[size] = '\0';
    }
  }
  Fault& digits(std::uint64_t number) {
    char reversed[20];
    int count = 0;
    do {
      reversed[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count > 0) push(reversed[--count]);
    return *this;
  }
};

// make_fault(FaultKind::malformed, path, ", line ", 12, ": expected a number"): text from parts.
template <class... Parts>
Fault make_fault(FaultKind kind, const Parts&... parts) {
  Fault fault;
  fault.kind = kind;
  (fault.add(parts), ...);
  return fault;
}

// Called with the message of a programmer error (shapes that do not fit, mixed tapes). It must not return; when
// it does, the program is stopped. Tests install one that throws.
using FaultHandler = void (*)(const Fault&);

namespace detail {
inline FaultHandler& fault_handler() {
  static constinit FaultHandler handler = nullptr;
  return handler;
}
}  // namespace detail

// Installs a handler and returns the one before. Not for use while other threads compute.
inline FaultHandler set_fault_handler(FaultHandler handler) { return std::exchange(detail::fault_handler(), handler); }

[[noreturn]] inline void stop(const Fault& fault) {
  if (detail::fault_handler() != nullptr) detail::fault_handler()(fault);
#if !defined(THAW_NO_STDIO)
  std::fputs("thaw: ", stderr);
  std::fputs(fault.text, stderr);
  std::fputs("\n", stderr);
  std::abort();
#else
  __builtin_trap();
#endif
}

// require(a == b, "matmul: inner sizes differ, ", shape_a, " and ", shape_b): checks what a programmer must hold.
template <class... Parts>
THAW_ALWAYS_INLINE constexpr void require(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    stop(make_fault(FaultKind::mismatch, parts...));
}

// Either a value or a Fault. `T` may be move-only.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : ok_(true) { ::new (static_cast<void*>(&value_)) T(std::move(value)); }
  Result(const Fault& fault) : ok_(false) { ::new (static_cast<void*>(&fault_)) Fault(fault); }
  Result(Result&& other) noexcept : ok_(other.ok_) {
    if (ok_)
      ::new (static_cast<void*>(&value_)) T(std::move(other.value_));
    else
      ::new (static_cast<void*>(&fault_)) Fault(other.fault_);
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  Result& operator=(Result&&) = delete;
  ~Result() {
    if (ok_) value_.~T();
  }

  explicit operator bool() const { return ok_; }
  bool ok() const { return ok_; }
  // The value; asking a failed result for it is a programmer error.
  T& value() & {
    if (!ok_) stop(fault_);
    return value_;
  }
  const T& value() const& {
    if (!ok_) stop(fault_);
    return value_;
  }
  T&& value() && {
    if (!ok_) stop(fault_);
    return std::move(value_);
  }
  const Fault& fault() const {
    require(!ok_, "Result::fault: the result holds a value, not a fault");
    return fault_;
  }
#if THAW_HAS_EXCEPTIONS
  // For programs that prefer exceptions: the Fault itself is thrown.
  T value_or_throw() && {
    if (!ok_) throw fault_;
    return std::move(value_);
  }
#endif

 private:
  bool ok_;
  union {
    T value_;
    Fault fault_;
  };
};

// The value of a call that returns nothing but may fail.
struct Done {};

}  // namespace thaw::inline v0
