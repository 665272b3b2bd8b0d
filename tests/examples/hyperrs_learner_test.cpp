// The HyperRS learners, paper and best: adapting is const and leaves no trace, its limits are what they should be,
// users with nothing usable are served, and training learns.
#include "hyperrs/hyperrs_learner.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hyperrs/task.hpp"

namespace {

using hyperrs::HyperLearner;
using hyperrs::Learner;
using hyperrs::Objective;
using hyperrs::Variant;
using thaw::Episode;

// A generated world, small enough to train in a second.
struct Fixture {
  hyperrs::Task task;
  hyperrs::World world;
  std::vector<Episode> episodes;

  explicit Fixture(Objective objective = Objective::ranking) {
    thaw::Generator generator({.users = 150, .items = 80, .ratings = 3000, .seed = 5});
    task.data = generator.generate();
    task.objective = objective;
    auto histories = thaw::make_histories(task.data, {.seed = 1});
    CHECK(histories.ok());
    if (histories) task.histories = std::move(histories.value());
    task.split = thaw::split_histories(task.histories, task.data.items.size(), {.cold_items = 0.2, .seed = 1});
    world = task.world();
    const auto sampler = task.sampler({.support = 5, .query = 5, .negatives = 2});
    for (const std::int32_t user : sampler.training_users()) {
      Episode e;
      if (sampler.draw(0, user, e)) episodes.push_back(e);
    }
  }
  Episode::Part support() const { return episodes[3].support; }
};

hyperrs::LearnerOptions small(Variant variant, std::uint64_t seed = 1) {
  return {.variant = variant, .width = 8, .seed = seed};
}

std::vector<float> scores(const Learner& learner, std::int32_t user, const Episode::Part& support, int steps) {
  std::vector<std::int32_t> items(80);
  std::iota(items.begin(), items.end(), 0);
  std::vector<float> out(items.size());
  learner.adapt(user, support, steps)->score(items, out);
  return out;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::fmax(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}
bool finite(const std::vector<float>& a) {
  for (const float x : a)
    if (!std::isfinite(x)) return false;
  return true;
}
constexpr std::int32_t kNewUser = 1'000'000;

}  // namespace

TEST_CASE("adapting is const: repeated, in another order and between training steps it changes nothing") {
  for (const Variant variant : {Variant::paper, Variant::best})
    for (const Objective objective : {Objective::ranking, Objective::rating}) {
      const Fixture f(objective);
      const auto watched = hyperrs::make_hyperrs(f.world, small(variant));
      const auto alone = hyperrs::make_hyperrs(f.world, small(variant));
      for (int step = 0; step < 3; ++step) {
        const std::span<const Episode> batch(f.episodes.data() + 8 * step, 8);
        const auto first = scores(*watched, kNewUser, f.support(), 2);
        scores(*watched, f.episodes[7].user, f.episodes[7].support, 3);
        CHECK(distance(first, scores(*watched, kNewUser, f.support(), 2)) == 0);
        CHECK(watched->train(batch) == alone->train(batch));
      }
      CHECK(distance(scores(*watched, kNewUser, f.support(), 1), scores(*alone, kNewUser, f.support(), 1)) == 0);
    }
}

TEST_CASE("paper: no step, and steps of rate zero, leave the scorer as it was generated") {
  const Fixture f;
  hyperrs::HyperOptions hyper = hyperrs::hyper_options(small(Variant::paper));
  hyper.start = thaw::HeadStart::fan_in;
  HyperLearner usual(f.world, small(Variant::paper), hyper);
  hyper.inner_rate = 0;
  HyperLearner still(f.world, small(Variant::paper), hyper);
  const auto start = scores(usual, kNewUser, f.support(), 0);
  CHECK(distance(start, scores(usual, kNewUser, {}, 5)) == 0);
  CHECK(distance(start, scores(still, kNewUser, f.support(), 0)) == 0);
  CHECK(distance(start, scores(still, kNewUser, f.support(), 4)) == 0);
  CHECK(distance(start, scores(usual, kNewUser, f.support(), 1)) > 1e-5);
}

TEST_CASE("paper: every kind of inner move does something, and none of them alone is nothing") {
  const Fixture f;
  hyperrs::HyperOptions hyper = hyperrs::hyper_options(small(Variant::paper));
  hyper.start = thaw::HeadStart::fan_in;
  std::vector<float> results[4];
  const hyperrs::InnerMoves moves[4] = {
      {false, false, false}, {true, false, false}, {false, true, false}, {false, false, true}};
  for (int i = 0; i < 4; ++i) {
    hyper.moves = moves[i];
    HyperLearner learner(f.world, small(Variant::paper), hyper);
    results[i] = scores(learner, kNewUser, f.support(), 1);
    CHECK(std::isfinite(learner.train(f.episodes)));
    CHECK(finite(scores(learner, kNewUser, f.support(), 2)));
  }
  for (int i = 1; i < 4; ++i) CHECK(distance(results[0], results[i]) > 1e-9);
}

// `best` reads what came last as such where the order is that of time, `paper` reads a set.
TEST_CASE("the order of the support does not matter beyond rounding, but to best where there are times") {
  Fixture f;
  for (const bool times : {false, true})
    for (const Variant variant : {Variant::paper, Variant::best}) {
      f.world.chronological = times;
      const auto learner = hyperrs::make_hyperrs(f.world, small(variant));
      learner->train(f.episodes);
      Episode::Part turned = f.support();
      std::reverse(turned.items.begin(), turned.items.end());
      std::reverse(turned.labels.begin(), turned.labels.end());
      std::reverse(turned.negatives.begin(), turned.negatives.end());
      const double moved = distance(scores(*learner, kNewUser, f.support(), 2), scores(*learner, kNewUser, turned, 2));
      if (times && variant == Variant::best)
        CHECK(moved > 1e-3);
      else
        CHECK(moved < 1e-3);
    }
}

TEST_CASE("users with nothing usable, one record, equal ratings, repeats and unknown items are served") {
  for (const Variant variant : {Variant::paper, Variant::best})
    for (const Objective objective : {Objective::ranking, Objective::rating}) {
      const Fixture f(objective);
      const auto learner = hyperrs::make_hyperrs(f.world, small(variant));
      learner->train(f.episodes);
      const Episode::Part parts[] = {{},
                                     {.items = {3}, .labels = {5}, .negatives = {}},
                                     {.items = {3, 4, 5}, .labels = {3, 3, 3}, .negatives = {9, 10, 11}},
                                     {.items = {3, 3, 3}, .labels = {4, 4, 4}, .negatives = {7, 7, 7}},
                                     {.items = {100'000, -4}, .labels = {4, 1}, .negatives = {200'000, 7}}};
      const auto nothing = scores(*learner, kNewUser, {}, 0);
      for (const Episode::Part& part : parts)
        for (const int steps : {0, 1, 3})
          for (const std::int32_t user : {kNewUser, -1}) CHECK(finite(scores(*learner, user, part, steps)));
      CHECK(distance(scores(*learner, kNewUser, {}, 3), nothing) == 0);
      std::vector<float> out(2);
      learner->adapt(kNewUser, f.support(), 1)->score(std::vector<std::int32_t>{-1, 100'000}, out);
      CHECK(finite(out));
    }
}

TEST_CASE("best: who has shown nothing is answered by popularity, before and after training") {
  Fixture f;
  const auto learner = hyperrs::make_hyperrs(f.world, small(Variant::best));
  for (int round = 0; round < 2; ++round) {
    Episode::Part absent;
    absent.items = {-3, 1000};
    absent.labels = {1, 1};
    for (const Episode::Part& nothing : {Episode::Part{}, absent}) {
      const std::vector<float> said = scores(*learner, -1, nothing, 1);
      for (std::int32_t a = 0; a < 80; ++a)
        for (std::int32_t b = 0; b < 80; ++b) {
          const std::size_t of_a = f.world.train.by_item.row(a).size(), of_b = f.world.train.by_item.row(b).size();
          if (of_a > 0 && of_b > 0 && of_a > of_b)
            CHECK(said[static_cast<std::size_t>(a)] > said[static_cast<std::size_t>(b)]);
        }
    }
    for (int step = 0; step < 5; ++step) learner->train(std::span(f.episodes).first(16));
  }
}

TEST_CASE("a batch without a usable user is no step") {
  const Fixture f;
  for (const Variant variant : {Variant::paper, Variant::best}) {
    const auto learner = hyperrs::make_hyperrs(f.world, small(variant));
    const auto before = scores(*learner, kNewUser, f.support(), 1);
    CHECK(learner->train({}) == 0);
    CHECK(distance(before, scores(*learner, kNewUser, f.support(), 1)) == 0);
  }
}

TEST_CASE("best: untrained, ratings are item mean plus user bias, damped as the library's; own ratings are taken out") {
  const Fixture f(Objective::rating);
  const auto learner = hyperrs::make_hyperrs(f.world, small(Variant::best));
  const thaw::RatingBiases biases = thaw::fit_biases(f.world.train, {});
  const Episode::Part support = f.support();
  double own = 0;
  for (std::size_t i = 0; i < support.items.size(); ++i)
    own +=
        static_cast<double>(support.labels[i]) - biases.mean - biases.item[static_cast<std::size_t>(support.items[i])];
  own /= 5 + static_cast<double>(support.items.size());
  const auto predicted = scores(*learner, kNewUser, support, 0);
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const double expected = biases.mean + biases.item[i] + own;
    const auto lowest = static_cast<double>(f.task.data.lowest), highest = static_cast<double>(f.task.data.highest);
    CHECK(static_cast<double>(predicted[i]) == doctest::Approx((std::clamp)(expected, lowest, highest)).epsilon(1e-3));
  }
  // To the one who rated them first items are what the others make of them.
  const hyperrs::RatingStart start(f.world);
  std::vector<float> rows(2 * 80), all(2 * 80);
  const std::int32_t user = f.episodes[3].user;
  start.fill(user, support, rows), start.fill(-1, support, all);
  for (const auto& edge : f.world.train.by_user.row(user)) {
    const auto item = static_cast<std::size_t>(edge.column);
    const auto n = static_cast<double>(f.world.train.by_item.row(edge.column).size());
    const double left = static_cast<double>(edge.value) - biases.mean - biases.user[static_cast<std::size_t>(user)];
    CHECK(static_cast<double>(rows[item]) * (n + 4) ==
          doctest::Approx(static_cast<double>(all[item]) * (n + 5) - left).epsilon(1e-3));
  }
}

// What is left of the first query loss. `best` starts from a fitted combination of simple methods or from the means of
// ratings, so there is little left to gain on training users.
TEST_CASE("training lowers the query loss, for both variants and objectives") {
  struct Case {
    Variant variant;
    Objective objective;
    int steps;
    double share;
  };
  for (const Case& c :
       {Case{Variant::paper, Objective::ranking, 60, 0.75}, Case{Variant::paper, Objective::rating, 60, 0.6},
        Case{Variant::best, Objective::ranking, 80, 0.98}, Case{Variant::best, Objective::rating, 240, 0.95}}) {
    const Fixture f(c.objective);
    const auto learner = hyperrs::make_hyperrs(f.world, small(c.variant));
    const double first = learner->train(f.episodes);
    double last = first;
    for (int i = 0; i < c.steps; ++i) last = learner->train(f.episodes);
    CHECK(last < c.share * first);
    CHECK(learner->parameter_count() > 1000);
  }
}

TEST_CASE("first order and exact second order take different steps from the same loss") {
  const Fixture f;
  for (const Variant variant : {Variant::paper, Variant::best}) {
    auto options = small(variant);
    hyperrs::HyperOptions hyper = hyperrs::hyper_options(options);
    hyper.start = thaw::HeadStart::fan_in;
    hyper.inner_rate = 0.1;
    const auto make = [&]() -> std::unique_ptr<Learner> {
      if (variant == Variant::best) return hyperrs::make_hyperrs(f.world, options);
      return std::make_unique<HyperLearner>(f.world, options, hyper);
    };
    const auto exact = make();
    options.first_order = true;
    const auto first = make();
    CHECK(exact->train(f.episodes) == doctest::Approx(first->train(f.episodes)).epsilon(1e-6));
    CHECK(distance(scores(*exact, kNewUser, f.support(), 1), scores(*first, kNewUser, f.support(), 1)) > 1e-7);
  }
}
