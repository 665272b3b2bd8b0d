// HIRE: heterogeneous interaction modelling for cold-start rating prediction (arXiv 2403.17740, ICDE 2025).
//
// A prediction context of n users and m items becomes a tensor (n, m, e): cell (k, j) is user k's attribute
// embeddings, item j's attribute embeddings and the embedding of the rating r(k, j) where it is visible. Blocks attend
// over users, over items and over the attribute slots; a sigmoid decodes a rating for every cell.
//
//   hire::Hire<thaw::Spec> plan = hire::make_plan(settings);
//   auto ratings = model(batch);                           // (contexts, users, items)
#pragma once

#include "thaw/nn/attention.hpp"
#include "thaw/nn/embedding.hpp"

namespace hire {

using thaw::Bags;
using thaw::Index;
using thaw::Several;
using thaw::Value;

enum class Order : std::uint8_t { items_first, users_first };  // of the sublayers: published code, paper's text
enum class Divisor : std::uint8_t { full_width, head_width };  // of attention scores: sqrt(e), sqrt(e / heads)

constexpr int kMaxAttributes = 8;

// Sizes and switches of the network; the training switches are in recipe.hpp.
struct Settings {
  Index user_cardinality[kMaxAttributes] = {};
  Index item_cardinality[kMaxAttributes] = {};
  int user_attributes = 0;
  int item_attributes = 0;
  Index user_statistics = 0;  // numbers known of each user beside the attributes; each side adds one slot when > 0
  Index item_statistics = 0;
  Index cell_statistics = 0;  // and of each pair; another slot
  Index rating_levels = 5;
  Index width = 16;  // f, of one attribute slot
  Index heads = 8;
  int blocks = 3;
  Index expansion = 4;
  double lowest = 0;  // ratings are lowest + (highest - lowest) * sigmoid
  double highest = 5;
  Order order = Order::items_first;
  Divisor divisor = Divisor::full_width;

  int slots() const {
    return user_attributes + item_attributes + (user_statistics > 0) + (item_statistics > 0) + (cell_statistics > 0) +
           1;
  }
};

// What the network reads: B contexts of n users and m items, by index lists. Nothing is owned.
template <class Real>
struct Batch {
  Index contexts = 0, users = 0, items = 0;
  Bags user[kMaxAttributes];              // one bag for each of the B n users, by attribute
  Bags item[kMaxAttributes];              // one bag for each of the B m items
  Bags rating;                            // one id for each of the B n m cells: level, or -1 where hidden
  const Real* user_statistics = nullptr;  // (B n, user_statistics)
  const Real* item_statistics = nullptr;  // (B m, item_statistics)
  const Real* cell_statistics = nullptr;  // (B n m, cell_statistics)
  const Real* offset = nullptr;           // (B n m): added to the decoder's output before the sigmoid, or null
};

// Three sublayers, in the order in which they run.
template <Value T>
struct Block {
  thaw::AxialBlock<T> users, items, attributes;
  Order order = Order::items_first;

  // x (B, n, m, e) -> the same.
  T operator()(const T& x, thaw::DropoutRule rule, Index slots) const {
    const auto over = [&](const thaw::AxialBlock<T>& layer, const T& value, const thaw::Shape& as) {
      const T y = layer(thaw::reshape(value, as), rule);
      rule.site += 4;
      return y;
    };
    const Index b = x.shape[0], n = x.shape[1], m = x.shape[2], e = x.shape[3];
    const thaw::Shape by_user{b, n, m, e}, by_item{b * n, m, 1, e}, by_slot{b * n * m, slots, 1, e / slots};
    T y = order == Order::items_first ? over(items, x, by_item) : over(users, x, by_user);
    y = order == Order::items_first ? over(users, y, by_user) : over(items, y, by_item);
    return thaw::reshape(over(attributes, y, by_slot), by_user);
  }
  static void each(auto&& visit, auto&... m) {
    visit("users", m.users...);
    visit("items", m.items...);
    visit("attributes", m.attributes...);
    visit("order", m.order...);
  }
};

// What a forward pass keeps for reading attention maps: the input of each block.
template <Value T>
struct Trace {
  Several<T, 8> inputs;
};

template <Value T>
struct Hire {
  Several<thaw::Embedding<T>, kMaxAttributes> user_attributes, item_attributes;
  Several<thaw::Linear<T>, 3> statistics;  // of users, of items, of cells; absent where there are none
  thaw::Embedding<T> rating;
  thaw::LayerNorm<T> input_norm;
  Several<Block<T>, 8> blocks;
  thaw::Linear<T> decoder;
  Settings settings;

