// What optimisers share: per-tensor state in the arena, and the touched rows of a table merged by id.
#pragma once

#include <algorithm>

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

// Adds up the rows of equal ids in the order in which they were recorded, so that the result depends on nothing else.
template <class R, class B>
MergedRows<R> merge_rows(const RowGradient<R, B>* list, Index width, Arena& arena) {
  struct Entry {
    std::int32_t id;
    std::int32_t order;
    const R* from;
    R weight;
  };
  Index total = 0;
  for (auto* g = list; g != nullptr; g = g->next)
    if (g->bags.count > 0) total += g->bags.end(g->bags.count - 1) - g->bags.begin(0);
  auto* entries = arena.template take<Entry>(total);
  Index used = 0;
  for (auto* g = list; g != nullptr; g = g->next)
    for (Index s = 0; s < g->bags.count; ++s) {
      const Index size = g->bags.end(s) - g->bags.begin(s);
      const R weight = g->bags.mean && size > 1 ? R(1) / static_cast<R>(size) : R(1);
      for (Index e = g->bags.begin(s); e < g->bags.end(s); ++e)
        if (g->bags.ids[e] >= 0) {
          entries[used] = {g->bags.ids[e], static_cast<std::int32_t>(used), g->rows.data + s * width, weight};
          ++used;
        }
    }
  std::sort(entries, entries + used,
            [](const Entry& a, const Entry& b) { return a.id != b.id ? a.id < b.id : a.order < b.order; });
  MergedRows<R> merged{0, width, arena.template take<std::int32_t>(used), arena.template take<R>(used * width)};
  for (Index i = 0; i < used; ++i) {
    const bool fresh = i == 0 || entries[i].id != entries[i - 1].id;
    if (fresh) merged.ids[merged.count++] = entries[i].id;
    R* to = merged.rows + (merged.count - 1) * width;
    for (Index j = 0; j < width; ++j) to[j] = (fresh ? R(0) : to[j]) + entries[i].weight * entries[i].from[j];
  }
  return merged;
}

}  // namespace thaw::inline v0::detail
