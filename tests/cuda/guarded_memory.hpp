// Memory that only kernels and copies may touch: what stands in for a GPU's where a test has none.
//
//   GuardedMemory memory;                              // an arena whose pages are closed
//   device.guard = GuardedMemory::guard, device.guarded = &memory;
//
// A host that reads a device's number by its pointer ends the program at once, as it would beside a GPU.
#pragma once

#include <sys/mman.h>

#include "thaw/core/arena.hpp"

namespace device_checks {

class GuardedMemory {
 public:
  GuardedMemory() : begin_(map()), arena_(begin_, kBytes) {}  // closed
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory() { munmap(begin_, kBytes); }

  thaw::Arena& arena() { return arena_; }
  static void guard(void* who, bool open) {
    auto* const self = static_cast<GuardedMemory*>(who);
    // Pages that were never taken stay as they began, but for one that is opened before anything is taken.
    const std::size_t used = self->arena_.peak();
    const std::size_t pages = used == 0 ? kBytes : (used + kPage - 1) / kPage * kPage;
    thaw::require(mprotect(self->begin_, pages, open ? PROT_READ | PROT_WRITE : PROT_NONE) == 0,
                  "GuardedMemory: the system refused");
  }

 private:
  static constexpr std::size_t kBytes = std::size_t(256) << 20, kPage = 4096;
  static void* map() {
    void* const at = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    thaw::require(at != MAP_FAILED, "GuardedMemory: no address space");
    return at;
  }

  void* begin_;
  thaw::Arena arena_;
};

}  // namespace device_checks
