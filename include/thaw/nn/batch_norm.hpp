// BatchNorm: batch normalisation over the rows of a matrix (Ioffe and Szegedy, 2015), with running statistics.
//
//   thaw::BatchNorm<thaw::Spec> plan = thaw::batch_norm_spec(64);
//   auto y = norm(x);                              // as deployed: the running statistics are constants
//   thaw::StatisticsUpdate<float> update;
//   auto z = norm.train(x, update);                // the batch's own statistics; gradients go through them
//   update.commit();                               // a trainer's word; without it nothing has changed
//
// The running statistics are tensors of the model, so that files hold them, but no gradient reaches them. An optimiser
// with decay would shrink them: use none. Not for images: one channel is one column.
#pragma once

#include "thaw/nn/field_embedding.hpp"

namespace thaw::inline v0 {

// New running statistics that a training pass computed. They live on the tape of the pass: commit before it rewinds.
template <class Real>
class StatisticsUpdate {
 public:
  static constexpr int kMax = 32;

  // running += momentum * (fresh - running) at the commit.
  void add(Real* running, const Real* fresh, Index count, double momentum) {
    require(count_ < kMax, "StatisticsUpdate: more than 32 statistics in one pass");
    entries_[count_++] = {running, fresh, count, momentum};
  }
  void commit() {
    for (int i = 0; i < count_; ++i) {
      const Entry& e = entries_[i];
      for (Index j = 0; j < e.count; ++j) e.running[j] += static_cast<Real>(e.momentum) * (e.fresh[j] - e.running[j]);
    }
    clear();
  }
  void clear() { count_ = 0; }
  int count() const { return count_; }

 private:
  struct Entry {
    Real* running;
    const Real* fresh;
    Index count;
    double momentum;
  };
  Entry entries_[kMax];
  int count_ = 0;
};

namespace detail {

// The numbers of a value as constants.
template <Value T>
Plain<T> plain(const T& x) {
  if constexpr (std::is_same_v<T, Spec>)
    return x;
  else
    return x.array();
}

}  // namespace detail

// Normalisation of the columns of x (rows, width) without weights. `mean` and `variance` (width) are running ones.
template <Value T>
struct ColumnStatistics {
  T mean, variance;
  double epsilon = 1e-5, momentum = 0.1;

  // (x - mean) / sqrt(variance + epsilon) with the running statistics.
  T operator()(const T& x) const {
    const Plain<T> inverse = make_constant(x, {width()}, [&](auto* to) {
      using R = std::remove_pointer_t<decltype(to)>;
      for (Index j = 0; j < width(); ++j) to[j] = R(1) / Sqrt::value(variance[j] + static_cast<R>(epsilon));
    });
    return mul(sub(x, detail::plain(mean)), inverse);
  }
  // With the statistics of the rows of x, which `update` is told. The variance it is told is the unbiased one.
  template <class Real>
  T train(const T& x, StatisticsUpdate<Real>& update) const {
    const Index rows = x.shape[0];
    require(x.shape.rank == 2 && x.shape[1] == width() && rows > 0, "BatchNorm: input ", x.shape, " for ", width(),
            " columns");
    const double share = 1.0 / static_cast<double>(rows);
    const T middle = scale(sum_to(x, {1, width()}), share);
    const T centred = sub(x, middle);
    const T spread = scale(sum_to(square(centred), {1, width()}), share);
    const auto unbiased =
        scale(detail::plain(spread), rows > 1 ? static_cast<double>(rows) / static_cast<double>(rows - 1) : 1);
    update.add(mean.data, middle.data, width(), momentum);
    update.add(variance.data, unbiased.data, width(), momentum);
    return div(centred, sqrt(shift(spread, epsilon)));
  }
  Index width() const { return mean.shape[0]; }

  static void each(auto&& visit, auto&... m) {
    visit("running_mean", m.mean...);
    visit("running_variance", m.variance...);
    visit("epsilon", m.epsilon...);
    visit("momentum", m.momentum...);
  }
};

template <Value T>
struct BatchNorm {
  T weight;  // (width)
  T bias;    // (width)
  ColumnStatistics<T> statistics;

  T operator()(const T& x) const { return add(mul(statistics(x), weight), bias); }
  template <class Real>
  T train(const T& x, StatisticsUpdate<Real>& update) const {
    return add(mul(statistics.train(x, update), weight), bias);
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
    visit("statistics", m.statistics...);
  }
};

inline ColumnStatistics<Spec> column_statistics_spec(Index width, double epsilon = 1e-5, double momentum = 0.1) {
  return {Spec{{width}, {Init::Kind::constant, 0}}, Spec{{width}, {Init::Kind::constant, 1}}, epsilon, momentum};
}
inline BatchNorm<Spec> batch_norm_spec(Index width, double epsilon = 1e-5, double momentum = 0.1) {
  return {Spec{{width}, {Init::Kind::constant, 1}}, Spec{{width}, {Init::Kind::constant, 0}},
          column_statistics_spec(width, epsilon, momentum)};
}

}  // namespace thaw::inline v0
