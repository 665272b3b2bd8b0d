// GradientSum: the gradients of all ranks added up, so that every rank takes the same optimiser step.
//
//   thaw::broadcast_parameters(ranks, parameters);                  // once: all start from the first rank's weights
//   thaw::GradientSum<float, thaw::CpuEigen> sum(ranks);
//   ...
//   auto loss = thaw::scale(mean_loss_of_own_share, share);         // this rank's part of the loss of the whole batch
//   auto gradients = parameters.gradient(loss);
//   double losses[] = {loss.item()};
//   ranks.need(sum(parameters, context, gradients, losses, 1));     // then clip, then step
//
// Dense gradients go in one block in the order of the parameters. Of row tables each rank adds up its own rows of equal
// id, everybody gets the (ids, rows) of everybody in the order of the ranks, and those of equal id are added up again:
// what comes out names each row once. Memory is the context's, and lives as long as the gradients.
//
// A rank brings the part of the gradient that its samples have in the loss of the whole batch: a sum, or a mean scaled
// by the rank's share of the samples. What one process computes differs by how sums are grouped and by nothing else.
// With one rank nothing is touched. Not overlapped with the sweep that computes the gradients.
#pragma once

#include "thaw/distributed/communicator.hpp"
#include "thaw/optim/optimizer.hpp"
#include "thaw/optim/table_rows.hpp"

namespace thaw::inline v0 {

// Every rank gets the weights of the first one, and its last steps of row tables.
template <class Plan, class R, class B>
Result<Done> broadcast_parameters(const CommunicatorRef& ranks, Parameters<Plan, R, B>& parameters) {
  static_assert(!has_own_memory<typename B::Context>, "broadcast_parameters reads weights in the host's memory");
  constexpr auto bytes = [](Index count, std::size_t each) { return count * static_cast<Index>(each); };
  const auto& block = parameters.dense_block();
  auto done = ranks.broadcast(block.data, bytes(block.size(), sizeof(R)), 0);
  for (int i = 0; done && i < parameters.count(); ++i) {
    auto& slot = parameters.slot(i);
    if (!slot.row_table) continue;
    if (auto sent = ranks.broadcast(slot.value.data, bytes(slot.value.size(), sizeof(R)), 0); !sent) return sent;
    auto sent = ranks.broadcast(slot.last_step, bytes(slot.value.shape[0], sizeof(std::int32_t)), 0);
    if (!sent) return sent;
  }
  return done;
}

// Adds up the rows of equal id in every row table, so that each id stands once. GradientSum does it where there are
// several ranks; with one, it makes clip_norm see what it would see there.
template <class Plan, class R, class B>
void coalesce_rows(const Parameters<Plan, R, B>& parameters, typename B::Context& context, GradientList<R, B>& list) {
  static_assert(!has_own_memory<typename B::Context>, "coalesce_rows merges rows in the host's memory");
  Arena& arena = *context.arena;
  for (int i = 0; i < list.count; ++i) {
    if (list.rows[i] == nullptr) continue;
    const Index width = parameters.slot(i).value.shape[1];
    const auto merged = detail::merge_rows(list.rows[i], width, arena);
    auto* const one = arena.template take<RowGradient<R, B>>(1);
    *one = {{merged.ids, nullptr, merged.count, false}, {merged.rows, &context, {merged.count, width}}, nullptr};
    list.rows[i] = one;
  }
}

template <class R, class B = Cpu>
class GradientSum {
 public:
  using Context = typename B::Context;

  GradientSum() = default;
  // `blocks`: who sums the dense block where that is not the same, such as devices.
  explicit GradientSum(const CommunicatorRef& ranks) : GradientSum(ranks, ranks) {}
  GradientSum(const CommunicatorRef& ranks, const CommunicatorRef& blocks) : ranks_(ranks), blocks_(blocks) {}

