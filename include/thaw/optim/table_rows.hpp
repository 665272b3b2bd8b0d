// The gradient rows of a table, added up by the threads that own the table rows; and how moments fade over missed
// steps.
//
//   detail::collect_rows(list, width, detail::RowsInTurn(thread, threads), places, share);
//   share.ids[k], share.sums + k * width                  // k = 0 .. share.count - 1: each row once
//
// For TableAdam; see there. `places` (table rows) says where a row's sum is and must hold kNoPlace before.
#pragma once

#include "thaw/backend/kernels/adam_rows.hpp"
#include "thaw/optim/parameters.hpp"

namespace thaw::inline v0::detail {

inline constexpr std::int32_t kNoPlace = -1;
inline constexpr Index kRowsOfGroup = 16;  // neighbours that belong to one thread: no cache line is shared by two

// The table rows that one thread met, each once, and where their gradients are.
template <class R>
struct RowShare {
  // A gradient row that belongs to a table row met before.
  struct Again {
    std::int32_t row;  // k: its number among the rows that were met
    R weight;
    Index entry;  // among all gradient rows, one list after another
  };
  std::int32_t* ids;
  R* weights;      // of the first gradient row
  Index* entries;  // the first gradient row
  Again* again;
  const R** from;  // (count): the gradient of each row
  R* sums;         // of rows that were met again
  R* space;        // space_of_rows numbers to work in
  Index count, repeats;
};

// Numbers of a run that is stepped at once: small enough for the first-level cache, large enough to be worth a call.
inline constexpr Index kRunOfRows = 1024;
inline Index rows_together(Index width) { return kRunOfRows / width + 1; }
// Four copies of some rows and two fades of each; enough for every width up to this one.
inline Index space_of_rows(Index width) { return 6 * (kRunOfRows + 1) + 4 * width + 2; }
// Whether rows would leave most of a register empty.
inline bool is_narrow(Index width) { return width < 8; }

// Who owns a row: a run of rows, or groups of them in turn.
struct RowsBetween {
  Index begin, end;
  bool owns(std::int32_t id) const { return id >= begin && id < end; }
};
struct RowsInTurn {
  std::uint32_t thread, threads, mask;  // mask: threads - 1 where that is all ones, so that nothing is divided
  RowsInTurn(int t, int count)
      : thread(static_cast<std::uint32_t>(t)),
        threads(static_cast<std::uint32_t>(count)),
        mask((threads & (threads - 1)) == 0 ? threads - 1 : 0) {}
  bool owns(std::int32_t id) const {
    const std::uint32_t group = static_cast<std::uint32_t>(id) / static_cast<std::uint32_t>(kRowsOfGroup);
    return id >= 0 && (threads == 1 || (mask != 0 ? group & mask : group % threads) == thread);
  }
};

// Gradient rows of a list of lists, and entries in their bags.
template <class R, class B>
Index entries_of(const RowGradient<R, B>* list) {
  Index total = 0;
  for (const auto* g = list; g != nullptr; g = g->next)
    if (g->bags.count > 0) total += g->bags.end(g->bags.count - 1) - g->bags.begin(0);
  return total;
}
// Whether two tables are looked up by the same bags, so that rows need to be met only once for both.
template <class R, class B>
bool same_bags(const RowGradient<R, B>* a, const RowGradient<R, B>* b) {
  return a != nullptr && b != nullptr && a->next == nullptr && b->next == nullptr && a->bags.ids == b->bags.ids &&
         a->bags.offsets == b->bags.offsets && a->bags.count == b->bags.count && a->bags.mean == b->bags.mean;
}

// Finds the table rows that this thread owns, in the order in which they were recorded; `places` says which are known.
template <class R, class B, class Owner>
void meet_rows(const RowGradient<R, B>* list, const Owner& owner, std::int32_t* places, RowShare<R>& share) {
  share.count = share.repeats = 0;
  Index first = 0;
  for (const auto* g = list; g != nullptr; first += g->bags.count, g = g->next)
    for (Index s = 0; s < g->bags.count; ++s) {
      const Index begin = g->bags.begin(s), end = g->bags.end(s);
      const R weight = g->bags.mean && end - begin > 1 ? R(1) / static_cast<R>(end - begin) : R(1);
      for (Index e = begin; e < end; ++e) {
        const std::int32_t id = g->bags.ids[e];
        if (!owner.owns(id)) continue;
        if (places[id] != kNoPlace) {
          share.again[share.repeats++] = {places[id], weight, first + s};
          continue;
        }
        places[id] = static_cast<std::int32_t>(share.count);
        share.ids[share.count] = id;
        share.weights[share.count] = weight;
        share.entries[share.count++] = first + s;
      }
    }
}

// to = a * x + b * y
template <class R>
void join_rows(R a, const R* x, R b, const R* y, Index width, R* to) {
  constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors
  Index j = 0;
  for (; j + kLanes <= width; j += kLanes)
    for (Index l = 0; l < kLanes; ++l) to[j + l] = a * x[j + l] + b * y[j + l];
  for (; j < width; ++j) to[j] = a * x[j] + b * y[j];
}

// The gradients of the rows that were met: a row met once has it where it was recorded, the others are added up in the
// order in which they were recorded.
template <class R, class B>
void add_up_rows(const RowGradient<R, B>* list, Index width, RowShare<R>& share) {
  const auto row = [&](Index entry) {
    const auto* g = list;
    for (; entry >= g->bags.count; g = g->next) entry -= g->bags.count;
    return static_cast<const R*>(g->rows.data + entry * width);
  };
  R* next = share.sums;
  for (Index k = 0; k < share.count; ++k) {
    share.from[k] = row(share.entries[k]);
    if (share.weights[k] == R(1)) continue;
    for (Index j = 0; j < width; ++j) next[j] = share.weights[k] * share.from[k][j];
    share.from[k] = next;
    next += width;
  }
  for (Index i = 0; i < share.repeats; ++i) {
    const auto& again = share.again[i];
    const R* const before = share.from[again.row];
    const bool own = before >= share.sums && before < next;
    R* const to = own ? share.sums + (before - share.sums) : next;
    join_rows(R(1), before, again.weight, row(again.entry), width, to);
    share.from[again.row] = to;
    if (!own) next += width;
  }
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
