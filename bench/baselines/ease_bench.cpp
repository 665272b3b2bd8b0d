// Fitting EASE and scoring a full list, over the number of items: seconds, and GFLOP/s of the inversion (n^3
// operations).
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude bench/baselines/ease_bench.cpp -o ease_bench && ./ease_bench [items]
//   [threads]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "thaw/baselines/ease.hpp"
#include "thaw/core/random.hpp"

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// 40 interactions a user, popular items more often: squares of uniform numbers.
thaw::RatingGraph skewed_graph(std::int32_t users, std::int32_t items) {
  thaw::Philox rng(1);
  std::vector<thaw::Rating> ratings;
  for (std::int32_t user = 0; user < users; ++user)
    for (int i = 0; i < 40; ++i) {
      const double place = rng.uniform();
      ratings.push_back({user, static_cast<std::int32_t>(place * place * static_cast<double>(items)), 1});
    }
  return thaw::RatingGraph::from_ratings(ratings, users, items);
}

void measure(std::int32_t items, int threads) {
  const thaw::RatingGraph graph = skewed_graph(20'000, items);
  const double start = seconds();
  const auto ease = thaw::EasePredictor::fit(graph, {.regularization = 500, .threads = threads});
  const double fitted = seconds() - start;
  if (!ease) {
    std::fprintf(stderr, "%s\n", ease.fault().text);
    return;
  }
  std::vector<std::int32_t> history, candidates;
  for (std::int32_t item = 0; item < 20; ++item) history.push_back(item * (items / 20));
  for (std::int32_t item = 0; item < items; ++item) candidates.push_back(item);
  std::vector<float> out(candidates.size());
  constexpr int kLists = 100;
  const double before = seconds();
  for (int i = 0; i < kLists; ++i) ease.value().score_from(history, candidates, out);
  const double list = (seconds() - before) / kLists;
  const double cube = static_cast<double>(items) * static_cast<double>(items) * static_cast<double>(items);
  std::printf("%6d items, %d threads: fitted in %7.3f s (%5.1f GFLOP/s), 20 items of history to a full list %6.1f us\n",
              items, threads, fitted, cube / fitted * 1e-9, 1e6 * list);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  if (argc > 1) {
    measure(std::atoi(argv[1]), threads);
    return 0;
  }
  for (const std::int32_t items : {1000, 2000, 3706, 8000}) measure(items, threads);
}
