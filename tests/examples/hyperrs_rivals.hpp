// What the tests of the rival learners share: weights by formula, a made world with new users, slopes by differences.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/data/generator.hpp"
#include "thaw/optim/parameters.hpp"

namespace rivals {

// Element k of tensor t, as the reference programs fill theirs.
inline double fill(int t, thaw::Index k) {
  const auto x = static_cast<double>(k);
  return 0.9 * std::sin(1 + 1.3 * t + 2.1 * x + 0.3 * x * x);
}
template <class P>
void fill_parameters(P& parameters, int first = 0) {
  for (int t = 0; t < parameters.count(); ++t)
    for (thaw::Index k = 0; k < parameters.slot(t).value.size(); ++k) parameters.slot(t).value[k] = fill(first + t, k);
}
template <class A>
double norm(const A& a) {
  double squares = 0;
  for (const double x : a) squares += x * x;
  return std::sqrt(squares);
}
inline bool near(double a, double b, double tolerance = 1e-8) {
  return std::abs(a - b) <= tolerance * (std::max)(std::abs(a), std::abs(b)) + 1e-15;
}

// Eight items, all known, with one attribute of four values; item 2 has none.
struct TinyWorld {
  thaw::Dataset data;
  hyperrs::World world;

  TinyWorld() {
    const std::vector<std::vector<std::int32_t>> values = {{0}, {1, 2}, {}, {3}, {0, 3}, {2}, {1}, {0, 1, 2}};
    thaw::Attribute& a = data.items.attributes.emplace_back();
    for (int v = 0; v < 4; ++v) a.values.add("v" + std::to_string(v));
    data.users.ids.add("u0");
    for (std::int32_t i = 0; i < 8; ++i) {
      data.items.ids.add("i" + std::to_string(i));
      a.append(values[static_cast<std::size_t>(i)]);
      data.ratings.push_back({0, i, 1});
    }
    world.data = &data;
    world.train = thaw::RatingGraph::from_ratings(data.ratings, 1, 8);
  }
  TinyWorld(const TinyWorld&) = delete;
};
inline std::vector<thaw::Episode> tiny_episodes() {
  std::vector<thaw::Episode> e(2);
  e[0] = {0, {{0, 1, 2, 3}, {1, 1, 1, 1}, {5, 6}}, {{4, 5}, {1, 1}, {7}}};
  e[1] = {0, {{6, 2}, {1, 1}, {1}}, {{3}, {1}, {0}}};
  return e;
}

// Popular items are what can be learnt; the last 50 users and the last 10 items are new.
struct MadeWorld {
  static constexpr std::int32_t kUsers = 250, kItems = 130, kNewUsers = 50, kNewItems = 10;
  thaw::Dataset data;
  hyperrs::World world;
  std::vector<thaw::Episode> train, test;

  MadeWorld() {
    thaw::GeneratorOptions options;
    options.users = kUsers;
    options.items = kItems;
    options.ratings = 7000;
    options.seed = 3;
    options.fewest = 16;
    data = thaw::Generator(options).generate();
    std::vector<thaw::Rating> seen;
    for (const thaw::Rating& r : data.ratings)
      if (r.user < kUsers - kNewUsers && r.item < kItems - kNewItems) seen.push_back(r);
    world.data = &data;
    world.train = thaw::RatingGraph::from_ratings(seen, kUsers, kItems);
    const auto all = thaw::RatingGraph::from_ratings(data.ratings, kUsers, kItems);
    for (std::int32_t u = 0; u < kUsers; ++u) (u < kUsers - kNewUsers ? train : test).push_back(episode(all, u));
  }
  MadeWorld(const MadeWorld&) = delete;

