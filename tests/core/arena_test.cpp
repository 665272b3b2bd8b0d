#include "thaw/core/arena.hpp"

#include <cstring>

#include "tests/ops/fixture.hpp"
#include "thaw/core/growing_arena.hpp"

using namespace thaw_test;

namespace {
bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % thaw::kAlignment == 0; }
}  // namespace

TEST_CASE("a caller's buffer: aligned blocks that do not overlap, whatever its own alignment") {
  alignas(64) static std::byte buffer[1024];
  for (const std::size_t skip : {std::size_t(0), std::size_t(1), std::size_t(63)}) {
    thaw::Arena arena(buffer + skip, sizeof buffer - skip);
    CHECK(arena.capacity() == (skip == 0 ? 1024u : 960u));
    char* first = arena.take<char>(1);
    double* second = arena.take<double>(9);
    CHECK(aligned(first));
    CHECK(aligned(second));
    CHECK(reinterpret_cast<char*>(second) - first == 64);
    CHECK(first >= reinterpret_cast<char*>(buffer));
    CHECK(arena.used() == 64 + 128);
  }
}

TEST_CASE("rewinding gives memory back, nested") {
  alignas(64) static std::byte buffer[512];
  thaw::Arena arena(buffer, sizeof buffer);
  (void)arena.take<char>(64);
  const auto outer = arena.mark();
  void* a = arena.take_bytes(64);
  {
    thaw::ArenaScope scope(arena);
    void* b = arena.take_bytes(256);
    CHECK(b != a);
    CHECK(arena.used() == 384);
  }
  CHECK(arena.used() == 128);
  arena.rewind(outer);
  CHECK(arena.take_bytes(64) == a);
  CHECK(arena.peak() == 384);
}

TEST_CASE("growth keeps what was handed out, and asks for nothing the second time") {
  thaw::GrowingArena arena(256);
  const auto mark = arena.mark();
  const auto fill = [&] {
    unsigned char* blocks[20];
    for (int i = 0; i < 20; ++i) {
      blocks[i] = arena.take<unsigned char>(100 * (i + 1));
      CHECK(aligned(blocks[i]));
      std::memset(blocks[i], i, static_cast<std::size_t>(100 * (i + 1)));
    }
    for (int i = 0; i < 20; ++i)
      for (int j = 0; j < 100 * (i + 1); ++j)
        if (blocks[i][j] != i) return false;
    return true;
  };
  CHECK(fill());
  const std::size_t grown = arena.capacity();
  CHECK(grown >= 21000);
  arena.rewind(mark);
  CHECK(arena.used() == 0);
  arena.forbid_growth();
  CHECK(fill());
  CHECK(arena.capacity() == grown);
}

TEST_CASE("reserve makes room without using it") {
  thaw::GrowingArena arena(256);
  arena.reserve(10000);
  CHECK(arena.used() == 0);
  CHECK(arena.peak() == 0);
  arena.forbid_growth();
  CHECK(arena.take_bytes(10000) != nullptr);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("a buffer that is too small: the message says how much was asked, free and there") {
  alignas(64) static std::byte buffer[256];
  thaw::Arena arena(buffer, sizeof buffer);
  (void)arena.take_bytes(64);
  const thaw::Fault fault = message_of([&] { (void)arena.take_bytes(200); });
  CHECK(fault.kind == thaw::FaultKind::out_of_memory);
  CHECK(says(fault, "256 bytes asked for, 192 free of 256"));
  CHECK(says(fault, "larger buffer"));
  thaw::GrowingArena growing(256);
  growing.forbid_growth();
  CHECK(says(message_of([&] { (void)growing.take_bytes(100000); }), "arena: 100032 bytes asked for"));
  static std::byte tiny[8];
  thaw::Arena none(tiny, sizeof tiny);
  CHECK(says(message_of([&] { (void)none.take_bytes(64); }), "arena"));
}
#endif
