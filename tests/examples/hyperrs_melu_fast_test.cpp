// The meta-step of MeLU without users' own weights against the recorded one: losses and weights over training, for both
// objectives and both orders, users without support or query; one and two threads; nothing from the heap.
#include <doctest/doctest.h>

#include <cmath>

#include "../heap_counter.hpp"
#include "hyperrs/melu_fast.hpp"
#include "hyperrs_rivals.hpp"

namespace {

using hyperrs::FusedMeluLearner;
using hyperrs::MeluLearner;
using hyperrs::MeluOptions;
using hyperrs::Objective;
using thaw::Episode;

MeluOptions small(Objective objective, bool first_order, int threads = 1) {
  MeluOptions options;
  options.width = 6;
  options.hidden = 10;
  options.local_rate = 0.3;  // the inner step matters
  options.rate = 3e-3;
  options.first_order = first_order;
  options.objective = objective;
  options.threads = threads;
  options.seed = 5;
  return options;
}
std::vector<float> weights_of(MeluLearner& learner) {
  std::vector<float> out;
  thaw::for_each_unnamed([&](const auto& a) { out.insert(out.end(), a.begin(), a.end()); },
                         learner.parameters().values());
  return out;
}
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(squares);
}
// 19 users, so that blocks are not full: one without a query, one without support, one of each size.
std::vector<Episode> odd_batch(const rivals::MadeWorld& made) {
  std::vector<Episode> batch(made.train.begin(), made.train.begin() + 19);
  batch[3].query = {};
  batch[9].support = {};
  batch[10].support = {{4}, {1}, {}};
  batch[18].query = {{7}, {1}, {2}};
  return batch;
}

}  // namespace

TEST_CASE("fused MeLU: losses and weights over training are those of the recorded learner") {
  const rivals::MadeWorld made;
  const std::vector<Episode> odd = odd_batch(made);
  for (const Objective objective : {Objective::ranking, Objective::rating})
    for (const bool first_order : {true, false}) {
      MeluLearner recorded(made.data, small(objective, first_order));
      FusedMeluLearner fused(made.data, small(objective, first_order));
      const std::vector<float> start = weights_of(recorded);
      CHECK(distance(start, weights_of(fused)) == 0);
      for (std::size_t k = 0; k < 6; ++k) {
        const std::span<const Episode> batch =
            k % 2 == 0 ? std::span(odd) : std::span<const Episode>(made.train.data() + 20 * k, 20);
        const double a = recorded.train(batch), b = fused.train(batch);
        CHECK(std::fabs(a - b) < 1e-5 * std::fmax(1, a));
      }
      const double moved = distance(start, weights_of(recorded));
      CHECK(moved > 0.1);
      CHECK(distance(weights_of(recorded), weights_of(fused)) < 2e-3 * moved);
    }
}

TEST_CASE("fused MeLU: the gradient through the step is not the first-order one") {
  const rivals::MadeWorld made;
  FusedMeluLearner exact(made.data, small(Objective::ranking, false));
  FusedMeluLearner first(made.data, small(Objective::ranking, true));
  const std::vector<float> start = weights_of(exact);
  for (std::size_t k = 0; k < 2; ++k) {
    exact.train({made.train.data() + 20 * k, 20});
    first.train({made.train.data() + 20 * k, 20});
  }
  CHECK(distance(weights_of(exact), weights_of(first)) > 0.1 * distance(start, weights_of(exact)));
}

TEST_CASE("fused MeLU: more inner steps are the recorded learner's") {
  const rivals::MadeWorld made;
  MeluOptions options = small(Objective::ranking, false);
  options.inner_steps = 2;
  MeluLearner recorded(made.data, options);
  FusedMeluLearner fused(made.data, options);
  for (std::size_t k = 0; k < 2; ++k)
    CHECK(recorded.train({made.train.data() + 20 * k, 20}) == fused.train({made.train.data() + 20 * k, 20}));
}

TEST_CASE("fused MeLU: one and two threads give the same model, and nothing comes from the heap after the first pass") {
  const rivals::MadeWorld made;
  for (const bool first_order : {true, false}) {
    FusedMeluLearner one(made.data, small(Objective::ranking, first_order, 1));
    FusedMeluLearner two(made.data, small(Objective::ranking, first_order, 2));
    CHECK(rivals::train_pass(one, made, 20) == rivals::train_pass(two, made, 20));
    const long before = thaw_test::heap_allocations();
    CHECK(rivals::train_pass(one, made, 20) == rivals::train_pass(two, made, 20));
    CHECK(thaw_test::heap_allocations() == before);
    CHECK(distance(weights_of(one), weights_of(two)) == 0);
  }
}

TEST_CASE("fused MeLU: new users leave no trace, and odd users are scored") {
  const rivals::MadeWorld made;
  const MeluOptions options = small(Objective::ranking, false);
  FusedMeluLearner learner(made.data, options), twin(made.data, options);
  rivals::check_no_leak(learner, twin, made, 1);
  rivals::check_odd_users(learner, 1);
  rivals::check_odd_batches(learner);
}
