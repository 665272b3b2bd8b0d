#include "thaw/graph/bins.hpp"

#include <doctest/doctest.h>

#include "thaw/core/random.hpp"

namespace {

std::vector<double> skewed(std::size_t n, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(std::floor(1 + 300 * std::pow(rng.uniform(), 6)));
  return values;
}

TEST_CASE("mass_bins: monotone, ties together, the mass of a bin off by at most one value's") {
  for (const std::int32_t most : {2, 5, 10}) {
    const auto values = skewed(2000, 3);
    const thaw::Bins bins = thaw::mass_bins(values, values, most);
    CHECK(bins.count() <= most);
    CHECK(bins.count() >= 2);
    CHECK(std::is_sorted(bins.edges.begin(), bins.edges.end()));
    std::vector<double> mass(static_cast<std::size_t>(bins.count()), 0.0), of_value(400, 0.0);
    double total = 0;
    for (const double v : values) {
      mass[static_cast<std::size_t>(bins.of(v))] += v;
      of_value[static_cast<std::size_t>(v)] += v;
      total += v;
    }
    const double largest_tie = *std::max_element(of_value.begin(), of_value.end());
    for (const double m : mass) {
      CHECK(m > 0);
      if (bins.count() == most) CHECK(std::fabs(m - total / most) <= largest_tie);
    }
    for (double v = 1; v < 300; ++v) CHECK(bins.of(v) <= bins.of(v + 1));
  }
}

// Few distinct values: bins are merged, and still none is off by more than the values at its ends.
TEST_CASE("mass_bins: heavy ties") {
  thaw::Philox rng(8);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::vector<double> values, masses;
    for (int i = 0; i < 200; ++i) {
      values.push_back(static_cast<double>(1 + rng.below(6)));
      masses.push_back(0.5 + rng.uniform());
    }
    constexpr std::int32_t kMost = 8;
    const thaw::Bins bins = thaw::mass_bins(values, masses, kMost);
    std::vector<double> of_bin(static_cast<std::size_t>(bins.count()), 0.0), of_value(7, 0.0);
    std::vector<double> largest(of_bin.size(), 0.0);
    double total = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      of_bin[static_cast<std::size_t>(bins.of(values[i]))] += masses[i];
      of_value[static_cast<std::size_t>(values[i])] += masses[i];
      total += masses[i];
    }
    for (std::size_t v = 1; v <= 6; ++v) {
      double& most = largest[static_cast<std::size_t>(bins.of(static_cast<double>(v)))];
      most = (std::max)(most, of_value[v]);
    }
    CHECK(bins.count() >= 3);
    CHECK(bins.count() <= 6);
    for (std::size_t b = 0; b < of_bin.size(); ++b) {
      CHECK(of_bin[b] > 0);
      CHECK(of_bin[b] <= total / kMost + largest[b]);
    }
  }
}

TEST_CASE("mass_bins: by hand, constant input, scaling") {
  const std::vector<double> values{1, 1, 2, 4, 8}, ones(5, 1.0);
  const thaw::Bins by_mass = thaw::mass_bins(values, values, 2);  // 1 1 2 4 | 8
  CHECK(by_mass.edges == std::vector<double>{8});
  const thaw::Bins by_count = thaw::mass_bins(values, ones, 5);  // 1 1 | 2 | 4 | 8
  CHECK(by_count.edges == std::vector<double>{2, 4, 8});
  CHECK(thaw::mass_bins(std::vector<double>(7, 3.0), std::vector<double>(7, 3.0), 10).count() == 1);
  CHECK(thaw::mass_bins({}, {}, 4).count() == 1);
  const auto plain = skewed(500, 1);
  std::vector<double> tripled = plain;
  for (double& v : tripled) v *= 3;
  const thaw::Bins a = thaw::mass_bins(plain, plain, 10), b = thaw::mass_bins(tripled, tripled, 10);
  for (std::size_t i = 0; i < plain.size(); ++i) CHECK(a.of(plain[i]) == b.of(tripled[i]));
}

TEST_CASE("percentiles: mean ranks by hand, unseen 0, unchanged by scaling") {
  const std::vector<double> values{5, 0, 2, 2, 9};
  const std::vector<double> expected{75, 0, 37.5, 37.5, 100};
  CHECK(thaw::percentiles(values) == expected);
  auto scaled = skewed(300, 2);
  const auto before = thaw::percentiles(scaled);
  for (double& v : scaled) v *= 7;
  CHECK(thaw::percentiles(scaled) == before);
  CHECK(thaw::percentiles(std::vector<double>{0, 0}) == std::vector<double>{0, 0});
}

TEST_CASE("percentiles: larger values have larger ones, equal values the same, their mean is that of all ranks") {
  const auto values = skewed(400, 6);
  const auto p = thaw::percentiles(values);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += p[i];
    for (std::size_t j = 0; j < values.size(); ++j) {
      if (values[i] < values[j]) CHECK(p[i] < p[j]);
      if (values[i] == values[j]) CHECK(p[i] == p[j]);
    }
  }
  CHECK(sum / 400 == doctest::Approx(100.0 * 401 / 2 / 400));  // ties share the mean of their ranks
}

TEST_CASE("soft_one_hot: sums to one, gives the percentile back, nothing for unseen") {
  for (const std::int32_t bins : {5, 10}) {
    std::vector<float> code(static_cast<std::size_t>(bins) + 1);
    for (const double p : {0.5, 10.0, 33.3, 50.0, 99.0, 100.0}) {
      thaw::soft_one_hot(p, bins, code);
      double sum = 0, read = 0;
      int used = 0;
      for (std::size_t b = 0; b < code.size(); ++b) {
        sum += static_cast<double>(code[b]);
        read += static_cast<double>(code[b]) * 100 / bins * static_cast<double>(b);
        if (code[b] != 0) ++used;
      }
      CHECK(sum == doctest::Approx(1));
      CHECK(read == doctest::Approx(p).epsilon(1e-5));
      CHECK(used <= 2);
    }
    thaw::soft_one_hot(0, bins, code);
    for (const float c : code) CHECK(c == 0);
  }
}

TEST_CASE("log_rank_bin: floor(1.5 log2 rank), at most 18; ties share, no score is last") {
  for (std::int64_t rank = 1; rank < 5000; ++rank) {
    const double exact = 1.5 * std::log2(static_cast<double>(rank));
    const double rounded = std::round(exact);
    const auto expected = static_cast<std::int32_t>(std::fabs(exact - rounded) < 1e-9 ? rounded : std::floor(exact));
    CHECK(thaw::log_rank_bin(rank) == (std::min)(18, expected));
  }
  const std::vector<float> scores{0.5f, 0, 3, 3, -1, 0.5f, 7};
  std::vector<std::uint8_t> bins(scores.size());
  std::vector<std::int32_t> order;
  thaw::log_rank_bins(scores, bins, order);
  CHECK(bins == std::vector<std::uint8_t>{3, 19, 1, 1, 19, 3, 0});  // ranks 4, -, 2, 2, -, 4, 1
}

TEST_CASE("log2_bin: powers of two, never falling") {
  for (std::int64_t degree = 0; degree < 3000; ++degree) CHECK(thaw::log2_bin(degree) <= thaw::log2_bin(degree + 1));
  CHECK(thaw::log2_bin(0) == 0);
  CHECK(thaw::log2_bin(1) == 1);
  CHECK(thaw::log2_bin(2) == 2);
  CHECK(thaw::log2_bin(3) == 2);
  CHECK(thaw::log2_bin(1024) == 11);
  CHECK(thaw::log2_bin(1024, 5) == 5);
}

}  // namespace
