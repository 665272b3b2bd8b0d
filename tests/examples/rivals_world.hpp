// A generated world for tests of learners: four fifths of the users train, the others are new.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/generator.hpp"

namespace rivals {

struct Sizes {
  std::int32_t users = 150, items = 60;
  std::int64_t ratings = 4500;
  std::size_t support = 8, query = 8;
};

// Keeps the data set that its World points to, so it stays where it is.
struct Town {
  thaw::Dataset data;
  hyperrs::World world;
  std::vector<thaw::Episode> training, fresh;

  explicit Town(hyperrs::Objective objective, const Sizes& sizes = {}) {
    data =
        thaw::Generator({.users = sizes.users, .items = sizes.items, .ratings = sizes.ratings, .seed = 9}).generate();
    const std::int32_t first_new = sizes.users * 4 / 5;
    std::vector<thaw::Rating> seen;
    for (const thaw::Rating& r : data.ratings)
      if (r.user < first_new) seen.push_back(r);
    world = {&data, thaw::RatingGraph::from_ratings(seen, sizes.users, sizes.items), objective};
    const thaw::Csr all = thaw::Csr::from_ratings(data.ratings, sizes.users, thaw::Csr::Side::user);
    for (std::int32_t user = 0; user < sizes.users; ++user) {
      const auto row = all.row(user);
      if (row.size() < sizes.support + sizes.query) continue;
      (user < first_new ? training : fresh).push_back(episode(user, all, sizes));
    }
  }
  thaw::Episode episode(std::int32_t user, const thaw::Csr& all, const Sizes& sizes) const {
    thaw::Philox rng(31, static_cast<std::uint64_t>(user));
    std::vector<thaw::Csr::Edge> records(all.row(user).begin(), all.row(user).end());
    rng.shuffle(records);
    thaw::Episode e;
    e.user = user;
    for (std::size_t i = 0; i < sizes.support + sizes.query; ++i) {
      thaw::Episode::Part& part = i < sizes.support ? e.support : e.query;
      part.items.push_back(records[i].column);
      part.labels.push_back(world.objective == hyperrs::Objective::ranking ? 1.0F : records[i].value);
      std::int32_t other = 0;
      do other = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(data.items.size())));
      while (all.find(user, other) != nullptr);
      part.negatives.push_back(other);
    }
    return e;
  }
};

inline std::vector<float> scores(const hyperrs::Adapted& user, const std::vector<std::int32_t>& items) {
  std::vector<float> out(items.size());
  user.score(items, out);
  return out;
}

// The share of (query record, query negative) pairs of new users in the right order, ties as half; random: 0.5.
inline double pair_accuracy(const hyperrs::Learner& learner, const Town& town, int steps) {
  double right = 0, pairs = 0;
  for (const thaw::Episode& e : town.fresh) {
    const auto adapted = learner.adapt(e.user, e.support, steps);
    for (const float p : scores(*adapted, e.query.items))
      for (const float n : scores(*adapted, e.query.negatives)) {
        right += p > n ? 1 : p < n ? 0 : 0.5;
        pairs += 1;
      }
  }
  return right / pairs;
}

// Mean absolute error of new users' query ratings.
inline double absolute_error(const hyperrs::Learner& learner, const Town& town, int steps) {
  double sum = 0, count = 0;
  for (const thaw::Episode& e : town.fresh) {
    const std::vector<float> y = scores(*learner.adapt(e.user, e.support, steps), e.query.items);
    for (std::size_t i = 0; i < y.size(); ++i) {
      sum += std::abs(static_cast<double>(y[i] - e.query.labels[i]));
      count += 1;
    }
  }
  return sum / count;
}
// The same for the mean training rating.
inline double absolute_error_of_mean(const Town& town) {
  const double mean = town.world.train.mean(3);
  double sum = 0, count = 0;
  for (const thaw::Episode& e : town.fresh)
    for (const float y : e.query.labels) {
      sum += std::abs(static_cast<double>(y) - mean);
      count += 1;
    }
  return sum / count;
}

// Mean training loss of one pass over the training users, `batch` at a time.
inline double pass(hyperrs::Learner& learner, const Town& town, std::size_t batch) {
  double sum = 0, count = 0;
  for (std::size_t at = 0; at < town.training.size(); at += batch) {
    const std::size_t size = (std::min)(batch, town.training.size() - at);
    sum += learner.train(std::span(town.training).subspan(at, size));
    count += 1;
  }
  return sum / count;
}

// What passes over the training users do: the loss of the first and the last, and the pair accuracy around them.
struct Progress {
  double first = 0, last = 0, before = 0, after = 0;
};
inline Progress progress(hyperrs::Learner& learner, const Town& town, int passes) {
  Progress p;
  p.before = pair_accuracy(learner, town, 1);
  p.first = pass(learner, town, 16);
  for (int i = 1; i < passes; ++i) p.last = pass(learner, town, 16);
  p.after = pair_accuracy(learner, town, 1);
  return p;
}

// Whether two new users have the same scores in any order and when asked again.
inline bool repeats_itself(const hyperrs::Learner& learner, const Town& town, int steps) {
  const auto ask = [&](const thaw::Episode& e) {
    return scores(*learner.adapt(e.user, e.support, steps), e.query.items);
  };
  const thaw::Episode &a = town.fresh[0], &b = town.fresh[1];
  const auto a_first = ask(a), b_second = ask(b), b_first = ask(b), a_second = ask(a);
  return a_first == a_second && b_first == b_second;
}

inline bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace rivals
