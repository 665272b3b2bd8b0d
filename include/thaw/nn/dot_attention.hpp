// Dot-product attention of one query over a few slots of each row, without scale, heads or projections: what an item's
// attribute embeddings are to one user.
//
//   auto share = thaw::dot_attention_weights(user, slots);     // user (width), slots (items, slots, width)
//   auto mixed = thaw::dot_attention_mix(share, slots);        // (items, width)
//
// Not multi-head attention between tokens: see nn/attention.hpp.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/normalize.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

// softmax over the slots of query . keys[row, slot]; query of `width` numbers, keys (rows, slots, width) ->
// (rows, slots).
template <Value Q, Value K>
Meet<Q, K> dot_attention_weights(const Q& query, const K& keys) {
  const Index rows = keys.shape[0], slots = keys.shape[1], width = keys.shape[2];
  require(keys.shape.rank == 3 && query.shape.size() == width, "dot_attention: a query of shape ", query.shape,
          " for keys of shape ", keys.shape, " (rows, slots, width)");
  const auto scores = matmul(reshape(keys, {rows * slots, width}), reshape(query, {width, 1}));
  return softmax(reshape(scores, {rows, slots}));
}
// The values of each row, (rows, slots, width), added up with their weights, (rows, slots) -> (rows, width).
template <Value W, Value X>
Meet<W, X> dot_attention_mix(const W& weights, const X& values) {
  const Index rows = values.shape[0], slots = values.shape[1], width = values.shape[2];
  return reshape(matmul(reshape(weights, {rows, 1, slots}), values), {rows, width});
}

}  // namespace thaw::inline v0
