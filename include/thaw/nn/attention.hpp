// Multi-head softmax attention along any axis of a 4-D array, and the axial block around it.
//
//   x is (outer, tokens, inner, width); attention runs along `tokens`. To attend along another axis, reshape so that
//   this axis stands second; no transposed copy is made.
//
//   thaw::MultiHeadAttention<thaw::Spec> plan = thaw::attention_spec(64, 4);
//   auto y = attention(queries, keys_and_values);              // plain
//   auto z = attention(x, x, thaw::add(bias, causal_mask));    // additive bias (heads, queries, keys)
#pragma once

#include "thaw/nn/layer_norm.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/ops/axial_block.hpp"

namespace thaw::inline v0 {

// A large negative number that a mask adds to a score: its softmax weight is exactly 0 in float and double.
inline constexpr double kMasked = -1e30;

template <Value T>
struct MultiHeadAttention {
  Linear<T> query, key, value, output;
  Index heads = 1;
  double scale = 1;  // what scores are multiplied by

  // q (outer, queries, inner, width), kv (outer, keys, inner, width) -> (outer, queries, inner, width).
  T operator()(const T& q, const T& kv, const DropoutRule& rule = {}) const {
    return output(attention_mix(dropout(softmax(scores(q, kv)), rule), value(kv)));
  }
  // `bias` is added to the scores and must broadcast to (outer, inner, heads, queries, keys): relative positions, or a
  // mask of 0 and kMasked.
  template <Value Bias>
  T operator()(const T& q, const T& kv, const Bias& bias, const DropoutRule& rule = {}) const {
    return output(attention_mix(dropout(softmax(add(scores(q, kv), bias)), rule), value(kv)));
  }
  // The attention map, (outer, inner, heads, queries, keys); rows sum to 1.
  T map(const T& q, const T& kv) const { return softmax(scores(q, kv)); }

  static void each(auto&& visit, auto&... m) {
    visit("query", m.query...);
    visit("key", m.key...);
    visit("value", m.value...);
    visit("output", m.output...);
    visit("heads", m.heads...);
    visit("scale", m.scale...);
  }

 private:
  T scores(const T& q, const T& kv) const { return thaw::scale(attention_scores(query(q), key(kv), heads), scale); }
};

// Scores are divided by sqrt(width / heads).
inline MultiHeadAttention<Spec> attention_spec(Index width, Index heads) {
  require(heads > 0 && width % heads == 0, "attention_spec: ", heads, " heads do not divide width ", width);
  return {linear_spec(width, width),
          linear_spec(width, width),
          linear_spec(width, width),
          linear_spec(width, width),
          heads,
          1.0 / __builtin_sqrt(static_cast<double>(width / heads))};
}

// One transformer block along the token axis: see ops/axial_block.hpp for its equations.
template <Value T>
struct AxialBlock {
  Linear<T> query, key, value, output, residual;
  LayerNorm<T> norm_query, norm_hidden;
  Linear<T> expand, contract;
  Index heads = 1;
  double scale = 1;

  // x (outer, tokens, inner, width) -> the same shape.
  T operator()(const T& x, const DropoutRule& rule = {}) const {
    const T in[] = {x,
                    norm_query.weight,
                    norm_query.bias,
                    query.weight,
                    query.bias,
                    key.weight,
                    key.bias,
                    value.weight,
                    value.bias,
                    output.weight,
                    output.bias,
                    residual.weight,
                    residual.bias,
                    norm_hidden.weight,
                    norm_hidden.bias,
                    expand.weight,
                    expand.bias,
                    contract.weight,
                    contract.bias};
    return axial_block(op::AxialBlock::Attr{heads, scale, norm_query.epsilon, rule}, in);
  }
  // The attention map of the block, (outer, inner, heads, tokens, tokens).
  T map(const T& x) const { return softmax(thaw::scale(attention_scores(query(norm_query(x)), key(x), heads), scale)); }

  static void each(auto&& visit, auto&... m) {
    visit("query", m.query...);
    visit("key", m.key...);
    visit("value", m.value...);
    visit("output", m.output...);
    visit("residual", m.residual...);
    visit("norm_query", m.norm_query...);
    visit("norm_hidden", m.norm_hidden...);
    visit("expand", m.expand...);
    visit("contract", m.contract...);
    visit("heads", m.heads...);
    visit("scale", m.scale...);
  }
};

// `divisor`: what scores are divided by; `expansion`: hidden width of the feed-forward part over `width`.
inline AxialBlock<Spec> axial_block_spec(Index width, Index heads, double divisor, Index expansion = 4,
                                         double epsilon = 1e-12) {
  require(heads > 0 && width % heads == 0, "axial_block_spec: ", heads, " heads do not divide width ", width);
  return {linear_spec(width, width),
          linear_spec(width, width),
          linear_spec(width, width),
          linear_spec(width, width),
          linear_spec(width, width),
          layer_norm_spec(width, epsilon),
          layer_norm_spec(width, epsilon),
          linear_spec(width, expansion * width),
          linear_spec(expansion * width, width),
          heads,
          1.0 / divisor};
}

}  // namespace thaw::inline v0
