// Ctrl-C that lets a training run end well: finish the step, save the checkpoint, write the report.
//
//   thaw::InterruptGuard guard;
//   for (Index step = 0; step < steps && !guard.interrupted(); ++step) train_one(step);
//   save_checkpoint();  // reached after the last step and after Ctrl-C alike
//
// The first SIGINT or SIGTERM only raises a flag. The second acts as if the guard were not there and ends the
// program. A signal that was ignored before (nohup) stays ignored. The old handlers come back with the guard's end.
//
// Not a general signal library, and not for several threads: create it where the program starts to train. Without
// POSIX signals it does nothing and interrupted() stays false.
#pragma once

#include <csignal>

#include "thaw/core/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#define THAW_HAS_POSIX_SIGNALS 1
#else
#define THAW_HAS_POSIX_SIGNALS 0
#endif

namespace thaw::inline v0 {

namespace detail {

// The one exception to "no global mutable state": a signal handler receives nothing but the signal's number, so the
// flag it sets must be reachable without an object. sig_atomic_t is the type that the standard lets a handler write.
inline volatile std::sig_atomic_t& interrupt_signal() {
  static volatile std::sig_atomic_t signal_number = 0;
  return signal_number;
}

// Guards alive. Only the outermost installs and restores: an inner one would re-arm a handler that already fired.
inline int& interrupt_depth() {
  static constinit int depth = 0;
  return depth;
}

#if THAW_HAS_POSIX_SIGNALS
inline void on_interrupt(int signal_number) {
  interrupt_signal() = signal_number;
  // Either signal now ends the program: a run that does not stop must not be able to hold the terminal.
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  ::sigemptyset(&by_default.sa_mask);
  ::sigaction(SIGINT, &by_default, nullptr);
  ::sigaction(SIGTERM, &by_default, nullptr);
}
#endif

}  // namespace detail

class InterruptGuard {
 public:
  InterruptGuard() {
    if (detail::interrupt_depth()++ > 0) return;
    detail::interrupt_signal() = 0;
#if THAW_HAS_POSIX_SIGNALS
    install(SIGINT, old_interrupt_);
    install(SIGTERM, old_terminate_);
#endif
  }
  ~InterruptGuard() {
    if (--detail::interrupt_depth() > 0) return;
#if THAW_HAS_POSIX_SIGNALS
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
#endif
    detail::interrupt_signal() = 0;
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // True from the first SIGINT or SIGTERM on.
  bool interrupted() const { return detail::interrupt_signal() != 0; }
  // SIGINT, SIGTERM, or 0. A program that ends because of it exits with 128 + this number.
  int signal_number() const { return static_cast<int>(detail::interrupt_signal()); }

 private:
#if THAW_HAS_POSIX_SIGNALS
  static void install(int signal_number, struct sigaction& old) {
    ::sigaction(signal_number, nullptr, &old);
    const bool is_ignored = (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_IGN;
    if (is_ignored) return;
    struct sigaction action = {};
    action.sa_handler = detail::on_interrupt;
    action.sa_flags = SA_RESTART;  // a read or write under way goes on instead of failing with EINTR
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal_number, &action, nullptr);
  }
  struct sigaction old_interrupt_ = {};
  struct sigaction old_terminate_ = {};
#endif
};

}  // namespace thaw::inline v0
