#include "thaw/train/interrupt.hpp"

#include <doctest/doctest.h>

#if THAW_HAS_POSIX_SIGNALS
#include <sys/wait.h>
#include <unistd.h>

using namespace thaw;

namespace {

volatile std::sig_atomic_t own_handler_calls = 0;
void own_handler(int) { own_handler_calls = own_handler_calls + 1; }

// Runs `body` in a child process and returns how that ended, as wait() tells it.
template <class Body>
int status_of_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(7);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("the first signal raises the flag and the old handler comes back") {
  struct sigaction action = {}, before = {}, after = {};
  action.sa_handler = own_handler;
  ::sigaction(SIGINT, &action, &before);
  {
    InterruptGuard guard;
    CHECK(!guard.interrupted());
    CHECK(guard.signal_number() == 0);
    std::raise(SIGINT);
    CHECK(guard.interrupted());
    CHECK(guard.signal_number() == SIGINT);
    CHECK(own_handler_calls == 0);
  }
  std::raise(SIGINT);
  CHECK(own_handler_calls == 1);
  ::sigaction(SIGINT, nullptr, &after);
  CHECK((after.sa_handler == own_handler));
  ::sigaction(SIGINT, &before, nullptr);
}

TEST_CASE("a new guard starts clean, an inner guard shares the flag") {
  InterruptGuard outer;
  CHECK(!outer.interrupted());
  {
    InterruptGuard inner;
    std::raise(SIGTERM);
    CHECK(inner.signal_number() == SIGTERM);
  }
  CHECK(outer.interrupted());
}

TEST_CASE("the second signal ends the program, also across kinds and inner guards") {
  const int twice = status_of_child([] {
    InterruptGuard guard;
    std::raise(SIGINT);
    std::raise(SIGINT);
  });
  CHECK(WIFSIGNALED(twice));
  CHECK(WTERMSIG(twice) == SIGINT);
  const int mixed = status_of_child([] {
    InterruptGuard guard;
    std::raise(SIGINT);
    { InterruptGuard inner; }
    std::raise(SIGTERM);
  });
  CHECK(WIFSIGNALED(mixed));
  CHECK(WTERMSIG(mixed) == SIGTERM);
}

TEST_CASE("an ignored signal stays ignored") {
  struct sigaction ignore = {}, before = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &before);
  {
    InterruptGuard guard;
    std::raise(SIGINT);
    CHECK(!guard.interrupted());
  }
  ::sigaction(SIGINT, &before, nullptr);
}

#endif
