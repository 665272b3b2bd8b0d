// Lookahead: every k steps the weights go part of the way from where they were to where they are
// (Zhang et al., NeurIPS 2019). Wraps any optimiser.
//
//   thaw::Lookahead<thaw::Lamb<float>, float> optimiser(parameters, {.every = 6, .share = 0.5});
//   optimiser.step(parameters, gradients, rate);
//
// Row tables are left out unless `tables` is set, since a sync costs the whole table.
#pragma once

#include "thaw/optim/optimizer.hpp"

namespace thaw::inline v0 {

struct LookaheadOptions {
  int every = 6;       // k
  double share = 0.5;  // alpha
  // false: the slow weights start as the initial weights (the paper). true: they start at the first sync as the fast
  // ones of that moment, so that this sync changes nothing (the code of arXiv 2403.17740).
  bool start_at_first_sync = false;
  bool tables = false;
};

template <class Inner, class R, class B = Cpu>
class Lookahead {
 public:
  template <class Plan, class... Options>
  explicit Lookahead(Parameters<Plan, R, B>& parameters, LookaheadOptions options = {}, Options... inner)
      : options_(options), inner_(parameters, inner...), slow_(parameters) {
    if (!options_.start_at_first_sync) capture(parameters);
  }

  template <class Plan>
  void step(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, double rate) {
    inner_.step(parameters, gradients, rate);
    if (inner_.steps() % options_.every != 0) return;
    if (options_.start_at_first_sync && inner_.steps() == options_.every) return capture(parameters);
    auto& context = parameters.context();
    const R share = static_cast<R>(options_.share);
    for (int i = 0; i < parameters.count(); ++i) {
      if (parameters.slot(i).row_table && !options_.tables) continue;
      const Array<R, B>& fast = parameters.slot(i).value;
      B::add_scaled(context, fast.size(), R(1) - share, slow_[i].data, share, fast.data, slow_[i].data);
      B::copy(context, fast.size(), slow_[i].data, fast.data);
    }
  }
  void each_state(auto&& fn) {
    inner_.each_state(fn);
    for (int i = 0; i < slow_.count(); ++i) fn("slow_weights", i, slow_[i]);
  }
  std::int64_t& steps() { return inner_.steps(); }

 private:
  template <class Plan>
  void capture(Parameters<Plan, R, B>& parameters) {
    for (int i = 0; i < parameters.count(); ++i)
      B::copy(parameters.context(), slow_[i].size(), parameters.slot(i).value.data, slow_[i].data);
  }

  LookaheadOptions options_;
  Inner inner_;
  detail::TensorState<R, B> slow_;
};

}  // namespace thaw::inline v0
