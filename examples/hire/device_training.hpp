// DeviceTraining: training steps that a device takes in place of the host (--device cuda).
//
//   auto device = hire::open_cuda_training(plan, recipe, ranks);    // Result: says what to build, or what is missing
//   trainer.use(std::move(device.value()));                         // from here on the device steps
//
// The trainer keeps its own weights and optimiser state, sends them when a run starts or is resumed and fetches them
// for checkpoints, scoring and files, so that a file never says where a model was trained. The program that the presets
// for a host build has no device, and says which preset has one. That preset links it with
// cuda_training.cu, the one file of this folder that nvcc compiles.
#pragma once

#include <span>

#include "hire/training_steps.hpp"

namespace hire {

// Numbers of a training on the host: a tensor of the weights, or of the optimiser's state.
struct HostBlock {
  float* data;
  Index count;
};

class DeviceTraining {
 public:
  virtual ~DeviceTraining() = default;
  // One step; returns the loss before it, of all ranks. `stop`: this rank would like to end. Waits for the device.
  virtual double step(const Lesson& lesson, bool stop) = 0;
  // Whether any rank asked to stop in the last step.
  virtual bool stopped() const = 0;
  // `blocks`: the weights in the order of the parameters, then the optimiser's state in that of each_state.
  virtual void send(std::span<const HostBlock> blocks, Index steps) = 0;
  virtual void fetch(std::span<const HostBlock> blocks) = 0;
};

// The steps of a device whose backend is B, in a context that must outlive it.
template <class B>
class TrainingOn : public DeviceTraining {
 public:
  // `blocks`: who sums what lies in the memory of the devices of several ranks.
  TrainingOn(const Hire<thaw::Spec>& plan, const Recipe& recipe, typename B::Context& context,
             const thaw::CommunicatorRef& ranks = {}, const thaw::CommunicatorRef& blocks = {})
      : context_(context), steps_(plan, recipe, context, context, ranks, blocks) {}

  double step(const Lesson& lesson, bool stop) override { return steps_.step(lesson, stop); }
  bool stopped() const override { return steps_.stopped(); }
  void send(std::span<const HostBlock> blocks, Index steps) override {
    each_pair(blocks,
              [&](const HostBlock& host, auto& array) { B::upload(context_, host.count, host.data, array.data); });
    steps_.set_steps(steps);
  }
  void fetch(std::span<const HostBlock> blocks) override {
    each_pair(blocks, [&](const HostBlock& host, auto& array) {
      B::download(context_, host.count, static_cast<const float*>(array.data), host.data);
    });
  }

 private:
  void each_pair(std::span<const HostBlock> blocks, auto&& use) {
    std::size_t at = 0;
    const auto next = [&](auto& array) {
      thaw::require(at < blocks.size() && blocks[at].count == array.size(), "DeviceTraining: block ", at,
                    " is not that of the trainer; both must have one plan and one recipe");
      use(blocks[at++], array);
    };
    auto& parameters = steps_.parameters();
    for (int i = 0; i < parameters.count(); ++i) next(parameters.slot(i).value);
    steps_.each_state([&](const char*, int, auto& array) { next(array); });
    thaw::require(at == blocks.size(), "DeviceTraining: ", blocks.size(), " blocks, ", at, " are on the device");
  }

  typename B::Context& context_;
  TrainingSteps<B> steps_;
};

using Training = std::unique_ptr<DeviceTraining>;

// find_cuda: what can be said before a run is prepared. Errors: this program has no devices; those of opening one;
// several ranks in a program that was built without NCCL.
#if defined(THAW_HIRE_CUDA)
thaw::Result<thaw::Done> find_cuda(const thaw::CommunicatorRef& ranks);
thaw::Result<Training> open_cuda_training(const Hire<thaw::Spec>& plan, const Recipe& recipe,
                                          const thaw::CommunicatorRef& ranks);
#else
// Weak, so that linking cuda_training.cu puts its own in their place and demo.cpp is compiled once.
[[gnu::weak]] thaw::Result<thaw::Done> find_cuda(const thaw::CommunicatorRef&) {
  return thaw::make_fault(thaw::FaultKind::unsupported,
                          "--device cuda: this program was built without CUDA; build it with 'cmake --preset cuda' and "
                          "'cmake --build build/cuda --target thaw_hire_demo', or leave out --device");
}
[[gnu::weak]] thaw::Result<Training> open_cuda_training(const Hire<thaw::Spec>&, const Recipe&,
                                                        const thaw::CommunicatorRef& ranks) {
  return find_cuda(ranks).fault();
}
#endif

}  // namespace hire
