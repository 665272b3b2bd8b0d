// Relative positions in buckets: a learned score for each attention head and each bucket of distances.
//
//   thaw::RelativeBias<thaw::Spec> plan = thaw::relative_bias_spec(32, 8, /*two_sided*/ true);
//   auto scores = bias(/*before*/ 63, /*after*/ 63);        // (heads, 127): column d + 63 is distance d
//
// Distance = position of the key minus position of the query. Near distances have a bucket each, far ones share
// buckets of logarithmic width, all beyond `farthest` share the last (Raffel et al., 2020, section 2.1).
// For use in ops/segment_attention.hpp. Not rotary or sinusoidal positions.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/index.hpp"

namespace thaw::inline v0 {

// The bucket of a distance, computed in float as the published model was. Two-sided: keys behind the query use the
// first half, keys after it the second. One-sided (causal): keys after the query share bucket 0.
inline std::int32_t relative_bucket(Index distance, Index buckets, bool two_sided, Index farthest = 128) {
  Index first = 0, span = buckets, far = distance < 0 ? -distance : 0;
  if (two_sided) {
    span /= 2;
    first = distance > 0 ? span : 0;
    far = distance < 0 ? -distance : distance;
  }
  const Index exact = span / 2;
  if (far < exact) return static_cast<std::int32_t>(first + far);
  const float share = __builtin_logf(static_cast<float>(far) / static_cast<float>(exact)) /
                      static_cast<float>(__builtin_log(static_cast<double>(farthest) / static_cast<double>(exact)));
  const Index bucket = exact + static_cast<Index>(share * static_cast<float>(span - exact));
  return static_cast<std::int32_t>(first + (bucket < span - 1 ? bucket : span - 1));
}

template <Value T>
struct RelativeBias {
  T table;  // (buckets, heads)
  bool two_sided = true;
  Index farthest = 128;

  // The scores of distances -before .. after: (heads, before + 1 + after). Looked up again in every call.
  T operator()(Index before, Index after) const {
    const Index count = before + 1 + after;
    return permute(gather(table, Bags{ids(before, count), nullptr, count, false}), {1, 0});
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.table...);
    visit("two_sided", m.two_sided...);
    visit("farthest", m.farthest...);
  }

 private:
  // In the arena of the computation: they live as long as its tape.
  const std::int32_t* ids(Index before, Index count) const {
    if constexpr (std::is_same_v<T, Spec>) {
      return nullptr;
    } else {
      require(table.context != nullptr, "RelativeBias: its table has no context to compute with");
      auto* out = table.context->arena->template take<std::int32_t>(count);
      for (Index i = 0; i < count; ++i) out[i] = relative_bucket(i - before, table.shape[0], two_sided, farthest);
      return out;
    }
  }
};

// Standard normals times width^-1/2 where `width` is the model's; 1 unless given.
inline RelativeBias<Spec> relative_bias_spec(Index buckets, Index heads, bool two_sided, Index farthest = 128,
                                             Index width = 1) {
  require(buckets >= 4 && buckets % 4 == 0 && farthest > buckets, "relative_bias_spec: ", buckets, " buckets up to ",
          farthest);
  return {Spec{{buckets, heads}, {Init::Kind::normal, 1 / __builtin_sqrt(static_cast<double>(width))}}, two_sided,
          farthest};
}

}  // namespace thaw::inline v0
