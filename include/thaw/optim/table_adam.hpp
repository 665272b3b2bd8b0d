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

#include <algorithm>

#include "thaw/backend/tasks.hpp"
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
    Context& context = parameters.context();
    ArenaScope scope(*context.arena);
    Job job = plan(parameters, gradients);
    const int threads = job.work < kSmall ? 1 : threads_of(context);
    R* const spaces = context.arena->template take<R>(threads * job.space);
    const auto rows_of = [&](Index s, const Room& room) { meet(parameters, gradients, job, s, room); };
    const auto piece_of = [&](const Piece& piece, int thread) {
      run_piece(parameters, gradients, step, job, piece, spaces + thread * job.space);
    };
    if (all()) {
      each_task_at_home(threads, job.shares, [&](Index s, int) { rows_of(s, job.room[s]); });
      each_task_at_home(threads, job.pieces, [&](Index i, int thread) { piece_of(job.piece[i], thread); });
      return;
    }
    each_task_at_home(threads, job.shares + job.pieces, [&](Index i, int thread) {
      if (i >= job.shares) return piece_of(job.piece[i - job.shares], thread);
      rows_of(i, job.room[thread]);
      const int group = group_of(job, i);
      for (Index begin = 0; begin < job.share[i].count; begin += detail::kRowsOfPiece)
        piece_of({group, i, begin, (std::min)(begin + detail::kRowsOfPiece, job.share[i].count)}, thread);
    });
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

  // Tables one after another that are looked up by the same bags: their rows are met once.
  struct Group {
    int first, tables;  // slots
    Index share, shares;
  };
  // What one task steps: rows of a share, or numbers of a dense tensor.
  struct Piece {
    int group;  // below zero: the dense tensor in slot ~group
    Index share, begin, end;
  };
  // What is met of a share: its own where shares are cut into pieces, else one a thread, which stays in cache.
  struct Room {
    std::int32_t* ids;  // (2, capacity + 1)
    R* sums;            // of each table (capacity, width)
  };
  struct Job {
    Group* group;
    Share* share;
    Piece* piece;
    Room* room;
    int groups = 0;
    Index shares = 0, pieces = 0, work = 0, space = 0;
    Index capacity = 0, sums = 0;  // of the largest share
  };

  // The step on a run of numbers or on rows, with the instructions that the context has.
  static void run(Context& context, const AdamStep& step, const AdamRows<R>& rows, const R* g, R* p, R* m, R* v) {
    if constexpr (requires { context.isa; })
      adam_rows(context.isa, step, rows, g, p, m, v);
    else
      adam_rows(Isa::portable, step, rows, g, p, m, v);
  }
  bool all() const { return options_.untouched == Untouched::move; }

  // Which tables go together, and whose rows are met at the same time.
  template <class Plan>
  Job plan(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients) const {
    Arena& arena = *parameters.context().arena;
    const int count = parameters.count(), threads = threads_of(parameters.context());
    Job job;
    job.group = arena.template take<Group>(count);
    for (int i = 0; i < count; ++i) {
      if (!parameters.slot(i).row_table) {
        job.work += parameters.slot(i).value.size();
        continue;
      }
      Group group{i, 1, 0, 0};
      const Rows* const list = gradients.rows[i];
      const Index rows = parameters.slot(i).value.shape[0];
      while (i + 1 < count && parameters.slot(i + 1).row_table && parameters.slot(i + 1).value.shape[0] == rows &&
             detail::same_bags(list, gradients.rows[i + 1]))
        ++i, ++group.tables;
      const Index total = detail::entries_of(list);
      if (!all() && total == 0) continue;
      group.shares = columns_of(list) > 0 ? columns_of(list) : total < kFew ? 1 : threads;
      job.shares += group.shares;
      job.group[job.groups++] = group;
    }
    job.share = arena.template take<Share>(job.shares);
    job.shares = 0;
    for (int g = 0; g < job.groups; ++g) {
      job.group[g].share = job.shares;
      make_shares(parameters, gradients, job.group[g], job);
    }
    const Index rooms = all() ? job.shares : threads;
    job.room = arena.template take<Room>(rooms);
    for (Index r = 0; r < rooms; ++r)
      job.room[r] = {arena.template take<std::int32_t>(2 * (job.capacity + 1)), arena.template take<R>(job.sums)};
    cut(parameters, job);
    return job;
  }
  // How many columns share the table, where the whole list says so.
  static Index columns_of(const Rows* list) {
    return list != nullptr && list->next == nullptr && list->columns != nullptr ? list->columns->count : 0;
  }
  template <class Plan>
  void make_shares(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, const Group& group,
                   Job& job) const {
    const Rows* const list = gradients.rows[group.first];
    const Index rows = parameters.slot(group.first).value.shape[0], columns = columns_of(list);
    Index widths = 0;
    for (int i = group.first; i < group.first + group.tables; ++i) {
      const Index width = parameters.slot(i).value.shape[1];
      widths += width;
      const Index space = detail::space_of_piece(width);
      job.space = space > job.space ? space : job.space;
    }
    for (Index s = 0; s < group.shares; ++s) {
      detail::RowOwner owner{0, 1, 0, rows, 0, 1};
      if (columns > 0)
        owner = {s, columns, list->columns->first[s], list->columns->first[s + 1], 0, 1};
      else if (all())
        owner = {0, 1, border(rows, s, group.shares), border(rows, s + 1, group.shares), 0, 1};
      else
        owner.turn = static_cast<std::uint32_t>(s), owner.of = static_cast<std::uint32_t>(group.shares);
      const Index total = detail::entries_of(list, owner.column, owner.columns);
      job.share[job.shares++] = {owner, nullptr, nullptr, nullptr, total, 0};
      job.capacity = (std::max)(job.capacity, total);
      job.sums = (std::max)(job.sums, total * widths);
      job.work += (all() ? owner.end - owner.begin : 0) * widths + total * widths;
    }
  }
  static Index border(Index rows, Index share, Index shares) {
    const Index groups = (rows + detail::kRowsOfGroup - 1) / detail::kRowsOfGroup;
    const Index at = groups * share / shares * detail::kRowsOfGroup;
    return at < rows ? at : rows;
  }
  static int group_of(const Job& job, Index share) {
    int g = 0;
    while (share >= job.group[g].share + job.group[g].shares) ++g;
    return g;
  }

  // Finds the rows of a share and adds up their gradients in every table of its group.
  template <class Plan>
  void meet(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, const Job& job, Index s,
            const Room& room) {
    const Group& group = job.group[group_of(job, s)];
    Share& share = job.share[s];
    share.ids = room.ids, share.other = room.ids + job.capacity + 1, share.sums = room.sums;
    const std::int32_t* const places = places_[group.first];
    detail::meet_rows(gradients.rows[group.first], places_[group.first], share);
    R* sums = share.sums;
    for (int t = 0; t < group.tables; ++t) {
      Slot& slot = parameters.slot(group.first + t);
      detail::add_up_rows(gradients.rows[group.first + t], slot.value.shape[1], places, share, sums);
      sums += share.capacity * slot.value.shape[1];
      for (Index k = 0; all() && k < share.count; ++k) slot.last_step[share.ids[k]] = static_cast<std::int32_t>(steps_);
    }
  }

  // Cuts what nobody has to meet into pieces: dense tensors, and tables that are stepped whole.
  template <class Plan>
  void cut(Parameters<Plan, R, B>& parameters, Job& job) const {
    Arena& arena = *parameters.context().arena;
    for (const bool counted : {false, true}) {
      job.pieces = 0;
      const auto add = [&](int group, Index share, Index begin, Index end, Index most) {
        for (; begin < end; begin += most, ++job.pieces)
          if (counted) job.piece[job.pieces] = {group, share, begin, (std::min)(begin + most, end)};
      };
      for (int g = 0; all() && g < job.groups; ++g)
        for (Index s = job.group[g].share; s < job.group[g].share + job.group[g].shares; ++s)
          add(g, s, job.share[s].owner.begin, job.share[s].owner.end,
              rows_of_run(parameters.slot(job.group[g].first).value.shape[1]));
      for (int i = 0; i < parameters.count(); ++i)
        if (!parameters.slot(i).row_table) add(~i, 0, 0, parameters.slot(i).value.size(), detail::kRunOfPiece);
      if (!counted) job.piece = arena.template take<Piece>(job.pieces);
    }
  }
  static Index rows_of_run(Index width) { return detail::kRunOfPiece / (width < 8 ? 8 : width) + 1; }

  template <class Plan>
  void run_piece(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, const AdamStep& step,
                 const Job& job, const Piece& piece, R* space) {
    Context& context = parameters.context();
    if (piece.group < 0) {
      const int i = ~piece.group;
      const Index at = piece.begin;
      run(context, step, {1, piece.end - at}, gradients.dense[i].data + at, parameters.slot(i).value.data + at,
          first_[i].data + at, second_[i].data + at);
      return;
    }
    const Group& group = job.group[piece.group];
    const Share& share = job.share[piece.share];
    const R* sums = share.sums;
    for (int t = 0; t < group.tables; ++t) {
      Slot& slot = parameters.slot(group.first + t);
      if (all())
        step_all(context, slot, group.first + t, step, piece, share, sums, places_[group.first], space);
      else
        step_touched(context, slot, group.first + t, step, piece, share, sums, space);
      sums += share.capacity * slot.value.shape[1];
    }
    std::int32_t* const places = places_[group.first];
    for (Index r = piece.begin; r < piece.end; ++r) places[all() ? r : share.ids[r]] = detail::kNoPlace;
  }

  void step_touched(Context& context, Slot& slot, int i, const AdamStep& step, const Piece& piece, const Share& share,
                    const R* sums, R* space) {
    const Index width = slot.value.shape[1], count = piece.end - piece.begin;
    const std::int32_t* const ids = share.ids + piece.begin;
    R* const fades = space;
    AdamRows<R> rows{count, width, ids, options_.untouched == Untouched::fade ? fades : nullptr};
    if (rows.fades != nullptr)
      for (Index k = 0; k < count; ++k) fades_.of(steps_ - 1 - slot.last_step[ids[k]], fades + 2 * k);
    R* const tables[] = {slot.value.data, first_[i].data, second_[i].data};
    const R* const g = sums + piece.begin * width;
    if (detail::is_narrow(width))
      near(context, step, rows, g, tables, space + 2 * detail::kRowsOfPiece);
    else
      run(context, step, rows, g, tables[0], tables[1], tables[2]);
    for (Index k = 0; k < count; ++k) slot.last_step[ids[k]] = static_cast<std::int32_t>(steps_);
  }
  // Narrow rows are brought together, stepped as one run of numbers and put back.
  static void near(Context& context, const AdamStep& step, const AdamRows<R>& rows, const R* g, R* const* tables,
                   R* space) {
    const Index width = rows.width, size = rows.count * width;
    constexpr Index kAhead = 16;
    for (Index k = 0; k < rows.count; ++k) {
      const Index at = rows.ids[k] * width;
      for (int a = 0; a < 3 && k + kAhead < rows.count; ++a)
        __builtin_prefetch(tables[a] + rows.ids[k + kAhead] * width, 1);
      const R fade1 = rows.fades == nullptr ? R(1) : rows.fades[2 * k];
      const R fade2 = rows.fades == nullptr ? R(1) : rows.fades[2 * k + 1];
      for (Index j = 0; j < width; ++j) {
        R* const to = space + k * width + j;
        to[0] = tables[0][at + j];
        to[size] = fade1 * tables[1][at + j];
        to[2 * size] = fade2 * tables[2][at + j];
      }
    }
    run(context, step, {1, size}, g, space, space + size, space + 2 * size);
    for (Index k = 0; k < rows.count; ++k)
      for (int a = 0; a < 3; ++a)
        for (Index j = 0; j < width; ++j) tables[a][rows.ids[k] * width + j] = space[a * size + k * width + j];
  }

  // The rows of a piece, most of which have no gradient. Narrow ones are stepped as one run of numbers, for which their
  // gradient is laid out.
  void step_all(Context& context, Slot& slot, int i, const AdamStep& step, const Piece& piece, const Share& share,
                const R* sums, const std::int32_t* places, R* space) {
    const Index width = slot.value.shape[1], count = piece.end - piece.begin, at = piece.begin * width;
    const bool narrow = detail::is_narrow(width);
    for (Index j = 0; j < (narrow ? count * width : width); ++j) space[j] = 0;
    AdamRows<R> rows{1, count * width};
    if (!narrow)
      rows = {count, width, nullptr, nullptr, places + piece.begin, space};
    else
      for (Index k = first_of(share, piece.begin); k < share.count && share.ids[k] < piece.end; ++k)
        for (Index j = 0; j < width; ++j) space[(share.ids[k] - piece.begin) * width + j] = sums[k * width + j];
    run(context, step, rows, narrow ? space : sums, slot.value.data + at, first_[i].data + at, second_[i].data + at);
  }
  // The first k whose id is not below `row`.
  static Index first_of(const Share& share, Index row) {
    Index begin = 0, end = share.count;
    while (begin < end) {
      const Index middle = (begin + end) / 2;
      (share.ids[middle] < row ? begin : end) = share.ids[middle] < row ? middle + 1 : middle;
    }
    return begin;
  }

  static constexpr Index kFew = 4096;  // entries that are met by one thread
  static constexpr Index kSmall = 1 << 14;

  TableAdamOptions options_;
  detail::TensorState<R, B> first_, second_;
  std::int32_t** places_;  // of each row table: where a row's gradient is collected, kNoPlace between the steps
  detail::MomentFades<R> fades_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
