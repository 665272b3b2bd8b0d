// Arena: memory handed out by moving a pointer, given back all at once by rewinding to a mark.
//
//   alignas(64) static std::byte buffer[8192];
//   thaw::Arena arena(buffer, sizeof buffer);       // a caller's buffer; never allocates
//   thaw::Arena::Mark mark = arena.mark();
//   float* x = arena.take<float>(100);              // 64-byte aligned
//   arena.rewind(mark);                             // x is gone
//
// A growing arena (core/growing_arena.hpp) asks for a new chunk when the last is full, and keeps its chunks when it
// rewinds: after the largest step has been seen nothing is allocated. No destructor ever runs.
#pragma once

#include <type_traits>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

class Arena {
 public:
  struct Chunk {
    Chunk* next;
    std::byte* begin;
    std::size_t size;
  };
  struct Mark {
    Chunk* chunk;
    std::size_t offset;
    std::size_t used;
  };
  // Returns a chunk of at least `size` bytes whose `begin` is 64-byte aligned, or null.
  using Grow = Chunk* (*)(std::size_t size);

  // Hands out parts of the caller's buffer, and stops the program with a message when it is too small.
  Arena(void* buffer, std::size_t size) : Arena(nullptr) {
    const auto address = reinterpret_cast<std::uintptr_t>(buffer);
    const std::size_t skip = (kAlignment - address % kAlignment) % kAlignment;
    own_ = {nullptr, static_cast<std::byte*>(buffer) + skip, size > skip ? size - skip : 0};
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* take_bytes(std::size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (bytes > current_->size - offset_) [[unlikely]]
      next_chunk(bytes);
    void* start = current_->begin + offset_;
    offset_ += bytes;
    used_ += bytes;
    if (used_ > peak_) peak_ = used_;
    return start;
  }
  template <class T>
  T* take(Index count) {
    static_assert(std::is_trivially_destructible_v<T>, "an arena runs no destructors");
    return static_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }

  Mark mark() const { return {current_, offset_, used_}; }
  void rewind(const Mark& mark) {
    current_ = mark.chunk;
    offset_ = mark.offset;
    used_ = mark.used;
  }

  // Bytes in use, and the most that ever were.
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }
  // Bytes of all chunks.
  std::size_t capacity() const {
    std::size_t bytes = 0;
    for (const Chunk* c = &own_; c != nullptr; c = c->next) bytes += c->size;
    return bytes;
  }
  // Makes sure that `bytes` can be taken in one piece now without growing later.
  void reserve(std::size_t bytes) {
    const Mark here = mark();
    const std::size_t peak = peak_;
    take_bytes(bytes);
    rewind(here);
    peak_ = peak;
  }
  // From now on a request that does not fit stops the program instead of growing; for finding hidden allocations.
  void forbid_growth() { grow_ = nullptr; }

 protected:
  explicit Arena(Grow grow) : grow_(grow), current_(&own_) {}
  Chunk* first_grown() const { return own_.next; }

 private:
  void next_chunk(std::size_t bytes) {
    // Skip to a later chunk that is big enough; what is passed over stays unused until the next rewind.
    Chunk* at = current_;
    while (at->next != nullptr) {
      at = at->next;
      if (at->size >= bytes) {
        current_ = at;
        offset_ = 0;
        return;
      }
    }
    Chunk* fresh = nullptr;
    if (grow_ != nullptr) {
      const std::size_t twice = 2 * at->size;
      fresh = grow_(bytes > twice ? bytes : twice);
    }
    if (fresh == nullptr)
      stop(make_fault(FaultKind::out_of_memory, "arena: ", bytes, " bytes asked for, ", current_->size - offset_,
                      " free of ", capacity(), "; give the arena a larger buffer"));
    fresh->next = nullptr;
    at->next = fresh;
    current_ = fresh;
    offset_ = 0;
  }

  Grow grow_;
  Chunk own_{nullptr, nullptr, 0};
  Chunk* current_;
  std::size_t offset_ = 0;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

// Rewinds an arena at the end of a block.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.rewind(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace thaw::inline v0
