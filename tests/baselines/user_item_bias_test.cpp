#include "thaw/baselines/user_item_bias.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "thaw/core/random.hpp"

namespace {

TEST_CASE("fit_biases: one sweep is the pair of damped means") {
  // Mean 3.5. Item 0: residuals 1.5, 0.5. Item 1: residual -2.
  const std::vector<thaw::Rating> ratings{{0, 0, 5.0f}, {1, 0, 4.0f}, {1, 1, 1.5f}};
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 3, 3);
  const auto b = thaw::fit_biases(visible, {.user_damping = 2, .item_damping = 3, .sweeps = 1});
  CHECK(b.mean == doctest::Approx(3.5));
  CHECK(b.item[0] == doctest::Approx(2.0 / 5));
  CHECK(b.item[1] == doctest::Approx(-2.0 / 4));
  CHECK(b.item[2] == 0.0);
  CHECK(b.user[0] == doctest::Approx((1.5 - 0.4) / 3));
  CHECK(b.user[1] == doctest::Approx((0.5 - 0.4 - 2.0 + 0.5) / 4));
  CHECK(b.user[2] == 0.0);
}

// Solves the normal equations of the damped least squares by elimination; unknowns: users, then items.
std::vector<double> normal_equations(const std::vector<thaw::Rating>& ratings, int users, int items, double mean,
                                     double user_damping, double item_damping) {
  const int n = users + items;
  std::vector<std::vector<double>> a(std::size_t(n), std::vector<double>(std::size_t(n) + 1, 0.0));
  for (int i = 0; i < n; ++i) a[std::size_t(i)][std::size_t(i)] = i < users ? user_damping : item_damping;
  for (const auto& r : ratings) {
    const auto u = std::size_t(r.user), i = std::size_t(users + r.item), last = std::size_t(n);
    const double residual = double(r.value) - mean;
    a[u][u] += 1;
    a[i][i] += 1;
    a[u][i] += 1;
    a[i][u] += 1;
    a[u][last] += residual;
    a[i][last] += residual;
  }
  for (std::size_t p = 0; p < std::size_t(n); ++p)
    for (std::size_t row = 0; row < std::size_t(n); ++row) {
      if (row == p) continue;
      const double factor = a[row][p] / a[p][p];
      for (std::size_t c = p; c <= std::size_t(n); ++c) a[row][c] -= factor * a[p][c];
    }
  std::vector<double> x(static_cast<std::size_t>(n));
  for (std::size_t p = 0; p < x.size(); ++p) x[p] = a[p].back() / a[p][p];
  return x;
}

TEST_CASE("fit_biases: many sweeps solve the damped least squares") {
  thaw::Philox rng(2);
  std::vector<thaw::Rating> ratings;
  for (int user = 0; user < 8; ++user)
    for (int item = 0; item < 6; ++item)
      if (rng.below(2) == 0) ratings.push_back({user, item, float(1 + rng.below(5))});
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 8, 6);
  const auto b = thaw::fit_biases(visible, {.user_damping = 2, .item_damping = 4, .sweeps = 200});
  const auto want = normal_equations(ratings, 8, 6, b.mean, 2, 4);
  for (std::size_t u = 0; u < 8; ++u) CHECK(b.user[u] == doctest::Approx(want[u]).epsilon(1e-9));
  for (std::size_t i = 0; i < 6; ++i) CHECK(b.item[i] == doctest::Approx(want[8 + i]).epsilon(1e-9));
}

TEST_CASE("fit_biases: priors replace the zero that biases are drawn to") {
  const std::vector<thaw::Rating> ratings{{0, 0, 5.0f}, {0, 1, 1.0f}};
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 2, 3);
  const auto b = thaw::fit_biases(visible, {}, {0.0, 0.25}, {0.0, 0.0, -0.75});
  CHECK(b.user[1] == doctest::Approx(0.25));  // no rating: the prior itself
  CHECK(b.item[2] == doctest::Approx(-0.75));
}

TEST_CASE("UserItemBiasPredictor: sum of its parts") {
  const std::vector<thaw::Rating> ratings{{0, 0, 5.0f}, {1, 0, 4.0f}, {1, 1, 1.5f}};
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 3, 3);
  const thaw::UserItemBiasPredictor predictor(visible);
  const auto& b = predictor.biases();
  const std::vector<std::int32_t> items{2, 0};
  std::vector<float> out(2);
  predictor.score(1, items, out);
  CHECK(out[0] == doctest::Approx(b.mean + b.user[1] + b.item[2]));
  CHECK(out[1] == doctest::Approx(b.mean + b.user[1] + b.item[0]));
}

}  // namespace
