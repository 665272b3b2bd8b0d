// BiasedAttention: multi-head attention over the sequences of a ragged batch, without biases in its projections, with
// scores by distance added where given.
//
//   thaw::BiasedAttention<thaw::Spec> plan = thaw::biased_attention_spec(512, 8, 64);
//   auto y = attention(x, segments, x, segments, {.bias = &scores, .before = 63});     // self-attention
//   auto z = attention(x, segments, memory, memory_segments, {});                      // cross-attention
//
// Scores are not divided by anything unless `scale` says so: T5 leaves that to the start values. For dense 4-D arrays
// and any additive bias see nn/attention.hpp.
#pragma once

#include "thaw/nn/projection.hpp"
#include "thaw/ops/segment_attention.hpp"

namespace thaw::inline v0 {

// What a call of BiasedAttention adds to the scores and leaves out.
template <Value T>
struct AttentionCall {
  const T* bias = nullptr;  // (heads, distances), column `before` being distance zero
  Index before = 0;
  bool causal = false;
  DropoutRule dropout = {};  // of the weights
};

template <Value T>
struct BiasedAttention {
  Projection<T> query, key, value, output;
  Index heads = 1;
  double scale = 1;

  // x (queries, width), from (keys, width) -> (queries, width).
  T operator()(const T& x, const Segments& queries, const T& from, const Segments& keys,
               const AttentionCall<T>& call) const {
    return output(mix(query(x), queries, key(from), value(from), keys, call));
  }
  // The same between projected queries, keys and values, before the output's projection.
  T mix(const T& q, const Segments& queries, const T& k, const T& v, const Segments& keys,
        const AttentionCall<T>& call) const {
    const SegmentAttentionSettings settings{.queries = queries,
                                            .keys = keys,
                                            .heads = heads,
                                            .before = call.before,
                                            .causal = call.causal,
                                            .scale = scale,
                                            .dropout = call.dropout};
    return call.bias == nullptr ? segment_attention(q, k, v, settings)
                                : segment_attention(q, k, v, *call.bias, settings);
  }
  static void each(auto&& visit, auto&... m) {
    visit("query", m.query...);
    visit("key", m.key...);
    visit("value", m.value...);
    visit("output", m.output...);
    visit("heads", m.heads...);
    visit("scale", m.scale...);
  }
};

// `head_width` numbers a head; heads times that need not be the width. Start values as T5's: queries are small enough
// that scores need no divisor.
inline BiasedAttention<Spec> biased_attention_spec(Index width, Index heads, Index head_width, double scale = 1) {
  const Index inner = heads * head_width;
  const auto root = [](Index n) { return 1 / __builtin_sqrt(static_cast<double>(n)); };
  return {projection_spec(width, inner, root(width * head_width)),
          projection_spec(width, inner, root(width)),
          projection_spec(width, inner, root(width)),
          projection_spec(inner, width, root(inner)),
          heads,
          scale};
}

}  // namespace thaw::inline v0
