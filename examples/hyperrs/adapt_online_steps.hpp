// On-line adaptation by gradient steps, one rating at a time, on a small tape in a buffer of fixed size.
//
//   hyperrs::OnlineSteps<thaw::Mlp<thaw::Array<float>>> user(tower, width, {.steps = 3, .rate = 0.05}, scratch, bytes);
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
    const Index width = features_.shape[1], at = given_++ % options_.capacity;
    for (Index i = 0; i < width; ++i) features_[at * width + i] = features[i];
    labels_[at] = label;
    restart();
    const Index rows = records();
    const A x = A::view(context_, features_.data, {rows, width}), y = A::view(context_, labels_.data, {rows, 1});
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
  // Labels of rows of features: out (rows).
  void score(const R* features, Index rows, R* out) {
    thaw::ArenaScope scope(arena_);
    const A y = fast_(A::view(context_, features, {rows, features_.shape[1]}));
    for (Index i = 0; i < rows; ++i) out[i] = y[i];
  }
  const Model& model() const { return fast_; }
  Index records() const { return given_ < options_.capacity ? given_ : options_.capacity; }
  std::size_t peak_bytes() const { return arena_.peak(); }

 private:
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
  Index given_ = 0;
};

}  // namespace hyperrs
