// The learners of this folder by name. A further one is a line of the table.
//
//   for (const hyperrs::LearnerEntry& learner : hyperrs::learners()) say(learner.name, learner.text);
//
// Includes all of them, which takes a while to compile; experiment.hpp needs LearnerEntry alone.
#pragma once

#include "hyperrs/hyperrs_learner.hpp"
#include "hyperrs/learner_entry.hpp"
#include "hyperrs/mamo.hpp"
#include "hyperrs/matching.hpp"
#include "hyperrs/melu.hpp"
#include "hyperrs/metatl.hpp"
#include "hyperrs/s2meta.hpp"
#include "hyperrs/tanp.hpp"

namespace hyperrs {

namespace detail {

template <auto kMake>
std::unique_ptr<Learner> made(const World& world, const LearnerOptions& options) {
  return kMake(world, options);
}

}  // namespace detail

// One outer step of s2Meta or of the paper's HyperRS costs tens of times one of the others, so they get fewer.
inline const std::vector<LearnerEntry>& learners() {
  using detail::made;
  static const std::vector<LearnerEntry> table{
      {.name = "hyperrs",
       .title = "HyperRS",
       .text = "a hypernetwork writes each user's scorer",
       .predicts_ratings = true,
       .test_steps = {1, 0, 5},
       .batch = 64,
       .outer_steps_paper = 400,
       .outer_steps_best = 600,
       .from_start = 0.3,
       .make = &made<make_hyperrs>},
      {.name = "melu",
       .title = "MeLU",
       .text = "gradient steps on a small tower over attributes",
       .predicts_ratings = true,
       .test_steps = {1, 0, 5},
       .outer_steps_paper = 2000,
       .outer_steps_best = 2000,
       .make = &made<make_melu>},
      {.name = "metatl",
       .title = "MetaTL",
       .text = "the next item by a translation",
       .test_steps = {1, 0, 5},
       .outer_steps_paper = 2000,
       .outer_steps_best = 2000,
       .make = &made<make_metatl>},
      {.name = "s2meta",
       .title = "s2Meta",
       .text = "learnt start, step sizes and stop",
       .test_steps = {-1, 0},
       .batch = 8,
       .outer_steps_paper = 60,
       .outer_steps_best = 300,
       .make = &made<make_s2meta>},
      {.name = "matching",
       .title = "matching network",
       .text = "attention over the support; stand-in for Mecos",
       .test_steps = {1},
       .outer_steps_paper = 2000,
       .outer_steps_best = 2000,
       .make = &made<make_matching>},
      {.name = "mamo",
       .title = "MAMO",
       .text = "memories personalise the start",
       .predicts_ratings = true,
       .steps = 3,
       .test_steps = {3, 0, 1},
       .outer_steps_paper = 600,
       .outer_steps_best = 600,
       .make = &made<make_mamo>},
      {.name = "tanp",
       .title = "TaNP",
       .text = "a neural process: averages over the support",
       .predicts_ratings = true,
       .test_steps = {1, 0},
       .outer_steps_paper = 4000,
       .outer_steps_best = 2000,
       .make = &made<make_tanp>},
  };
  return table;
}

inline const LearnerEntry* find_learner(std::string_view name) {
  for (const LearnerEntry& entry : learners())
    if (entry.name == name) return &entry;
  return nullptr;
}

// "hyperrs, melu, ..."
inline std::string learner_names() {
  std::string names;
  for (const LearnerEntry& entry : learners()) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

}  // namespace hyperrs
