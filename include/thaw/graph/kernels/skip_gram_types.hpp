// What the kernels of skip_gram.hpp are handed, whatever the instruction set.
#pragma once

#include "thaw/backend/kernels/vector_math.hpp"
#include "thaw/core/config.hpp"

namespace thaw::inline v0 {
namespace detail {

inline constexpr int kSkipGramTargets = 32;  // the centre and up to 31 negatives

// One centre, the nodes around it, and the negatives of each pair.
struct SkipGramWindow {
  float* input;   // (nodes, width)
  float* output;  // (nodes, width)
  Index width;
  std::int32_t centre;
  Index contexts;
  const std::int32_t* context;    // (contexts)
  const std::int32_t* negatives;  // (contexts + 1, negative_count), or (negative_count) when shared
  int negative_count;
  bool shared;
  float rate;
  float* scratch;  // (width)
};

// Dot products become (label - sigmoid(dot)) * rate; the first is the centre's, whose label is 1.
THAW_ALWAYS_INLINE void skip_gram_slopes(float* slope, int count, float rate) {
  THAW_VECTOR_LOOP
  for (int t = 0; t < count; ++t) slope[t] = ((t == 0 ? 1.0f : 0.0f) - 1.0f / (1.0f + Exp::value(-slope[t]))) * rate;
}

}  // namespace detail
}  // namespace thaw::inline v0
