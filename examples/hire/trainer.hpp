// Trainer: training steps of HIRE and predictions, on the host or with a device that takes the steps.
//
//   hire::Trainer trainer(settings, recipe, /*threads*/ 2);
//   double loss = trainer.step(packer);            // squared error, summed as the recipe's loss says
//   trainer.predict(packer, predictions);          // (contexts, users, items)
//
// With several ranks (docs/distributed.md) each packs its contexts of a step, and all take the same step. After use()
// a device steps; whatever reads the weights here fetches them first.
#pragma once

#include <memory>
#include <vector>

#include "hire/affinity.hpp"
#include "hire/contexts.hpp"
#include "hire/device_training.hpp"
#include "hire/recipe.hpp"
#include "hire/training_steps.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"

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

  Trainer(const Plan& plan, const Recipe& recipe, int threads, const thaw::CommunicatorRef& ranks = {})
      : weights_{&weight_arena_, threads},
        context_{&arena_, threads},
        steps_(plan, recipe, weights_, context_, ranks) {}

  // From here on `device` steps, from the weights and the step that are here now. It must know the same ranks.
  void use(Training device) {
    bring_home();
    device_ = std::move(device);
    if (device_ && blocks_.empty()) list_blocks();
    send();
  }

  // One step on the packed contexts; returns the loss before it, of all ranks. `stop`: this rank would like to end.
  double step(const ContextPacker& packer, bool stop = false) {
    const Lesson lesson{packer.batch(), packer.truth(), packer.weight()};
    if (!device_) return steps_.step(lesson, stop);
    const double loss = device_->step(lesson, stop);
    is_home_ = false;
    ++device_steps_;
    return loss;
  }

  // Predicted ratings of every cell.
  void predict(const ContextPacker& packer, std::vector<float>& out) {
    thaw::ArenaScope scope(arena_);
    const A predicted = scoring_model()(packer.batch());
    out.assign(predicted.begin(), predicted.end());
  }
  // The weights, computing in the step's arena.
  Hire<A> scoring_model() {
    return thaw::map_model<A>(parameters().values(),
                              [&](const thaw::Path&, const A& a) { return thaw::on<Backend>(context_, a); });
  }

  // The weights on the host; who changes them tells a device by set_steps().
  thaw::Parameters<Plan, float, Backend>& parameters() {
    bring_home();
    return steps_.parameters();
  }
  // Whether the weights here are those of the last step, without asking a device for them.
  bool is_home() const { return is_home_; }
  const Recipe& recipe() const { return steps_.recipe(); }
  const thaw::CommunicatorRef& ranks() const { return steps_.ranks(); }
  // Whether any rank asked to stop in the last step: all know it after the same one.
  bool stopped() const { return device_ ? device_->stopped() : steps_.stopped(); }
  Index steps() const { return device_ ? device_steps_ : steps_.steps(); }
  // After the weights and the state were set from elsewhere: the step that they are of.
  void set_steps(Index steps) {
    steps_.set_steps(steps);
    send();
  }
  // fn(name, index, array) for the optimiser's state.
  void each_state(auto&& fn) {
    bring_home();
    steps_.each_state(fn);
  }
  thaw::GrowingArena& arena() { return arena_; }
  Backend::Context& context() { return context_; }
  std::size_t peak_bytes() const { return weight_arena_.peak() + arena_.peak(); }

 private:
  void list_blocks() {
    auto& parameters = steps_.parameters();
    for (int i = 0; i < parameters.count(); ++i) {
      auto& slot = parameters.slot(i);
      thaw::require(!slot.row_table, "Trainer: ", slot.path, " is stepped by rows, which a device does not send back");
      blocks_.push_back({slot.value.data, slot.value.size()});
    }
    steps_.each_state([&](const char*, int, auto& array) { blocks_.push_back({array.data, array.size()}); });
  }
  void send() {
    if (!device_) return;
    device_steps_ = steps_.steps();
    device_->send(blocks_, device_steps_);
    is_home_ = true;
  }
  void bring_home() {
    if (is_home_) return;
    is_home_ = true;
    device_->fetch(blocks_);
    steps_.set_steps(device_steps_);
  }

  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  TrainingSteps<Backend> steps_;
  Training device_;
  std::vector<HostBlock> blocks_;  // weights and state on the host
  Index device_steps_ = 0;
  bool is_home_ = true;
};

}  // namespace hire
