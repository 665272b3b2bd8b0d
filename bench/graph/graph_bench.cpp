// Walks, skip-gram, k-means, and epochs of iALS and BPR-MF on random data of Gowalla's size. One JSON line a case.
//
//   graph_bench [threads, 1] [seconds a case, 2] [case, all of: walks second_order skip_gram k_means ials bpr]
#include <cstring>
#include <string>

#include "measure.hpp"
#include "thaw/baselines/bpr_mf.hpp"
#include "thaw/baselines/ials.hpp"
#include "thaw/graph/k_means.hpp"
#include "thaw/graph/skip_gram.hpp"
#include "thaw/graph/walks.hpp"

namespace {

constexpr std::int32_t kUsers = 29858, kItems = 40981, kEdges = 810128;

// Squares of uniform numbers: a few users and items have most of the edges.
thaw::RatingGraph skewed_graph() {
  thaw::Philox rng(1);
  std::vector<thaw::Rating> ratings;
  for (std::int32_t e = 0; e < kEdges; ++e) {
    const double a = rng.uniform(), b = rng.uniform();
    ratings.push_back({static_cast<std::int32_t>(a * a * kUsers), static_cast<std::int32_t>(b * b * kItems), 1});
  }
  return thaw::RatingGraph::from_ratings(ratings, kUsers, kItems);
}

// `what` per second beside the time.
void line(const char* name, int threads, const bench::Times& t, double units, const char* what) {
  std::printf(
      "{\"case\": \"%s\", \"side\": \"thaw\", \"threads\": %d, \"ms\": %.4g, \"ms_min\": %.4g, \"steps\": %d, "
      "\"%s_per_s\": %.4g}\n",
      name, threads, 1e3 * t.median, 1e3 * t.fastest, t.count, what, units / t.median);
  std::fflush(stdout);
}

struct Bench {
  int threads;
  double seconds;
  std::string only;

  bool wanted(const char* name) const { return only.empty() || only == name; }

  void walks(const thaw::Interactions& x) const {
    const thaw::IdLists graph = thaw::bipartite_neighbours(x);
    thaw::WalkOptions o{.length = 40, .per_node = 1, .threads = threads};
    const auto steps = static_cast<double>(thaw::bipartite_walks(graph, o).value().nodes.size());
    if (wanted("walks")) {
      const auto t = bench::times(3, seconds, [&] { (void)thaw::bipartite_walks(graph, o).value(); });
      line("walks p = q = 1", threads, t, steps, "steps");
    }
    if (wanted("second_order")) {
      o.q = 0.5;
      const auto t = bench::times(3, seconds, [&] { (void)thaw::bipartite_walks(graph, o).value(); });
      line("walks q = 0.5", threads, t, steps, "steps");
      const auto g = bench::times(3, seconds, [&] { (void)thaw::node2vec_walks(graph, o).value(); });
      line("walks q = 0.5, general sampler", threads, g, steps, "steps");
    }
    if (!wanted("skip_gram")) return;
    const thaw::Walks walked = thaw::bipartite_walks(graph, {.length = 40, .per_node = 1, .threads = threads}).value();
    for (const bool shared : {false, true}) {
      const auto t = bench::times(1, seconds, [&] {
        (void)thaw::train_skip_gram(walked, graph.rows(), {.shared_negatives = shared, .threads = threads}).value();
      });
      line(shared ? "skip-gram, shared negatives" : "skip-gram", threads, t, steps, "words");
    }
  }
  void k_means() const {
    constexpr thaw::Index kPoints = 70000, kWidth = 64, kClusters = 100;
    thaw::Philox rng(1);
    std::vector<float> centre, x;
    for (thaw::Index i = 0; i < kClusters * kWidth; ++i) centre.push_back(static_cast<float>(rng.normal()));
    for (thaw::Index i = 0; i < kPoints; ++i) {
      const thaw::Index c = rng.below(kClusters) * kWidth;
      for (thaw::Index j = 0; j < kWidth; ++j)
        x.push_back(centre[static_cast<std::size_t>(c + j)] + static_cast<float>(rng.normal()));
    }
    const auto run = [&](int iterations) {
      return bench::times(3, seconds, [&] {
        (void)thaw::k_means(x, kWidth,
                            {.clusters = kClusters, .iterations = iterations, .tolerance = 0, .threads = threads});
      });
    };
    // The difference leaves the start out.
    bench::Times few = run(2), many = run(22);
    many.median = (many.median - few.median) / 20;
    many.fastest = (many.fastest - few.fastest) / 20;
    line("k-means, one iteration", threads, many, static_cast<double>(kPoints), "points");
    line("k-means, start and 2 iterations", threads, few, static_cast<double>(kPoints), "points");
  }
  void factors(const thaw::RatingGraph& graph, const thaw::Interactions& x) const {
    const auto pairs = static_cast<double>(x.by_user.ids.size());
    if (wanted("ials")) {
      auto p = thaw::IalsPredictor::start(graph, {.threads = threads}).value();
      line("iALS sweep, width 64", threads, bench::times(2, seconds, [&] { (void)p.sweep().ok(); }), pairs, "pairs");
    }
    if (wanted("bpr")) {
      auto p = thaw::BprMfPredictor::start(x, {.threads = threads}).value();
      const thaw::BprTriples triples(x, {.draw = thaw::BprDraw::interactions});
      const auto count = static_cast<thaw::Index>(x.by_user.ids.size());
      line("BPR-MF epoch, width 64", threads, bench::times(2, seconds, [&] { p.epoch(triples, count); }), pairs,
           "triples");
    }
  }
};

}  // namespace

int main(int count, char** words) {
  const Bench b{count > 1 ? std::atoi(words[1]) : 1, count > 2 ? std::atof(words[2]) : 2, count > 3 ? words[3] : ""};
  const thaw::RatingGraph graph = skewed_graph();
  const thaw::Interactions x = thaw::Interactions::from_graph(graph).value();
  if (b.wanted("walks") || b.wanted("second_order") || b.wanted("skip_gram")) b.walks(x);
  if (b.wanted("k_means")) b.k_means();
  if (b.wanted("ials") || b.wanted("bpr")) b.factors(graph, x);
}
