// HyperRS's outer steps on an NVIDIA GPU: what the trainer is linked with where it was built with CUDA.
#define THAW_HYPERRS_CUDA 1
#include "hyperrs/device_steps.hpp"
#include "thaw/backend/cuda.hpp"

namespace hyperrs {

namespace {

class CudaSteps : public DeviceSteps {
 public:
  CudaSteps(thaw::CudaSession session, const HyperOptions& hyper, const LearnerOptions& options, Index users)
      : session_(std::move(session)), steps_(hyper, options, users, session_.context()) {}

  double step(const UserBatch& batch) override { return steps_.step(batch); }
  void load(const HyperRS<HostArray>& network, const float* rows) override { steps_.load(network, rows); }
  HyperRS<HostArray> store(thaw::Cpu::Context& host, float* rows) override { return steps_.store(host, rows); }

 private:
  thaw::CudaSession session_;
  StepsOn<thaw::Cuda> steps_;
};

}  // namespace

thaw::Result<thaw::Done> find_cuda() {
  auto session = thaw::CudaSession::open({.reserve = 0});
  if (!session) return session.fault();
  return thaw::Done{};
}

thaw::Result<OpenedSteps> open_cuda_steps(const HyperOptions& hyper, const LearnerOptions& options, Index users) {
  auto session = thaw::CudaSession::open();
  if (!session) return session.fault();
  return OpenedSteps(std::make_unique<CudaSteps>(std::move(session.value()), hyper, options, users));
}

}  // namespace hyperrs
