// What the best HyperRS starts from: leaving a user out is the same as fitting again without her, by either side of the
// inverse; rows are what the baselines of the library say; scales do not depend on the data.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "hyperrs/evidence.hpp"
#include "hyperrs/item_factors.hpp"
#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/data/generator.hpp"

namespace {

using hyperrs::EaseWithoutUser;
using hyperrs::Evidence;
using hyperrs::SharedUsers;
using thaw::Interactions;
using thaw::RatingGraph;

thaw::Dataset data_of(std::int32_t users, std::int32_t items) {
  return thaw::Generator({.users = users, .items = items, .ratings = 12 * users, .seed = 3}).generate();
}
RatingGraph graph_of(const thaw::Dataset& data, std::int32_t without = -1) {
  std::vector<thaw::Rating> kept;
  for (const thaw::Rating& r : data.ratings)
    if (r.user != without) kept.push_back(r);
  return RatingGraph::from_ratings(kept, data.users.size(), data.items.size());
}
Interactions interactions_of(const RatingGraph& graph) {
  auto x = Interactions::from_graph(graph);
  CHECK(x.ok());
  return x ? std::move(x.value()) : Interactions{};
}
std::int32_t busy_user(const Interactions& x) {
  for (std::int32_t u = 0; u < x.user_count(); ++u)
    if (x.by_user.row(u).size() >= 10) return u;
  return 0;
}
std::vector<std::int32_t> history_of(const Interactions& x, std::int32_t user) {
  const auto row = x.by_user.row(user);
  return {row.begin(), row.begin() + 4};
}
double distance(std::span<const float> a, std::span<const float> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = (std::max)(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}
std::vector<std::int32_t> everything(std::int32_t items) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(items));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

TEST_CASE("EASE by either side is EASE, and without a user it is EASE fitted without her") {
  for (const auto& [users, items] : {std::pair{200, 60}, std::pair{60, 200}}) {  // an inverse of items, one of users
    const thaw::Dataset data = data_of(users, items);
    const RatingGraph all = graph_of(data);
    const Interactions x = interactions_of(all);
    const std::int32_t user = busy_user(x);
    const auto history = history_of(x, user);
    const auto model = EaseWithoutUser::fit(x, {.regularization = 20});
    CHECK(model.has_value());
    if (!model) return;
    std::vector<float> mine(static_cast<std::size_t>(items)), reference(mine);
    for (const std::int32_t without : {-1, user}) {
      const auto ease = thaw::EasePredictor::fit(graph_of(data, without), {.regularization = 20});
      CHECK(ease.ok());
      if (!ease) return;
      ease.value().score_from(history, everything(items), reference);
      model->score(without, history, mine);
      CHECK(distance(mine, reference) < 2e-5);
    }
    CHECK(distance(mine, std::vector<float>(mine.size(), 0.0F)) > 0.01);
  }
}

TEST_CASE("EASE: too many rows for the limit is no model, unknown items say nothing") {
  const Interactions x = interactions_of(graph_of(data_of(60, 80)));
  CHECK_FALSE(EaseWithoutUser::fit(x, {.regularization = 20, .most_rows = 10}).has_value());
  const auto model = EaseWithoutUser::fit(x, {.regularization = 20});
  if (!model) return;
  std::vector<float> out(80, 1.0F);
  model->score(-1, {}, out);
  CHECK(distance(out, std::vector<float>(80, 0.0F)) < 1e-6);
}

TEST_CASE("EASE: weights of the support are those of a sum over its records, by either side and without a user") {
  for (const std::int32_t items : {60, 220}) {
    const Interactions x = interactions_of(graph_of(data_of(120, items)));
    const std::int32_t user = busy_user(x);
    const auto history = history_of(x, user);
    const auto model = EaseWithoutUser::fit(x, {.regularization = 20});
    CHECK(model.has_value());
    if (!model) return;
    const auto n = static_cast<std::size_t>(items);
    const std::vector<float> weights{0.25F, 0.5F, 2, 1}, ones(4, 1.0F);
    std::vector<float> mine(n), sum(n, 0.0F), one(n);
    for (const std::int32_t without : {-1, user}) {
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (std::size_t k = 0; k < 4; ++k) {
        model->score(without, {history.data() + k, 1}, one);
        for (std::size_t i = 0; i < n; ++i) sum[i] += weights[k] * one[i];
      }
      model->score(without, history, mine, weights);
      CHECK(distance(mine, sum) < 2e-5);
      model->score(without, history, mine, ones);
      model->score(without, history, one);
      CHECK(distance(mine, one) == 0);
      CHECK(distance(mine, sum) > 0.01);
    }
  }
}

TEST_CASE("shared users: the library's neighbours and walks, and the same without a user") {
  const thaw::Dataset data = data_of(150, 70);
  const Interactions x = interactions_of(graph_of(data));
  const std::int32_t user = busy_user(x);
  const auto history = history_of(x, user);
  const std::vector<float> weights{0.25F, 0.5F, 2, 1};
  const SharedUsers shared(x, {0.6, 1});
  std::vector<std::uint8_t> own(70, 0);
  for (const std::int32_t i : x.by_user.row(user)) own[static_cast<std::size_t>(i)] = 1;
  std::vector<float> neighbours(70), recent(70), sharp(70), walks(70), even(70), expected(70), one(70);
  for (const std::int32_t without : {-1, user}) {
    const RatingGraph graph = graph_of(data, without);
    shared.score(without, own, {history, weights}, 5, {neighbours, recent, sharp, {walks, even}});
    const auto knn = thaw::ItemKnnPredictor::fit(graph, {.neighbours = 1000, .shrinkage = 5});
    CHECK(knn.ok());
    if (!knn) return;
    knn.value().score_from(history, everything(70), expected);
    CHECK(distance(neighbours, expected) < 1e-5);
    std::vector<float> weighed(70, 0.0F), squares(70, 0.0F);
    for (std::size_t k = 0; k < history.size(); ++k) {
      knn.value().score_from({history.data() + k, 1}, everything(70), one);
      for (std::size_t i = 0; i < 70; ++i) weighed[i] += weights[k] * one[i], squares[i] += one[i] * one[i];
    }
    CHECK(distance(recent, weighed) < 1e-5);
    CHECK(distance(sharp, squares) < 1e-5);
    for (const double alpha : {0.6, 1.0}) {
      thaw::RandomWalkPredictor::Options options;
      options.neighbours = 1000, options.alpha = alpha;
      const auto walk = thaw::RandomWalkPredictor::fit(graph, options);
      CHECK(walk.ok());
      if (!walk) return;
      walk.value().score_from(history, everything(70), expected);
      CHECK(distance(alpha == 1 ? even : walks, expected) < 1e-5);
    }
  }
}

TEST_CASE("evidence: a training user is scored as the new user that she would be in data without her") {
  const thaw::Dataset data = data_of(150, 70);
  const hyperrs::World all{&data, graph_of(data), hyperrs::Objective::ranking};
  const Interactions x = interactions_of(all.train);
  const std::int32_t user = busy_user(x);
  const auto history = history_of(x, user);
  const hyperrs::World others{&data, graph_of(data, user), hyperrs::Objective::ranking};
  const Evidence with(all, {}), without(others, {});
  CHECK(with.count() == Evidence::kAttributes + with.of_attributes());
  CHECK(with.of_attributes() == 2 * static_cast<int>((std::min)(std::size_t{4}, data.items.attributes.size())));
  std::vector<float> left_out(70 * static_cast<std::size_t>(with.count())), new_user(left_out), shown(left_out);
  with.fill(user, history, left_out);
  without.fill(1'000'000, history, new_user);
  CHECK(distance(left_out, new_user) < 2e-3);  // means are over known items, of which some are hers alone
  with.fill(-1, history, shown);
  CHECK(distance(left_out, shown) > 0.01);
  for (const std::int32_t i : with.only(user)) {
    CHECK_FALSE(with.known_without(user, i));
    CHECK(with.known_without(-1, i));
  }
  for (std::int32_t i = 0; i < 70; ++i) CHECK(without.known_without(-1, i) == with.known_without(user, i));
}

TEST_CASE("evidence: scales, odd supports, and data without records or attributes") {
  thaw::Dataset data = data_of(150, 70);
  const hyperrs::World world{&data, graph_of(data), hyperrs::Objective::ranking};
  const Evidence evidence(world, {});
  std::vector<float> out(70 * static_cast<std::size_t>(evidence.count())), other(out);
  evidence.fill(-1, std::vector<std::int32_t>{3, 8, 9}, out);
  for (std::size_t row = 0; row < Evidence::kPopularity; ++row) {
    double mean = 0;  // exp(v) - 1 is a score over 0.5 times its mean
    for (const std::int32_t i : evidence.known())
      mean += 0.5 * std::expm1(static_cast<double>(out[row * 70 + static_cast<std::size_t>(i)]));
    CHECK(mean / static_cast<double>(evidence.known().size()) == doctest::Approx(1).epsilon(1e-3));
  }
  evidence.fill(-1, std::vector<std::int32_t>{9, -4, 3, 3, 8, 100'000, 9}, other);  // as 3, 8, 9
  CHECK(distance(out, other) < 1e-5);
  evidence.fill(-1, {}, out);
  for (const float v : out) CHECK(std::isfinite(v));

  const hyperrs::World silent{&data, RatingGraph::from_ratings({}, 150, 70), hyperrs::Objective::ranking};
  Evidence(silent, {}).fill(-1, std::vector<std::int32_t>{3}, out);
  CHECK(distance(out, std::vector<float>(out.size(), 0.0F)) == 0);
  data.items.attributes.clear();
  CHECK(Evidence(world, {}).count() == Evidence::kAttributes);
}

TEST_CASE("evidence: the last record counts most in the recent rows, in no other does the order matter") {
  const thaw::Dataset data = data_of(150, 70);
  const hyperrs::World world{&data, graph_of(data), hyperrs::Objective::ranking};
  const Evidence evidence(world, {}), last(world, {.half_life = 1e-3});
  std::vector<float> forwards(70 * static_cast<std::size_t>(evidence.count())), backwards(forwards), alone(forwards);
  const auto row = [](const std::vector<float>& rows, int r) {
    return std::span<const float>(rows).subspan(70 * static_cast<std::size_t>(r), 70);
  };
  evidence.fill(-1, std::vector<std::int32_t>{3, 8, 9, 12}, forwards);
  evidence.fill(-1, std::vector<std::int32_t>{12, 9, 8, 3}, backwards);
  for (int r = 0; r < evidence.count(); ++r) {
    const bool is_recent = r == Evidence::kRecentEase || r == Evidence::kRecentNeighbours;
    CHECK((distance(row(forwards, r), row(backwards, r)) > 1e-2) == is_recent);
  }
  last.fill(-1, std::vector<std::int32_t>{3, 8, 9, 12}, forwards);
  last.fill(-1, std::vector<std::int32_t>{12}, alone);
  CHECK(distance(row(forwards, Evidence::kRecentEase), row(alone, Evidence::kEase)) < 1e-5);
  CHECK(distance(row(forwards, Evidence::kRecentNeighbours), row(alone, Evidence::kNeighbours)) < 1e-5);
}

TEST_CASE("item factors: orthogonal columns that the normalised interactions only stretch") {
  const Interactions x = interactions_of(graph_of(data_of(150, 70)));
  constexpr std::size_t kWidth = 2;
  const hyperrs::ItemFactors factors(x, {.width = kWidth, .rounds = 60});
  // The first direction is known: items by the root of their counts.
  double dot = 0, lengths = 0, counts = 0;
  for (std::int32_t i = 0; i < 70; ++i) {
    const auto root = std::sqrt(static_cast<double>(x.by_item.row(i).size()));
    dot += root * static_cast<double>(factors.row(i)[0]);
    lengths += static_cast<double>(factors.row(i)[0] * factors.row(i)[0]);
    counts += root * root;
  }
  CHECK(std::fabs(dot) / std::sqrt(lengths * counts) == doctest::Approx(1).epsilon(1e-3));
  double across = 0;
  for (std::int32_t i = 0; i < 70; ++i) across += static_cast<double>(factors.row(i)[0] * factors.row(i)[1]);
  CHECK(std::fabs(across) / lengths < 1e-4);
}