  // Replaces the gradients, and numbers[0 .. count - 1], by their sums over the ranks. Errors: of the communicator.
  template <class Plan>
  Result<Done> operator()(const Parameters<Plan, R, B>& parameters, Context& context, GradientList<R, B>& list,
                          double* numbers = nullptr, int count = 0) {
    if (ranks_.is_lone()) return Done{};
    bytes_ = 0;
    if (auto done = sum_dense(context, list); !done) return done;
    if (auto done = ranks_.all_reduce_sum(numbers, count); !done) return done;
    if constexpr (has_own_memory<Context>) {
      for (int i = 0; i < list.count; ++i)
        require(!parameters.slot(i).row_table,
                "GradientSum: row tables are summed in the host's memory; take dense ones");
      return Done{};
    } else {
      return sum_rows(parameters, context, list);
    }
  }

  const CommunicatorRef& ranks() const { return ranks_; }
  // What this rank had to send in the last call: its gradients, as a ring or pieces by owner would move them.
  Index bytes_sent() const { return bytes_; }

 private:
  using Rows = RowGradient<R, B>;

  // One array may stand for several tensors (the rules of add and reshape hand it on), so that sums go elsewhere.
  Result<Done> sum_dense(Context& context, GradientList<R, B>& list) {
    Index total = 0;
    for (int i = 0; i < list.count; ++i) total += list.dense[i].data != nullptr ? list.dense[i].size() : 0;
    if (total == 0) return Done{};
    const auto block = Array<R, B>::make(context, {total});
    Index at = 0;
    for (int i = 0; i < list.count; ++i) {
      Array<R, B>& g = list.dense[i];
      if (g.data == nullptr) continue;
      B::copy(context, g.size(), g.data, block.data + at);
      g = {block.data + at, &context, g.shape};
      at += g.size();
    }
    const Index others = blocks_.size() - 1;
    bytes_ += 2 * others * total * static_cast<Index>(sizeof(R)) / blocks_.size();
    return blocks_.all_reduce_sum(block.data, total);
  }

  // Tables one after another that are looked up by the same ids: these are sent once. `from` and `first` are the
  // table's and the group's place in a rank's message.
  struct Table {
    int slot;
    bool with_previous;
    detail::MergedRows<R> own;
  };

  template <class Plan>
  Result<Done> sum_rows(const Parameters<Plan, R, B>& parameters, Context& context, GradientList<R, B>& list) {
    Arena& arena = *context.arena;
    auto* const tables = arena.template take<Table>(list.count);
    int count = 0;
    for (int i = 0; i < list.count; ++i) {
      const auto& slot = parameters.slot(i);
      if (!slot.row_table) continue;
      const bool same = count > 0 && tables[count - 1].slot == i - 1 &&
                        parameters.slot(i - 1).value.shape[0] == slot.value.shape[0] &&
                        detail::same_bags(list.rows[i - 1], list.rows[i]);
      tables[count++] = {i, same, detail::merge_rows(list.rows[i], slot.value.shape[1], arena)};
    }
    if (count == 0) return Done{};
    // (ranks, tables): rows that each rank has of each table, and whether it took it together with the one before.
    const int size = ranks_.size();
    auto* const rows = arena.template take<Index>(Index(size) * count);
    auto* const own = arena.template take<Index>(count);
    auto* const bytes = arena.template take<Index>(size);
    for (int t = 0; t < count; ++t) own[t] = 2 * tables[t].own.count + (tables[t].with_previous ? 1 : 0);
    for (int r = 0; r < size; ++r) bytes[r] = count * static_cast<Index>(sizeof(Index));
    if (auto done = ranks_.all_gather(own, rows, bytes); !done) return done;
    return exchange(parameters, context, list, tables, count, rows);
  }

  // The message of a rank: the rows of every table, then the ids of every group of tables, then up to a whole number
  // of alignments, so that the next rank's rows are where a load may find them.
  static Index message_bytes(const auto& parameters, const Table* tables, int count, const Index* rows) {
    Index bytes = 0;
    for (int t = 0; t < count; ++t) {
      const Index width = parameters.slot(tables[t].slot).value.shape[1];
      bytes += rows[t] / 2 * width * static_cast<Index>(sizeof(R));
      if (rows[t] % 2 == 0) bytes += rows[t] / 2 * static_cast<Index>(sizeof(std::int32_t));
    }
    return (bytes + 7) / 8 * 8;
  }

