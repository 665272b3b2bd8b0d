// HIRE's training steps on an NVIDIA GPU: what the demonstration is linked with where it was built with CUDA.
#define THAW_HIRE_CUDA 1
#include "hire/device_training.hpp"
#include "thaw/backend/cuda.hpp"

namespace hire {

namespace {

class CudaTraining : public DeviceTraining {
 public:
  CudaTraining(thaw::CudaSession session, const Hire<thaw::Spec>& plan, const Recipe& recipe)
      : session_(std::move(session)), training_(plan, recipe, session_.context()) {}

  double step(const Lesson& lesson) override { return training_.step(lesson); }
  void send(std::span<const HostBlock> blocks, Index steps) override { training_.send(blocks, steps); }
  void fetch(std::span<const HostBlock> blocks) override { training_.fetch(blocks); }

 private:
  thaw::CudaSession session_;
  TrainingOn<thaw::Cuda> training_;
};

}  // namespace

thaw::Result<thaw::Done> find_cuda() {
  auto session = thaw::CudaSession::open({.reserve = 0});
  if (!session) return session.fault();
  return thaw::Done{};
}

thaw::Result<Training> open_cuda_training(const Hire<thaw::Spec>& plan, const Recipe& recipe) {
  auto session = thaw::CudaSession::open();
  if (!session) return session.fault();
  return Training(std::make_unique<CudaTraining>(std::move(session.value()), plan, recipe));
}

}  // namespace hire
