// Training of the network on the rows of several sources with BPR (Rendle et al., 2009).
//
//   const double loss = zero_shot::learn(network, {&lastfm_rows, &sports_rows}, {.steps = 4000});
//
// A source is drawn with weight sqrt(users), a user of it evenly, one item that she touched and one that she did not.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "zero_shot/network.hpp"
#include "zero_shot/worlds.hpp"

namespace zero_shot {

struct LearnOptions {
  int steps = 4000;
  int batch = 1024;
  double rate = 2e-3;  // falls to zero along a half cosine
  std::uint64_t seed = 1;
};

// Returns the mean loss of the last tenth of the steps. `width` numbers a row, network.inputs().
inline double learn(Network& network, std::span<const TrainingRows* const> sources, const LearnOptions& options) {
  const auto width = static_cast<std::size_t>(network.inputs());
  std::vector<double> mass;
  double sum = 0;
  for (const TrainingRows* source : sources)
    mass.push_back(sum += std::sqrt(static_cast<double>(source->users.size())));
  thaw::require(sum > 0, "learn: no source has a user to learn from");
  thaw::Philox rng(options.seed, 0x6c6561726e);
  std::vector<float> positive(width * static_cast<std::size_t>(options.batch)), negative(positive.size());
  double late = 0;
  int counted = 0;
  for (int step = 0; step < options.steps; ++step) {
    for (std::size_t i = 0; i < positive.size(); i += width) {
      const double at = rng.uniform() * sum;
      const auto which = static_cast<std::size_t>(std::upper_bound(mass.begin(), mass.end() - 1, at) - mass.begin());
      const TrainingRows& rows = *sources[which];
      const TrainingRows::User& user = rows.users[rng.below(static_cast<std::uint32_t>(rows.users.size()))];
      const auto copy = [&](std::size_t row, std::vector<float>& to) {
        std::copy_n(rows.features.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                    to.begin() + static_cast<std::ptrdiff_t>(i));
      };
      copy(user.first + rng.below(user.positives), positive);
      copy(user.first + user.positives + rng.below(user.negatives), negative);
    }
    const double share = static_cast<double>(step) / static_cast<double>(options.steps);
    const double rate = options.rate * 0.5 * (1 + std::cos(3.14159265358979 * share));
    const double loss = network.step(rate, positive, negative);
    if (10 * step >= 9 * options.steps) late += loss, ++counted;
  }
  return counted > 0 ? late / counted : 0;
}

}  // namespace zero_shot