  template <class Plan>
  Result<Done> exchange(const Parameters<Plan, R, B>& parameters, Context& context, GradientList<R, B>& list,
                        const Table* tables, int count, const Index* rows) {
    Arena& arena = *context.arena;
    const int size = ranks_.size(), self = ranks_.rank();
    auto* const bytes = arena.template take<Index>(size);
    Index total = 0;
    for (int r = 0; r < size; ++r) total += bytes[r] = message_bytes(parameters, tables, count, rows + r * count);
    auto* const own = arena.template take<char>(bytes[self]);
    char* to = own;
    const auto put = [&](const void* from, Index much) {
      __builtin_memcpy(to, from, static_cast<std::size_t>(much));
      to += much;
    };
    for (int t = 0; t < count; ++t)
      put(tables[t].own.rows, tables[t].own.count * tables[t].own.width * static_cast<Index>(sizeof(R)));
    for (int t = 0; t < count; ++t)
      if (!tables[t].with_previous)
        put(tables[t].own.ids, tables[t].own.count * static_cast<Index>(sizeof(std::int32_t)));
    auto* const all = arena.template take<char>(total);
    bytes_ += (bytes[self] + count * static_cast<Index>(sizeof(Index))) * (size - 1);
    if (auto done = ranks_.all_gather(own, all, bytes); !done) return done;
    for (int t = 0; t < count; ++t) list.rows[tables[t].slot] = nullptr;
    for (int r = size - 1; r >= 0; --r) {  // lists grow at their front, and are to name the first rank first
      total -= bytes[r];
      link(parameters, context, list, tables, count, rows + r * count, all + total);
    }
    coalesce_rows(parameters, context, list);
    // Tables that were grouped everywhere have the same ids: one array of them tells the optimiser so.
    for (int t = 1; t < count; ++t)
      if (is_grouped(rows, t, count) && list.rows[tables[t].slot] != nullptr)
        list.rows[tables[t].slot]->bags.ids = list.rows[tables[t - 1].slot]->bags.ids;
    return Done{};
  }
  bool is_grouped(const Index* rows, int t, int count) const {
    for (int r = 0; r < ranks_.size(); ++r)
      if (rows[r * count + t] % 2 == 0) return false;
    return true;
  }

  // Puts a rank's rows in front of the lists of the tables.
  template <class Plan>
  static void link(const Parameters<Plan, R, B>& parameters, Context& context, GradientList<R, B>& list,
                   const Table* tables, int count, const Index* rows, const char* message) {
    const char* ids = message;
    for (int t = 0; t < count; ++t)
      ids += rows[t] / 2 * parameters.slot(tables[t].slot).value.shape[1] * static_cast<Index>(sizeof(R));
    const char* group = ids;  // of the tables at hand
    for (int t = 0; t < count; ++t) {
      const Index many = rows[t] / 2, width = parameters.slot(tables[t].slot).value.shape[1];
      if (rows[t] % 2 == 0) {
        group = ids;
        ids += many * static_cast<Index>(sizeof(std::int32_t));
      }
      const R* const numbers = reinterpret_cast<const R*>(message);
      message += many * width * static_cast<Index>(sizeof(R));
      if (many == 0) continue;
      auto* const entry = context.arena->template take<Rows>(1);
      *entry = {{reinterpret_cast<const std::int32_t*>(group), nullptr, many, false},
                Array<R, B>::view(context, numbers, {many, width}),
                list.rows[tables[t].slot]};
      list.rows[tables[t].slot] = entry;
    }
  }

  CommunicatorRef ranks_, blocks_;
  Index bytes_ = 0;
};

}  // namespace thaw::inline v0
