// T5Decoder: T5 as the step model of thaw/decode: prompts are encoded once, then beams grow a token at a time.
//
//   elmrec::T5Decoder<thaw::CpuEigen> decoder(weights, /*threads*/ 2);
//   decoder.start(tokens, rows, /*beams*/ 20, /*steps*/ 6);    // rows: where each prompt begins
//   search.run(decoder, ...);                                   // thaw/decode/constrained_beam_search.hpp
//
// Rows attend to their own prompt only, whatever else is in the batch (the official code of ELMRec lets them see the
// padding). Not for training: see T5 itself.
#pragma once

#include <vector>

#include "elmrec/t5.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/decode/step_model.hpp"
#include "thaw/nn/stepwise_decoder.hpp"

namespace elmrec {

using Tokens = std::span<const std::int32_t>;

template <class B, class R = float>
class T5Decoder {
 public:
  using A = thaw::Array<R, B>;

  // The weights must outlive the decoder; their numbers may change between calls of start.
  template <class... Settings>
  explicit T5Decoder(const T5<A>& weights, Settings... settings)
      : context_{&arena_, settings...}, decoder_(weights, context_), mark_(arena_.mark()) {}
  T5Decoder(const T5Decoder&) = delete;
  T5Decoder& operator=(const T5Decoder&) = delete;

  // Reads prompts: row_ids of all prompts one after another, prompt p being rows[p] .. rows[p + 1). At most `beams`
  // rows a prompt in any step, and `steps` steps.
  void start(Tokens row_ids, const thaw::Segments& rows, Index beams, Index steps) {
    arena_.rewind(mark_);
    const A vectors = decoder_.net().embed({row_ids.data(), nullptr, static_cast<Index>(row_ids.size()), false});
    begin(decoder_.net().encode(vectors, rows), rows, beams, steps);
  }
  // The same for what an encoder gave already, (rows, d_model): make(context) computes it in the decoder's own arena.
  template <class Make>
  void start_from(const Make& make, const thaw::Segments& rows, Index beams, Index steps) {
    arena_.rewind(mark_);
    begin(make(context_), rows, beams, steps);
  }

  // See thaw/decode/step_model.hpp. A step is computed when its rows are looked at or continued: the last tokens of
  // beams whose end is certain cost nothing.
  void step(Tokens tokens, Tokens parents) {
    settle();
    tokens_.assign(tokens.begin(), tokens.end());
    parents_.assign(parents.begin(), parents.end());
  }
  void logits(Index row, Tokens ids, R* out) {
    settle();
    decoder_.logits(row, ids.data(), static_cast<Index>(ids.size()), out);
  }
  // The rows' vectors (rows, d_model) of the last step, already multiplied by d_model^-1/2.
  A hidden() {
    settle();
    return decoder_.hidden();
  }
  const thaw::StepwiseDecoder<R, B>& stepwise() {
    settle();
    return decoder_;
  }
  thaw::Arena& arena() { return arena_; }

 private:
  void begin(const A& memory, const thaw::Segments& rows, Index beams, Index steps) {
    tokens_.clear();
    decoder_.start(memory, rows, rows.count * beams, steps);
  }
  void settle() {
    if (tokens_.empty()) return;
    decoder_.step(tokens_.data(), parents_.data(), static_cast<Index>(tokens_.size()));
    tokens_.clear();
  }

  thaw::GrowingArena arena_;
  typename B::Context context_;
  thaw::StepwiseDecoder<R, B> decoder_;
  thaw::Arena::Mark mark_;
  std::vector<std::int32_t> tokens_, parents_;  // of a step that is not computed yet
};

}  // namespace elmrec
