// EncoderDecoder: a transformer that reads vectors and writes tokens, over ragged batches: nothing is padded.
//
//   thaw::EncoderDecoder<thaw::Spec> plan = thaw::encoder_decoder_spec(settings);
//   auto x = thaw::add(net.embed(tokens), extra);              // any vectors may be added to those of the tokens
//   auto memory = net.encode(x, prompts, dropout);             // (prompt tokens, width)
//   auto h = net.decode(net.embed(previous), answers, memory, prompts, dropout);
//   auto loss = thaw::token_cross_entropy(net.logits(h), next);
//
// Pre-normalised blocks with root-mean-square norms and no biases, relative positions shared by the blocks of a stack,
// an output tied to the token table (Raffel et al., 2020: T5). One token at a time: nn/stepwise_decoder.hpp.
#pragma once

#include "thaw/nn/biased_attention.hpp"
#include "thaw/nn/relative_position.hpp"
#include "thaw/nn/rms_norm.hpp"
#include "thaw/ops/relu_projection.hpp"

namespace thaw::inline v0 {

struct EncoderDecoderSettings {
  Index vocabulary = 0, width = 0, heads = 1, head_width = 0, hidden = 0;
  int encoder_blocks = 1, decoder_blocks = 1;
  Index buckets = 32, farthest = 128;  // of relative positions
  double epsilon = 1e-6;
};

// Normalisation, then attention: what is added to a block's vectors.
template <Value T>
struct NormedAttention {
  RmsNorm<T> norm;
  BiasedAttention<T> attention;

  static void each(auto&& visit, auto&... m) {
    visit("norm", m.norm...);
    visit("attention", m.attention...);
  }
};

// Two projections with a ReLU between them, and dropout behind it.
template <Value T>
struct FeedForward {
  RmsNorm<T> norm;
  Projection<T> expand, contract;

  T operator()(const T& x, const DropoutRule& rule) const {
    return contract(dropout(relu_projection(norm(x), expand.weight), rule));
  }
  static void each(auto&& visit, auto&... m) {
    visit("norm", m.norm...);
    visit("expand", m.expand...);
    visit("contract", m.contract...);
  }
};

// One block; `cross` is empty in an encoder.
template <Value T>
struct TransformerBlock {
  NormedAttention<T> self;
  Several<NormedAttention<T>, 1> cross;
  FeedForward<T> feed_forward;

  static constexpr std::uint32_t kSites = 6;  // of dropout

  // x (rows, width) -> the same. `memory` (its rows, width) is read where there is a `cross`.
  T operator()(T x, const Segments& rows, const AttentionCall<T>& call, const T* memory, const Segments& memory_rows,
               DropoutRule rule) const {
    const auto next = [&] {
      const DropoutRule now = rule;
      ++rule.site;
      return now;
    };
    AttentionCall<T> own = call;
    own.dropout = next();
    const T normal = self.norm(x);
    x = add(x, dropout(self.attention(normal, rows, normal, rows, own), next()));
    if (cross.count > 0) {
      const DropoutRule weights = next();
      const T seen = cross[0].attention(cross[0].norm(x), rows, *memory, memory_rows, {.dropout = weights});
      x = add(x, dropout(seen, next()));
    }
    const DropoutRule inside = next();
    return add(x, dropout(feed_forward(x, inside), next()));
  }
  static void each(auto&& visit, auto&... m) {
    visit("self", m.self...);
    visit("cross", m.cross...);
    visit("feed_forward", m.feed_forward...);
  }
};

// Blocks one after another, with one table of relative positions and a norm at the end.
template <Value T>
struct TransformerStack {
  RelativeBias<T> positions;
  Several<TransformerBlock<T>, 24> blocks;
  RmsNorm<T> norm;

  // x (rows, width) -> the same. Dropout also on the input and behind the last norm.
  T operator()(T x, const Segments& rows, bool causal, const T* memory, const Segments& memory_rows,
               DropoutRule rule) const {
    const Index longest = rows.longest() > 0 ? rows.longest() : 1;
    const T bias = positions(longest - 1, causal ? longest : longest - 1);
    x = dropout(x, rule);
    ++rule.site;
    const AttentionCall<T> call{.bias = &bias, .before = longest - 1, .causal = causal};
    x = through_blocks(x, rows, call, memory, memory_rows, rule);
    return dropout(norm(x), rule);
  }
  static void each(auto&& visit, auto&... m) {
    visit("positions", m.positions...);
    visit("blocks", m.blocks...);
    visit("norm", m.norm...);
  }

