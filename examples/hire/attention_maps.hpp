// Where one block looks: its three attention maps of a context.
//
//   hire::Trace<A> trace;
//   model(batch, {}, &trace);
//   hire::AttentionMaps<A> maps = hire::attention_maps(model.blocks[1], trace.inputs[1], slots);
#pragma once

#include "hire/model.hpp"

namespace hire {

// Rows are who looks, columns at whom; rows sum to 1. B contexts of n users, m items, h attribute slots.
template <Value T>
struct AttentionMaps {
  T users;       // (B, m, heads, n, n)
  T items;       // (B n, 1, heads, m, m)
  T attributes;  // (B n m, 1, heads, h, h)
};

// x: the block's input, (B, n, m, e). The later maps are those of what the earlier sublayers made of it.
template <Value T>
AttentionMaps<T> attention_maps(const Block<T>& block, const T& x, Index slots) {
  const Index b = x.shape[0], n = x.shape[1], m = x.shape[2], e = x.shape[3];
  const thaw::Shape by_user{b, n, m, e}, by_item{b * n, m, 1, e}, by_slot{b * n * m, slots, 1, e / slots};
  AttentionMaps<T> maps;
  T y = x;
  for (const bool of_items : {block.order == Order::items_first, block.order != Order::items_first}) {
    const auto& layer = of_items ? block.items : block.users;
    y = thaw::reshape(y, of_items ? by_item : by_user);
    (of_items ? maps.items : maps.users) = layer.map(y);
    y = layer(y);
  }
  maps.attributes = block.attributes.map(thaw::reshape(y, by_slot));
  return maps;
}

}  // namespace hire
