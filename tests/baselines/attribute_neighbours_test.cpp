#include "thaw/baselines/attribute_neighbours.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

#include "thaw/core/random.hpp"

namespace {

using thaw::AttributeView;
using thaw::Rating;

// One value per entity.
struct OneValue {
  explicit OneValue(std::vector<std::int32_t> values, std::int32_t cardinality) : ids(std::move(values)) {
    offsets.resize(ids.size() + 1);
    std::iota(offsets.begin(), offsets.end(), 0);
    view = {AttributeView{offsets, ids, cardinality}};
  }
  std::vector<std::int32_t> offsets, ids;
  std::vector<AttributeView> view;
};

float predict(const thaw::AttributeNeighboursPredictor& knn, std::int32_t user, std::int32_t item) {
  const std::vector<std::int32_t> items{item};
  std::vector<float> out(1);
  knn.score(user, items, out);
  return out[0];
}

TEST_CASE("AttributeNeighboursPredictor: a cold item starts from the items that share its director") {
  const OneValue director({0, 0, 1, 1, 0, 1}, 2);  // items 4 and 5 are new
  std::vector<Rating> ratings;
  for (int user = 0; user < 20; ++user)
    for (int item = 0; item < 4; ++item) ratings.push_back({user, item, item < 2 ? 5.0f : 1.0f});
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 20, 6);
  const thaw::UserItemBiasPredictor bias(visible);
  thaw::AttributeNeighboursPredictor::Options options;
  options.rating_neighbours = 0;
  const thaw::AttributeNeighboursPredictor knn(visible, {}, director.view, options);
  // Two neighbours of similarity 1, each with 20 ratings: trust 20 / 25, shrinkage 1.
  const double want = 2 * 0.8 * bias.biases().item[0] / (2 * 0.8 + 1);
  CHECK(knn.biases().item[4] == doctest::Approx(want).epsilon(1e-6));
  CHECK(predict(knn, 3, 4) == doctest::Approx(3 + want).epsilon(1e-6));  // users have no bias here
  CHECK(predict(knn, 3, 5) == doctest::Approx(3 - want).epsilon(1e-6));
}

TEST_CASE("AttributeNeighboursPredictor: nearby ratings by hand") {
  // Users 0 and 1 share a value; user 1 rated item 0, user 0 did not. Items have no attributes.
  const OneValue town({0, 0, 1}, 2);
  const std::vector<Rating> ratings{{1, 0, 5.0f}, {2, 0, 1.0f}, {1, 1, 3.0f}, {2, 1, 3.0f}};
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 3, 2);
  thaw::AttributeNeighboursPredictor::Options options;
  options.prior_neighbours = 0;
  const thaw::AttributeNeighboursPredictor knn(visible, town.view, {}, options);
  const auto& b = knn.biases();
  CHECK(b.user[0] == 0.0);
  const double base = b.mean + b.item[0];
  const double residual = 5.0 - (base + b.user[1]);
  CHECK(predict(knn, 0, 0) == doctest::Approx(base + residual / (1 + options.rating_shrinkage)));
}

TEST_CASE("AttributeNeighboursPredictor: without attributes it is the bias predictor") {
  thaw::Philox rng(5);
  std::vector<Rating> ratings;
  for (int user = 0; user < 10; ++user)
    for (int item = 0; item < 8; ++item)
      if (rng.below(2) == 0) ratings.push_back({user, item, float(1 + rng.below(5))});
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 10, 8);
  const thaw::AttributeNeighboursPredictor knn(visible, {}, {});
  const thaw::UserItemBiasPredictor bias(visible);
  const std::vector<std::int32_t> items{0, 1, 2, 3, 4, 5, 6, 7};
  std::vector<float> a(8), b(8);
  knn.score(2, items, a);
  bias.score(2, items, b);
  CHECK(a == b);
}

TEST_CASE("AttributeNeighboursPredictor: recovers planted attribute taste for cold users, cold items and both") {
  // The rating is a function of (group of the user, genre of the item). Users 40.. and items 40.. are cold.
  const int users = 60, items = 60;
  std::vector<std::int32_t> group, genre;
  for (int i = 0; i < 60; ++i) {
    group.push_back(i % 3);
    genre.push_back(i % 4);
  }
  const OneValue user_attribute(group, 3), item_attribute(genre, 4);
  const auto truth = [](int user, int item) { return ((user % 3) + (item % 4)) % 2 == 0 ? 4.5f : 1.5f; };
  std::vector<Rating> ratings;
  for (int user = 0; user < 40; ++user)
    for (int item = 0; item < 40; ++item) ratings.push_back({user, item, truth(user, item)});
  for (int item = 0; item < 3; ++item) ratings.push_back({50, item, truth(50, item)});  // support of a cold user
  for (int user = 0; user < 3; ++user) ratings.push_back({user, 50, truth(user, 50)});  // and of a cold item
  const auto visible = thaw::RatingGraph::from_ratings(ratings, users, items);
  const thaw::AttributeNeighboursPredictor knn(visible, user_attribute.view, item_attribute.view);
  for (const auto& [user, item] : {std::pair{45, 5}, {50, 6}, {46, 7}, {5, 50}, {6, 50}, {7, 50}})
    CHECK(std::abs(predict(knn, user, item) - truth(user, item)) < 1.2f);
  CHECK(std::isfinite(predict(knn, 59, 59)));
}

}  // namespace