 private:
  static thaw::Episode episode(const thaw::RatingGraph& all, std::int32_t user) {
    thaw::Philox rng(9, static_cast<std::uint64_t>(user));
    std::vector<std::int32_t> items;
    for (const auto& edge : all.by_user.row(user))
      if (edge.column < kItems - kNewItems) items.push_back(edge.column);
    rng.shuffle(items);
    thaw::Episode e;
    e.user = user;
    const std::size_t half = (std::min)(items.size() / 2, std::size_t{6});
    for (std::size_t i = 0; i < 2 * half; ++i) {
      thaw::Episode::Part& part = i < half ? e.support : e.query;
      part.items.push_back(items[i]);
      part.labels.push_back(1);
      std::int32_t other = 0;
      do other = static_cast<std::int32_t>(rng.below(kItems - kNewItems));
      while (all.by_user.find(user, other) != nullptr);
      part.negatives.push_back(other);
    }
    return e;
  }
};

// One pass over the training users in batches; the mean loss.
inline double train_pass(hyperrs::Learner& learner, const MadeWorld& made, std::size_t batch) {
  double sum = 0, count = 0;
  for (std::size_t at = 0; at + batch <= made.train.size(); at += batch, count += 1)
    sum += learner.train({made.train.data() + at, batch});
  return sum / count;
}
inline std::vector<float> scores_of(const hyperrs::Learner& learner, const thaw::Episode& e, int steps) {
  std::vector<std::int32_t> items = e.query.items;
  items.insert(items.end(), e.query.negatives.begin(), e.query.negatives.end());
  std::vector<float> out(items.size());
  learner.adapt(e.user, e.support, steps)->score(items, out);
  return out;
}
// The share of (query item, negative) pairs of the new users in the right order; 0.5 is chance.
inline double right_pairs(const hyperrs::Learner& learner, const MadeWorld& made, int steps) {
  double right = 0, pairs = 0;
  for (const thaw::Episode& e : made.test) {
    const std::vector<float> s = scores_of(learner, e, steps);
    for (std::size_t p = 0; p < e.query.items.size(); ++p)
      for (std::size_t n = e.query.items.size(); n < s.size(); ++n, pairs += 1)
        right += s[p] > s[n] ? 1 : s[p] == s[n] ? 0.5 : 0;
  }
  return right / pairs;
}

// New users leave no trace: not in their order, not when they come twice, not for training after them.
inline void check_no_leak(hyperrs::Learner& learner, hyperrs::Learner& twin, const MadeWorld& made, int steps) {
  std::vector<std::vector<float>> forward(made.test.size());
  for (std::size_t u = 0; u < made.test.size(); ++u) forward[u] = scores_of(learner, made.test[u], steps);
  for (std::size_t u = made.test.size(); u-- > 0;) CHECK(scores_of(learner, made.test[u], steps) == forward[u]);
  const double after = train_pass(learner, made, 20);
  CHECK(after == train_pass(twin, made, 20));  // the twin never saw them
  CHECK(scores_of(learner, made.test[0], steps) != forward[0]);
}

inline void check_odd_users(const hyperrs::Learner& learner, int steps) {
  const std::vector<std::int32_t> items = {0, 5, 125, 129, 5};
  const auto finite = [&](const thaw::Episode::Part& support) {
    std::vector<float> out(items.size(), NAN);
    learner.adapt(MadeWorld::kUsers - 1, support, steps)->score(items, out);
    for (const float x : out) CHECK(std::isfinite(x));
    CHECK(out[1] == out[4]);  // an item's score does not depend on its place
    learner.adapt(MadeWorld::kUsers - 1, support, steps)->score({}, {});
    return out;
  };
  finite({});
  finite({{3}, {1}, {4}});
  finite({{3, 4}, {1, 1}, {}});
  finite({{3, 3, 3, 3}, {1, 1, 1, 1}, {4, 4}});
  finite({{125, 126, 127}, {1, 1, 1}, {128, 129}});
  std::vector<std::int32_t> many;
  for (std::int32_t i = 0; i < 60; ++i) many.push_back(i);
  finite({many, std::vector<float>(60, 1), {70, 71, 72}});
}
inline void check_odd_batches(hyperrs::Learner& learner) {
  CHECK(learner.train({}) == 0);
  thaw::Episode nothing_asked;
  nothing_asked.support = {{1, 2, 3}, {1, 1, 1}, {4, 5}};
  CHECK(learner.train({&nothing_asked, 1}) == 0);
  std::vector<thaw::Episode> odd(4);
  odd[0].query = {{1}, {1}, {2}};  // no support
  odd[1].support = {{1}, {1}, {2}};
  odd[1].query = {{3, 3}, {1, 1}, {4}};
  odd[2].support = {{1, 2, 3}, {1, 1, 1}, {}};
  odd[2].query = {{4}, {1}, {5, 6, 7}};
  odd[3] = nothing_asked;
  for (int k = 0; k < 3; ++k) {
    CHECK(std::isfinite(learner.train(odd)));
    CHECK(std::isfinite(learner.train({odd.data(), 1})));
  }
}

// Trains `learner` by passes of batches: the loss falls below `share` of the first pass's, new users' pairs are in the
// right order more often than by chance. `twin` is the same learner: it shows that new users leave no trace.
struct Lesson {
  int passes = 20;
  std::size_t batch = 20;
  double share = 0.8;
  int steps = 1;  // of adapting
};
inline void check_learns(hyperrs::Learner& learner, hyperrs::Learner& twin, const MadeWorld& made,
                         const Lesson& lesson) {
  const double first = train_pass(learner, made, 20);
  train_pass(twin, made, 20);
  check_no_leak(learner, twin, made, lesson.steps);
  double last = first;
  for (int pass = 0; pass < lesson.passes; ++pass) last = train_pass(learner, made, lesson.batch);
  CHECK(last < lesson.share * first);
  CHECK(right_pairs(learner, made, lesson.steps) > 0.58);
  check_odd_users(learner, lesson.steps);
  check_odd_batches(learner);
}

// Every element of a gradient beside the difference quotient of loss().
struct Quotients {
  double worst = 0, largest = 0;
  thaw::Index compared = 0;
};
template <class P, class Gradient, class Loss>
Quotients quotients(P& parameters, const Gradient& gradient, const Loss& loss) {
  Quotients found;
  int t = 0;
  thaw::for_each_unnamed(
      [&](const thaw::Array<double>& g) {
        auto& w = parameters.slot(t++).value;
        for (thaw::Index k = 0; k < w.size(); ++k, ++found.compared) {
          const double kept = w[k], h = 1e-5;
          w[k] = kept + h;
          const double above = loss();
          w[k] = kept - h;
          const double below = loss();
          w[k] = kept;
          found.worst = (std::max)(found.worst, std::abs((above - below) / (2 * h) - g[k]));
          found.largest = (std::max)(found.largest, std::abs(g[k]));
        }
      },
      gradient);
  return found;
}

// The largest error of the slopes of loss(net) against central differences, tensor by tensor along random directions.
// `exact` may differ from what is differenced: a gradient that leaves a path out, against a loss that freezes it.
template <class P, class Exact, class Frozen>
double slope_error(P& parameters, thaw::Tape<double>& tape, const Exact& exact, const Frozen& frozen) {
  thaw::Scope scope(tape);
  const auto net = parameters.on(tape);
  const auto gradients = thaw::gradient(exact(net), net);
  double worst = 0;
  int t = 0;
  thaw::for_each_unnamed(
      [&](const thaw::Array<double>& g) {
        auto& value = parameters.slot(t).value;
        const std::vector<double> start(value.begin(), value.end());
        thaw::Philox rng(4, static_cast<std::uint64_t>(t++));
        std::vector<double> direction;
        for (std::size_t k = 0; k < start.size(); ++k) direction.push_back(rng.normal());
        double slope = 0;
        for (std::size_t k = 0; k < start.size(); ++k) slope += direction[k] * g.data[k];
        const auto at = [&](double h) {
          thaw::Scope inside(tape);
          for (std::size_t k = 0; k < start.size(); ++k) value.data[k] = start[k] + h * direction[k];
          return static_cast<double>(frozen(parameters.on(tape)).item());
        };
        const double h = 1e-5, numeric = (at(h) - at(-h)) / (2 * h);
        std::copy(start.begin(), start.end(), value.begin());
        worst = (std::max)(worst, std::abs(slope - numeric) / (std::max)(1e-2, std::abs(numeric)));
      },
      gradients);
  CHECK(t == parameters.count());
  return worst;
}

}  // namespace rivals
