// axial_block: a whole transformer block along one axis of a 4-D array, as one operation.
//
//   Layout: x is (outer, tokens, inner, width); attention runs along `tokens` of each (outer, inner) group.
//
//   Q = LN(x) Wq + bq,  K = x Wk + bk,  V = x Wv + bv              only the queries see the normalised input
//   A = softmax(scale Q K^T) for each head,  O = (A V) Wo + bo
//   H = O + (x Wr + br)                                            the residual path is a learned linear map
//   y = H + (gelu(LN(H) W1 + b1) W2 + b2)
//   with dropout on A, on O, inside and after the feed-forward part.
//
// (arXiv 2403.17740, the published code's layer.) Backends with a fused kernel for their number type run it as one
// pass in cache with a fused gradient; others, and second order, use the composition below.
#pragma once

#include "thaw/backend/fused_axial_block.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

namespace op {

struct AxialBlock : AxialBlockInputs {
  static constexpr const char* name = "axial_block";
  using Attr = AxialBlockSettings;

  template <class T>
  static Shape shape(const Attr& attr, const T* in, int n) {
    require(n == input_count, "axial_block: ", n, " inputs given, 19 expected");
    check_tokens(in[x].shape, attr.heads, name);
    const Index width = in[x].shape[3], hidden = in[expand_weight].shape[0];
    const Shape square{width, width};
    for (const int w : {query_weight, key_weight, value_weight, output_weight, residual_weight})
      require(in[w].shape == square, "axial_block: weight of shape ", in[w].shape, " for width ", width);
    require(in[expand_weight].shape == Shape{hidden, width} && in[contract_weight].shape == Shape{width, hidden},
            "axial_block: feed-forward weights ", in[expand_weight].shape, " and ", in[contract_weight].shape,
            " do not fit width ", width);
    return in[x].shape;
  }
  template <class A>
  static A forward(Attr& attr, const A* in, int n, bool record) {
    using Fused = FusedAxialBlock<typename A::Backend, typename A::Real>;
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    attr.saved = Fused::forward(context, attr, in, out, record);
    return out;
  }
  template <class T>
  static T compose(const Attr& attr, const T* in, int) {
    const auto dropped = [&](const T& value, std::uint32_t site) {
      DropoutRule rule = attr.dropout;
      rule.site += site;
      return thaw::dropout(value, rule);
    };
    const T normal = thaw::layer_norm(in[x], in[norm_query_weight], in[norm_query_bias], attr.epsilon);
    const T query = thaw::linear(normal, in[query_weight], in[query_bias]);
    const T key = thaw::linear(in[x], in[key_weight], in[key_bias]);
    const T value = thaw::linear(in[x], in[value_weight], in[value_bias]);
    const T map = thaw::softmax(thaw::scale(thaw::attention_scores(query, key, attr.heads), attr.scale));
    const T mixed = thaw::attention_mix(dropped(map, 0), value);
    const T attended = dropped(thaw::linear(mixed, in[output_weight], in[output_bias]), 1);
    const T h = thaw::add(attended, thaw::linear(in[x], in[residual_weight], in[residual_bias]));
    const T normal_h = thaw::layer_norm(h, in[norm_hidden_weight], in[norm_hidden_bias], attr.epsilon);
    const T hidden = dropped(thaw::gelu(thaw::linear(normal_h, in[expand_weight], in[expand_bias])), 2);
    return thaw::add(h, dropped(thaw::linear(hidden, in[contract_weight], in[contract_bias]), 3));
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>) {
      using Fused = FusedAxialBlock<typename T::Backend, typename T::Real>;
      auto& context = context_of(in, n, name);
      T gradients[input_count];
      for (int i = 0; i < n; ++i) gradients[i] = T::make(context, in[i].shape);
      Fused::backward(context, attr, in, g, gradients);
      for (int i = 0; i < n; ++i) d.give(i, gradients[i]);
    } else {
      Engine<T>::template pull_through<AxialBlock>(attr, g, in, n, d);
    }
  }
};

}  // namespace op

// The block over inputs in the order of op::AxialBlock::Input: fused where the backend can, else composed.
template <Value T>
T axial_block(const op::AxialBlock::Attr& attr, const T (&in)[op::AxialBlock::input_count]) {
  if constexpr (std::is_same_v<T, Spec>) {
    return apply<op::AxialBlock>(attr, in);
  } else {
    if constexpr (FusedAxialBlock<typename T::Backend, typename T::Real>::available)
      return apply<op::AxialBlock>(attr, in);
    else
      return op::AxialBlock::compose<T>(attr, in, op::AxialBlock::input_count);
  }
}

}  // namespace thaw::inline v0
