#include "thaw/graph/skip_gram.hpp"

#include <doctest/doctest.h>

#include <cstring>

namespace {

using thaw::Index;

// The algorithm in double, one pair after another, from the same random words.
struct Reference {
  std::vector<double> input, output;
  Index width;

  void pair(std::int32_t context, std::int32_t centre, const std::int32_t* negatives, int count, double rate) {
    double* const x = input.data() + context * width;
    std::vector<std::int32_t> targets{centre};
    for (int k = 0; k < count; ++k)
      if (negatives[k] != centre) targets.push_back(negatives[k]);
    std::vector<double> slope, sum(static_cast<std::size_t>(width), 0.0);
    for (std::size_t t = 0; t < targets.size(); ++t) {
      double dot = 0;
      for (Index j = 0; j < width; ++j) dot += x[j] * output[static_cast<std::size_t>(targets[t] * width + j)];
      slope.push_back(((t == 0 ? 1.0 : 0.0) - 1 / (1 + std::exp(-dot))) * rate);
    }
    for (std::size_t t = 0; t < targets.size(); ++t)
      for (Index j = 0; j < width; ++j) {
        double& o = output[static_cast<std::size_t>(targets[t] * width + j)];
        sum[static_cast<std::size_t>(j)] += slope[t] * o;
        o += slope[t] * x[j];
      }
    for (Index j = 0; j < width; ++j) x[j] += sum[static_cast<std::size_t>(j)];
  }
};

thaw::Walks ring_walks(std::int32_t nodes, std::int32_t length, std::int32_t per_node, std::uint64_t seed) {
  thaw::IdLists ring;
  ring.offsets.assign(1, 0);
  for (std::int32_t v = 0; v < nodes; ++v) {
    std::vector<std::int32_t> row{(v + nodes - 1) % nodes, (v + 1) % nodes};
    std::sort(row.begin(), row.end());
    ring.ids.insert(ring.ids.end(), row.begin(), row.end());
    ring.offsets.push_back(static_cast<std::int64_t>(ring.ids.size()));
  }
  return thaw::node2vec_walks(ring, {.length = length, .per_node = per_node, .seed = seed}).value();
}

Reference by_reference(const thaw::Walks& walks, Index nodes, const thaw::SkipGramOptions& o) {
  const thaw::NodeVectors start = thaw::detail::start_vectors(nodes, o);
  Reference r{{start.input.begin(), start.input.end()}, {start.output.begin(), start.output.end()}, o.width};
  std::vector<double> counts(static_cast<std::size_t>(nodes), 0.0);
  for (const std::int32_t v : walks.nodes) counts[static_cast<std::size_t>(v)] += 1;
  for (double& c : counts) c = std::pow(c, o.power);
  const auto noise = thaw::AliasTable::from_weights(counts).value();
  thaw::WordBlock windows(thaw::Isa::portable, thaw::Key{o.seed}.fold(0x77696e64).bits);
  thaw::WordBlock words(thaw::Isa::portable, thaw::Key{o.seed}.fold(0x6e6f6973).bits);
  const Index n = walks.count(), length = walks.length;
  for (Index w = 0; w < n; ++w) {
    const auto walk = walks.walk(w);
    windows.fill(static_cast<std::uint64_t>(w), length);
    std::vector<std::pair<Index, Index>> pairs;  // centre, context
    std::vector<std::size_t> set_of;
    std::size_t sets = 0;
    for (Index i = 0; i < length; ++i) {
      const Index reach = 1 + static_cast<Index>(thaw::word_below(windows.at(i), static_cast<std::uint32_t>(o.window)));
      for (Index c = i - reach; c <= i + reach; ++c) {
        if (c < 0 || c >= length || c == i) continue;
        pairs.emplace_back(i, c);
        set_of.push_back(sets);
        if (!o.shared_negatives) ++sets;
      }
      if (o.shared_negatives) ++sets;
    }
    const Index drawn = static_cast<Index>(sets) * o.negatives;
    words.fill(static_cast<std::uint64_t>(w), 2 * drawn);
    std::vector<std::int32_t> negatives;
    for (Index i = 0; i < drawn; ++i) negatives.push_back(noise.draw(words.at(2 * i), words.at(2 * i + 1)));
    const double rate = o.learning_rate * (std::max)(1e-4, 1 - static_cast<double>(w) / static_cast<double>(n));
    for (std::size_t p = 0; p < pairs.size(); ++p)
      r.pair(walk[static_cast<std::size_t>(pairs[p].second)], walk[static_cast<std::size_t>(pairs[p].first)],
             negatives.data() + set_of[p] * static_cast<std::size_t>(o.negatives), o.negatives, rate);
  }
  return r;
}

double largest_difference(const std::vector<float>& got, const std::vector<double>& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::fmax(worst, std::fabs(static_cast<double>(got[i]) - expected[i]));
  return worst;
}

TEST_CASE("skip-gram: every width agrees with the algorithm in double") {
  const thaw::Walks walks = ring_walks(12, 9, 20, 4);
  for (const Index width : {1, 5, 16, 32, 64, 128})
    for (const bool shared : {false, true}) {
      const thaw::SkipGramOptions options{
          .width = width, .window = 3, .negatives = 4, .learning_rate = 0.2, .shared_negatives = shared, .seed = 6};
      const auto got = thaw::train_skip_gram(walks, 12, options);
      CHECK(got.ok());
      if (!got) return;
      const Reference expected = by_reference(walks, 12, options);
      CAPTURE(width);
      CHECK(largest_difference(got.value().input, expected.input) < 1e-4);
      CHECK(largest_difference(got.value().output, expected.output) < 1e-4);
      double moved = 0;
      for (const double v : expected.output) moved = std::fmax(moved, std::fabs(v));
      CHECK(moved > 0.05);
    }
}

// Share of nodes whose nearest other node by cosine is one of the two beside it on the ring.
double neighbours_found(const thaw::NodeVectors& v) {
  int found = 0;
  const auto cosine = [&](std::int32_t a, std::int32_t b) {
    double dot = 0, aa = 0, bb = 0;
    for (std::size_t j = 0; j < v.row(a).size(); ++j) {
      const auto x = static_cast<double>(v.row(a)[j]), y = static_cast<double>(v.row(b)[j]);
      dot += x * y, aa += x * x, bb += y * y;
    }
    return dot / std::sqrt(aa * bb);
  };
  const auto n = static_cast<std::int32_t>(v.count);
  for (std::int32_t a = 0; a < n; ++a) {
    std::int32_t best = a == 0 ? 1 : 0;
    for (std::int32_t b = 0; b < n; ++b)
      if (b != a && cosine(a, b) > cosine(a, best)) best = b;
    const std::int32_t apart = std::abs(a - best);
    if ((std::min)(apart, n - apart) <= 2) ++found;
  }
  return static_cast<double>(found) / n;
}

TEST_CASE("skip-gram: near nodes get near vectors, without threads the same ones every time, with threads as good") {
  const thaw::Walks walks = ring_walks(60, 20, 60, 1);
  thaw::SkipGramOptions options{.width = 64, .window = 2, .epochs = 3, .seed = 2, .threads = 1};
  const auto a = thaw::train_skip_gram(walks, 60, options), b = thaw::train_skip_gram(walks, 60, options);
  options.threads = 2;
  const auto together = thaw::train_skip_gram(walks, 60, options);
  CHECK(a.ok());
  if (!a || !b || !together) return;
  CHECK(a.value().input == b.value().input);
  CHECK(a.value().output == b.value().output);
  const double alone = neighbours_found(a.value());
  CHECK(alone > 0.9);
  CHECK(neighbours_found(together.value()) > alone - 0.05);
  options.threads = 1;
  options.seed = 3;
  const auto other = thaw::train_skip_gram(walks, 60, options);
  CHECK(other.ok());
  if (other) CHECK(other.value().input != a.value().input);
}

TEST_CASE("skip-gram: walks that end early, nodes in no walk, bad input") {
  thaw::Walks walks{4, {0, 1, -1, -1, 1, 0, 1, 0}};
  const auto got = thaw::train_skip_gram(walks, 3, {.width = 16, .window = 3, .seed = 8});
  CHECK(got.ok());
  if (!got) return;
  const thaw::NodeVectors start = thaw::detail::start_vectors(3, {.width = 16, .seed = 8});
  for (std::size_t j = 0; j < 16; ++j) {
    CHECK(got.value().row(2)[j] == start.row(2)[j]);
    CHECK(std::fabs(start.row(2)[j]) <= 0.5f / 16);
  }
  CHECK(got.value().input != start.input);
  const auto says = [](const thaw::Result<thaw::NodeVectors>& r, const char* part) {
    return !r && std::strstr(r.fault().text, part) != nullptr;
  };
  CHECK(says(thaw::train_skip_gram(walks, 1), "node 1 of 1"));
  CHECK(says(thaw::train_skip_gram({4, {}}, 3), "visit none of 3"));
  CHECK(says(thaw::train_skip_gram(walks, 3, {.negatives = 32}), "at most 31"));
  CHECK(says(thaw::train_skip_gram(walks, 3, {.learning_rate = std::nan("")}), "rate nan"));
  CHECK(says(thaw::train_skip_gram(walks, 3, {.width = 0}), "width 0"));
}

}  // namespace
