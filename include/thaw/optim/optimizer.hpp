// What optimisers share: per-tensor state in the arena, and the touched rows of a table merged by id.
#pragma once

#include "thaw/optim/parameters.hpp"

namespace thaw::inline v0::detail {

// Arrays of zeros shaped like every tensor of a set of parameters.
template <class R, class B>
class TensorState {
 public:
  template <class Plan>
  explicit TensorState(Parameters<Plan, R, B>& parameters) : count_(parameters.count()) {
    auto& context = parameters.context();
    arrays_ = context.arena->template take<Array<R, B>>(count_);
    for (int i = 0; i < count_; ++i) {
      arrays_[i] = Array<R, B>::make(context, parameters.slot(i).value.shape);
      B::fill(context, arrays_[i].size(), R(0), arrays_[i].data);
    }
  }
  Array<R, B>& operator[](int i) { return arrays_[i]; }
  const Array<R, B>& operator[](int i) const { return arrays_[i]; }
  int count() const { return count_; }

 private:
  int count_;
  Array<R, B>* arrays_;
};

// The gradient rows of one table: entry k belongs to table row ids[k], each id once, ascending.
template <class R>
struct MergedRows {
  Index count = 0;
  Index width = 0;
  std::int32_t* ids = nullptr;
  R* rows = nullptr;  // (count, width)
};

// One gradient row on its way to a table row.
template <class R>
struct RowEntry {
  std::int32_t id;
  R weight;
  const R* from;
};

// Sorts by id and keeps the order of equal ids: a radix sort with a byte a pass, linear in the touched rows.
// `other`: as many entries again. Returns where the sorted ones are.
template <class R>
RowEntry<R>* sort_by_id(RowEntry<R>* entries, RowEntry<R>* other, Index count) {
  std::uint32_t bits = 0;
  for (Index i = 0; i < count; ++i) bits |= static_cast<std::uint32_t>(entries[i].id);
  for (int shift = 0; shift < 32 && bits >> shift != 0; shift += 8) {
    const auto digit = [&](Index i) { return (static_cast<std::uint32_t>(entries[i].id) >> shift) & 0xffu; };
    Index start[257] = {};
    for (Index i = 0; i < count; ++i) ++start[digit(i) + 1];
    for (int d = 0; d < 256; ++d) start[d + 1] += start[d];
    for (Index i = 0; i < count; ++i) other[start[digit(i)]++] = entries[i];
    std::swap(entries, other);
  }
  return entries;
}

// Ids in all bags of a list.
template <class R, class B>
Index ids_of(const RowGradient<R, B>* list) {
  Index total = 0;
  for (auto* g = list; g != nullptr; g = g->next)
    if (g->bags.count > 0) total += g->bags.end(g->bags.count - 1) - g->bags.begin(0);
  return total;
}

// The gradient rows of a list on their way to the table: `used` of them, sorted by id.
template <class R, class B>
RowEntry<R>* sorted_entries(const RowGradient<R, B>* list, Index width, Index total, Arena& arena, Index& used) {
  auto* entries = arena.template take<RowEntry<R>>(2 * total);
  used = 0;
  for (auto* g = list; g != nullptr; g = g->next)
    for (Index s = 0; s < g->bags.count; ++s) {
      const Index size = g->bags.end(s) - g->bags.begin(s);
      const R weight = g->bags.mean && size > 1 ? R(1) / static_cast<R>(size) : R(1);
      for (Index e = g->bags.begin(s); e < g->bags.end(s); ++e)
        if (g->bags.ids[e] >= 0) entries[used++] = {g->bags.ids[e], weight, g->rows.data + s * width};
    }
  return sort_by_id(entries, entries + total, used);
}

// Adds up the rows of equal ids in the order in which they were recorded, so that the result depends on nothing else.
template <class R, class B>
MergedRows<R> merge_rows(const RowGradient<R, B>* list, Index width, Arena& arena) {
  const Index total = ids_of(list);
  MergedRows<R> merged{0, width, arena.template take<std::int32_t>(total), arena.template take<R>(total * width)};
  Index used;
  const RowEntry<R>* const entries = sorted_entries(list, width, total, arena, used);
  for (Index i = 0; i < used; ++i) {
    const bool fresh = i == 0 || entries[i].id != entries[i - 1].id;
    if (fresh) merged.ids[merged.count++] = entries[i].id;
    R* to = merged.rows + (merged.count - 1) * width;
    for (Index j = 0; j < width; ++j) to[j] = (fresh ? R(0) : to[j]) + entries[i].weight * entries[i].from[j];
  }
  return merged;
}

// The same where the host cannot read the rows: they are added up by the device, in the same order.
template <class R, class B>
MergedRows<R> merge_rows_on_device(typename B::Context& context, const RowGradient<R, B>* list, Index width) {
  Arena& arena = *context.arena;
  const Index total = ids_of(list);
  MergedRows<R> merged{0, width, arena.template take<std::int32_t>(total), nullptr};
  auto* starts = arena.template take<std::int32_t>(total + 1);
  Index used;
  const RowEntry<R>* const entries = sorted_entries(list, width, total, arena, used);
  for (Index i = 0; i < used; ++i) {
    if (i > 0 && entries[i].id == entries[i - 1].id) continue;
    merged.ids[merged.count] = entries[i].id;
    starts[merged.count++] = static_cast<std::int32_t>(i);
  }
  starts[merged.count] = static_cast<std::int32_t>(used);
  merged.rows = memory_of(context).template take<R>(merged.count * width);
  B::add_up_rows(context, merged.count, width, starts, entries, merged.rows);
  return merged;
}

// step(tensors, count) with all dense tensors of a model in one list.
template <class Plan, class R, class B, class Step>
void each_step_at_once(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients,
                       TensorState<R, B>& first, TensorState<R, B>& second, const Step& step) {
  ContextScope scope(parameters.context());
  auto* const tensors = parameters.context().arena->template take<TensorStep<R>>(parameters.count());
  int count = 0;
  for (int i = 0; i < parameters.count(); ++i) {
    auto& slot = parameters.slot(i);
    if (!slot.row_table)
      tensors[count++] = {gradients.dense[i].data, first[i].data, second[i].data, slot.value.data, slot.value.size()};
  }
  step(tensors, count);
}

}  // namespace thaw::inline v0::detail
