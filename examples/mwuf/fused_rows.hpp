// FusedRows: the vectors and linear weights of a batch, read a block of rows at a time, and their gradients written.
//
//   FusedRows rows(model.tables, batch, dropout, /*pairs*/ true, context);
//   rows.read(begin, count, x, z);              // x (count, joined()): item and fields; z (count): pairs, linear,
//   biases rows.write(begin, count, x, d_x, g);        // d_x (count, joined()), g (count): slopes of the logits
//   rows.gradient_of(model.tables.items.data)   // for an optimiser: which rows of a table, and their gradients
//
// What ClickTables::read and pairwise_sum compute. Blocks may be read and written by several threads at once.
#pragma once

#include "mwuf/base_model.hpp"
#include "thaw/autodiff/gradient.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/backend/kernels/field_rows.hpp"

namespace mwuf {

using Backend = thaw::CpuEigen;
using FloatArray = thaw::Array<float, Backend>;

// Some rows of a training batch read another vector than their item's own (DropoutNet, Volkovs et al., 2017).
struct ItemDropout {
  const float* keep = nullptr;  // (rows): 1 reads the item's vector, 0 the substitute; null: every row reads its own
  const float* substitute = nullptr;  // (width), a constant
};

class FusedRows {
 public:
  FusedRows(const ClickTables<FloatArray>& tables, const ClickBatch<>& batch, const ItemDropout& dropout, bool pairs,
            Backend::Context& context)
      : tables_(tables),
        batch_(batch),
        dropout_(dropout),
        isa_(context.isa),
        pairs_(pairs),
        width_(tables.width),
        item_width_(tables.item_width()),
        fields_(tables.fields.layout.count),
        entries_(tables.fields.bags(batch.field, batch.rows)) {
    const Index bags = entries_.bags.count;
    thaw::require(tables.linear.count == 0 || tables.linear[0].layout.rows == tables.fields.layout.rows,
                  "FusedRows: linear weights of all fields, or none, are expected");
    thaw::require(batch.item != nullptr, "FusedRows: a batch without items");
    for (Index r = 0; r < batch.rows; ++r)
      thaw::require(batch.item[r] < tables.items.shape[0], "FusedRows: item ", batch.item[r], " at row ", r,
                    " is outside a table of ", tables.items.shape[0], " rows");
    linear_ = tables.linear.count > 0 ? tables.linear[0].table.data : nullptr;
    gradients_[0] = {{batch.item, nullptr, batch.rows}, FloatArray::make(context, {batch.rows, item_width_}), nullptr};
    const thaw::RowColumns* const columns = columns_of(*context.arena);
    gradients_[1] = {entries_.bags, FloatArray::make(context, {bags, width_}), nullptr, columns};
    if (linear_ != nullptr) gradients_[2] = {entries_.bags, FloatArray::make(context, {bags, 1}), nullptr, columns};
    list_ = context.arena->take<thaw::RowGradient<float, Backend>>(3);
    for (int i = 0; i < 3; ++i) list_[i] = gradients_[i];
  }

  Index joined() const { return (fields_ + 1) * width_; }

  void read(Index begin, Index count, float* x, float* z) const {
    const bool plain = entries_.bags.offsets == nullptr && entries_.factors == nullptr;
    for (Index r = 0; r < count; ++r) {
      float* const to = x + r * joined();
      z[r] = read_item(begin + r, to);
      for (Index f = 0; !plain && f < fields_; ++f)
        z[r] += read_field((begin + r) * fields_ + f, to + (f + 1) * width_);
    }
    if (plain)
      thaw::gather_fields(isa_, {count, fields_, width_}, entries_.bags.ids + begin * fields_,
                          static_cast<const float*>(tables_.fields.table.data), linear_, x + width_, joined(), z);
    if (pairs_) thaw::add_pairs(isa_, {count, fields_ + 1, width_}, static_cast<const float*>(x), z);
  }

