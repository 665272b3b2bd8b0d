#include <doctest/doctest.h>

#include <cstdlib>

#include "elmrec/rivals.hpp"
#include "tests/data/reader_fixture.hpp"
#include "thaw/graph/propagate.hpp"

namespace {

constexpr const char* kSmall = "1 1 2 3 4 5\n2 2 3 5 6 1\n3 4 6 1 3 2\n4 1 5 6 2 4\n";

thaw::ItemSequences parsed(const char* text) {
  auto read = thaw::parse_item_sequences(text, "small");
  CHECK(read.ok());
  return read ? std::move(read.value()) : thaw::ItemSequences{};
}
thaw::Interactions edges(const thaw::ItemSequences& data) {
  auto x = thaw::training_interactions(data);
  CHECK(x.ok());
  return x ? std::move(x.value()) : thaw::Interactions{};
}

// D^-1/2 A D^-1/2 as a dense matrix.
std::vector<double> dense(const thaw::PropagationGraph& graph) {
  const auto n = static_cast<std::size_t>(graph.nodes());
  std::vector<double> p(n * n, 0.0);
  for (std::size_t v = 0; v < n; ++v)
    for (const std::int32_t w : graph.row(static_cast<thaw::Index>(v)))
      p[v * n + static_cast<std::size_t>(w)] =
          1 / std::sqrt(static_cast<double>(graph.degree(static_cast<int>(v))) * static_cast<double>(graph.degree(w)));
  return p;
}
std::vector<double> times(const std::vector<double>& a, const std::vector<double>& b, std::size_t n) {
  std::vector<double> c(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) c[i * n + j] += a[i * n + k] * b[k * n + j];
  return c;
}

struct ConstantScorer {
  void score(const elmrec::Question&, std::span<const std::int32_t>, std::span<float> out) const {
    std::fill(out.begin(), out.end(), 1.0f);
  }
};

}  // namespace

TEST_CASE("quality: rank r counts 1 / log2(r + 1), ties are shared out") {
  elmrec::Quality one;
  one.add(2, 0);
  one = one.finish();
  CHECK(one.hits[0] == 0);
  CHECK(one.hits[1] == 1);
  CHECK(one.ndcg[1] == doctest::Approx(0.5));
  elmrec::Quality tied;  // ranks 1 to 4 alike
  tied.add(0, 3);
  tied = tied.finish();
  CHECK(tied.hits[0] == doctest::Approx(0.25));
  CHECK(tied.hits[1] == doctest::Approx(1));
  CHECK(tied.ndcg[2] == doctest::Approx((1 + 1 / std::log2(3.0) + 0.5 + 1 / std::log2(5.0)) / 4));
  elmrec::Quality far;
  far.add(10, 5);
  CHECK(far.finish().hits[2] == 0);
}

TEST_CASE("a constant scorer gets what chance gives") {
  const thaw::ItemSequences data = parsed(kSmall);
  const elmrec::Questions test = elmrec::test_questions(data, {.negatives = 1});
  CHECK(elmrec::rank_sampled(test, ConstantScorer{}).hits[0] == doctest::Approx(0.5));
  const std::vector<std::int32_t> items{0, 1, 2, 3, 4, 5};
  // Each user has four of six items before the test: two candidates are left.
  CHECK(elmrec::rank_all(test, ConstantScorer{}, items).hits[0] == doctest::Approx(0.5));
  const std::vector<std::int32_t> few{0, 1};
  CHECK(elmrec::rank_all(test, ConstantScorer{}, few).hits[2] < 1);  // an answer that is no candidate is not found
}

