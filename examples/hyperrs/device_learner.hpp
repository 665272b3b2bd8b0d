// DeviceHyperLearner: HyperRS, variant paper, whose outer steps a device takes; users are adapted on the host.
//
//   hyperrs::DeviceHyperLearner learner(world, options, hyper, std::move(steps));
//   double loss = learner.train(episodes);                     // on the device
//   auto adapted = learner.adapt(user, support, /*steps*/ 1);  // fetches the weights once after a step, then as ever
//
// Starts from the weights that FusedHyperLearner draws and gives its numbers, to rounding.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "hyperrs/device_steps.hpp"
#include "hyperrs/hyperrs_fast.hpp"

namespace hyperrs {

class DeviceHyperLearner : public Learner {
 public:
  DeviceHyperLearner(const World& world, const LearnerOptions& options, const HyperOptions& hyper, OpenedSteps steps)
      : world_(world),
        hyper_(with_contents(hyper, *world.data)),
        host_(world, options, hyper),
        steps_(std::move(steps)) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context plain{&arena};
    Backend::Context context{&arena, 1};
    const auto model = thaw::map_unnamed<DeviceSteps::HostArray>(
        host_.model(context), [&](const FloatArray& a) { return thaw::on<thaw::Cpu>(plain, a); });
    steps_->load(model, host_.user_rows().data);
  }

  std::int64_t parameter_count() const override { return host_.parameter_count(); }

  // The users of a batch must be different ones.
  double train(std::span<const thaw::Episode> batch) override {
    usable_.clear();
    for (const auto& episode : batch)
      if (trained(episode.user) && !episode.support.items.empty() && !episode.query.items.empty())
        usable_.push_back(&episode);
    if (usable_.empty()) return 0;
    thaw::ArenaScope scope(arena_);
    is_home_ = false;
    return steps_->step(packed_users(usable_, world_.data->items, hyper_.sizes, world_.objective, arena_));
  }
  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    return home().adapt(user, support, steps);
  }

 private:
  bool trained(std::int32_t user) const {
    return user >= 0 && user < world_.train.user_count() && !world_.train.by_user.row(user).empty();
  }
  // The host's learner with the device's weights; users may be adapted by several threads.
  const FusedHyperLearner& home() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (is_home_) return host_;
    thaw::GrowingArena arena;
    thaw::Cpu::Context plain{&arena};
    Backend::Context context{&arena, 1};
    const auto model = steps_->store(plain, host_.user_rows().data);
    host_.load(thaw::map_unnamed<FloatArray>(
        model, [&](const DeviceSteps::HostArray& a) { return thaw::on<Backend>(context, a); }));
    is_home_ = true;
    return host_;
  }

  const World& world_;
  HyperOptions hyper_;
  mutable FusedHyperLearner host_;
  OpenedSteps steps_;
  thaw::GrowingArena arena_;
  std::vector<const thaw::Episode*> usable_;
  mutable std::mutex mutex_;
  mutable bool is_home_ = true;
};

// Errors: those of opening the device.
inline thaw::Result<std::unique_ptr<Learner>> make_device_hyperrs(const World& world, const LearnerOptions& options) {
  const HyperOptions hyper = hyper_options(options);
  auto steps = open_cuda_steps(with_contents(hyper, *world.data), options, world.data->users.size());
  if (!steps) return steps.fault();
  return std::unique_ptr<Learner>(
      std::make_unique<DeviceHyperLearner>(world, options, hyper, std::move(steps.value())));
}

}  // namespace hyperrs
