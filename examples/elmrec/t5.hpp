// T5 (Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer", 2020): its
// sizes, as plans of the library's encoder-decoder.
//
//   const auto plan = elmrec::t5_plan(elmrec::kT5Small);           // 60,506,624 numbers
//   thaw::Parameters<elmrec::T5<thaw::Spec>> weights(plan, context, /*seed*/ 7);
//
// The first T5: ReLU, one table for both inputs and the output. Not T5 1.1 (gated, untied). Files: t5_file.hpp.
#pragma once

#include <span>

#include "thaw/nn/encoder_decoder.hpp"

namespace elmrec {

using thaw::Index;

template <thaw::Value T>
using T5 = thaw::EncoderDecoder<T>;

// Ids of the pieces with a meaning of their own.
inline constexpr std::int32_t kPad = 0, kEnd = 1, kUnknown = 2;
inline constexpr std::int32_t kStart = kPad;  // what the decoder reads first

// Sizes by the names of the published configuration files.
struct T5Config {
  Index vocab_size = 32128, d_model = 512, d_kv = 64, num_heads = 8, d_ff = 2048;
  int num_layers = 6, num_decoder_layers = 6;
  Index relative_attention_num_buckets = 32, relative_attention_max_distance = 128;
  double dropout_rate = 0.1, layer_norm_epsilon = 1e-6;
};
inline constexpr T5Config kT5Small{};

// Shapes, and the start values of the published code with factor 1: all normal, see biased_attention_spec.
inline T5<thaw::Spec> t5_plan(const T5Config& c) {
  return thaw::encoder_decoder_spec({.vocabulary = c.vocab_size,
                                     .width = c.d_model,
                                     .heads = c.num_heads,
                                     .head_width = c.d_kv,
                                     .hidden = c.d_ff,
                                     .encoder_blocks = c.num_layers,
                                     .decoder_blocks = c.num_decoder_layers,
                                     .buckets = c.relative_attention_num_buckets,
                                     .farthest = c.relative_attention_max_distance,
                                     .epsilon = c.layer_norm_epsilon});
}

// What the decoder reads to write `answer`: the start token and all of it but the last. `read` has as many ids.
inline void shift_right(std::span<const std::int32_t> answer, std::span<std::int32_t> read) {
  for (std::size_t i = 0; i < answer.size(); ++i) read[i] = i == 0 ? kStart : answer[i - 1];
}

}  // namespace elmrec