  void write(Index begin, Index count, const float* x, const float* d_x, const float* g) const {
    float* const item = gradients_[0].rows.data + begin * item_width_;
    float* const rest = gradients_[1].rows.data + begin * fields_ * width_;
    thaw::pair_slopes(isa_, {count, fields_ + 1, width_}, x, d_x, pairs_ ? g : nullptr,
                      {item, item_width_, rest, fields_ * width_});
    if (item_width_ > width_)
      for (Index r = 0; r < count; ++r) item[r * item_width_ + width_] = g[r];
    if (dropout_.keep != nullptr)
      for (Index r = 0; r < count; ++r)
        for (Index j = 0; j < item_width_; ++j) item[r * item_width_ + j] *= dropout_.keep[begin + r];
    const Index first = begin * fields_, bags = count * fields_;
    for (Index s = 0; entries_.factors != nullptr && s < bags; ++s)
      for (Index j = 0; j < width_; ++j) rest[s * width_ + j] *= entries_.factors[first + s];
    for (Index r = 0, s = first; linear_ != nullptr && r < count; ++r)
      for (Index f = 0; f < fields_; ++f, ++s) gradients_[2].rows.data[s] = g[r] * factor(s);
  }

  // The list for the table that begins at `table`; null where the batch reads no such table.
  thaw::RowGradient<float, Backend>* gradient_of(const float* table) const {
    if (table == tables_.items.data) return &list_[0];
    if (table == tables_.fields.table.data) return &list_[1];
    return table == linear_ ? &list_[2] : nullptr;
  }

 private:
  static constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors

  // Which rows of the table are a field's.
  const thaw::RowColumns* columns_of(thaw::Arena& arena) const {
    const thaw::FieldLayout& layout = tables_.fields.layout;
    Index* const first = arena.take<Index>(fields_ + 1);
    for (Index f = 0; f < fields_; ++f) first[f] = layout.parts[f].first;
    first[fields_] = layout.rows;
    return ::new (static_cast<void*>(arena.take<thaw::RowColumns>(1)))
        thaw::RowColumns{static_cast<int>(fields_), first};
  }
  float factor(Index s) const { return entries_.factors == nullptr ? 1.0F : entries_.factors[s]; }

  // The item's vector into x; returns its bias.
  float read_item(Index row, float* x) const {
    const std::int32_t id = batch_.item[row];
    const bool biased = item_width_ > width_;
    float bias = id >= 0 && biased ? tables_.items.data[id * item_width_ + width_] : 0.0F;
    if (id < 0)
      for (Index j = 0; j < width_; ++j) x[j] = 0;
    else
      copy_row(tables_.items.data + id * item_width_, x);
    if (dropout_.keep == nullptr || dropout_.keep[row] == 1) return bias;
    const float keep = dropout_.keep[row];
    for (Index j = 0; j < width_; ++j) x[j] = keep * x[j] + (1 - keep) * dropout_.substitute[j];
    return biased ? keep * bias + (1 - keep) * dropout_.substitute[width_] : 0.0F;
  }
  // The vector of bag s into x; returns its linear weight.
  float read_field(Index s, float* x) const {
    const thaw::Bags& bags = entries_.bags;
    const Index begin = bags.begin(s), end = bags.end(s);
    float weight = 0;
    if (end - begin == 1 && bags.ids[begin] >= 0) {
      copy_row(tables_.fields.table.data + bags.ids[begin] * width_, x);
      if (linear_ != nullptr) weight = linear_[bags.ids[begin]];
    } else {
      for (Index j = 0; j < width_; ++j) x[j] = 0;
      for (Index e = begin; e < end; ++e) {
        if (bags.ids[e] < 0) continue;
        const float* from = tables_.fields.table.data + bags.ids[e] * width_;
        for (Index j = 0; j < width_; ++j) x[j] += from[j];
        if (linear_ != nullptr) weight += linear_[bags.ids[e]];
      }
    }
    const float scale = factor(s) * (bags.mean && end - begin > 1 ? 1.0F / static_cast<float>(end - begin) : 1.0F);
    if (scale == 1.0F) return weight;
    for (Index j = 0; j < width_; ++j) x[j] *= scale;
    return weight * scale;
  }
  void copy_row(const float* from, float* to) const {
    Index j = 0;
    for (; j + kLanes <= width_; j += kLanes) __builtin_memcpy(to + j, from + j, kLanes * sizeof(float));
    for (; j < width_; ++j) to[j] = from[j];
  }

  const ClickTables<FloatArray>& tables_;
  const ClickBatch<>& batch_;
  ItemDropout dropout_;
  thaw::Isa isa_;
  bool pairs_;
  Index width_, item_width_, fields_;
  thaw::FieldBags<float> entries_;
  const float* linear_ = nullptr;
  thaw::RowGradient<float, Backend> gradients_[3] = {};
  thaw::RowGradient<float, Backend>* list_ = nullptr;
};

}  // namespace mwuf
