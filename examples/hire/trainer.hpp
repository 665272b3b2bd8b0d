// Trainer: the weights, the optimiser and one training step of HIRE.
//
//   hire::Trainer trainer(settings, recipe, /*threads*/ 2);
//   double loss = trainer.step(packer);            // squared error, summed as the recipe's loss says
//   trainer.predict(packer, predictions);          // (contexts, users, items)
//
// With several ranks (docs/distributed.md) each packs its contexts of a step, and all take the same step.
#pragma once

#include <memory>
#include <variant>

#include "hire/affinity.hpp"
#include "hire/contexts.hpp"
#include "hire/recipe.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/distributed/gradient_sum.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/schedule.hpp"

namespace hire {

// The plan of the network that a recipe asks for, over a data set.
inline Hire<thaw::Spec> plan_for(const thaw::Dataset& data, const RatingLevels& levels, const Recipe& recipe) {
  Hire<thaw::Spec> plan = make_plan(settings_for(data, levels, recipe));
  // Starting at zero, the network begins as the prediction that it corrects.
  if (recipe.on_biases) plan.decoder.weight.init = plan.decoder.bias.init = {};
  return plan;
}

class Trainer {
 public:
  using Backend = thaw::CpuEigen;
  using Plan = Hire<thaw::Spec>;
  using A = thaw::Array<float, Backend>;
  using Lamb = thaw::Lookahead<thaw::Lamb<float, Backend>, float, Backend>;
  using Adam = thaw::Lookahead<thaw::Adam<float, Backend>, float, Backend>;

  Trainer(const Plan& plan, const Recipe& recipe, int threads, const thaw::CommunicatorRef& ranks = {})
      : recipe_(recipe),
        weights_{&weight_arena_, threads},
        context_{&arena_, threads},
        parameters_(plan, weights_, recipe.seed),
        tape_(context_),
        sum_(ranks),
        schedule_(recipe.anneal == Anneal::constant ? thaw::constant_rate(recipe.rate)
                                                    : thaw::flat_then_anneal(recipe.rate, recipe.steps, 0.7)) {
    const thaw::LookaheadOptions lookahead{
        .every = 6, .share = 0.5, .start_at_first_sync = recipe.lookahead_at_first_sync};
    if (recipe.optimizer == Optimizer::lamb)
      lamb_ = std::make_unique<Lamb>(parameters_, lookahead, thaw::LambOptions{.decay = recipe.decay});
    else
      adam_ = std::make_unique<Adam>(parameters_, lookahead, thaw::AdamOptions{.decay = recipe.decay});
  }

  // One step on the packed contexts; returns the loss before it, of all ranks. `stop`: this rank would like to end.
  double step(const ContextPacker& packer, bool stop = false) {
    thaw::Scope scope(tape_);
    const Batch<float> batch = packer.batch();
    const auto net = parameters_.on(tape_);
    thaw::Key key = thaw::Key{recipe_.seed}.fold(static_cast<std::uint64_t>(steps_));
    if (!ranks().is_first())
      key = key.fold(static_cast<std::uint64_t>(ranks().rank()));  // contexts count from 0 in each
    const auto predicted = net(batch, thaw::DropoutRule::make(recipe_.dropout, key, 0));
    const auto loss = thaw::weighted_squared_error(predicted, A::view(context_, packer.truth(), predicted.shape),
                                                   A::view(context_, packer.weight(), predicted.shape));
    auto gradients = parameters_.gradient(loss);
    double numbers[] = {static_cast<double>(loss.item()), stop ? 1.0 : 0.0};
    ranks().need(sum_(parameters_, context_, gradients, numbers, 2));
    stopped_ = numbers[1] > 0;
    if (recipe_.clip_value > 0) thaw::clip_value(gradients, recipe_.clip_value);
    if (recipe_.clip_norm > 0) thaw::clip_norm(gradients, recipe_.clip_norm);
    const double rate = schedule_.at(steps_);
    if (lamb_) lamb_->step(parameters_, gradients, rate);
    if (adam_) adam_->step(parameters_, gradients, rate);
    ++steps_;
    return numbers[0];
  }

  // Predicted ratings of every cell.
  void predict(const ContextPacker& packer, std::vector<float>& out) {
    thaw::ArenaScope scope(arena_);
    const A predicted = scoring_model()(packer.batch());
    out.assign(predicted.begin(), predicted.end());
  }
  // The weights, computing in the step's arena.
  Hire<A> scoring_model() {
    return thaw::map_model<A>(parameters_.values(),
                              [&](const thaw::Path&, const A& a) { return thaw::on<Backend>(context_, a); });
  }

  thaw::Parameters<Plan, float, Backend>& parameters() { return parameters_; }
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
  thaw::GrowingArena& arena() { return arena_; }
  Backend::Context& context() { return context_; }
  std::size_t peak_bytes() const { return weight_arena_.peak() + arena_.peak(); }

 private:
  Recipe recipe_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::GradientSum<float, Backend> sum_;
  bool stopped_ = false;
  thaw::Schedule schedule_;
  std::unique_ptr<Lamb> lamb_;
  std::unique_ptr<Adam> adam_;
  Index steps_ = 0;
};

}  // namespace hire