  // Predicted ratings, (B, n, m). `rule`: dropout for training, inactive otherwise.
  template <class Real>
  T operator()(const Batch<Real>& batch, const thaw::DropoutRule& rule = {}, Trace<T>* trace = nullptr) const {
    thaw::DropoutRule site = rule;
    T x = thaw::dropout(input_norm(embed(batch)), site);
    site.site += 1;
    for (int i = 0; i < blocks.count; ++i, site.site += 12) {
      if (trace != nullptr) trace->inputs.push(x);
      x = blocks[i](x, site, settings.slots());
    }
    T logits = decoder(thaw::dropout(x, site));
    const thaw::Shape cells{batch.contexts, batch.users, batch.items};
    logits = thaw::reshape(logits, cells);
    if (batch.offset != nullptr) logits = thaw::add(logits, constant(batch.offset, cells));
    return thaw::shift(thaw::scale(thaw::sigmoid(logits), settings.highest - settings.lowest), settings.lowest);
  }

  // (B, n, m, e): each user and each item is embedded once and stretched over the cells.
  template <class Real>
  T embed(const Batch<Real>& batch) const {
    const Index b = batch.contexts, n = batch.users, m = batch.items;
    const T users = side(user_attributes, batch.user, batch.user_statistics, 0, b * n);
    const T items =
        side(item_attributes, batch.item, batch.item_statistics, settings.user_statistics > 0 ? 1 : 0, b * m);
    const Index wide = users.shape.last(), tall = items.shape.last();
    T parts[4] = {thaw::broadcast_to(thaw::reshape(users, {b, n, 1, wide}), {b, n, m, wide}),
                  thaw::broadcast_to(thaw::reshape(items, {b, 1, m, tall}), {b, n, m, tall}),
                  thaw::reshape(rating(batch.rating), {b, n, m, settings.width}), T{}};
    if (batch.cell_statistics == nullptr) return thaw::concat(parts, 3, 3);
    const auto& cells = statistics[statistics.count - 1];
    parts[3] = cells(constant(batch.cell_statistics, {b, n, m, settings.cell_statistics}));
    return thaw::concat(parts, 4, 3);
  }

  static void each(auto&& visit, auto&... m) {
    visit("user_attributes", m.user_attributes...);
    visit("item_attributes", m.item_attributes...);
    visit("statistics", m.statistics...);
    visit("rating", m.rating...);
    visit("input_norm", m.input_norm...);
    visit("blocks", m.blocks...);
    visit("decoder", m.decoder...);
    visit("settings", m.settings...);
  }

 private:
  // The slots of one side, (count, slots * width).
  template <class Real>
  T side(const Several<thaw::Embedding<T>, kMaxAttributes>& tables, const Bags* bags, const Real* numbers, int layer,
         Index count) const {
    T parts[kMaxAttributes + 1];
    int slots = 0;
    for (; slots < tables.count; ++slots) parts[slots] = tables[slots](bags[slots]);
    if (numbers != nullptr) {
      const auto& linear = statistics[layer];
      parts[slots++] = linear(constant(numbers, {count, linear.weight.shape[1]}));
    }
    return thaw::concat(parts, slots, 1);
  }
  template <class Real>
  auto constant(const Real* numbers, const thaw::Shape& shape) const {
    if constexpr (std::is_same_v<T, thaw::Spec>)
      return thaw::Spec{shape, {}};
    else
      return T::Plain::of_host(*decoder.bias.context, numbers, shape);
  }
};

// The plan of a network: its parts with their shapes and starts.
inline Hire<thaw::Spec> make_plan(const Settings& settings) {
  using thaw::embedding_spec;
  Hire<thaw::Spec> plan;
  plan.settings = settings;
  const Index f = settings.width, e = f * settings.slots();
  for (int i = 0; i < settings.user_attributes; ++i)
    plan.user_attributes.push(embedding_spec(settings.user_cardinality[i], f));
  for (int i = 0; i < settings.item_attributes; ++i)
    plan.item_attributes.push(embedding_spec(settings.item_cardinality[i], f));
  if (settings.user_statistics > 0) plan.statistics.push(thaw::linear_spec(settings.user_statistics, f));
  if (settings.item_statistics > 0) plan.statistics.push(thaw::linear_spec(settings.item_statistics, f));
  if (settings.cell_statistics > 0) plan.statistics.push(thaw::linear_spec(settings.cell_statistics, f));
  plan.rating = embedding_spec(settings.rating_levels, f);
  plan.input_norm = thaw::layer_norm_spec(e, 1e-12);
  const auto block = [&](Index width) {
    const Index divided = settings.divisor == Divisor::full_width ? width : width / settings.heads;
    return thaw::axial_block_spec(width, settings.heads, __builtin_sqrt(static_cast<double>(divided)),
                                  settings.expansion);
  };
  for (int i = 0; i < settings.blocks; ++i) plan.blocks.push({block(e), block(e), block(f), settings.order});
  plan.decoder = thaw::linear_spec(e, 1);
  return plan;
}

}  // namespace hire
