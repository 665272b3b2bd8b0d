#include "thaw/eval/metric_table.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace {

std::vector<thaw::UserScores> two_users() {
  // User 1 as in the worked example of the metrics, in a jumbled order. User 2 has too few items for k = 3.
  return {{1, {10, 11, 12, 13}, {1, 3, 2, 4}, {1, 5, 4, 3}}, {2, {10, 11}, {2, 1}, {4, 4}}};
}

TEST_CASE("evaluate: columns, users and lists that are too short") {
  const auto scores = two_users();
  const auto table = thaw::evaluate(scores, {.depths = {2, 3}});
  CHECK(table.users == std::vector<std::int32_t>{1, 2});
  const auto* at2 = table.find("P@2");
  CHECK(at2 != nullptr);
  if (at2 == nullptr) return;
  CHECK(at2->per_user == std::vector<double>{0.5, 1.0});
  CHECK(table.mean("P@2") == doctest::Approx(0.75));
  CHECK(table.mean("MAP@2") == doctest::Approx((0.25 + 1.0) / 2));
  CHECK(table.mean("NDCG@2") == doctest::Approx((0.81803 + 1.0) / 2).epsilon(1e-5));
  const auto* at3 = table.find("P@3");
  CHECK(at3 != nullptr);
  if (at3 == nullptr) return;
  CHECK(at3->over_users.count == 1);
  CHECK(std::isnan(at3->per_user[1]));
  // Differences of user 1: 0, -2, -2, 1; of user 2: -2, -3.
  CHECK(table.mean("MAE") == doctest::Approx((5.0 / 4 + 2.5) / 2));
  CHECK(table.mean("RMSE") == doctest::Approx((std::sqrt(9.0 / 4) + std::sqrt(6.5)) / 2));
  CHECK(table.pooled.mean_absolute() == doctest::Approx(10.0 / 6));
  CHECK(table.pooled.mean_squared() == doctest::Approx(22.0 / 6));
  CHECK(std::isnan(table.mean("no such metric")));
}

TEST_CASE("compare: needs the same users and a known metric") {
  const auto scores = two_users();
  const auto table = thaw::evaluate(scores, {.depths = {2}});
  const auto same = thaw::compare(table, table, "P@2", {.resamples = 50});
  CHECK(same.ok());
  if (same) CHECK(same.value().upper == 0.0);
  const auto unknown = thaw::compare(table, table, "P@9");
  CHECK(!unknown.ok());
  if (!unknown) CHECK(std::string(unknown.fault().text).find("P@9") != std::string::npos);
  const auto fewer = thaw::evaluate(std::span(scores).first(1), {.depths = {2}});
  CHECK(!thaw::compare(table, fewer, "P@2").ok());
}

}  // namespace
