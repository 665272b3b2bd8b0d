// TrainedModel: the weights of one network with their optimiser, tape and memory; what a learner steps and scores with.
//
//   TrainedModel<MetaTl<thaw::Spec>> model(plan, seed, threads);
//   double loss = model.step(1e-3, [&](const auto& net, auto& tape) { return loss_of(net, tape); });
//   auto net = model.on(context);                      // over the same weights, computing in another context
//
// Nothing is allocated once the largest step has been seen. Not for several networks with different rates: use several.
#pragma once

#include <cstdint>

#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"

namespace hyperrs {

using Backend = thaw::CpuEigen;
using FloatArray = thaw::Array<float, Backend>;
using FloatVar = thaw::Var<float, Backend>;

template <class Plan>
class TrainedModel {
 public:
  using Model = thaw::ModelOf<Plan, FloatArray>;
  using Gradients = thaw::GradientList<float, Backend>;

  TrainedModel(const Plan& plan, std::uint64_t seed, int threads)
      : weights_{&weight_arena_, threads},
        context_{&arena_, threads},
        parameters_(plan, weights_, seed),
        tape_(context_),
        adam_(parameters_) {}

  // loss(net, tape) -> a one-element value; clip(gradients) in place. Returns the loss before the step.
  template <class Loss, class Clip>
  double step(double rate, const Loss& loss, const Clip& clip) {
    thaw::Scope scope(tape_);
    const auto net = parameters_.on(tape_);
    const FloatVar value = loss(net, tape_);
    const Gradients gradients = parameters_.gradient(value);
    clip(gradients);
    adam_.step(parameters_, gradients, rate);
    return static_cast<double>(value.item());
  }
  template <class Loss>
  double step(double rate, const Loss& loss) {
    return step(rate, loss, [](const Gradients&) {});
  }

  Model on(Backend::Context& context) const {
    return thaw::map_unnamed<FloatArray>(parameters_.values(),
                                         [&](const FloatArray& a) { return thaw::on<Backend>(context, a); });
  }
  std::int64_t parameter_count() const { return thaw::parameter_count(parameters_.values()); }
  thaw::Parameters<Plan, float, Backend>& parameters() { return parameters_; }
  thaw::Adam<float, Backend>& adam() { return adam_; }
  thaw::Tape<float, Backend>& tape() { return tape_; }
  std::size_t peak_bytes() const { return weight_arena_.peak() + arena_.peak(); }

 private:
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::Adam<float, Backend> adam_;
};

}  // namespace hyperrs
