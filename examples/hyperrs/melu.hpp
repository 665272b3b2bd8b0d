// MeLU by the options that all learners of this folder share: published sizes and rates, or ones that adapt.
//
//   auto learner = hyperrs::make_melu(world, options);
//   double loss = learner->train(episodes);
//
// The network and its training are in melu_learner.hpp, a faster way to the same numbers in melu_fast.hpp.
#pragma once

#include "hyperrs/melu_fast.hpp"

namespace hyperrs {

// `paper`: the published sizes and, for ratings, the published rates 5e-6 and 5e-5. Those are too small for the inner
// step to do anything, so `best`, and labels 1 and 0 in both variants, use 0.01 and 1e-3.
inline MeluOptions melu_options(Objective objective, const LearnerOptions& options) {
  MeluOptions m;
  m.objective = objective;
  m.inner_steps = options.inner_steps;
  m.first_order = options.first_order;
  m.threads = options.threads;
  m.seed = options.seed;
  if (options.variant == Variant::best) m.width = options.width;
  if (options.variant == Variant::best || objective == Objective::ranking) {
    m.local_rate = 0.01;
    m.rate = 1e-3;
  }
  return m;
}

inline std::unique_ptr<Learner> make_melu(const World& world, const LearnerOptions& options) {
  return std::make_unique<FusedMeluLearner>(*world.data, melu_options(world.objective, options));
}

}  // namespace hyperrs
