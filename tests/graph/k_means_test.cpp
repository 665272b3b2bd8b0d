#include "thaw/graph/k_means.hpp"

#include <doctest/doctest.h>

#include <cstring>

namespace {

using thaw::Clusters;
using thaw::Index;
using thaw::KMeansOptions;

// `blobs` clouds far apart, point i in cloud i % blobs.
std::vector<float> clouds(Index n, Index width, Index blobs, double spread, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<double> centre;
  for (Index i = 0; i < blobs * width; ++i) centre.push_back(10 * rng.normal());
  std::vector<float> x;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < width; ++j)
      x.push_back(static_cast<float>(centre[static_cast<std::size_t>(i % blobs * width + j)] + spread * rng.normal()));
  return x;
}

double squared_distance(const float* a, const float* b, Index width) {
  double sum = 0;
  for (Index j = 0; j < width; ++j) {
    const double d = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += d * d;
  }
  return sum;
}

// What must hold of any result, computed anew in double.
void hold_result(const std::vector<float>& x, Index width, const Clusters& c, bool at_rest) {
  const auto n = static_cast<Index>(x.size()) / width;
  double inertia = 0;
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(c.count), 0);
  std::vector<double> mean(c.centroids.size(), 0.0);
  int wrong = 0;
  for (Index i = 0; i < n; ++i) {
    const std::int32_t own = c.cluster_of[static_cast<std::size_t>(i)];
    const double d = squared_distance(x.data() + i * width, c.centroid(own).data(), width);
    for (Index k = 0; k < c.count; ++k)
      if (squared_distance(x.data() + i * width, c.centroid(k).data(), width) < d * (1 - 1e-4) - 1e-4) ++wrong;
    inertia += d;
    ++sizes[static_cast<std::size_t>(own)];
    for (Index j = 0; j < width; ++j)
      mean[static_cast<std::size_t>(own * width + j)] +=
          static_cast<double>(x[static_cast<std::size_t>(i * width + j)]);
  }
  CHECK(wrong == 0);
  CHECK(sizes == c.sizes);
  CHECK(c.inertia == doctest::Approx(inertia).epsilon(1e-4));
  if (!at_rest) return;
  for (std::size_t i = 0; i < mean.size(); ++i)
    CHECK(std::fabs(mean[i] / static_cast<double>(sizes[i / static_cast<std::size_t>(width)]) -
                    static_cast<double>(c.centroids[i])) < 1e-3);
}

TEST_CASE("k_means: clouds far apart are found, every centroid is the mean of its points") {
  for (const Index width : {1, 3, 16, 64}) {
    const auto x = clouds(5000, width, 7, width == 1 ? 0.01 : 0.3, 4);
    const auto c = thaw::k_means(x, width, {.clusters = 7, .iterations = 100, .tolerance = 0, .seed = 3});
    CHECK(c.ok());
    if (!c) return;
    hold_result(x, width, c.value(), true);
    if (width < 16) continue;  // k-means++ finds all of them where nothing overlaps
    for (Index i = 7; i < 5000; ++i)
      CHECK(c.value().cluster_of[static_cast<std::size_t>(i)] == c.value().cluster_of[static_cast<std::size_t>(i % 7)]);
  }
}

// Four points on a line, two centroids: the optimum is worked out by hand.
TEST_CASE("k_means: the optimum on four points") {
  const std::vector<float> x{0, 1, 10, 12};
  const auto c = thaw::k_means(x, 1, {.clusters = 2, .seed = 5});
  CHECK(c.ok());
  if (!c) return;
  CHECK(c.value().inertia == doctest::Approx(0.5 + 2).epsilon(1e-5));
  const auto one = thaw::k_means(x, 1, {.clusters = 1});
  CHECK(one.ok());
  if (one) {
    CHECK(one.value().centroids[0] == doctest::Approx(5.75));
    CHECK(one.value().inertia == doctest::Approx(33.0625 + 22.5625 + 18.0625 + 39.0625));
  }
}

TEST_CASE("k_means: more iterations never raise the sum of squares; threads change nothing; seeds do") {
  const auto x = clouds(9000, 10, 40, 6, 9);
  double before = std::numeric_limits<double>::infinity();
  for (int iterations = 1; iterations <= 8; ++iterations) {
    const auto c = thaw::k_means(x, 10, {.clusters = 30, .iterations = iterations, .tolerance = 0});
    CHECK(c.ok());
    if (!c) return;
    CHECK(c.value().inertia <= before * (1 + 1e-6));
    CHECK(c.value().iterations == iterations);
    before = c.value().inertia;
  }
  const auto one = thaw::k_means(x, 10, {.clusters = 30, .seed = 2, .threads = 1});
  const auto three = thaw::k_means(x, 10, {.clusters = 30, .seed = 2, .threads = 3});
  const auto other = thaw::k_means(x, 10, {.clusters = 30, .seed = 8});
  CHECK(one.ok());
  if (!one || !three || !other) return;
  hold_result(x, 10, one.value(), false);
  CHECK(one.value().cluster_of == three.value().cluster_of);
  CHECK(one.value().centroids == three.value().centroids);
  CHECK(one.value().centroids != other.value().centroids);
}

