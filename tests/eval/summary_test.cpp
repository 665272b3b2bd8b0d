#include "thaw/eval/summary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

const double kNan = std::nan("");

TEST_CASE("summarize: mean and sample deviation") {
  const std::vector<double> values{2, 4, kNan, 4, 4, 5, 5, 7, 9};
  const thaw::Spread spread = thaw::summarize(values);
  CHECK(spread.count == 8);
  CHECK(spread.mean == doctest::Approx(5.0));
  CHECK(spread.deviation == doctest::Approx(std::sqrt(32.0 / 7)));
  CHECK(std::isnan(thaw::summarize({}).mean));
  CHECK(thaw::summarize(std::vector<double>{3.0}).deviation == 0.0);
}

TEST_CASE("paired_bootstrap: matches the normal approximation") {
  // Differences with mean 0.02 and deviation 0.2 over 400 users: standard error 0.01, so two standard errors.
  thaw::Philox rng(3);
  std::vector<double> first(400), second(400);
  for (std::size_t i = 0; i < first.size(); ++i) {
    second[i] = rng.uniform();
    first[i] = second[i] + 0.02 + 0.2 * rng.normal();
  }
  std::vector<double> differences(400);
  for (std::size_t i = 0; i < first.size(); ++i) differences[i] = first[i] - second[i];
  const thaw::Spread exact = thaw::summarize(differences);
  const double error = exact.deviation / std::sqrt(400.0);

  const auto result = thaw::paired_bootstrap(first, second);
  CHECK(result.users == 400);
  CHECK(result.mean == doctest::Approx(exact.mean));
  // The bootstrap's own noise on a 2.5 % quantile with 10,000 resamples is about 0.027 standard errors.
  CHECK(std::abs(result.lower - (exact.mean - 1.96 * error)) < 0.12 * error);
  CHECK(std::abs(result.upper - (exact.mean + 1.96 * error)) < 0.12 * error);
  const double tail = 0.5 * std::erfc(exact.mean / error / std::sqrt(2.0));
  CHECK(std::abs(result.not_better - tail) < 4 * std::sqrt(tail / 10000) + 0.002);
}

TEST_CASE("paired_bootstrap: pairing removes what users share") {
  thaw::Philox rng(4);
  std::vector<double> first(200), second(200);
  for (std::size_t i = 0; i < first.size(); ++i) {
    second[i] = rng.normal();  // users differ a lot
    first[i] = second[i] + 0.1;
  }
  const auto result = thaw::paired_bootstrap(first, second, {.resamples = 500});
  CHECK(result.lower == doctest::Approx(0.1));
  CHECK(result.upper == doctest::Approx(0.1));
  CHECK(result.not_better == 0.0);
  const auto reversed = thaw::paired_bootstrap(second, first, {.resamples = 500});
  CHECK(reversed.not_better == 1.0);
}

TEST_CASE("paired_bootstrap: incomplete pairs are left out, the seed decides the rest") {
  const std::vector<double> first{1, kNan, 3, 4}, second{0, 1, kNan, 2};
  const auto result = thaw::paired_bootstrap(first, second, {.resamples = 200, .seed = 5});
  CHECK(result.users == 2);
  CHECK(result.mean == doctest::Approx(1.5));
  const auto again = thaw::paired_bootstrap(first, second, {.resamples = 200, .seed = 5});
  CHECK(result.lower == again.lower);
  CHECK(result.not_better == again.not_better);
  const auto none = thaw::paired_bootstrap(std::vector<double>{kNan}, std::vector<double>{1.0});
  CHECK(none.users == 0);
  CHECK(std::isnan(none.lower));
}

}  // namespace