 private:
  T through_blocks(T x, const Segments& rows, const AttentionCall<T>& call, const T* memory,
                   const Segments& memory_rows, DropoutRule& rule) const {
    if constexpr (is_array<T>) {
      // Nothing is recorded: every block computes in the memory of the one before, which is still in cache.
      const T kept = T::make(*x.context, x.shape);
      for (int i = 0; i < blocks.count; ++i, rule.site += TransformerBlock<T>::kSites) {
        ArenaScope scope(*x.context->arena);
        const T y = blocks[i](x, rows, call, memory, memory_rows, rule);
        T::Backend::copy(*x.context, y.size(), y.data, kept.data);
        x = kept;
      }
    } else {
      for (int i = 0; i < blocks.count; ++i, rule.site += TransformerBlock<T>::kSites)
        x = blocks[i](x, rows, call, memory, memory_rows, rule);
    }
    return x;
  }
};

template <Value T>
struct EncoderDecoder {
  T embedding;  // (vocabulary, width), of both inputs and of the output
  TransformerStack<T> encoder, decoder;

  Index width() const { return embedding.shape[1]; }

  // Vectors of tokens, (tokens.count, width); an id below zero gives zeros.
  T embed(const Bags& tokens) const { return gather(embedding, tokens); }

  // x (rows, width), the sequences of a batch one after another -> the same shape.
  T encode(const T& x, const Segments& rows, const DropoutRule& rule = {}) const {
    return encoder(x, rows, false, nullptr, rows, rule);
  }
  // y (rows, width): what has been written so far, first the vector of the start token. Row i sees rows up to i of its
  // own sequence and the memory of that sequence.
  T decode(const T& y, const Segments& rows, const T& memory, const Segments& memory_rows,
           DropoutRule rule = {}) const {
    rule.site += 1000;  // behind all sites of the encoder
    return decoder(y, rows, true, &memory, memory_rows, rule);
  }
  // h (rows, width), as `decode` gives it -> (rows, vocabulary).
  T logits(const T& h) const { return matmul(scaled(h), embedding, Transpose::second); }
  // What the rows of the embedding are multiplied with to give logits: h width^-1/2.
  T scaled(const T& h) const { return scale(h, 1 / __builtin_sqrt(static_cast<double>(width()))); }

  static void each(auto&& visit, auto&... m) {
    visit("embedding", m.embedding...);
    visit("encoder", m.encoder...);
    visit("decoder", m.decoder...);
  }
};

inline TransformerBlock<Spec> transformer_block_spec(const EncoderDecoderSettings& s, bool with_cross) {
  const auto attention = [&] {
    return NormedAttention<Spec>{rms_norm_spec(s.width, s.epsilon),
                                 biased_attention_spec(s.width, s.heads, s.head_width)};
  };
  const auto root = [](Index n) { return 1 / __builtin_sqrt(static_cast<double>(n)); };
  TransformerBlock<Spec> block;
  block.self = attention();
  if (with_cross) block.cross.push(attention());
  block.feed_forward = {rms_norm_spec(s.width, s.epsilon), projection_spec(s.width, s.hidden, root(s.width)),
                        projection_spec(s.hidden, s.width, root(s.hidden))};
  return block;
}

inline EncoderDecoder<Spec> encoder_decoder_spec(const EncoderDecoderSettings& s) {
  require(s.vocabulary > 0 && s.width > 0 && s.heads > 0 && s.head_width > 0 && s.hidden > 0,
          "encoder_decoder_spec: vocabulary ", s.vocabulary, ", width ", s.width, ", heads ", s.heads, " of ",
          s.head_width, ", hidden ", s.hidden, "; all must be above 0");
  EncoderDecoder<Spec> plan;
  plan.embedding = Spec{{s.vocabulary, s.width}, {Init::Kind::normal, 1}};
  for (const bool decodes : {false, true}) {
    TransformerStack<Spec>& stack = decodes ? plan.decoder : plan.encoder;
    stack.positions = relative_bias_spec(s.buckets, s.heads, !decodes, s.farthest, s.width);
    for (int i = 0; i < (decodes ? s.decoder_blocks : s.encoder_blocks); ++i)
      stack.blocks.push(transformer_block_spec(s, decodes));
    stack.norm = rms_norm_spec(s.width, s.epsilon);
  }
  return plan;
}

}  // namespace thaw::inline v0
