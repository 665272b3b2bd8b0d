// A small recommender for the tests of meta-learning: user and item embeddings, softmax attention over the items of a
// user, and a two-layer perceptron that predicts ratings. Everything in double.
#pragma once

#include "tests/heap_counter.hpp"
#include "tests/ops/fixture.hpp"
#include "thaw/core/module.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/product.hpp"

namespace thaw_test {

constexpr double kRate = 0.2;

template <thaw::Value T>
struct Net {
  T embedding, query, key, hidden_weight, hidden_bias, score_weight, score_bias;
  static void each(auto&& visit, auto&... m) {
    visit("embedding", m.embedding...), visit("query", m.query...), visit("key", m.key...);
    visit("hidden.weight", m.hidden_weight...), visit("hidden.bias", m.hidden_bias...);
    visit("score.weight", m.score_weight...), visit("score.bias", m.score_bias...);
  }
};
template <thaw::Value T>
struct Extra {
  T shift, gain;
  static void each(auto&& visit, auto&... m) { visit("shift", m.shift...), visit("gain", m.gain...); }
};

constexpr Index kItems = 12, kWidth = 6, kTokens = 5, kBatches = 10;

inline Net<A> random_net(Host& host) {
  const auto small = [&](const thaw::Shape& shape) { return thaw::scale(host.normal(shape), 0.5); };
  return {small({kItems, kWidth}),
          small({kWidth, kWidth}),
          small({kWidth, kWidth}),
          small({8, kWidth}),
          small({8}),
          small({1, 8}),
          small({1})};
}

struct Task {
  std::int32_t ids[kBatches + 1][kTokens];
  A ratings[kBatches + 1];

  explicit Task(Host& host) {
    for (Index b = 0; b <= kBatches; ++b) {
      for (std::int32_t& id : ids[b]) id = static_cast<std::int32_t>(host.rng.below(kItems));
      ratings[b] = host.normal({kTokens, 1});
    }
  }
  template <class T>
  T predict(const Net<T>& net, const std::int32_t* items) const {
    const T x = thaw::gather(net.embedding, thaw::Bags{items, nullptr, kTokens});
    const T q = thaw::reshape(thaw::matmul(x, net.query), {1, kTokens, 1, kWidth});
    const T k = thaw::reshape(thaw::matmul(x, net.key), {1, kTokens, 1, kWidth});
    const T v = thaw::reshape(x, {1, kTokens, 1, kWidth});
    const T mixed = thaw::attention_mix(thaw::softmax(thaw::attention_scores(q, k, 2)), v);
    const T hidden =
        thaw::gelu(thaw::linear(thaw::reshape(mixed, {kTokens, kWidth}), net.hidden_weight, net.hidden_bias));
    return thaw::linear(hidden, net.score_weight, net.score_bias);
  }
  template <class T>
  T loss(const Net<T>& net, Index batch) const {
    const T error = thaw::sub(predict(net, ids[batch]), ratings[batch]);
    return thaw::scale(thaw::sum(thaw::square(error)), 1.0 / kTokens);
  }
  // Another support batch each step.
  template <class T>
  T support_loss(const Net<T>& net, int step) const {
    return loss(net, 1 + step % kBatches);
  }
  template <class T>
  T query_loss(const Net<T>& net) const {
    return loss(net, 0);
  }
};

inline void copy(const Net<A>& from, Net<A>& to) {
  thaw::for_each_tensor(
      [](const thaw::Path&, const A& x, A& y) {
        for (Index i = 0; i < x.size(); ++i) y[i] = x[i];
      },
      from, to);
}
inline double dot(const Net<A>& a, const Net<A>& b) {
  double total = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path&, const A& x, const A& y) {
        for (Index i = 0; i < x.size(); ++i) total += x[i] * y[i];
      },
      a, b);
  return total;
}
// Euclidean distance over the length of `from`.
inline double relative_distance(const Net<A>& a, const Net<A>& from) {
  double squares = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path&, const A& x, const A& y) {
        for (Index i = 0; i < x.size(); ++i) squares += (x[i] - y[i]) * (x[i] - y[i]);
      },
      a, from);
  return std::sqrt(squares / dot(from, from));
}
// Random in one tensor, zero in the others.
inline Net<A> random_direction(Host& host, const Net<A>& like, int tensor) {
  int i = 0;
  return thaw::map_model<A>(
      like, [&](const thaw::Path&, const A& a) { return i++ == tensor ? host.normal(a.shape) : host.zeros(a.shape); });
}
inline Net<A> moved(Host& host, const Net<A>& from, const Net<A>& direction, double distance) {
  Net<A> out = thaw::map_model<A>(from, [&](const thaw::Path&, const A& a) { return A::make(host.context, a.shape); });
  thaw::for_each_tensor(
      [&](const thaw::Path&, const A& x, const A& d, A& y) {
        for (Index i = 0; i < x.size(); ++i) y[i] = x[i] + distance * d[i];
      },
      from, direction, out);
  return out;
}

}  // namespace thaw_test
