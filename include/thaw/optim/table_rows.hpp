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

// What one thread collects: the table rows it met, and their gradients one after another.
template <class R>
struct RowShare {
  std::int32_t* ids;
  R* sums;
  R* space;  // space_of_rows numbers to work in
  Index count;
};

// Numbers of a run that is stepped at once: small enough for the first-level cache, large enough to be worth a call.
inline constexpr Index kRunOfRows = 1024;
inline Index rows_together(Index width) { return kRunOfRows / width + 1; }
// Three copies of some rows and two fades of each.
inline Index space_of_rows(Index width) { return rows_together(width) * (3 * width + 2); }
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

// to = weight * from where `fresh`, to += weight * from otherwise.
template <class R>
void add_row(bool fresh, R weight, const R* from, Index width, R* to) {
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

// Adds up the gradient rows of the table rows that this thread owns, in the order in which they were recorded.
template <class R, class B, class Owner>
void collect_rows(const RowGradient<R, B>* list, Index width, const Owner& owner, std::int32_t* places,
                  RowShare<R>& share) {
  for (const auto* g = list; g != nullptr; g = g->next)
    for (Index s = 0; s < g->bags.count; ++s) {
      const Index begin = g->bags.begin(s), end = g->bags.end(s);
      const R weight = g->bags.mean && end - begin > 1 ? R(1) / static_cast<R>(end - begin) : R(1);
      const R* from = g->rows.data + s * width;
      for (Index e = begin; e < end; ++e) {
        const std::int32_t id = g->bags.ids[e];
        if (!owner.owns(id)) continue;
        const bool fresh = places[id] == kNoPlace;
        if (fresh) {
          places[id] = static_cast<std::int32_t>(share.count);
          share.ids[share.count++] = id;
        }
        add_row(fresh, weight, from, width, share.sums + places[id] * width);
      }
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
