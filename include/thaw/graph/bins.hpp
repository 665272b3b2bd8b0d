// Numbers as bins whose meaning carries over from one data set to another: bins of equal mass, percentiles with a soft
// one-hot code, logarithms of ranks.
//
//   const thaw::Bins bins = thaw::mass_bins(degrees, degrees, 10);   // each about a tenth of all interactions
//   int b = bins.of(degree);                                         // 0 .. bins.count() - 1, larger for more
//
//   const auto p = thaw::percentiles(degrees);                       // 0 .. 100, 0 for what was never seen
//   thaw::soft_one_hot(p[item], 10, code);                           // 11 numbers, at most two not zero
//
//   thaw::log_rank_bins(scores, out);                                // 0 the best .. 18; 19: score not above 0
//
// Equal values always share a bin. Edges come from the data at hand: no constant is carried over.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// Bins by thresholds.
struct Bins {
  std::vector<double> edges;  // ascending; bin b holds edges[b - 1] <= value < edges[b]

  std::int32_t count() const { return static_cast<std::int32_t>(edges.size()) + 1; }
  std::int32_t of(double value) const {
    return static_cast<std::int32_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin());
  }
};

namespace detail {

inline std::vector<std::size_t> ascending(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  return order;
}

}  // namespace detail

// At most `most` bins, each with about the same share of the masses (>= 0, one a value); equal values stay together, so
// a bin is off by at most the mass of one value. Constant values: one bin. Masses all 1: bins of equal count.
inline Bins mass_bins(std::span<const double> values, std::span<const double> masses, std::int32_t most) {
  require(values.size() == masses.size() && most >= 1, "mass_bins: ", values.size(), " values, ", masses.size(),
          " masses, ", most, " bins");
  const std::vector<std::size_t> order = detail::ascending(values);
  double total = 0;
  for (const double m : masses) total += m;
  Bins bins;
  double below = 0;  // mass of the values before
  std::int32_t filled = 0;
  for (std::size_t i = 0; i < order.size();) {
    const double value = values[order[i]];
    double mass = 0;
    for (; i < order.size() && values[order[i]] == value; ++i) mass += masses[order[i]];
    // The bin of a value is where the middle of its mass falls.
    const double middle = total > 0 ? (below + 0.5 * mass) / total : 0;
    const auto bin = (std::min)(most - 1, static_cast<std::int32_t>(middle * most));
    if (bin > filled && below > 0) bins.edges.push_back(value);
    filled = (std::max)(filled, bin);
    below += mass;
  }
  return bins;
}

// 100 x mean rank / n among the values above 0, of which there are n; equal values share the mean of their ranks, the
// largest has nearly 100. Values of 0 and below get 0.
inline std::vector<double> percentiles(std::span<const double> values) {
  const std::vector<std::size_t> order = detail::ascending(values);
  std::size_t begin = 0;
  while (begin < order.size() && !(values[order[begin]] > 0)) ++begin;
  const auto n = static_cast<double>(order.size() - begin);
  std::vector<double> out(values.size(), 0.0);
  for (std::size_t i = begin; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    const double mean_rank = (static_cast<double>(i - begin + 1) + static_cast<double>(end - begin)) / 2;
    for (; i < end; ++i) out[order[i]] = 100 * mean_rank / n;
  }
  return out;
}

// The code of a percentile: with w = 100 / bins, 1 - f at floor(p / w) and f behind it, f the fraction of p / w. `out`
// has bins + 1 numbers; all 0 for percentile 0. sum of b w out[b] gives the percentile back.
inline void soft_one_hot(double percentile, std::int32_t bins, std::span<float> out) {
  require(bins >= 1 && out.size() == static_cast<std::size_t>(bins) + 1, "soft_one_hot: room for ", out.size(),
          " numbers, ", bins, " bins need ", bins + 1);
  std::fill(out.begin(), out.end(), 0.0f);
  if (!(percentile > 0)) return;
  const double at = (std::min)(percentile, 100.0) / 100 * bins;
  const auto lower = (std::min)(static_cast<std::size_t>(at), static_cast<std::size_t>(bins) - 1);
  const double fraction = at - static_cast<double>(lower);
  out[lower] = static_cast<float>(1 - fraction);
  out[lower + 1] = static_cast<float>(fraction);
}

// floor(log2(degree)) + 1, 0 for no degree, at most `most`.
inline std::int32_t log2_bin(std::int64_t degree, std::int32_t most = 31) {
  std::int32_t bin = 0;
  for (; degree > 0 && bin < most; degree >>= 1) ++bin;
  return bin;
}

inline constexpr std::int32_t kLogRankBins = 20;

// The bin of rank 1, 2, ...: floor(1.5 log2(rank)), at most 18. The head is resolved, whatever the catalogue's size.
inline std::int32_t log_rank_bin(std::int64_t rank) {
  require(rank >= 1, "log_rank_bin: rank ", rank, ", ranks start at 1");
  // 1.5 log2(r) >= b  is  r^3 >= 2^(2b): no rounding where a rank is a power of two.
  std::int32_t bin = 0;
  const double cube = static_cast<double>(rank) * static_cast<double>(rank) * static_cast<double>(rank);
  while (bin < kLogRankBins - 2 && cube >= std::ldexp(1.0, 2 * (bin + 1))) ++bin;
  return bin;
}

// Bins of one user's candidates by the rank of their scores, the largest first. Equal scores share the first of their
// ranks; a score that is not above 0 gets the last bin, kLogRankBins - 1. `order` is scratch, reused between calls.
inline void log_rank_bins(std::span<const float> scores, std::span<std::uint8_t> out,
                          std::vector<std::int32_t>& order) {
  require(scores.size() == out.size(), "log_rank_bins: room for ", out.size(), " of ", scores.size(), " bins");
  order.clear();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(kLogRankBins - 1);
    if (scores[i] > 0) order.push_back(static_cast<std::int32_t>(i));
  }
  const auto score = [&](std::int32_t i) { return scores[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return score(a) > score(b); });
  std::int64_t rank = 1;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1])) rank = static_cast<std::int64_t>(i) + 1;
    out[static_cast<std::size_t>(order[i])] = static_cast<std::uint8_t>(log_rank_bin(rank));
  }
}

}  // namespace thaw::inline v0
