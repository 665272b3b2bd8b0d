// What the tests of click models share: a plan of four fields, three impressions with every kind of gap, weights that a
// formula gives, and a model out of one long vector for the gradient checker.
#pragma once

#include "mwuf/models.hpp"
#include "tests/nn/fixture.hpp"
#include "thaw/autodiff/frozen.hpp"

namespace mwuf_test {

using namespace nn_test;
using Batch = mwuf::ClickBatch<>;

inline mwuf::FieldPlan tiny_plan() {
  mwuf::FieldPlan plan;
  plan.items = 5;
  plan.user_id = plan.add({"user", mwuf::Side::user, thaw::FieldKind::categorical, 4});
  plan.add({"genres", mwuf::Side::item, thaw::FieldKind::multi_valued, 3});
  plan.add({"year", mwuf::Side::item, thaw::FieldKind::continuous, 1});
  plan.add({"age", mwuf::Side::user, thaw::FieldKind::categorical, 3});
  plan.history = 3;
  return plan;
}

inline mwuf::BaseOptions tiny_options() {
  mwuf::BaseOptions options;
  options.width = 4;
  options.hidden[0] = 6, options.hidden[1] = 3, options.hidden[2] = 0;
  options.cross_layers = 2;
  options.neurons = 3;
  return options;
}

// An unknown item, a film without genres, an unknown genre, an unknown age, an empty history and a short one.
inline Batch tiny_batch() {
  static constexpr std::int32_t item[] = {1, 4, -1}, user[] = {0, 3, 2}, age[] = {2, -1, 1};
  static constexpr std::int32_t genres[] = {0, 2, 1, -1}, genre_offsets[] = {0, 2, 2, 4};
  static constexpr std::int32_t history[] = {1, 3, 2, -1, -1, -1, 0, -1, -1};
  static constexpr float year[] = {0.5F, -1.25F, 2}, labels[] = {1, 0, 1};
  Batch batch;
  batch.rows = 3;
  batch.item = item;
  batch.field[0].bags = {user, nullptr, 3, false};
  batch.field[1].bags = {genres, genre_offsets, 3, false};
  batch.field[2].values = year;
  batch.field[3].bags = {age, nullptr, 3, false};
  batch.history = history;
  batch.labels = labels;
  return batch;
}

// 0.6 sin(1 + 1.3 t + 0.7 k) over the row-major index k of tensor t.
inline A wave(Host& host, int t, const thaw::Shape& shape) {
  A out = host.zeros(shape);
  for (Index k = 0; k < out.size(); ++k) out[k] = 0.6 * std::sin(1 + 1.3 * t + 0.7 * static_cast<double>(k));
  return out;
}

// Running statistics are no weights: they keep their start, 0 and 1.
inline bool is_statistic(const thaw::Path& path) { return std::strstr(path.text, "running_") != nullptr; }

template <class T, class Plan, class Make>
auto waves(Host& host, const Plan& plan, const Make& make) {
  int t = 0;
  return thaw::map_model<T>(plan, [&](const thaw::Path& path, const thaw::Spec& s) {
    A start = host.zeros(s.shape);
    for (double& x : start) x = s.init.scale;
    return make(is_statistic(path) ? start : wave(host, t++, s.shape));
  });
}

inline double norm(const A& a) {
  double squares = 0;
  for (const double x : a) squares += x * x;
  return std::sqrt(squares);
}

// Random weights, and running statistics of something that was seen.
template <class Plan>
auto random_base(Host& host, const Plan& plan) {
  auto model = random_model(host, plan, 0.5);
  thaw::for_each_tensor(
      [&](const thaw::Path& path, A& a) {
        if (std::strstr(path.text, "running_variance") == nullptr) return;
        for (double& x : a) x = 0.5 + x * x;
      },
      model);
  return model;
}

// The model whose weights are the parts of one vector; statistics are constants.
template <class T, class Plan>
auto unpack(const Plan& plan, const T& packed, const A& statistics) {
  Index at = 0;
  return thaw::map_model<T>(plan, [&](const thaw::Path& path, const thaw::Spec& s) {
    const Index begin = at;
    at += s.shape.size();
    if (is_statistic(path))
      return thaw::lift(thaw::reshape(thaw::slice(statistics, 0, begin, s.shape.size()), s.shape), packed);
    return thaw::reshape(thaw::slice(packed, 0, begin, s.shape.size()), s.shape);
  });
}

// `model` (Arrays) as one vector.
template <class M>
A pack(Host& host, const M& model) {
  A out = host.zeros({thaw::parameter_count(model)});
  Index at = 0;
  thaw::for_each_unnamed(
      [&](const A& a) {
        for (const double x : a) out[at++] = x;
      },
      model);
  return out;
}

}  // namespace mwuf_test
