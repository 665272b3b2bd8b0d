// Scoring of one user: the forward pass of HIRE without what only the other users' ratings need.
//
//   auto ratings = hire::score_target(model, batch);       // (contexts, items): user 0 of each context
//
// The result is that of `model(batch)` for user 0, to rounding. The last block computes the users' attention for one
// query row, and what follows it for one row of cells; blocks before it are needed whole, because their users are the
// keys of the last. Not for training: no dropout, no gradient.
#pragma once

#include "hire/model.hpp"
#include "thaw/backend/cpu_eigen.hpp"

namespace hire {

namespace detail {

using HostArray = thaw::Array<float, thaw::CpuEigen>;

// x (B, n, m, e) -> (B, 1, m, e): the users' attention of token 0, all users being keys.
inline HostArray first_user(const thaw::AxialBlock<HostArray>& layer, const HostArray& x) {
  auto& context = *x.context;
  const thaw::Shape& s = x.shape;
  const thaw::AxialBlockShape shape{s[0], s[1], s[2], s[3], layer.heads, layer.expand.weight.shape[0]};
  thaw::AxialBlockOptions options;
  options.scale = static_cast<float>(layer.scale);
  options.epsilon = static_cast<float>(layer.norm_query.epsilon);
  options.threads = context.threads;
  const thaw::AxialBlockParams<const float*> params{
      layer.norm_query.weight.data,  layer.norm_query.bias.data,  layer.query.weight.data,    layer.query.bias.data,
      layer.key.weight.data,         layer.key.bias.data,         layer.value.weight.data,    layer.value.bias.data,
      layer.output.weight.data,      layer.output.bias.data,      layer.residual.weight.data, layer.residual.bias.data,
      layer.norm_hidden.weight.data, layer.norm_hidden.bias.data, layer.expand.weight.data,   layer.expand.bias.data,
      layer.contract.weight.data,    layer.contract.bias.data};
  const HostArray all = HostArray::make(context, s);
  void* scratch = context.arena->take_bytes(thaw::axial_block_scratch_bytes(shape, context.threads, false));
  thaw::axial_block_forward_rows(shape, options, params, x.data, 0, 1, all.data, scratch);
  return thaw::slice(all, 1, 0, 1);
}

}  // namespace detail

// Predicted ratings of user 0 of each context, (B, m). The model's arrays must have a context to compute with.
inline detail::HostArray score_target(const Hire<detail::HostArray>& model, const Batch<float>& batch) {
  using A = detail::HostArray;
  const thaw::DropoutRule none;
  const Index slots = model.settings.slots(), b = batch.contexts, m = batch.items;
  A x = model.input_norm(model.embed(batch));
  for (int i = 0; i + 1 < model.blocks.count; ++i) x = model.blocks[i](x, none, slots);
  const Index e = x.shape.last();
  if (model.blocks.count == 0) {
    x = thaw::slice(x, 1, 0, 1);
  } else {
    const Block<A>& last = model.blocks[model.blocks.count - 1];
    const auto over_items = [&](const A& value) {
      return thaw::reshape(last.items(thaw::reshape(value, {value.shape[0] * value.shape[1], m, 1, e})), value.shape);
    };
    x = last.order == Order::items_first ? detail::first_user(last.users, over_items(x))
                                         : over_items(detail::first_user(last.users, x));
    x = last.attributes(thaw::reshape(x, {b * m, slots, 1, e / slots}));
  }
  A logits = thaw::reshape(model.decoder(thaw::reshape(x, {b * m, e})), {b, m});
  if (batch.offset != nullptr) {
    const A offset = A::view(*x.context, batch.offset, {b, batch.users, m});
    logits = thaw::add(logits, thaw::reshape(thaw::slice(offset, 1, 0, 1), {b, m}));
  }
  const Settings& s = model.settings;
  return thaw::shift(thaw::scale(thaw::sigmoid(logits), s.highest - s.lowest), s.lowest);
}

}  // namespace hire
