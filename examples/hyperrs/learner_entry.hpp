// LearnerEntry: a learner as the trainer knows it: how to make it, how long to train it, what adapting means to it.
//
//   const hyperrs::LearnerEntry* melu = hyperrs::find_learner("melu");       // learners.hpp
//   auto learner = melu->make(world, options);
//   std::string row = melu->row_name(5);                                     // "MeLU, 5 steps"
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hyperrs/learner.hpp"

namespace hyperrs {

struct LearnerEntry {
  std::string_view name = {};   // on the command line
  std::string_view title = {};  // in tables
  std::string_view text = {};   // one line of help
  bool predicts_ratings = false;
  int steps = 1;                     // inner steps in training
  std::vector<int> test_steps = {};  // reported, the first is the learner's own; negative: it decides; 0: as trained
  int batch = 32;                    // users of an outer step
  int outer_steps_paper = 0;         // most outer steps of a run
  int outer_steps_best = 0;
  double from_start = 0;  // of `best`: share of training episodes that begin where a user's history begins
  std::unique_ptr<Learner> (*make)(const World&, const LearnerOptions&) = nullptr;

  int outer_steps(Variant variant) const { return variant == Variant::best ? outer_steps_best : outer_steps_paper; }
  std::string row_name(int inner_steps) const {
    const std::string own(title);
    if (test_steps.size() < 2) return own;
    if (inner_steps < 0) return own + ", steps its own choice";
    return own + ", " + std::to_string(inner_steps) + (inner_steps == 1 ? " step" : " steps");
  }
};

}  // namespace hyperrs
