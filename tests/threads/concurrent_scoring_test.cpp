// Many threads score with one model at the same time: weights are shared, each thread has its own context. Meant for
// the thread sanitizer, which reports a race even where the numbers come out right.
#include <doctest/doctest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "thaw/core/growing_arena.hpp"
#include "thaw/ops/elementwise.hpp"
#include "thaw/ops/product.hpp"

#if defined(__has_include) && __has_include("thaw/backend/cpu_eigen.hpp")
#include "thaw/backend/cpu_eigen.hpp"
#endif

namespace {

constexpr thaw::Index kFeatures = 24, kHidden = 32, kUsers = 64;

// What a server holds: plain numbers that nobody changes while it scores.
struct Weights {
  std::vector<float> hidden, hidden_bias, out, out_bias, users;

  Weights() : hidden(kHidden * kFeatures), hidden_bias(kHidden), out(kHidden), out_bias(1), users(kUsers * kFeatures) {
    float at = 0;
    for (std::vector<float>* part : {&hidden, &hidden_bias, &out, &out_bias, &users})
      for (float& w : *part) w = std::sin(at += 1.0F) / 4;
  }
};

// The scores of all users, in an arena that belongs to the caller's thread.
template <class Backend>
std::vector<float> score(const Weights& w) {
  using A = thaw::Array<float, Backend>;
  thaw::GrowingArena arena;
  typename Backend::Context context;
  context.arena = &arena;
  const A x = A::view(context, w.users.data(), {kUsers, kFeatures});
  const A h = thaw::tanh(thaw::linear(x, A::view(context, w.hidden.data(), {kHidden, kFeatures}),
                                      A::view(context, w.hidden_bias.data(), {kHidden})));
  const A y = thaw::linear(h, A::view(context, w.out.data(), {1, kHidden}), A::view(context, w.out_bias.data(), {1}));
  return {y.begin(), y.end()};
}

// The same with nothing of the library.
std::vector<double> score_by_hand(const Weights& w) {
  std::vector<double> scores;
  for (std::size_t u = 0; u < static_cast<std::size_t>(kUsers); ++u) {
    double score = static_cast<double>(w.out_bias[0]);
    for (std::size_t j = 0; j < w.hidden_bias.size(); ++j) {
      double sum = static_cast<double>(w.hidden_bias[j]);
      for (std::size_t i = 0; i < static_cast<std::size_t>(kFeatures); ++i)
        sum += static_cast<double>(w.hidden[j * kFeatures + i]) * static_cast<double>(w.users[u * kFeatures + i]);
      score += static_cast<double>(w.out[j]) * std::tanh(sum);
    }
    scores.push_back(score);
  }
  return scores;
}

template <class Backend>
void check_concurrent_scoring() {
  const Weights weights;
  const std::vector<double> want = score_by_hand(weights);
  std::vector<std::vector<float>> results(4);
  {
    std::vector<std::thread> threads;
    for (std::vector<float>& result : results)
      threads.emplace_back([&weights, &result] {
        for (int repeat = 0; repeat < 20; ++repeat) result = score<Backend>(weights);
      });
    for (std::thread& thread : threads) thread.join();
  }
  for (const std::vector<float>& result : results) {
    CHECK(result.size() == want.size());
    if (result.size() != want.size()) return;
    for (std::size_t u = 0; u < want.size(); ++u) CHECK(std::abs(static_cast<double>(result[u]) - want[u]) < 1e-5);
    CHECK(result == results[0]);  // bit for bit the same on every thread
  }
}

}  // namespace

TEST_CASE("scoring: four threads share one model and agree with a computation by hand") {
  check_concurrent_scoring<thaw::Cpu>();
}

#if defined(__has_include) && __has_include("thaw/backend/cpu_eigen.hpp")
TEST_CASE("scoring with the host engine: four threads share one model and agree with a computation by hand") {
  check_concurrent_scoring<thaw::CpuEigen>();
}
#endif