TEST_CASE("exact walks are the third power of the dense matrix, for a known user and for her history alone") {
  const thaw::ItemSequences data = parsed(kSmall);
  const thaw::Interactions x = edges(data);
  const thaw::PropagationGraph graph(x);
  const auto n = static_cast<std::size_t>(graph.nodes());
  const std::vector<double> p = dense(graph), cube = times(times(p, p, n), p, n);
  elmrec::WalkScorer walks(graph), anonymous(graph, true);
  for (std::int32_t user = 0; user < data.users(); ++user) {
    const elmrec::Question q{0, user, data.train(user), data.test(user)};
    const std::vector<float> known(walks.walk(q).begin(), walks.walk(q).end());
    const auto history = anonymous.walk(q);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(known[i] == doctest::Approx(cube[static_cast<std::size_t>(user) * n + 4 + i]).epsilon(1e-5));
      CHECK(history[i] == doctest::Approx(known[i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("graph features: the mean of dense powers, isolated nodes, trained vectors, a new user") {
  const thaw::ItemSequences data = parsed("1 1 2 3 4 5\n2 2 3 5 6 1\n3 4 6 1 3 2\n4 1 7 6 2 4\n");
  const thaw::Interactions x = edges(data);
  const thaw::PropagationGraph graph(x);
  const auto n = static_cast<std::size_t>(graph.nodes());
  const std::vector<double> p = dense(graph);
  constexpr std::size_t kWidth = 5;
  std::vector<float> own(n * kWidth);
  thaw::Philox rng(3);
  for (float& v : own) v = static_cast<float>(rng.normal());
  for (const bool without_own : {false, true}) {
    const elmrec::GraphFeatures features(graph, {.width = 5, .layers = 3, .without_own = without_own}, own);
    std::vector<double> layer(own.begin(), own.end()), sum(n * kWidth, 0.0);
    for (int k = 0; k <= 3; ++k) {
      for (std::size_t i = 0; i < sum.size() && (k > 0 || !without_own); ++i) sum[i] += layer[i];
      std::vector<double> next(n * kWidth, 0.0);
      for (std::size_t v = 0; v < n; ++v)
        for (std::size_t w = 0; w < n; ++w)
          for (std::size_t j = 0; j < kWidth; ++j) next[v * kWidth + j] += p[v * n + w] * layer[w * kWidth + j];
      layer = next;
    }
    for (std::size_t i = 0; i < sum.size(); ++i)
      CHECK(features.all()[i] == doctest::Approx(sum[i] / (without_own ? 3 : 4)).epsilon(1e-5));
  }
  // An item without edges keeps its own share, and there is no NaN.
  const elmrec::GraphFeatures features(graph, {.width = 5, .layers = 3}, own);
  for (thaw::Index v = 0; v < graph.nodes(); ++v)
    for (std::size_t j = 0; j < kWidth && graph.degree(v) == 0; ++j)
      CHECK(features.node(v)[j] == doctest::Approx(own[static_cast<std::size_t>(v) * kWidth + j] / 4).epsilon(1e-6));
  // A user is her own vector's share plus what her neighbours say; without own vector the latter alone.
  std::vector<float> nobody = own;
  std::fill(nobody.begin(), nobody.begin() + kWidth, 0.0f);  // user 0
  const elmrec::GraphFeatures one_layer(graph, {.width = 5, .layers = 1}, nobody);
  std::vector<float> vector(kWidth);
  one_layer.new_user(data.train(0), vector);
  for (std::size_t j = 0; j < kWidth; ++j) CHECK(vector[j] == doctest::Approx(one_layer.node(0)[j]).epsilon(1e-5));
  one_layer.new_user({}, vector);
  for (const float v : vector) CHECK(v == 0);
}

TEST_CASE("graph features: equal to the library's operation; dot products approach the sum over walks") {
  const thaw::ItemSequences data = parsed(kSmall);
  const thaw::Interactions x = edges(data);
  const thaw::PropagationGraph graph(x);
  const auto n = static_cast<std::size_t>(graph.nodes());
  const std::vector<double> p = dense(graph);
  // Weights of walks of 0 to 4 steps in S = (1 + P + P^2) / 3, times itself.
  std::vector<double> s(n * n, 0.0), power(n * n, 0.0);
  for (std::size_t v = 0; v < n; ++v) power[v * n + v] = 1;
  for (int k = 0; k <= 2; ++k) {
    for (std::size_t i = 0; i < s.size(); ++i) s[i] += power[i] / 3;
    power = times(power, p, n);
  }
  const std::vector<double> expected = times(s, s, n);
  double error[2] = {};
  int at = 0;
  for (const thaw::Index width : {64, 16384}) {
    const elmrec::GraphFeatures features(graph, {.width = width, .layers = 2, .sigma = 3, .seed = 5});
    for (std::size_t v = 0; v < n; ++v)
      for (std::size_t w = 0; w < n; ++w) {
        double dot = 0;
        for (std::size_t j = 0; j < static_cast<std::size_t>(width); ++j)
          dot += static_cast<double>(features.node(static_cast<thaw::Index>(v))[j]) *
                 static_cast<double>(features.node(static_cast<thaw::Index>(w))[j]);
        error[at] = (std::max)(error[at], std::abs(dot / (9 * static_cast<double>(width)) - expected[v * n + w]));
      }
    ++at;
  }
  CHECK(error[1] < 0.02);
  CHECK(error[1] < 0.3 * error[0]);
}

TEST_CASE("Amazon Beauty: popularity, exact walks and the leak test give the measured numbers [slow]" *
          doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string folder = thaw_test::real_data("amazon-beauty", "sequential.txt");
  if (folder.empty()) return;
  const auto read = thaw::read_item_sequences(thaw::join_path(folder, "sequential.txt"));
  CHECK(read.ok());
  if (!read) return;
  const thaw::ItemSequences& data = read.value();
  const elmrec::Questions test = elmrec::test_questions(data);
  const thaw::Interactions clean = edges(data);
  const thaw::PropagationGraph graph(clean);
  CHECK(elmrec::rank_sampled(test, elmrec::PopularityScorer(clean)).ndcg[2] == doctest::Approx(0.150).epsilon(0.03));
  const elmrec::Quality walks = elmrec::rank_sampled(test, elmrec::WalkScorer(graph));
  CHECK(walks.hits[0] == doctest::Approx(0.1244).epsilon(0.03));
  CHECK(walks.hits[2] == doctest::Approx(0.3875).epsilon(0.02));
  CHECK(walks.ndcg[2] == doctest::Approx(0.2425).epsilon(0.02));
  const auto cosine = [&](const thaw::PropagationGraph& g) {
    const elmrec::GraphFeatures features(g, {.width = 256, .layers = 4});
    const std::vector<float> rows = elmrec::unit_rows(features.all(), 256);
    return elmrec::rank_sampled(test, elmrec::NodeScorer(rows, g.users(), 256)).hits[0];
  };
  CHECK(cosine(graph) < 0.02);
  const auto leaky = thaw::leaky_interactions(data, 0.535, 1);
  CHECK(leaky.ok());
  if (leaky) CHECK(cosine(thaw::PropagationGraph(leaky.value())) > 0.4);
}
