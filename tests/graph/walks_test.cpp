#include "thaw/graph/walks.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

namespace {

using thaw::IdLists;
using thaw::Index;
using thaw::WalkOptions;

IdLists lists(const std::vector<std::vector<std::int32_t>>& rows) {
  IdLists graph;
  graph.offsets.assign(1, 0);
  for (const auto& row : rows) {
    graph.ids.insert(graph.ids.end(), row.begin(), row.end());
    graph.offsets.push_back(static_cast<std::int64_t>(graph.ids.size()));
  }
  return graph;
}

// Node 1 has the neighbours 0, 2 (adjacent to 0), 3 and 4; 5 hangs on 4.
IdLists with_triangle() { return lists({{1, 2}, {0, 2, 3, 4}, {0, 1}, {1}, {1, 5}, {4}}); }

// Three users, four items: nodes 0 .. 2 and 3 .. 6. User 2 has one item.
IdLists small_bipartite() { return lists({{3, 4, 5}, {4, 5, 6}, {5}, {0}, {0, 1}, {0, 1, 2}, {1}}); }

using Step = std::tuple<std::int32_t, std::int32_t, std::int32_t>;  // before, at, next

std::map<Step, double> count_steps(const thaw::Walks& walks) {
  std::map<Step, double> counts;
  for (Index w = 0; w < walks.count(); ++w) {
    const auto walk = walks.walk(w);
    for (std::size_t i = 2; i < walk.size(); ++i) counts[{walk[i - 2], walk[i - 1], walk[i]}] += 1;
  }
  return counts;
}

// The definition: probabilities of every step, by weights 1/p, 1, 1/q.
double formula(const IdLists& graph, const Step& step, double p, double q) {
  const auto [before, at, next] = step;
  double sum = 0, wanted = 0;
  for (const std::int32_t x : graph.row(at)) {
    bool adjacent = false;
    for (const std::int32_t y : graph.row(before)) adjacent = adjacent || y == x;
    const double weight = x == before ? 1 / p : adjacent ? 1.0 : 1 / q;
    sum += weight;
    if (x == next) wanted = weight;
  }
  return wanted / sum;
}

// All frequencies within `sigmas` standard deviations of the formula.
void hold_formula(const IdLists& graph, const thaw::Walks& walks, double p, double q, double sigmas) {
  const auto counts = count_steps(walks);
  std::map<std::pair<std::int32_t, std::int32_t>, double> arrivals;
  for (const auto& [step, count] : counts) arrivals[{std::get<0>(step), std::get<1>(step)}] += count;
  for (const auto& arrival : arrivals)
    for (const std::int32_t x : graph.row(arrival.first.second)) {
      const std::int32_t before = arrival.first.first, at = arrival.first.second;
      const double n = arrival.second;
      const Step step{before, at, x};
      const double expected = formula(graph, step, p, q);
      const auto found = counts.find(step);
      const double got = (found == counts.end() ? 0 : found->second) / n;
      CAPTURE(p);
      CAPTURE(q);
      CAPTURE(before);
      CAPTURE(at);
      CAPTURE(x);
      CHECK(std::fabs(got - expected) <= sigmas * std::sqrt(expected * (1 - expected) / n) + 1e-12);
    }
}

double share(const thaw::Walks& walks, const Step& step) {
  double n = 0, hits = 0;
  for (const auto& [s, count] : count_steps(walks)) {
    if (std::get<0>(s) != std::get<0>(step) || std::get<1>(s) != std::get<1>(step)) continue;
    n += count;
    if (s == step) hits += count;
  }
  return hits / n;
}

TEST_CASE("node2vec_walks: a million steps follow the formula, the return is not swallowed by a rejected test") {
  const IdLists graph = with_triangle();
  const std::vector<std::pair<double, double>> settings{{1, 1}, {4, 0.25}, {0.25, 4}, {1, 0.25}, {4, 1}};
  for (const auto& [p, q] : settings) {
    const auto walks =
        thaw::node2vec_walks(graph, {.length = 100, .per_node = 1700, .p = p, .q = q, .seed = 11, .threads = 1});
    CHECK(walks.ok());
    if (!walks) return;
    CHECK(walks.value().count() == 6 * 1700);
    hold_formula(graph, walks.value(), p, q, 4.5);  // about a hundred comparisons
    // From 0 to 1, whose neighbours are 0, one adjacent to 0 and two others: worked out by hand.
    const double back = share(walks.value(), {0, 1, 0});
    if (p == 4 && q == 0.25) CHECK(std::fabs(back - 0.0270) < 0.003);
    if (p == 1 && q == 0.25) CHECK(std::fabs(back - 0.1000) < 0.005);
    if (p == 0.25 && q == 4) CHECK(std::fabs(back - 0.7273) < 0.01);
  }
}

TEST_CASE("bipartite_walks: the short rule is the formula for 25 pairs, and the general sampler agrees") {
  const IdLists graph = small_bipartite();
  for (const double p : {0.25, 0.5, 1.0, 2.0, 4.0})
    for (const double q : {0.25, 0.5, 1.0, 2.0, 4.0}) {
      const WalkOptions options{.length = 60, .per_node = 100, .p = p, .q = q, .seed = 3, .threads = 1};
      const auto fast = thaw::bipartite_walks(graph, options), general = thaw::node2vec_walks(graph, options);
      CHECK(fast.ok());
      CHECK(general.ok());
      if (!fast || !general) return;
      hold_formula(graph, fast.value(), p, q, 5);
      hold_formula(graph, general.value(), p, q, 5);
    }
}

TEST_CASE("bipartite_walks: one seed and one q/p give one set of walks, whatever the threads") {
  const IdLists graph = small_bipartite();
  const WalkOptions half{.length = 30, .per_node = 40, .p = 1, .q = 0.5, .seed = 9, .threads = 1};
  WalkOptions same = half, other = half;
  same.p = 4;
  same.q = 2;
  same.threads = 3;
  other.seed = 10;
  const auto a = thaw::bipartite_walks(graph, half), b = thaw::bipartite_walks(graph, same),
             c = thaw::bipartite_walks(graph, other);
  CHECK(a.ok());
  if (!a || !b || !c) return;
  CHECK(a.value().nodes == b.value().nodes);
  CHECK(a.value().nodes != c.value().nodes);
  WalkOptions general = half;
  general.threads = 2;
  const auto d = thaw::node2vec_walks(graph, half), e = thaw::node2vec_walks(graph, general);
  CHECK(d.ok());
  if (d && e) CHECK(d.value().nodes == e.value().nodes);
}

TEST_CASE("walks: who has one neighbour goes back, every walk stays on edges, rounds start everywhere once") {
  const IdLists graph = small_bipartite();
  const auto walks = thaw::bipartite_walks(graph, {.length = 20, .per_node = 50, .p = 4, .q = 0.25, .seed = 2});
  CHECK(walks.ok());
  if (!walks) return;
  CHECK(walks.value().count() == 7 * 50);
  int returns = 0;
  std::vector<int> starts(7, 0);
  for (Index w = 0; w < walks.value().count(); ++w) {
    const auto walk = walks.value().walk(w);
    ++starts[static_cast<std::size_t>(walk[0])];
    if (w % 7 == 6)
      for (int& s : starts) CHECK(std::exchange(s, 0) == 1);
    for (std::size_t i = 1; i < walk.size(); ++i) {
      CHECK(thaw::detail::has_neighbour(graph, walk[i - 1], walk[i]));
      if (i < 2 || graph.row(walk[i - 1]).size() > 1) continue;
      CHECK(walk[i] == walk[i - 2]);
      ++returns;
    }
  }
  CHECK(returns > 100);
}

TEST_CASE("walks: dead ends of a directed graph, nodes without neighbours, bad settings") {
  const IdLists directed = lists({{1}, {2}, {}, {}});
  const auto walks = thaw::node2vec_walks(directed, {.length = 4, .per_node = 1});
  CHECK(walks.ok());
  if (!walks) return;
  CHECK(walks.value().count() == 2);
  for (Index w = 0; w < 2; ++w) {
    const auto walk = walks.value().walk(w);
    const std::vector<std::int32_t> got(walk.begin(), walk.end());
    CHECK(got == (walk[0] == 0 ? std::vector<std::int32_t>{0, 1, 2, -1} : std::vector<std::int32_t>{1, 2, -1, -1}));
  }
  const IdLists empty = lists({{}, {}});
  const auto none = thaw::bipartite_walks(empty, {});
  CHECK(none.ok());
  if (none) CHECK(none.value().count() == 0);
  const auto says = [](const thaw::Result<thaw::Walks>& r, const char* part) {
    return !r && std::strstr(r.fault().text, part) != nullptr;
  };
  CHECK(says(thaw::node2vec_walks(directed, {.length = 0}), "length 0"));
  CHECK(says(thaw::node2vec_walks(directed, {.p = 0}), "p 0"));
  CHECK(says(thaw::bipartite_walks(directed, {.q = std::nan("")}), "q nan"));
  CHECK(says(thaw::bipartite_walks(lists({{7}}), {}), "node 7"));
}

TEST_CASE("bipartite_neighbours: both directions of every interaction") {
  const std::vector<thaw::Rating> ratings{{0, 0, 1}, {0, 1, 1}, {1, 1, 1}, {1, 1, 1}};
  const auto x = thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, 2, 3));
  CHECK(x.ok());
  if (!x) return;
  const IdLists graph = thaw::bipartite_neighbours(x.value());
  CHECK(graph.offsets == std::vector<std::int64_t>{0, 2, 3, 4, 6, 6});
  CHECK(graph.ids == std::vector<std::int32_t>{2, 3, 3, 0, 0, 1});
}

// random_words must be Philox's own, whatever the instruction set.
TEST_CASE("random_words: the words of Philox streams") {
  const std::uint32_t block[3] = {0, 5, 7}, low[3] = {1, 2, 3}, high[3] = {0, 9, 0x80000000u};
  for (const thaw::Isa isa : {thaw::Isa::portable, thaw::Isa::avx2, thaw::Isa::avx512}) {
    if (isa > thaw::detect_isa()) continue;
    std::uint32_t words[12];
    thaw::random_words(isa, 3, 0x123456789abcdefull, block, low, high, words);
    for (int i = 0; i < 3; ++i) {
      thaw::Philox rng(0x123456789abcdefull, (std::uint64_t{high[i]} << 32) | low[i]);
      rng.seek(4 * block[i]);
      for (int k = 0; k < 4; ++k) CHECK(words[3 * k + i] == rng.next());
    }
  }
}

}  // namespace
