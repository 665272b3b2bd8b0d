// What a beam search asks of a language model, one token at a time.
//
//   model.start(...);                              // encodes the prompts once; how is the model's own matter
//   model.step(tokens, parents);                   // first call: one row a user, parents[r] = r
//   model.logits(row, children, scores);           // only the vocabulary rows that may follow
//   model.step(next_tokens, next_parents);         // rows may be reordered, repeated, dropped, more or fewer
//
// Row r of a step continues row parents[r] of the step before with tokens[r]; it keeps that row's user and past. In
// the first step parents[r] is the user. Not a search: that is beam_search.hpp's.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/core/config.hpp"

namespace elmrec {

using thaw::Index;
using Tokens = std::span<const std::int32_t>;

// `step` computes the rows' hidden states and keeps them until the next call; `logits` writes, for one of those rows,
// one unnormalised score for each of the token ids asked for.
template <class M>
concept StepModel = requires(M& model, Tokens tokens, Index row, float* out) {
  model.step(tokens, tokens);
  model.logits(row, tokens, out);
};

}  // namespace elmrec
