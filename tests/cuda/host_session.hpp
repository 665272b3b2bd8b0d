// Runs checks of a device on the host: in float with memory that the host may not read, in double with threads and
// blocks in the opposite order, so that a missing barrier changes a result.
#pragma once

#include <doctest/doctest.h>

#include "tests/cuda/guarded_memory.hpp"
#include "tests/cuda/report.hpp"
#include "thaw/backend/cuda/host_device.hpp"

namespace device_checks {

struct HostSession {
  GuardedMemory memory;
  thaw::GrowingArena arena;
  thaw::HostDevice device;
  thaw::HostGrid::Context context{&arena, &memory.arena(), &device};

  explicit HostSession(bool backwards = false) {
    device.backwards = backwards;
    if (backwards) {
      GuardedMemory::guard(&memory, true);
      return;
    }
    device.guard = GuardedMemory::guard;
    device.guarded = &memory;
  }
};

template <class R, class Check>
void hold_on_host(const Check& check) {
  HostSession session(/*backwards*/ sizeof(R) == 8);
  Report report;
  check(Side<thaw::HostGrid, R>{session.context, report});
  CHECK(!report.results.empty());
  for (const Result& r : report.results) {
    INFO(r.name);
    CHECK(r.error <= r.bound);
  }
  CHECK(session.memory.arena().used() == 0);
}

}  // namespace device_checks
