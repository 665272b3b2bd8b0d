// TrainedNetwork: the weights of one network with their optimiser, tape and memory.
//
//   mwuf::TrainedNetwork<WarmUpNetworks<thaw::Spec>> networks(plan, seed, threads);
//   double loss = networks.step(1e-3, [&](const auto& net, auto& tape) { return loss_of(net, tape); });
//   networks.run([&](const auto& net, auto& context) { ... });      // over plain arrays, nothing is recorded
//
// Nothing is allocated once the largest step has been seen. Networks that step at different rates are several of these.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "thaw/autodiff/frozen.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/table_adam.hpp"

namespace mwuf {

using Backend = thaw::CpuEigen;
using FloatArray = thaw::Array<float, Backend>;
using FloatVar = thaw::Var<float, Backend>;
using FloatTape = thaw::Tape<float, Backend>;

template <class Plan>
class TrainedNetwork {
 public:
  using Model = thaw::ModelOf<Plan, FloatArray>;
  using Recorded = thaw::ModelOf<Plan, FloatVar>;

  // `untouched`: what happens to table rows that a batch does not touch.
  TrainedNetwork(const Plan& plan, std::uint64_t seed, int threads, thaw::Untouched untouched = thaw::Untouched::fade)
      : weights_{&weight_arena_, threads},
        context_{&arena_, threads},
        parameters_(plan, weights_, seed),
        tape_(context_),
        options_{.untouched = untouched} {
    adam_.emplace(parameters_, options_);
  }

  // loss(net, tape) -> a one-element value; after() comes when the weights have moved and the tape still stands.
  // Returns the loss before the step.
  template <class Loss, class After>
  double step(double rate, const Loss& loss, const After& after) {
    thaw::Scope scope(tape_);
    const FloatVar value = loss(parameters_.on(tape_), tape_);
    adam_->step(parameters_, parameters_.gradient(value), rate);
    after();
    return static_cast<double>(value.item());
  }
  template <class Loss>
  double step(double rate, const Loss& loss) {
    return step(rate, loss, [] {});
  }
  // The same for gradients that are not recorded: gradients(net, context, parameters, list) fills the list from plain
  // arrays and returns the loss.
  template <class Gradients>
  double step_from(double rate, const Gradients& gradients) {
    thaw::ArenaScope scope(arena_);
    const Model net = on_context();
    thaw::GradientList<float, Backend> list;
    const double loss = gradients(net, context_, parameters_, list);
    adam_->step(parameters_, list, rate);
    return loss;
  }
  // use(net, tape): the weights as constants of the tape, for gradients with respect to something else.
  template <class Use>
  void frozen(const Use& use) {
    thaw::Scope scope(tape_);
    use(thaw::frozen(tape_, parameters_.values()), tape_);
  }
  // use(net, context): over plain arrays whose results live until it returns.
  template <class Use>
  void run(const Use& use) {
    thaw::ArenaScope scope(arena_);
    use(on_context(), context_);
  }

  // keep() remembers the weights; bring_back() makes them so again, with a fresh optimiser.
  void keep() {
    kept_.clear();
    thaw::for_each_unnamed([&](const FloatArray& a) { kept_.insert(kept_.end(), a.begin(), a.end()); }, values());
  }
  void bring_back() {
    auto from = kept_.cbegin();
    thaw::for_each_unnamed(
        [&](const FloatArray& a) {
          std::copy(from, from + static_cast<std::ptrdiff_t>(a.size()), a.begin());
          from += static_cast<std::ptrdiff_t>(a.size());
        },
        values());
    for (int i = 0; i < parameters_.count(); ++i) {
      auto& slot = parameters_.slot(i);
      if (slot.last_step != nullptr) std::fill_n(slot.last_step, slot.value.shape[0], 0);
    }
    adam_.emplace(parameters_, options_);
  }

  thaw::Parameters<Plan, float, Backend>& parameters() { return parameters_; }
  const Model& values() const { return parameters_.values(); }
  std::size_t peak_bytes() const { return weight_arena_.peak() + arena_.peak(); }

  // A number that changes with any bit of any weight.
  std::uint64_t fingerprint() const {
    std::uint64_t hash = 14695981039346656037ull;
    thaw::for_each_unnamed(
        [&](const FloatArray& a) {
          for (const float x : a) hash = (hash ^ __builtin_bit_cast(std::uint32_t, x)) * 1099511628211ull;
        },
        parameters_.values());
    return hash;
  }

 private:
  // The weights seen by the context of the steps.
  Model on_context() {
    return thaw::map_unnamed<FloatArray>(parameters_.values(),
                                         [&](const FloatArray& a) { return thaw::on<Backend>(context_, a); });
  }

  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  FloatTape tape_;
  thaw::TableAdamOptions options_;
  std::optional<thaw::TableAdam<float, Backend>> adam_;
  std::vector<float> kept_;
};

}  // namespace mwuf
