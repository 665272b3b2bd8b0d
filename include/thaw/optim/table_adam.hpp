// TableAdam: Adam for models that are mostly tables. Costs what a batch touches, or one pass over the tables, and uses
// the threads of the context.
//
//   thaw::TableAdam<float, thaw::CpuEigen> adam(parameters, {.untouched = thaw::Untouched::rest});
//   adam.step(parameters, parameters.gradient(loss), /*rate*/ 1e-3);
//
// What happens to a row that a batch does not touch:
//   rest  it keeps its weights and moments: torch.optim.SparseAdam on tables;
//   fade  it keeps its weights, and its moments fade by the steps it missed when it is touched again: as Adam here;
//   move  it takes the step that dense Adam takes, from moments alone: the numbers of Adam on a dense table without a
//         dense gradient.
// Dense tensors take Adam's step in all of them. No decay. Rows of one table are added up in the order of the batch
// whatever the number of threads.
#pragma once

#include "thaw/backend/threads.hpp"
#include "thaw/optim/optimizer.hpp"
#include "thaw/optim/table_rows.hpp"

namespace thaw::inline v0 {

enum class Untouched : std::uint8_t { rest, fade, move };

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
      for (Index r = 0; r < slot.value.shape[0]; ++r) places_[i][r] = detail::kNoPlace;
    }
    if (options.untouched == Untouched::fade) fades_.fill(options.beta1, options.beta2);
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
        run(parameters.context(), step, {1, slot.value.size()}, gradients.dense[i].data, slot.value.data,
            first_[i].data, second_[i].data);
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
  using Share = detail::RowShare<R>;

  // The step on a run of numbers or on rows, with the instructions that the context has.
  static void run(Context& context, const AdamStep& step, const AdamRows<R>& rows, const R* g, R* p, R* m, R* v) {
    if constexpr (requires { context.isa; })
      adam_rows(context.isa, step, rows, g, p, m, v);
    else
      adam_rows(Isa::portable, step, rows, g, p, m, v);
  }

  void step_table(Context& context, Slot& slot, int i, const Rows* list, const AdamStep& step) {
    Index total = 0;
    for (const Rows* g = list; g != nullptr; g = g->next)
      if (g->bags.count > 0) total += g->bags.end(g->bags.count - 1) - g->bags.begin(0);
    Arena& arena = *context.arena;
    ArenaScope scope(arena);
    const Index width = slot.value.shape[1], rows = slot.value.shape[0];
    const bool all = options_.untouched == Untouched::move;
    // Below this much a second thread costs more than it brings.
    const int threads = (all ? rows + total : total) * width < kSmall ? 1 : threads_of(context);
    auto* shares = arena.template take<Share>(threads);
    const Index space = detail::space_of_rows(width);
    for (int t = 0; t < threads; ++t)
      shares[t] = {arena.template take<std::int32_t>(total), arena.template take<R>(total * width),
                   arena.template take<R>(space), 0};
    in_parallel(threads, [&](int t) {
      Share& share = shares[t];
      if (all) {
        // One run of rows for each thread.
        const Index groups = (rows + detail::kRowsOfGroup - 1) / detail::kRowsOfGroup;
        const Index begin = groups * t / threads * detail::kRowsOfGroup;
        const Index next = groups * (t + 1) / threads * detail::kRowsOfGroup, end = next < rows ? next : rows;
        detail::collect_rows(list, width, detail::RowsBetween{begin, end}, places_[i], share);
        step_all(context, slot, i, step, share, begin, end);
      } else {
        detail::collect_rows(list, width, detail::RowsInTurn(t, threads), places_[i], share);
        step_touched(context, slot, i, step, share);
      }
      for (Index k = 0; k < share.count; ++k) places_[i][share.ids[k]] = detail::kNoPlace;
    });
  }

  void step_touched(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share) {
    const Index width = slot.value.shape[1];
    R* const tables[] = {slot.value.data, first_[i].data, second_[i].data};
    const Index most = detail::rows_together(width);
    R* const fades = share.space + 3 * most * width;
    for (Index begin = 0; begin < share.count; begin += most) {
      const Index count = begin + most <= share.count ? most : share.count - begin;
      const std::int32_t* ids = share.ids + begin;
      AdamRows<R> rows{count, width, ids, options_.untouched == Untouched::fade ? fades : nullptr};
      if (rows.fades != nullptr)
        for (Index k = 0; k < count; ++k) fades_.of(steps_ - 1 - slot.last_step[ids[k]], fades + 2 * k);
      const R* g = share.sums + begin * width;
      if (detail::is_narrow(width))
        near(context, step, rows, g, tables, share.space);
      else
        run(context, step, rows, g, tables[0], tables[1], tables[2]);
      for (Index k = 0; k < count; ++k) slot.last_step[ids[k]] = static_cast<std::int32_t>(steps_);
    }
  }
  // Narrow rows are brought together, stepped as one run of numbers and put back.
  static void near(Context& context, const AdamStep& step, const AdamRows<R>& rows, const R* g, R* const* tables,
                   R* space) {
    const Index size = rows.count * rows.width;
    for (int a = 0; a < 3; ++a)
      for (Index k = 0; k < rows.count; ++k) {
        const R fade = a == 0 || rows.fades == nullptr ? R(1) : rows.fades[2 * k + a - 1];
        const R* from = tables[a] + rows.ids[k] * rows.width;
        for (Index j = 0; j < rows.width; ++j) space[a * size + k * rows.width + j] = fade * from[j];
      }
    run(context, step, {1, size}, g, space, space + size, space + 2 * size);
    for (int a = 0; a < 3; ++a)
      for (Index k = 0; k < rows.count; ++k) {
        R* to = tables[a] + rows.ids[k] * rows.width;
        for (Index j = 0; j < rows.width; ++j) to[j] = space[a * size + k * rows.width + j];
      }
  }

  // Rows begin .. end of the table; the gradient of some rows at a time is laid out with its zeros.
  void step_all(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share, Index begin, Index end) {
    const Index width = slot.value.shape[1], most = detail::rows_together(width);
    for (; begin < end; begin += most) {
      const Index count = begin + most <= end ? most : end - begin;
      for (Index j = 0; j < count * width; ++j) share.space[j] = 0;
      for (Index r = 0; r < count; ++r) {
        const std::int32_t place = places_[i][begin + r];
        if (place == detail::kNoPlace) continue;
        detail::add_row(true, R(1), share.sums + place * width, width, share.space + r * width);
        slot.last_step[begin + r] = static_cast<std::int32_t>(steps_);
      }
      const Index at = begin * width;
      run(context, step, {1, count * width}, share.space, slot.value.data + at, first_[i].data + at,
          second_[i].data + at);
    }
  }

  static constexpr Index kSmall = 1 << 14;

  TableAdamOptions options_;
  detail::TensorState<R, B> first_, second_;
  std::int32_t** places_;  // of each row table: where a row's gradient is collected, kNoPlace between the steps
  detail::MomentFades<R> fades_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