// Lloyd's iterations with every distance in double, from the start that k_means makes.
TEST_CASE("k_means: points that are not compared again end where comparing all puts them") {
  for (const Index width : {2, 10, 33}) {
    const auto x = clouds(6000, width, 60, 9, 21);  // they overlap: points keep moving between clusters
    constexpr int kClusters = 25, kRounds = 12;
    const auto first = thaw::k_means(x, width, {.clusters = kClusters, .iterations = 1, .tolerance = 0, .seed = 4});
    const auto last =
        thaw::k_means(x, width, {.clusters = kClusters, .iterations = kRounds, .tolerance = 0, .seed = 4});
    CHECK(first.ok());
    if (!first || !last) return;
    std::vector<double> centroid(first.value().centroids.begin(), first.value().centroids.end());
    std::vector<std::int32_t> own(6000, 0);
    for (int round = 1; round <= kRounds; ++round) {
      std::vector<double> sums(centroid.size(), 0.0), sizes(kClusters, 0.0);
      for (std::size_t i = 0; i < own.size(); ++i) {
        double nearest = std::numeric_limits<double>::infinity();
        for (std::size_t k = 0; k < kClusters; ++k) {
          double d = 0;
          for (std::size_t j = 0, w = static_cast<std::size_t>(width); j < w; ++j) {
            const double gap = static_cast<double>(x[i * w + j]) - centroid[k * w + j];
            d += gap * gap;
          }
          if (d < nearest) nearest = d, own[i] = static_cast<std::int32_t>(k);
        }
        const auto k = static_cast<std::size_t>(own[i]), w = static_cast<std::size_t>(width);
        ++sizes[k];
        for (std::size_t j = 0; j < w; ++j) sums[k * w + j] += static_cast<double>(x[i * w + j]);
      }
      if (round < kRounds)
        for (std::size_t i = 0; i < sums.size(); ++i)
          centroid[i] = sums[i] / sizes[i / static_cast<std::size_t>(width)];
    }
    int differ = 0;
    for (std::size_t i = 0; i < own.size(); ++i) differ += own[i] != last.value().cluster_of[i] ? 1 : 0;
    CHECK(differ <= 3);  // points on a border, by rounding
    for (std::size_t i = 0; i < centroid.size(); ++i)
      CHECK(static_cast<double>(last.value().centroids[i]) == doctest::Approx(centroid[i]).epsilon(1e-3));
  }
}

TEST_CASE("k_means: mini-batches come near") {
  const auto x = clouds(9000, 10, 12, 1, 2);
  const auto full = thaw::k_means(x, 10, {.clusters = 12});
  const auto some = thaw::k_means(x, 10, {.clusters = 12, .iterations = 60, .batch = 512});
  CHECK(full.ok());
  if (!full || !some) return;
  hold_result(x, 10, some.value(), false);
  CHECK(some.value().inertia < 1.15 * full.value().inertia);
}

TEST_CASE("k_means: a rotation of all points leaves the clusters as they are") {
  constexpr Index kWidth = 8;
  const auto x = clouds(3000, kWidth, 9, 2, 7);
  std::vector<float> turned = x;
  thaw::Philox rng(1);
  for (int round = 0; round < 40; ++round) {  // plane by plane
    const auto a = rng.below(kWidth), b = (a + 1 + rng.below(kWidth - 1)) % static_cast<std::uint32_t>(kWidth);
    const double angle = rng.uniform(0, 6.28), c = std::cos(angle), s = std::sin(angle);
    for (std::size_t i = 0; i < turned.size(); i += static_cast<std::size_t>(kWidth)) {
      const auto p = static_cast<double>(turned[i + a]), q = static_cast<double>(turned[i + b]);
      turned[i + a] = static_cast<float>(c * p - s * q);
      turned[i + b] = static_cast<float>(s * p + c * q);
    }
  }
  const auto before = thaw::k_means(x, kWidth, {.clusters = 9}), after = thaw::k_means(turned, kWidth, {.clusters = 9});
  CHECK(before.ok());
  if (!before || !after) return;
  CHECK(before.value().cluster_of == after.value().cluster_of);
  CHECK(before.value().inertia == doctest::Approx(after.value().inertia).epsilon(1e-4));
}

TEST_CASE("k_means: equal points, as many clusters as points, bad input") {
  const std::vector<float> same(40, 2.5f);
  const auto c = thaw::k_means(same, 4, {.clusters = 3});
  CHECK(c.ok());
  if (c) {
    CHECK(c.value().inertia < 1e-3);
    CHECK(c.value().sizes[0] == 10);  // ties to the lower number
  }
  const std::vector<float> x{0, 0, 5, 5, 9, 1};
  const auto all = thaw::k_means(x, 2, {.clusters = 3});
  CHECK(all.ok());
  if (all) {
    CHECK(all.value().inertia < 1e-4);
    CHECK(all.value().sizes == std::vector<std::int64_t>{1, 1, 1});
  }
  const auto says = [](const thaw::Result<Clusters>& r, const char* part) {
    return !r && std::strstr(r.fault().text, part) != nullptr;
  };
  CHECK(says(thaw::k_means(x, 2, {.clusters = 4}), "4 clusters of 3 points"));
  CHECK(says(thaw::k_means({}, 2, {.clusters = 1}), "1 clusters of 0 points"));
  CHECK(says(thaw::k_means(x, 2, {.clusters = 2, .iterations = 0}), "0 iterations"));
  std::vector<float> bad = x;
  bad[3] = std::nanf("");
  CHECK(says(thaw::k_means(bad, 2, {.clusters = 2}), "point 1, coordinate 1"));
}

TEST_CASE("scale_to_unit_rows: lengths become one, zeros stay") {
  std::vector<float> x{3, 4, 0, 0, -2, 0};
  thaw::scale_to_unit_rows(x, 2);
  const std::vector<float> expected{0.6f, 0.8f, 0, 0, -1, 0};
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == doctest::Approx(expected[i]));
}

}  // namespace
