// What a base model is, and the parts that all of them share.
//
// A base model is a struct template over the value that flows through it:
//
//   template <thaw::Value T>
//   struct WideAndDeep {
//     static constexpr const char* kName = "wide_deep";
//     ClickTables<T> tables;                     // vectors of items and fields, linear weights
//     thaw::Mlp<T> deep;
//     T logits(const ClickBatch<>& batch, const T& item_vectors) const {
//       const ClickRows<T> rows = tables.read(batch, item_vectors);
//       return rows.finish(deep(rows.vectors));                              // (rows)
//     }
//     static WideAndDeep<thaw::Spec> spec(const FieldPlan& plan, const BaseOptions& options);
//     static void each(auto&& visit, auto&... m) { visit("tables", m.tables...), visit("deep", m.deep...); }
//   };
//
// The vector of the item is an argument, because that is what warms up: while the base learns it is
// tables.item_vectors(batch), later whatever a method makes of it. A model with running statistics also has
// training_logits(batch, item_vectors, update); call the free function of that name, which knows which models do.
#pragma once

#include "mwuf/batch.hpp"
#include "thaw/nn/batch_norm.hpp"
#include "thaw/nn/field_table.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"

namespace mwuf {

using thaw::Spec;
using thaw::Value;

struct BaseOptions {
  Index width = 16;                 // of every vector
  Index hidden[6] = {64, 64};       // widths of the deep layers; 0 ends the list
  double deviation = 0.01;          // of the start of all vectors
  bool bias_terms = false;          // a bias for each item, the last number of its row, and one for each user
  Index cross_layers = 3;           // DCN
  Index neurons = 256;              // AFN: logarithmic neurons
  bool log1p = false;               // AFN: ln(1 + |e|) and no batch norm, as some re-implementations have it
  bool dice = true;                 // DIN: Dice in place of a sigmoid in its deep layers
  bool normalise_attention = true;  // DIN: softmax over the history
};

// The vectors of a batch as a model reads them.
template <Value T>
struct ClickRows {
  T vectors;      // (rows, fields * width): the item's vector, then the fields in the order of the plan
  T item;         // (rows, width)
  T first_order;  // (rows, 1); only with has_first_order
  bool has_first_order = false;
  Index fields = 0, width = 0;

  Index rows() const { return vectors.shape[0]; }
  // (rows, fields, width)
  T by_field() const { return reshape(vectors, {rows(), fields, width}); }
  // logits (rows, 1) with linear weights and biases added: (rows).
  T finish(const T& logits) const { return reshape(has_first_order ? add(logits, first_order) : logits, {rows()}); }
};

// The histories of a batch. Items share their table with the candidates, and a new item in a history has its row there.
template <Value T>
struct ClickHistory {
  T vectors;             // (rows, slots, width); zeros in an empty slot
  thaw::Plain<T> known;  // (rows, slots): 1, and 0 for an empty slot
};

// Which fields have linear weights; with `none`, bias terms still give one to each user.
enum class Linear : std::uint8_t { none, all };

template <Value T>
struct ClickTables {
  T items;                                       // (items, width), or (items, width + 1) with bias terms
  thaw::FieldTable<T> fields;                    // the vectors of all fields
  thaw::Several<thaw::FieldTable<T>, 1> linear;  // (values, 1) of all fields, or of the user's id alone, or missing
  Index width = 0;
  std::uint32_t item_fields = 0;  // bit f: field f is of the item
  int user_field = -1;
  Index slots = 0;  // of a history

  // The rows of the batch's items: (rows, item_width). An unknown item has zeros.
  T item_vectors(const ClickBatch<>& batch) const {
    return thaw::look_up(items, thaw::Bags{batch.item, nullptr, batch.rows});
  }
  // Width of an item's row: the vector, and the bias where there are bias terms.
  Index item_width() const { return items.shape[1]; }

  ClickRows<T> read(const ClickBatch<>& batch, const T& item_vectors) const {
    thaw::require(
        item_vectors.shape.rank == 2 && item_vectors.shape[0] == batch.rows && item_vectors.shape[1] == item_width(),
        "ClickTables: item vectors of shape ", item_vectors.shape, " for ", batch.rows, " rows of width ",
        item_width());
    ClickRows<T> out;
    const bool biased = item_width() > width;
    out.width = width;
    out.fields = fields.layout.count + 1;
    out.item = biased ? slice(item_vectors, 1, 0, width) : item_vectors;
    const auto entries = fields.bags(batch.field, batch.rows);
    out.vectors = thaw::concat({out.item, fields(entries)}, 1);
    if (linear.count > 0) {
      out.first_order = linear[0].layout.count == fields.layout.count
                            ? sum_to(linear[0](entries), {batch.rows, 1})
                            : linear[0](linear[0].bags(batch.field + user_field, batch.rows));
      out.has_first_order = true;
    }
    if (biased) {
      const T bias = slice(item_vectors, 1, width, 1);
      out.first_order = out.has_first_order ? add(out.first_order, bias) : bias;
      out.has_first_order = true;
    }
    return out;
  }

