// The gradient rows of a table, met and added up in shares that can be worked on at the same time; and how moments fade
// over missed steps.
//
//   detail::RowShare<R> share = ...;                       // memory; whose rows it is
//   detail::meet_rows(list, places, share);                // share.ids (count), ascending: each row once
//   detail::add_up_rows(list, width, places, share, sums); // sums (count, width): the gradients of these rows
//
// For TableAdam; see there. `places` (table rows) says which of the ids a row is and must hold kNoPlace before.
#pragma once

#include "thaw/backend/kernels/adam_rows.hpp"
#include "thaw/optim/parameters.hpp"

namespace thaw::inline v0::detail {

inline constexpr std::int32_t kNoPlace = -1;
inline constexpr Index kRowsOfGroup = 16;  // neighbours that belong to one share: no cache line is in two

// Rows that are stepped in one task: few enough for the first-level cache and for an even end, many enough for a call.
inline constexpr Index kRowsOfPiece = 256;
// Numbers of a table, or of a dense tensor, that are stepped in one task.
inline constexpr Index kRunOfPiece = 1 << 15;
// Whether rows would leave most of a register empty.
inline bool is_narrow(Index width) { return width < 8; }
// Numbers that a thread works in: narrow rows of a piece with their moments and gradient, and two fades of each row, or
// one gradient row of zeros and the gradient of a narrow run.
inline Index space_of_piece(Index width) { return 4 * 8 * kRowsOfPiece + 2 * kRowsOfPiece + kRunOfPiece + width; }

// Whose rows a share has: those of a column, a run of rows, or groups of rows in turn.
struct RowOwner {
  Index column = 0, columns = 1;   // of the bags
  Index begin = 0, end = 0;        // table rows
  std::uint32_t turn = 0, of = 1;  // groups of rows

