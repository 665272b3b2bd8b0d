// Learning-rate schedules: pure functions of the step, so that a resumed run continues where it was.
//
//   thaw::Schedule schedule = thaw::flat_then_anneal(1e-3, total_steps, 0.7);
//   optimiser.step(parameters, gradients, schedule.at(step));       // step counts from 0
#pragma once

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// rate * warm-up(step) * anneal(step): a linear rise over `warm_up` steps, flat until `flat_until`, then half a cosine
// down to `floor` (a share of the rate) at `total`.
struct Schedule {
  double rate = 1e-3;
  Index warm_up = 0;
  Index flat_until = 0;
  Index total = 0;  // 0: never anneals
  double floor = 0;

  double at(Index step) const {
    double value = rate;
    if (step < warm_up) value *= static_cast<double>(step + 1) / static_cast<double>(warm_up);
    if (total == 0 || step <= flat_until) return value;
    if (step >= total) return value * floor;
    const double part = static_cast<double>(step - flat_until) / static_cast<double>(total - flat_until);
    return value * (floor + (1 - floor) * 0.5 * (1 + __builtin_cos(3.14159265358979323846 * part)));
  }
};

inline Schedule constant_rate(double rate) { return {rate}; }
// Flat for `flat_share` of the steps, then a cosine to zero (arXiv 2403.17740, section V).
inline Schedule flat_then_anneal(double rate, Index total, double flat_share) {
  return {rate, 0, static_cast<Index>(flat_share * static_cast<double>(total) + 0.5), total};
}
inline Schedule cosine(double rate, Index total, Index warm_up = 0) { return {rate, warm_up, warm_up, total}; }

}  // namespace thaw::inline v0
