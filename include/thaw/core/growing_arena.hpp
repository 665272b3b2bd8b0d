// GrowingArena: an Arena that takes chunks from the heap as needed and keeps them until it ends. For hosts.
//
//   thaw::GrowingArena arena(8 << 20);
#pragma once

#include "thaw/core/arena.hpp"

namespace thaw::inline v0 {

class GrowingArena : public Arena {
 public:
  // `first_bytes`: size of the first chunk; later chunks double.
  explicit GrowingArena(std::size_t first_bytes = std::size_t(1) << 20) : Arena(&GrowingArena::allocate) {
    reserve(first_bytes);
  }
  ~GrowingArena() {
    for (Chunk* c = first_grown(); c != nullptr;) {
      Chunk* next = c->next;
      ::operator delete(static_cast<void*>(c), std::align_val_t(kAlignment));
      c = next;
    }
  }

 private:
  static Chunk* allocate(std::size_t bytes) {
    static_assert(sizeof(Chunk) <= kAlignment);
    void* block = ::operator new(bytes + kAlignment, std::align_val_t(kAlignment), std::nothrow);
    if (block == nullptr) return nullptr;
    return ::new (block) Chunk{nullptr, static_cast<std::byte*>(block) + kAlignment, bytes};
  }
};

}  // namespace thaw::inline v0
