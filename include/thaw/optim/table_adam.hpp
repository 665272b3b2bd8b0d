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
        i += step_tables(parameters, i, gradients.rows, step) - 1;
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

  // The tables from `first` on that are looked up by the same bags: their rows are met once. Returns how many.
  template <class Plan>
  int step_tables(Parameters<Plan, R, B>& parameters, int first, Rows* const* lists, const AdamStep& step) {
    Context& context = parameters.context();
    const Rows* const list = lists[first];
    const Index rows = parameters.slot(first).value.shape[0];
    int count = 1;
    while (first + count < parameters.count() && parameters.slot(first + count).row_table &&
           parameters.slot(first + count).value.shape[0] == rows && detail::same_bags(list, lists[first + count]))
      ++count;
    Index widest = 0, work = 0;
    const bool all = options_.untouched == Untouched::move;
    const Index total = detail::entries_of(list);
    for (int i = first; i < first + count; ++i) {
      const Index width = parameters.slot(i).value.shape[1];
      widest = width > widest ? width : widest;
      work += (all ? rows + total : total) * width;
    }
    if (!all && total == 0) return count;
    ArenaScope scope(*context.arena);
    const int threads = work < kSmall ? 1 : threads_of(context);
    Share* const shares = make_shares(*context.arena, threads, total, widest);
    in_parallel(threads, [&](int t) {
      Share& share = shares[t];
      std::int32_t* const places = places_[first];
      const Index groups = (rows + detail::kRowsOfGroup - 1) / detail::kRowsOfGroup;
      const Index begin = groups * t / threads * detail::kRowsOfGroup;
      const Index next = groups * (t + 1) / threads * detail::kRowsOfGroup, end = next < rows ? next : rows;
      if (all)
        detail::meet_rows(list, detail::RowsBetween{begin, end}, places, share);
      else
        detail::meet_rows(list, detail::RowsInTurn(t, threads), places, share);
      for (int i = first; i < first + count; ++i) {
        detail::add_up_rows(lists[i], parameters.slot(i).value.shape[1], share);
        if (all)
          step_all(context, parameters.slot(i), i, step, share, places, begin, end);
        else
          step_touched(context, parameters.slot(i), i, step, share);
      }
      for (Index k = 0; k < share.count; ++k) places[share.ids[k]] = detail::kNoPlace;
    });
    return count;
  }
  static Share* make_shares(Arena& arena, int threads, Index total, Index width) {
    auto* const shares = arena.template take<Share>(threads);
    for (int t = 0; t < threads; ++t)
      shares[t] = {arena.template take<std::int32_t>(total),
                   arena.template take<R>(total),
                   arena.template take<Index>(total),
                   arena.template take<typename Share::Again>(total),
                   arena.template take<const R*>(total),
                   arena.template take<R>(total * width),
                   arena.template take<R>(detail::space_of_rows(width)),
                   0,
                   0};
    return shares;
  }

  void step_touched(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share) {
    const Index width = slot.value.shape[1];
    R* const tables[] = {slot.value.data, first_[i].data, second_[i].data};
    const Index most = detail::rows_together(width);
    R* const fades = share.space + 4 * most * width;
    for (Index begin = 0; begin < share.count; begin += most) {
      const Index count = begin + most <= share.count ? most : share.count - begin;
      const std::int32_t* ids = share.ids + begin;
      AdamRows<R> rows{count, width, ids, options_.untouched == Untouched::fade ? fades : nullptr, share.from + begin};
      if (rows.fades != nullptr)
        for (Index k = 0; k < count; ++k) fades_.of(steps_ - 1 - slot.last_step[ids[k]], fades + 2 * k);
      if (detail::is_narrow(width))
        near(context, step, rows, tables, share.space);
      else
        run(context, step, rows, nullptr, tables[0], tables[1], tables[2]);
      for (Index k = 0; k < count; ++k) slot.last_step[ids[k]] = static_cast<std::int32_t>(steps_);
    }
  }
  // Narrow rows are brought together, stepped as one run of numbers and put back.
  static void near(Context& context, const AdamStep& step, const AdamRows<R>& rows, R* const* tables, R* space) {
    const Index width = rows.width, size = rows.count * width;
    for (Index k = 0; k < rows.count; ++k) {
      const Index at = rows.ids[k] * width;
      const R fade1 = rows.fades == nullptr ? R(1) : rows.fades[2 * k];
      const R fade2 = rows.fades == nullptr ? R(1) : rows.fades[2 * k + 1];
      for (Index j = 0; j < width; ++j) {
        R* const to = space + k * width + j;
        to[0] = tables[0][at + j];
        to[size] = fade1 * tables[1][at + j];
        to[2 * size] = fade2 * tables[2][at + j];
        to[3 * size] = rows.from[k][j];
      }
    }
    run(context, step, {1, size}, space + 3 * size, space, space + size, space + 2 * size);
    for (Index k = 0; k < rows.count; ++k)
      for (int a = 0; a < 3; ++a)
        for (Index j = 0; j < width; ++j) tables[a][rows.ids[k] * width + j] = space[a * size + k * width + j];
  }

  // Rows begin .. end of the table; the gradient of some rows at a time is laid out with its zeros.
  void step_all(Context& context, Slot& slot, int i, const AdamStep& step, const Share& share,
                const std::int32_t* places, Index begin, Index end) {
    const Index width = slot.value.shape[1], most = detail::rows_together(width);
    for (; begin < end; begin += most) {
      const Index count = begin + most <= end ? most : end - begin;
      for (Index j = 0; j < count * width; ++j) share.space[j] = 0;
      for (Index r = 0; r < count; ++r) {
        const std::int32_t place = places[begin + r];
        if (place == detail::kNoPlace) continue;
        for (Index j = 0; j < width; ++j) share.space[r * width + j] = share.from[place][j];
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
