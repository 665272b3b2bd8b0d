// Statistics of results: mean and spread over seeds, and a paired bootstrap over users.
//
//   const thaw::Spread p5 = thaw::summarize(precision_of_each_seed);         // p5.mean, p5.deviation
//   const thaw::PairedDifference d = thaw::paired_bootstrap(ours, baseline);  // one value a user, same users
//   if (d.lower > 0) say("better, 95 % interval above zero");
//
// The bootstrap resamples users, so it answers "would other users of the same kind agree?". It does not see the
// variation of training: use several seeds for that. Values that are not numbers (a metric that does not apply to a
// user) are left out, a pair as soon as one half is missing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

struct Spread {
  std::int64_t count = 0;
  double mean = std::numeric_limits<double>::quiet_NaN();  // NaN without values
  double deviation = 0;                                    // sample standard deviation (n - 1); 0 below two values
};

inline Spread summarize(std::span<const double> values) {
  Spread spread;
  double sum = 0;
  for (const double value : values) {
    if (value != value) continue;
    ++spread.count;
    sum += value;
  }
  if (spread.count == 0) return spread;
  spread.mean = sum / static_cast<double>(spread.count);
  if (spread.count == 1) return spread;
  double squares = 0;
  for (const double value : values) {
    if (value != value) continue;
    squares += (value - spread.mean) * (value - spread.mean);
  }
  spread.deviation = std::sqrt(squares / static_cast<double>(spread.count - 1));
  return spread;
}

struct BootstrapOptions {
  std::int32_t resamples = 10000;
  double coverage = 0.95;
  std::uint64_t seed = 1;
};

// The mean of (first - second) over users, its percentile interval, and how often a resample does not favour the first.
struct PairedDifference {
  std::int64_t users = 0;
  double mean = std::numeric_limits<double>::quiet_NaN();
  double lower = std::numeric_limits<double>::quiet_NaN();
  double upper = std::numeric_limits<double>::quiet_NaN();
  double not_better = std::numeric_limits<double>::quiet_NaN();  // one-sided: share of resampled means <= 0
};

namespace detail {

// The value below which a share of sorted values lies, with linear interpolation.
inline double quantile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = (std::min)(below + 1, sorted.size() - 1);
  const double weight = place - static_cast<double>(below);
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

}  // namespace detail

// Both spans list the same users in the same order. Without one complete pair every member but `users` is NaN.
// Each resample has its own random stream: the result depends on the seed and the values alone.
inline PairedDifference paired_bootstrap(std::span<const double> first, std::span<const double> second,
                                         const BootstrapOptions& options = {}) {
  require(first.size() == second.size(), "paired_bootstrap: ", first.size(), " values against ", second.size());
  require(options.resamples > 0 && options.coverage > 0 && options.coverage < 1,
          "paired_bootstrap: needs at least one resample and a coverage between 0 and 1, got ", options.resamples,
          " and ", options.coverage);
  std::vector<double> differences;
  differences.reserve(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double difference = first[i] - second[i];
    if (difference == difference) differences.push_back(difference);
  }
  PairedDifference result;
  result.users = static_cast<std::int64_t>(differences.size());
  if (differences.empty()) return result;
  const auto count = static_cast<std::uint32_t>(differences.size());
  result.mean = summarize(differences).mean;

  std::vector<double> means(static_cast<std::size_t>(options.resamples));
  std::int64_t not_better = 0;
  for (std::size_t r = 0; r < means.size(); ++r) {
    Philox rng(options.seed, r);
    double sum = 0;
    for (std::uint32_t i = 0; i < count; ++i) sum += differences[rng.below(count)];
    means[r] = sum / static_cast<double>(count);
    if (means[r] <= 0) ++not_better;
  }
  std::sort(means.begin(), means.end());
  result.lower = detail::quantile(means, 0.5 * (1 - options.coverage));
  result.upper = detail::quantile(means, 0.5 * (1 + options.coverage));
  result.not_better = static_cast<double>(not_better) / static_cast<double>(options.resamples);
  return result;
}

}  // namespace thaw::inline v0
