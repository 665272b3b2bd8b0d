// TableAdam: Adam for models that are mostly tables. Costs what a batch touches, or one pass over the tables, and uses
// the threads of the context.
//
//   thaw::TableAdam<float, thaw::CpuEigen> adam(parameters, {.untouched = thaw::Untouched::rest});
//   adam.step(parameters, parameters.gradient(loss), /*rate*/ 1e-3);
//
// `rest`: a row that was not touched keeps its weights and moments, which makes it torch.optim.SparseAdam on tables.
// `move`: every row takes the step that dense Adam takes, from the gradients of the touched rows alone: the numbers of
// Adam on a dense table without a dense gradient. Dense tensors take Adam's step in both. No decay. Rows of one table
// are added up in the order of the batch whatever the number of threads. For rows whose moments fade by the steps they
// missed: Adam.
#pragma once

#include "thaw/backend/threads.hpp"
#include "thaw/optim/optimizer.hpp"

namespace thaw::inline v0 {

enum class Untouched : std::uint8_t { rest, move };

struct TableAdamOptions {
  Untouched untouched = Untouched::rest;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

template <class R, class B = Cpu>
class TableAdam {
 public:
  template <class Plan>
  explicit TableAdam(Parameters<Plan, R, B>& parameters, TableAdamOptions options = {})
      : options_(options), first_(parameters), second_(parameters) {
    Arena& arena = *parameters.context().arena;
    places_ = arena.template take<std::int32_t*>(parameters.count());
    for (int i = 0; i < parameters.count(); ++i) {
      const auto& slot = parameters.slot(i);
      places_[i] = nullptr;
      if (!slot.row_table) continue;
      places_[i] = arena.template take<std::int32_t>(slot.value.shape[0]);
      for (Index r = 0; r < slot.value.shape[0]; ++r) places_[i][r] = kNone;
    }
  }

  // Working memory comes from the arena of the parameters and is given back.
  template <class Plan>
  void step(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, double rate) {
    ++steps_;
    const AdamStep step = AdamStep::at(steps_, rate, options_.beta1, options_.beta2, options_.epsilon);
    for (int i = 0; i < parameters.count(); ++i) {
      auto& slot = parameters.slot(i);
      if (slot.row_table)
        step_table(parameters.context(), slot, i, gradients.rows[i], step);
      else
        B::adam(parameters.context(), slot.value.size(), step, gradients.dense[i].data, first_[i].data, second_[i].data,
                slot.value.data);
    }
  }
  void each_state(auto&& fn) {
    for (int i = 0; i < first_.count(); ++i) fn("first_moment", i, first_[i]);
    for (int i = 0; i < second_.count(); ++i) fn("second_moment", i, second_[i]);
  }
  std::int64_t& steps() { return steps_; }

 private:
  using Context = typename B::Context;
  using Slot = ParameterSlot<R, B>;
  using Rows = RowGradient<R, B>;
  static constexpr std::int32_t kNone = -1;
  static constexpr Index kTogether = 16;  // rows that belong to one thread: no cache line is shared by two

  // What one thread collects: the table rows it met, and their gradients one after another.
  struct Share {
    std::int32_t* ids;
    R* sums;
    Index count;
  };

  void step_table(Context& context, Slot& slot, int i, const Rows* list, const AdamStep& step) {
    Index total = 0;
    for (const Rows* g = list; g != nullptr; g = g->next)
      if (g->bags.count > 0) total += g->bags.end(g->bags.count - 1) - g->bags.begin(0);
    ArenaScope scope(*context.arena);
    const Index width = slot.value.shape[1], rows = slot.value.shape[0];
    // Below this much a second thread costs more than it brings.
    const bool small = (options_.untouched == Untouched::rest ? total : rows) * width < kSmall;
    const int threads = small ? 1 : threads_of(context);
    Arena& arena = *context.arena;
    auto* shares = arena.template take<Share>(threads);
    for (int t = 0; t < threads; ++t)
      shares[t] = {arena.template take<std::int32_t>(total), arena.template take<R>(total * width), 0};
    R* blocks = options_.untouched == Untouched::move ? arena.template take<R>(threads * kTogether * width) : nullptr;
    in_parallel(threads, [&](int t) {
      Share& share = shares[t];
      collect(list, width, t, threads, places_[i], share);
      if (options_.untouched == Untouched::rest)
        step_touched(context, slot, i, step, share);
      else
        step_all(context, slot, i, step, share, t, threads, blocks + t * kTogether * width);
      for (Index k = 0; k < share.count; ++k) places_[i][share.ids[k]] = kNone;
    });
  }

