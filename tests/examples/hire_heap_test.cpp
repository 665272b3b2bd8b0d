// After the first steps, training and scoring take nothing from the heap.
#include <doctest/doctest.h>

#include "../heap_counter.hpp"
#include "hire_tiny.hpp"

TEST_CASE("twenty training steps, packing included, allocate nothing") {
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    hire_tiny::Run run(recipe);
    // Contexts differ in size of their bags; the same steps again are the steady state.
    for (thaw::Index s = 0; s < 20; ++s) {
      run.lessons.pack(s, *run.model.packer);
      run.model.trainer->step(*run.model.packer);
    }
    const long before = thaw_test::heap_allocations();
    double sum = 0;
    for (thaw::Index s = 0; s < 20; ++s) {
      run.lessons.pack(s, *run.model.packer);
      sum += run.model.trainer->step(*run.model.packer);
    }
    const long packed_and_stepped = thaw_test::heap_allocations() - before;
    CHECK(sum > 0);
    CHECK(packed_and_stepped == 0);
  }
}

TEST_CASE("scoring allocates nothing once it is warm") {
  for (const hire::Recipe& recipe : {hire_tiny::best(), hire_tiny::paper()}) {
    hire_tiny::Run run(recipe);
    run.lessons.pack(0, *run.model.packer);
    std::vector<float> out;
    run.model.trainer->predict(*run.model.packer, out);
    const long before = thaw_test::heap_allocations();
    for (int i = 0; i < 20; ++i) run.model.trainer->predict(*run.model.packer, out);
    CHECK(thaw_test::heap_allocations() - before == 0);
    CHECK(out.size() == run.model.packer->cells());
  }
}

// Drawing contexts around new users and packing them included: what a service does for each of them.
TEST_CASE("scoring new users over a stage allocates nothing once it is warm") {
  hire_tiny::Run run(hire_tiny::best());
  for (thaw::Index s = 0; s < 3; ++s) run.step();
  const auto stage = run.stage();
  const auto queries = run.queries();
  run.model.start.order_share[static_cast<std::size_t>(stage->kind)] = 0.5;  // the longest way through
  hire::StageScorer scorer(*stage, run.model.start, *run.model.trainer, *run.model.packer, hire::kScoringSeed);
  std::vector<thaw::UserScores> scores;
  scorer.score(queries, scores);
  const auto first = hire_tiny::predictions(scores);
  const long before = thaw_test::heap_allocations();
  for (int i = 0; i < 5; ++i) scorer.score(queries, scores);
  CHECK(thaw_test::heap_allocations() - before == 0);
  CHECK(!first.empty());
  CHECK(hire_tiny::same_bits(first, hire_tiny::predictions(scores)));
  CHECK(hire_tiny::same_bits(first, hire_tiny::predictions(hire::score_queries(*stage, queries, run.model))));
}
