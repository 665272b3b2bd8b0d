// HIRE's training steps on an NVIDIA GPU: what the demonstration is linked with where it was built with CUDA. With
// THAW_HAS_NCCL several ranks train together, each with a device of its own.
#define THAW_HIRE_CUDA 1
#include <optional>

#include "hire/device_training.hpp"
#include "thaw/backend/cuda.hpp"
#if defined(THAW_HAS_NCCL)
#include "thaw/distributed/nccl_communicator.hpp"
#endif

namespace hire {

namespace {

#if defined(THAW_HAS_NCCL)
using Devices = thaw::NcclCommunicator;
#else
using Devices = thaw::LoneCommunicator;
#endif

class CudaTraining : public DeviceTraining {
 public:
  CudaTraining(thaw::CudaSession session, std::optional<Devices> devices, const Hire<thaw::Spec>& plan,
               const Recipe& recipe, const thaw::CommunicatorRef& ranks)
      : session_(std::move(session)),
        devices_(std::move(devices)),
        training_(plan, recipe, session_.context(), ranks, devices_ ? thaw::CommunicatorRef(*devices_) : ranks) {}

  double step(const Lesson& lesson, bool stop) override { return training_.step(lesson, stop); }
  bool stopped() const override { return training_.stopped(); }
  void send(std::span<const HostBlock> blocks, Index steps) override { training_.send(blocks, steps); }
  void fetch(std::span<const HostBlock> blocks) override { training_.fetch(blocks); }

 private:
  thaw::CudaSession session_;
  std::optional<Devices> devices_;
  TrainingOn<thaw::Cuda> training_;
};

// The ranks of one machine follow each other and take its devices in turn; NCCL refuses two on one.
thaw::Result<thaw::CudaSession> open_session(const thaw::CommunicatorRef& ranks, thaw::CudaOptions options) {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) options.device = ranks.rank() % count;
  return thaw::CudaSession::open(options);
}

}  // namespace

thaw::Result<thaw::Done> find_cuda(const thaw::CommunicatorRef& ranks) {
#if !defined(THAW_HAS_NCCL)
  if (!ranks.is_lone())
    return thaw::make_fault(thaw::FaultKind::unsupported,
                            "--device cuda in several processes: this program was built without NCCL; configure with "
                            "-DTHAW_NCCL=ON, or start it without mpirun");
#endif
  auto session = open_session(ranks, {.reserve = 0});
  if (!session) return session.fault();
  return thaw::Done{};
}

thaw::Result<Training> open_cuda_training(const Hire<thaw::Spec>& plan, const Recipe& recipe,
                                          const thaw::CommunicatorRef& ranks) {
  auto session = open_session(ranks, {});
  if (!session) return session.fault();
  std::optional<Devices> devices;
#if defined(THAW_HAS_NCCL)
  if (!ranks.is_lone()) {
    auto started = Devices::start(ranks, session.value().device().stream());
    if (!started) return started.fault();
    devices.emplace(std::move(started.value()));
  }
#endif
  return Training(std::make_unique<CudaTraining>(std::move(session.value()), std::move(devices), plan, recipe, ranks));
}

}  // namespace hire
