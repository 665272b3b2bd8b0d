// On-line adaptation by gradient steps, one rating at a time, on a small tape in a buffer of fixed size.
//
//   using Steps = hyperrs::OnlineSteps<thaw::Mlp<thaw::Array<float>>>;
//   Steps user(tower, width, {.steps = 3, .rate = 0.05}, scratch, bytes);  // bytes >= Steps::scratch_bytes(tower, ...)
//   user.add(features, 4.0F);                       // from the shared start again, on all that is remembered
//   float y = user.model()(x).item();
//
// The model is the local part of a learner (the tower of MeLU, say) and reads rows of features (rows, width) -> (rows,
// 1). The newest `capacity` ratings are remembered. Each addition costs `steps` passes over them; where averages will
// do, adapt_online.hpp costs one record.
#pragma once

#include <thaw/infer.hpp>

#include "thaw/autodiff/gradient.hpp"

namespace hyperrs {

struct OnlineStepsOptions {
  int steps = 1;
  double rate = 0.01;
  thaw::Index capacity = 64;
};

template <class Model, class R = float, class B = thaw::Cpu>
class OnlineSteps {
 public:
  using A = thaw::Array<R, B>;
  using Index = thaw::Index;
  static constexpr Index kChunk = 32;  // rows that are scored at once

  // `start` is referred to; it is never written.
  OnlineSteps(const Model& start, Index width, const OnlineStepsOptions& options, void* scratch, std::size_t bytes)
      : arena_(scratch, bytes),
        tape_(context_),
        start_(&start),
        options_(options),
        fast_(thaw::map_unnamed<A>(start, [&](const A& a) { return A::make(context_, a.shape); })),
        features_(A::make(context_, {options.capacity, width})),
        labels_(A::make(context_, {options.capacity, 1})) {
    restart();
  }
  OnlineSteps(const OnlineSteps&) = delete;
  OnlineSteps& operator=(const OnlineSteps&) = delete;

  // features (width). Beyond the capacity the oldest rating is forgotten.
  void add(const R* features, R label) {
    if (count_ == options_.capacity) forget(0);
    const Index width = features_.shape[1];
    for (Index i = 0; i < width; ++i) features_[count_ * width + i] = features[i];
    labels_[count_++] = label;
    adapt();
  }
  // Takes a rating back; one that is no longer remembered is gone already.
  void remove(const R* features, R label) {
    const Index width = features_.shape[1];
    for (Index row = 0; row < count_; ++row) {
      bool same = labels_[row] == label;
      for (Index i = 0; same && i < width; ++i) same = features_[row * width + i] == features[i];
      if (!same) continue;
      forget(row);
      return adapt();
    }
  }
  // Labels of rows of features: out (rows).
  void score(const R* features, Index rows, R* out) {
    const Index width = features_.shape[1];
    for (Index begin = 0; begin < rows; begin += kChunk) {
      thaw::ArenaScope scope(arena_);
      const Index size = kChunk < rows - begin ? kChunk : rows - begin;
      const A y = fast_(A::view(context_, features + begin * width, {size, width}));
      for (Index i = 0; i < size; ++i) out[begin + i] = y[i];
    }
  }
  const Model& model() const { return fast_; }
  Index records() const { return count_; }
  std::size_t peak_bytes() const { return arena_.peak(); }

  // Enough for a model of dense layers.
  static std::size_t scratch_bytes(const Model& start, Index width, const OnlineStepsOptions& options) {
    Index numbers = 0, wide = width, tensors = 0;
    thaw::for_each_unnamed(
        [&](const A& a) {
          numbers += a.size();
          Index side = 0;
          for (int d = 0; d < a.shape.rank; ++d) side = a.shape[d] > side ? a.shape[d] : side;
          wide += side;
          ++tensors;
        },
        start);
    const Index rows = options.capacity > kChunk ? options.capacity : kChunk;
    const Index total = 4 * numbers + rows * (width + 1) + 2 * rows * wide;
    return static_cast<std::size_t>(total) * sizeof(R) +
           static_cast<std::size_t>(128 + 64 * tensors) * thaw::kAlignment;
  }

 private:
  // From the start again, on all that is remembered.
  void adapt() {
    restart();
    if (count_ == 0) return;
    const A x = A::view(context_, features_.data, {count_, features_.shape[1]});
    const A y = A::view(context_, labels_.data, {count_, 1});
    for (int step = 0; step < options_.steps; ++step) {
      thaw::Scope scope(tape_);
      const auto local = thaw::map_unnamed<thaw::Var<R, B>>(fast_, [&](const A& a) { return tape_.leaf(a); });
      const auto gradient = thaw::gradient(thaw::mse(local(x), y), local);
      thaw::for_each_unnamed(
          [&](const A& w, const A& g) {
            for (Index i = 0; i < w.size(); ++i) w[i] -= static_cast<R>(options_.rate) * g[i];
          },
          fast_, gradient);
    }
  }
  void forget(Index row) {
    const Index width = features_.shape[1];
    for (Index i = row * width; i + width < count_ * width; ++i) features_[i] = features_[i + width];
    for (Index i = row; i + 1 < count_; ++i) labels_[i] = labels_[i + 1];
    --count_;
  }
  void restart() {
    thaw::for_each_unnamed(
        [](const A& to, const A& from) {
          for (Index i = 0; i < to.size(); ++i) to[i] = from[i];
        },
        fast_, *start_);
  }

  thaw::Arena arena_;
  typename B::Context context_{&arena_};
  thaw::Tape<R, B> tape_;
  const Model* start_;
  OnlineStepsOptions options_;
  Model fast_;
  A features_, labels_;
  Index count_ = 0;
};

}  // namespace hyperrs
