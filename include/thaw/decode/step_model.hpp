// StepModel: what a beam search asks of a language model, one token at a time.
//
//   model.step(tokens, parents);        // first call: one row a prompt, parents[r] = r
//   model.logits(row, ids, out);        // only the vocabulary rows that may follow
//   model.step(tokens, parents);        // rows may be reordered, repeated, dropped, more or fewer
//
// Row r of a step continues row parents[r] of the step before with tokens[r] and keeps that row's prompt and past. A
// search begins right after the model has read its prompts; how it does that is the model's own matter, and so are its
// caches.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

// `step` computes the rows' states and keeps them until the next call. `logits` writes, for one of those rows, one
// unnormalised score for each of the token ids asked for.
template <class M>
concept StepModel = requires(M& model, std::span<const std::int32_t> ids, Index row, float* out) {
  model.step(ids, ids);
  model.logits(row, ids, out);
};

}  // namespace thaw::inline v0
