// Cuda: the backend of NVIDIA GPUs. The same models, one type changed; for programs that nvcc compiles.
//
//   #include <thaw/backend/cuda.hpp>
//   auto session = thaw::CudaSession::open({.math = thaw::CudaMath::fp32});
//   if (!session) ...                                       // says what is missing
//   auto& context = session.value().context();
//   thaw::Parameters<Plan, float, thaw::Cuda> parameters(plan, context, /*seed*/ 7);
//   thaw::Tape<float, thaw::Cuda> tape(context);            // and so on, as on a host
//
// Numbers of arrays are in the device's memory: array.item() reads one, thaw::fetch_model and thaw::send_model move a
// model. Ids, offsets and settings stay on the host. Needs C++20, a device of compute capability 8.0 or higher, and
// cuBLAS at link time. Nothing else of the library includes this. See docs/cuda.md for what it has.
#pragma once

#include "thaw/backend/cuda/cuda_device.hpp"

#if defined(__CUDACC__)

namespace thaw::inline v0 {

struct Cuda : GridBackend<CudaDevice> {};

// A device, its memory, and the host memory of what computes on it.
class CudaSession {
 public:
  // Errors: no device, a driver or device too old, less memory than is to be reserved.
  static Result<CudaSession> open(const CudaOptions& options = {}) {
    CudaSession session;
    session.parts_ = new (std::nothrow) Parts;
    if (session.parts_ == nullptr) return make_fault(FaultKind::out_of_memory, "cuda: no host memory for a session");
    if (Result<Done> opened = session.parts_->device.open(options); !opened) return opened.fault();
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess || free < options.reserve)
      return detail::no_memory(options.reserve, "device memory");
    session.parts_->memory.reserve(options.reserve);
    session.parts_->context = {&session.parts_->arena, &session.parts_->memory, &session.parts_->device};
    return Result<CudaSession>(std::move(session));
  }
  CudaSession(CudaSession&& other) noexcept : parts_(std::exchange(other.parts_, nullptr)) {}
  CudaSession(const CudaSession&) = delete;
  CudaSession& operator=(const CudaSession&) = delete;
  CudaSession& operator=(CudaSession&&) = delete;
  ~CudaSession() { delete parts_; }

  Cuda::Context& context() { return parts_->context; }
  CudaDevice& device() { return parts_->device; }

 private:
  struct Parts {
    CudaDevice device;
    GrowingArena arena;
    DeviceArena memory;
    Cuda::Context context;
  };
  CudaSession() = default;
  Parts* parts_ = nullptr;
};

}  // namespace thaw::inline v0

#endif  // __CUDACC__