  // Adds up the gradient rows of the table rows that belong to this thread.
  static void collect(const Rows* list, Index width, int thread, int threads, std::int32_t* places, Share& share) {
    for (const Rows* g = list; g != nullptr; g = g->next)
      for (Index s = 0; s < g->bags.count; ++s) {
        const Index begin = g->bags.begin(s), end = g->bags.end(s);
        const R weight = g->bags.mean && end - begin > 1 ? R(1) / static_cast<R>(end - begin) : R(1);
        const R* from = g->rows.data + s * width;
        for (Index e = begin; e < end; ++e) {
          const std::int32_t id = g->bags.ids[e];
          if (id < 0 || id / kTogether % threads != thread) continue;
          const bool fresh = places[id] == kNone;
          if (fresh) {
            places[id] = static_cast<std::int32_t>(share.count);
            share.ids[share.count++] = id;
          }
          add_row(fresh, weight, from, width, share.sums + places[id] * width);
        }
      }
  }
  static void add_row(bool fresh, R weight, const R* from, Index width, R* to) {
    constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors
    Index j = 0;
    if (fresh) {
      for (; j + kLanes <= width; j += kLanes)
        for (Index l = 0; l < kLanes; ++l) to[j + l] = weight * from[j + l];
      for (; j < width; ++j) to[j] = weight * from[j];
    } else {
      for (; j + kLanes <= width; j += kLanes)
        for (Index l = 0; l < kLanes; ++l) to[j + l] += weight * from[j + l];
      for (; j < width; ++j) to[j] += weight * from[j];
    }
  }

  void step_touched(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share) {
    const Index width = slot.value.shape[1];
    constexpr Index kAhead = 8;
    for (Index k = 0; k < share.count; ++k) {
      if (k + kAhead < share.count) {
        const Index next = share.ids[k + kAhead] * width;
        __builtin_prefetch(slot.value.data + next, 1);
        __builtin_prefetch(first_[i].data + next, 1);
        __builtin_prefetch(second_[i].data + next, 1);
      }
      const Index at = share.ids[k] * width;
      B::adam(context, width, step, share.sums + k * width, first_[i].data + at, second_[i].data + at,
              slot.value.data + at);
      slot.last_step[share.ids[k]] = static_cast<std::int32_t>(steps_);
    }
  }

  // Every group of rows that belongs to this thread; `block` holds the gradient of one group.
  void step_all(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share, int thread, int threads,
                R* block) {
    const Index width = slot.value.shape[1], rows = slot.value.shape[0];
    for (Index begin = thread * kTogether; begin < rows; begin += threads * kTogether) {
      const Index count = (begin + kTogether <= rows ? kTogether : rows - begin);
      for (Index j = 0; j < count * width; ++j) block[j] = 0;
      for (Index r = 0; r < count; ++r) {
        const std::int32_t place = places_[i][begin + r];
        if (place == kNone) continue;
        add_row(true, R(1), share.sums + place * width, width, block + r * width);
        slot.last_step[begin + r] = static_cast<std::int32_t>(steps_);
      }
      const Index at = begin * width;
      B::adam(context, count * width, step, block, first_[i].data + at, second_[i].data + at, slot.value.data + at);
    }
  }

  static constexpr Index kSmall = 1 << 14;

  TableAdamOptions options_;
  detail::TensorState<R, B> first_, second_;
  std::int32_t** places_;  // of each row table: where a row's gradient is collected, kNone between the steps
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
