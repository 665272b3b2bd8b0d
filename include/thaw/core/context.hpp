// What a context owns memory by: one arena on the host, or two where numbers live on a device.
//
//   float* x = thaw::memory_of(context).template take<float>(100);   // numbers, where the backend computes
//   thaw::ContextScope scope(context);                               // at its end both arenas are rewound
//   thaw::run_as_one(context, [&] { loss = ...; gradients = parameters.gradient(loss); });
//
// A context always has `arena`, for plain data that the host reads: nodes of a tape, lists of ids, pointers. A backend
// whose numbers the host cannot read has a second arena, `memory`, for them.
#pragma once

#include "thaw/core/arena.hpp"

namespace thaw::inline v0 {

// Whether the numbers of a context's arrays are out of the host's reach.
template <class Context>
inline constexpr bool has_own_memory = requires(Context& context) {
  context.memory;
};

// Where the numbers of arrays come from.
template <class Context>
THAW_ALWAYS_INLINE Arena& memory_of(Context& context) {
  if constexpr (has_own_memory<Context>)
    return *context.memory;
  else
    return *context.arena;
}

// Runs work that does not wait for its numbers, so that a device may take all its launches as one. A host just runs it.
template <class Context, class Work>
THAW_ALWAYS_INLINE void run_as_one(Context& context, const Work& work) {
  if constexpr (requires { context.device->as_one(work); })
    context.device->as_one(work);
  else
    work();
}

// A position in all arenas of a context.
template <class Context>
class ContextMark {
 public:
  ContextMark() = default;
  explicit ContextMark(Context& context) : arena_(context.arena->mark()) {
    if constexpr (has_own_memory<Context>) memory_ = context.memory->mark();
  }
  void rewind(Context& context) const {
    context.arena->rewind(arena_);
    if constexpr (has_own_memory<Context>) context.memory->rewind(memory_);
  }

 private:
  struct Nothing {};
  Arena::Mark arena_;
  [[no_unique_address]] std::conditional_t<has_own_memory<Context>, Arena::Mark, Nothing> memory_;
};

// Rewinds the arenas of a context at the end of a block.
template <class Context>
class ContextScope {
 public:
  explicit ContextScope(Context& context) : context_(context), mark_(context) {}
  ~ContextScope() { mark_.rewind(context_); }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  Context& context_;
  ContextMark<Context> mark_;
};

}  // namespace thaw::inline v0
