// TrainingSteps: the weights, the optimiser and one training step of HIRE, on any backend.
//
//   hire::TrainingSteps<thaw::CpuEigen> steps(plan, recipe, weights, context, ranks);
//   double loss = steps.step({packer.batch(), packer.truth(), packer.weight()});
//
// What the host reads of a batch stays on the host; a backend with memory of its own copies what it needs. Not the
// trainer: no packing, scoring or files; trainer.hpp has these, and device_training.hpp lets a device take the steps.
#pragma once

#include <memory>

#include "hire/recipe.hpp"
#include "thaw/distributed/gradient_sum.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/schedule.hpp"

namespace hire {

// What one step reads: packed contexts and, for each of their cells, the rating and its weight in the loss.
struct Lesson {
  Batch<float> batch;
  const float* truth = nullptr;   // (contexts, users, items)
  const float* weight = nullptr;  // the same
};

template <class B>
class TrainingSteps {
 public:
  using Context = typename B::Context;
  using Plan = Hire<thaw::Spec>;
  using A = thaw::Array<float, B>;
  using Lamb = thaw::Lookahead<thaw::Lamb<float, B>, float, B>;
  using Adam = thaw::Lookahead<thaw::Adam<float, B>, float, B>;

  // `weights`: where weights and the optimiser's state live; `context`: where a step computes. One may be both.
  TrainingSteps(const Plan& plan, const Recipe& recipe, Context& weights, Context& context,
                const thaw::CommunicatorRef& ranks = {})
      : TrainingSteps(plan, recipe, weights, context, ranks, ranks) {}
  // `blocks`: who sums what lies in the memory of devices, where that is not `ranks`.
  TrainingSteps(const Plan& plan, const Recipe& recipe, Context& weights, Context& context,
                const thaw::CommunicatorRef& ranks, const thaw::CommunicatorRef& blocks)
      : recipe_(recipe),
        context_(&context),
        parameters_(plan, weights, recipe.seed),
        tape_(context),
        sum_(ranks, blocks),
        schedule_(recipe.anneal == Anneal::constant ? thaw::constant_rate(recipe.rate)
                                                    : thaw::flat_then_anneal(recipe.rate, recipe.steps, 0.7)) {
    const thaw::LookaheadOptions lookahead{
        .every = 6, .share = 0.5, .start_at_first_sync = recipe.lookahead_at_first_sync};
    if (recipe.optimizer == Optimizer::lamb)
      lamb_ = std::make_unique<Lamb>(parameters_, lookahead, thaw::LambOptions{.decay = recipe.decay});
    else
      adam_ = std::make_unique<Adam>(parameters_, lookahead, thaw::AdamOptions{.decay = recipe.decay});
  }

  // Returns the loss before the step, of all ranks. `stop`: this rank would like to end.
  double step(const Lesson& lesson, bool stop = false) {
    thaw::Scope scope(tape_);
    thaw::Key key = thaw::Key{recipe_.seed}.fold(static_cast<std::uint64_t>(steps_));
    if (!ranks().is_first())
      key = key.fold(static_cast<std::uint64_t>(ranks().rank()));  // contexts count from 0 in each
    thaw::Var<float, B> loss;
    thaw::GradientList<float, B> gradients;
    thaw::run_as_one(*context_, [&] {
      const auto net = parameters_.on(tape_);
      const auto predicted = net(lesson.batch, thaw::DropoutRule::make(recipe_.dropout, key, 0));
      loss = thaw::weighted_squared_error(predicted, A::of_host(*context_, lesson.truth, predicted.shape),
                                          A::of_host(*context_, lesson.weight, predicted.shape));
      gradients = parameters_.gradient(loss);
    });
    double numbers[] = {static_cast<double>(loss.item()), stop ? 1.0 : 0.0};
    ranks().need(sum_(parameters_, *context_, gradients, numbers, 2));
    stopped_ = numbers[1] > 0;
    if (recipe_.clip_value > 0) thaw::clip_value(gradients, recipe_.clip_value);
    if (recipe_.clip_norm > 0) thaw::clip_norm(gradients, recipe_.clip_norm);
    const double rate = schedule_.at(steps_);
    if (lamb_) lamb_->step(parameters_, gradients, rate);
    if (adam_) adam_->step(parameters_, gradients, rate);
    ++steps_;
    return numbers[0];
  }

  thaw::Parameters<Plan, float, B>& parameters() { return parameters_; }
  const Recipe& recipe() const { return recipe_; }
  const thaw::CommunicatorRef& ranks() const { return sum_.ranks(); }
  // Whether any rank asked to stop in the last step: all know it after the same one.
  bool stopped() const { return stopped_; }
  Index steps() const { return steps_; }
  void set_steps(Index steps) {
    steps_ = steps;
    if (lamb_) lamb_->steps() = steps;
    if (adam_) adam_->steps() = steps;
  }
  // fn(name, index, array) for the optimiser's state.
  void each_state(auto&& fn) {
    if (lamb_) lamb_->each_state(fn);
    if (adam_) adam_->each_state(fn);
  }

 private:
  Recipe recipe_;
  Context* context_;
  thaw::Parameters<Plan, float, B> parameters_;
  thaw::Tape<float, B> tape_;
  thaw::GradientSum<float, B> sum_;
  bool stopped_ = false;
  thaw::Schedule schedule_;
  std::unique_ptr<Lamb> lamb_;
  std::unique_ptr<Adam> adam_;
  Index steps_ = 0;
};

}  // namespace hire