  bool owns(std::int32_t id) const {
    return id >= begin && id < end && (of == 1 || static_cast<std::uint32_t>(id) / kRowsOfGroup % of == turn);
  }
};

// The table rows that were met, each once, ascending: neighbours in the table are then neighbours in time.
template <class R>
struct RowShare {
  RowOwner owner;
  std::int32_t *ids, *other;  // (capacity)
  R* sums;                    // of each table (capacity, width)
  Index capacity, count;
};

// Ids in the bags of a list of lists; of one column of them.
template <class R, class B>
Index entries_of(const RowGradient<R, B>* list, Index column = 0, Index columns = 1) {
  Index total = 0;
  for (const auto* g = list; g != nullptr; g = g->next) {
    const Bags& bags = g->bags;
    if (bags.offsets == nullptr)
      total += (bags.count - column + columns - 1) / columns;
    else
      for (Index s = column; s < bags.count; s += columns) total += bags.end(s) - bags.begin(s);
  }
  return total;
}
// Whether two tables are looked up by the same bags, so that rows need to be met only once for both.
template <class R, class B>
bool same_bags(const RowGradient<R, B>* a, const RowGradient<R, B>* b) {
  return a != nullptr && b != nullptr && a->next == nullptr && b->next == nullptr && a->bags.ids == b->bags.ids &&
         a->bags.offsets == b->bags.offsets && a->bags.count == b->bags.count && a->bags.mean == b->bags.mean &&
         a->columns == b->columns;
}

// fn(id, gradient row, weight) for what a share may own, in the order in which it was recorded.
template <class R, class B, class Fn>
void each_entry(const RowGradient<R, B>* list, const RowOwner& owner, const Fn& fn) {
  Index first = 0;
  for (const auto* g = list; g != nullptr; first += g->bags.count, g = g->next) {
    const Bags& bags = g->bags;
    for (Index s = owner.column; s < bags.count; s += owner.columns) {
      if (bags.offsets == nullptr) {
        fn(bags.ids[s], first + s, R(1));
        continue;
      }
      const Index begin = bags.begin(s), end = bags.end(s);
      const R weight = bags.mean && end - begin > 1 ? R(1) / static_cast<R>(end - begin) : R(1);
      for (Index e = begin; e < end; ++e) fn(bags.ids[e], first + s, weight);
    }
  }
}

// Ascending, a byte a pass; `other` (count) is room to work in. Returns where the sorted ones are.
inline std::int32_t* sort_ids(std::int32_t* ids, std::int32_t* other, Index count, std::int32_t base) {
  std::uint32_t bits = 0;
  for (Index i = 0; i < count; ++i) bits |= static_cast<std::uint32_t>(ids[i] - base);
  for (int shift = 0; shift < 32 && bits >> shift != 0; shift += 8) {
    const auto digit = [&](Index i) { return (static_cast<std::uint32_t>(ids[i] - base) >> shift) & 0xffu; };
    Index start[257] = {};
    for (Index i = 0; i < count; ++i) ++start[digit(i) + 1];
    for (int d = 0; d < 256; ++d) start[d + 1] += start[d];
    for (Index i = 0; i < count; ++i) other[start[digit(i)]++] = ids[i];
    std::swap(ids, other);
  }
  return ids;
}

// Finds the table rows of a share and gives each its place. Which of them were met before is anyone's guess, so that
// nothing branches on it: an id that was met before is written over.
template <class R, class B>
void meet_rows(const RowGradient<R, B>* list, std::int32_t* places, RowShare<R>& share) {
  Index count = 0;
  if (share.owner.end - share.owner.begin <= kRowsOfGroup * share.capacity)  // nearly every line will be read
    for (Index r = share.owner.begin; r < share.owner.end; r += kRowsOfGroup) __builtin_prefetch(places + r, 1);
  each_entry(list, share.owner, [&](std::int32_t id, Index, R) {
    if (!share.owner.owns(id)) return;
    share.ids[count] = id;
    count += places[id] == kNoPlace ? 1 : 0;
    places[id] = 0;
  });
  share.count = count;
  std::int32_t* const sorted = sort_ids(share.ids, share.other, count, static_cast<std::int32_t>(share.owner.begin));
  if (sorted != share.ids) std::swap(share.ids, share.other);
  for (Index k = 0; k < count; ++k) places[share.ids[k]] = static_cast<std::int32_t>(k);
}

// The gradients of the rows that were met, added up in the order in which they were recorded: sums (count, width).
template <class R, class B>
void add_up_rows(const RowGradient<R, B>* list, Index width, const std::int32_t* places, const RowShare<R>& share,
                 R* sums) {
  constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors
  constexpr Index kAhead = 16;  // gradient rows of a column
  for (Index j = 0; j < share.count * width; ++j) sums[j] = 0;
  const auto* g = list;
  Index before = 0;
  each_entry(list, share.owner, [&](std::int32_t id, Index bag, R weight) {
    if (!share.owner.owns(id)) return;
    for (; bag - before >= g->bags.count; g = g->next) before += g->bags.count;
    const R* const from = g->rows.data + (bag - before) * width;
    __builtin_prefetch(from + kAhead * share.owner.columns * width);
    R* const to = sums + places[id] * width;
    Index j = 0;
    for (; j + kLanes <= width; j += kLanes)
      for (Index l = 0; l < kLanes; ++l) to[j + l] += weight * from[j + l];
    for (; j < width; ++j) to[j] += weight * from[j];
  });
}

// beta1^n and beta2^n for the steps n that a row missed. Most rows miss few: their powers are kept.
template <class R>
class MomentFades {
 public:
  void fill(double beta1, double beta2) {
    beta_[0] = beta1, beta_[1] = beta2;
    for (int n = 0; n < kKept; ++n)
      for (int a = 0; a < 2; ++a) kept_[n][a] = static_cast<R>(__builtin_pow(beta_[a], n));
  }
  void of(std::int64_t missed, R* to) const {
    for (int a = 0; a < 2; ++a)
      to[a] = missed < kKept ? kept_[missed][a] : static_cast<R>(__builtin_pow(beta_[a], static_cast<double>(missed)));
  }

 private:
  static constexpr int kKept = 512;
  double beta_[2] = {0, 0};
  R kept_[kKept][2] = {};
};

}  // namespace thaw::inline v0::detail