  ClickHistory<T> history(const ClickBatch<>& batch) const {
    thaw::require(slots > 0 && batch.history != nullptr, "ClickTables: the plan or the batch has no histories");
    const Index total = batch.rows * slots;
    const T rows = thaw::look_up(items, thaw::Bags{batch.history, nullptr, total});
    const T vectors = item_width() > width ? slice(rows, 1, 0, width) : rows;
    return {reshape(vectors, {batch.rows, slots, width}),
            thaw::make_constant(items, {batch.rows, slots}, [&](auto* to) {
              using R = std::remove_pointer_t<decltype(to)>;
              for (Index i = 0; i < total; ++i) to[i] = batch.history[i] >= 0 ? R(1) : R(0);
            })};
  }

  // What a meta network may read of an item: the vectors of its fields (rows, item_feature_width()), not of its id.
  T item_features(const ClickBatch<>& batch) const { return fields(fields.bags(batch.field, batch.rows, item_fields)); }
  Index item_feature_width() const { return fields.selected(item_fields) * width; }
  // The vectors of users in bags: (bags.count, width).
  T users(const thaw::Bags& bags) const {
    thaw::require(user_field >= 0, "ClickTables: the plan names no field as the user's id");
    return fields.field(user_field, bags);
  }

  static void each(auto&& visit, auto&... m) {
    visit("items", m.items...);
    visit("fields", m.fields...);
    visit("linear", m.linear...);
    visit("width", m.width...);
    visit("item_fields", m.item_fields...);
    visit("user_field", m.user_field...);
    visit("slots", m.slots...);
  }
};

inline ClickTables<Spec> click_tables_spec(const FieldPlan& plan, const BaseOptions& options, Linear linear) {
  thaw::require(plan.items > 0 && plan.count > 0, "click_tables_spec: a plan needs items and at least one field");
  thaw::require(!options.bias_terms || plan.user_id >= 0,
                "click_tables_spec: bias terms need the user's id as a field");
  ClickTables<Spec> out;
  thaw::FieldLayout layout;
  for (int f = 0; f < plan.count; ++f) {
    layout.add(plan.fields[f].kind, plan.fields[f].values);
    if (plan.fields[f].side == Side::item) out.item_fields |= 1u << f;
  }
  out.width = options.width;
  out.user_field = plan.user_id;
  out.slots = plan.history;
  out.items =
      Spec{{plan.items, options.width + (options.bias_terms ? 1 : 0)}, {thaw::Init::Kind::normal, options.deviation}};
  out.items.row_table = true;
  out.fields = thaw::field_table_spec(layout, options.width, options.deviation);
  if (linear == Linear::none && !options.bias_terms) return out;
  if (linear == Linear::none) {
    layout = {};
    layout.add(plan.fields[plan.user_id].kind, plan.fields[plan.user_id].values);
  }
  out.linear.push(thaw::field_table_spec(layout, 1));
  out.linear[0].table.init = {thaw::Init::Kind::constant, 0};
  return out;
}

// The deep part of a model: from `in` over the hidden widths to `out`, ReLU between.
inline thaw::Mlp<Spec> tower_spec(Index in, const BaseOptions& options, Index out = 1) {
  thaw::Mlp<Spec> plan;
  for (const Index hidden : options.hidden) {
    if (hidden == 0) break;
    plan.layers.push(thaw::linear_spec(in, hidden));
    in = hidden;
  }
  plan.layers.push(thaw::linear_spec(in, out));
  return plan;
}

// Logits of a training pass. Models without running statistics make the same pass as always.
template <class Base, Value T, class Real>
T training_logits(const Base& base, const ClickBatch<>& batch, const T& item_vectors,
                  thaw::StatisticsUpdate<Real>& update) {
  if constexpr (requires { Base::kHasStatistics; })
    return base.training_logits(batch, item_vectors, update);
  else
    return base.logits(batch, item_vectors);
}

// Mean binary cross-entropy of logits (rows) against the labels of the batch.
template <Value T>
T click_loss(const T& logits, const ClickBatch<>& batch) {
  thaw::require(batch.labels != nullptr, "click_loss: the batch has no labels");
  return thaw::bce_with_logits(logits, thaw::make_constant(logits, logits.shape, [&](auto* to) {
                                 for (Index i = 0; i < batch.rows; ++i)
                                   to[i] = static_cast<std::remove_pointer_t<decltype(to)>>(batch.labels[i]);
                               }));
}

}  // namespace mwuf
