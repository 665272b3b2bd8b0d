// Counts what a test program takes from the heap. Exactly one source file of a program defines
// THAW_TEST_HEAP_COUNTER_HOME before it includes this.
#pragma once

namespace thaw_test {
// Calls of operator new since the program began, on any thread.
long heap_allocations();
}  // namespace thaw_test

#if defined(THAW_TEST_HEAP_COUNTER_HOME)
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> heap_count{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++heap_count;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size == 0 ? 1 : size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* counted_or_stop(std::size_t size, std::size_t alignment) {
  void* block = counted(size, alignment);
  if (block == nullptr) std::abort();
  return block;
}
}  // namespace

long thaw_test::heap_allocations() { return heap_count.load(); }

void* operator new(std::size_t size) { return counted_or_stop(size, 1); }
void* operator new[](std::size_t size) { return counted_or_stop(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) { return counted_or_stop(size, std::size_t(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return counted_or_stop(size, std::size_t(a)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted(size, std::size_t(a));
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted(size, std::size_t(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
#endif
