// BatchNorm: batch normalisation of one axis, the last if not told (Ioffe and Szegedy, 2015), with running statistics.
//
//   thaw::BatchNorm<thaw::Spec> plan = thaw::batch_norm_spec(64);
//   auto y = norm(x);                              // as deployed: the running statistics are constants
//   thaw::StatisticsUpdate<float> update;
//   auto z = norm.train(x, update);                // the batch's own statistics; gradients go through them
//   update.commit();                               // a trainer's word; without it nothing has changed
//
// The running statistics are tensors of the model, so that files hold them, but no gradient reaches them. An optimiser
// with decay would shrink them: use none.
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

// Normalisation of x along one axis without weights: (x - mean) / sqrt(variance + epsilon), statistics over all others.
template <Value T>
struct AxisStatistics {
  T mean, variance;  // (width), the running ones
  double epsilon = 1e-5, momentum = 0.1;

  // With the running statistics. The axis has `width()` elements; a negative one counts from the last.
  T operator()(const T& x, int axis = -1) const {
    const Shape along = along_axis(x, axis);
    const Plain<T> inverse = make_constant(x, along, [&](auto* to) {
      using R = std::remove_pointer_t<decltype(to)>;
      for (Index j = 0; j < width(); ++j) to[j] = R(1) / Sqrt::value(variance[j] + static_cast<R>(epsilon));
    });
    return mul(sub(x, reshape(detail::plain(mean), along)), inverse);
  }
  // With the statistics of x itself, which `update` is told. The variance it is told is the unbiased one.
  template <class Real>
  T train(const T& x, StatisticsUpdate<Real>& update, int axis = -1) const {
    const Shape along = along_axis(x, axis);
    const double count = static_cast<double>(x.shape.size() / width());
    const T middle = scale(sum_to(x, along), 1 / count);
    const T centred = sub(x, middle);
    const T spread = scale(sum_to(square(centred), along), 1 / count);
    const auto unbiased = scale(detail::plain(spread), count > 1 ? count / (count - 1) : 1.0);
    update.add(mean.data, middle.data, width(), momentum);
    update.add(variance.data, unbiased.data, width(), momentum);
    return div(centred, sqrt(shift(spread, epsilon)));
  }
  Index width() const { return mean.shape[0]; }
  // A shape of ones but for the axis, which stretches to x.
  Shape along_axis(const T& x, int axis) const {
    const int at = axis < 0 ? axis + x.shape.rank : axis;
    require(at >= 0 && at < x.shape.rank && x.shape[at] == width() && x.shape.size() > 0, "BatchNorm: axis ", axis,
            " of an input ", x.shape, " should have ", width(), " elements");
    Shape along = x.shape;
    for (int i = 0; i < along.rank; ++i) along[i] = i == at ? width() : 1;
    return along;
  }

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
  AxisStatistics<T> statistics;

  T operator()(const T& x, int axis = -1) const { return weigh(statistics(x, axis), axis); }
  template <class Real>
  T train(const T& x, StatisticsUpdate<Real>& update, int axis = -1) const {
    return weigh(statistics.train(x, update, axis), axis);
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
    visit("statistics", m.statistics...);
  }

 private:
  T weigh(const T& normal, int axis) const {
    const Shape along = statistics.along_axis(normal, axis);
    return add(mul(normal, reshape(weight, along)), reshape(bias, along));
  }
};

inline AxisStatistics<Spec> axis_statistics_spec(Index width, double epsilon = 1e-5, double momentum = 0.1) {
  return {Spec{{width}, {Init::Kind::constant, 0}}, Spec{{width}, {Init::Kind::constant, 1}}, epsilon, momentum};
}
inline BatchNorm<Spec> batch_norm_spec(Index width, double epsilon = 1e-5, double momentum = 0.1) {
  return {Spec{{width}, {Init::Kind::constant, 1}}, Spec{{width}, {Init::Kind::constant, 0}},
          axis_statistics_spec(width, epsilon, momentum)};
}

}  // namespace thaw::inline v0
