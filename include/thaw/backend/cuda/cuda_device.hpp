// CudaDevice: one GPU with its stream, its BLAS and the memory that arrays of the backend Cuda live in.
//
//   auto session = thaw::CudaSession::open();                         // Result: no device, old driver, no memory
//   if (!session) { std::fputs(session.fault().text, stderr); return 1; }
//   thaw::Cuda::Context& context = session.value().context();
//
// For programs that nvcc compiles; a host compiler sees nothing here. Products are in FP32 unless the options say TF32
// or BF16. Everything goes to one stream in order, so that memory can be used again as soon as a scope ends. Not for
// several devices in one process.
#pragma once

#if defined(__CUDACC__)

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cstring>

#include "thaw/backend/cuda/cuda_graph.hpp"
#include "thaw/backend/cuda/grid_backend.hpp"
#include "thaw/core/growing_arena.hpp"

namespace thaw::inline v0 {

// How products of float matrices are computed. Sums are in FP32 in all of them.
enum class CudaMath : std::uint8_t {
  fp32,  // the factors as they are
  tf32,  // factors rounded to 10 bits of mantissa
  bf16,  // factors rounded to 7 bits of mantissa
};

struct CudaOptions {
  int device = 0;
  CudaMath math = CudaMath::fp32;
  std::size_t reserve = std::size_t(256) << 20;  // bytes taken at the start; more is taken as needed
  bool graphs = false;                           // run_as_one launches a step's kernels by one call (cuda_graph.hpp)
};

namespace detail {

template <class F>
__global__ void __launch_bounds__(grid::kGridThreads) each_kernel(Index n, const F f) {
  const Index step = static_cast<Index>(gridDim.x) * grid::kGridThreads;
  for (Index i = static_cast<Index>(blockIdx.x) * grid::kGridThreads + threadIdx.x; i < n; i += step) f(i);
}
template <class K>
__global__ void __launch_bounds__(grid::kGridThreads) blocks_kernel(const K kernel) {
  __shared__ typename K::Shared shared;
  typename K::State own;
  const grid::GridThread thread{static_cast<Index>(blockIdx.x), static_cast<int>(threadIdx.x)};
  const int phases = kernel.phases(thread.block);
  for (int p = 0; p < phases; ++p) {
    if (p > 0) __syncthreads();
    kernel.phase(p, thread, shared, own);
  }
}

// Stops the program with what was tried and what the driver says.
inline void cuda_check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) [[unlikely]]
    stop(make_fault(FaultKind::unsupported, "cuda: ", what, ": ", cudaGetErrorString(status)));
}
inline void blas_check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    stop(make_fault(FaultKind::unsupported, "cuda: ", what, ": ", cublasGetStatusString(status)));
}

inline Fault no_memory(std::size_t bytes, const char* what) {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  cudaGetLastError();
  return make_fault(FaultKind::out_of_memory, "cuda: ", bytes >> 20, " MiB of ", what, " asked for, ", free >> 20,
                    " MiB free of ", total >> 20, "; use smaller batches, or end other programs on this device");
}

}  // namespace detail

// The arena of a device: chunks of cudaMalloc, kept until it ends.
class DeviceArena : public Arena {
 public:
  DeviceArena() : Arena(&DeviceArena::allocate) {}
  ~DeviceArena() {
    for (Chunk* c = first_grown(); c != nullptr;) {
      Chunk* const next = c->next;
      cudaFree(c->begin);
      delete c;
      c = next;
    }
  }

 private:
  static Chunk* allocate(std::size_t bytes) {
    void* begin = nullptr;
    if (cudaMalloc(&begin, bytes) != cudaSuccess) stop(detail::no_memory(bytes, "device memory"));
    Chunk* const chunk = new (std::nothrow) Chunk{nullptr, static_cast<std::byte*>(begin), bytes};
    if (chunk == nullptr) cudaFree(begin);
    return chunk;
  }
};

// What the kernels of GridBackend run on.
class CudaDevice {
 public:
  CudaDevice() = default;
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;
  ~CudaDevice() {
    if (blas_ != nullptr) cublasDestroy(blas_);
    if (workspace_ != nullptr) cudaFree(workspace_);
    for (cudaEvent_t event : left_)
      if (event != nullptr) cudaEventDestroy(event);
    if (staging_ != nullptr) cudaFreeHost(staging_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  Result<Done> open(const CudaOptions& options) {
    if (Result<Done> found = find(options.device); !found) return found.fault();
    math_ = options.math;
    if (cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) != cudaSuccess)
      return make_fault(FaultKind::unsupported,
                        "cuda: no stream could be made: ", cudaGetErrorString(cudaGetLastError()));
    void* staging = nullptr;
    if (cudaMallocHost(&staging, 2 * kHalf) != cudaSuccess) return detail::no_memory(2 * kHalf, "pinned host memory");
    staging_ = static_cast<std::byte*>(staging);
    for (cudaEvent_t& event : left_)
      if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess)
        return make_fault(FaultKind::unsupported,
                          "cuda: no event could be made: ", cudaGetErrorString(cudaGetLastError()));
    if (cublasCreate(&blas_) != CUBLAS_STATUS_SUCCESS || cublasSetStream(blas_, stream_) != CUBLAS_STATUS_SUCCESS)
      return make_fault(FaultKind::unsupported, "cuda: cuBLAS did not start; is its library of the toolkit's version?");
    return options.graphs ? set_graphs(true) : Result<Done>(Done{});
  }

  // Whether run_as_one makes one launch of many. Errors: no memory for what products need then.
  Result<Done> set_graphs(bool graphs) {
    if (graphs && workspace_ == nullptr) {  // else cuBLAS would take memory while launches are noted
      if (cudaMalloc(&workspace_, kWorkspace) != cudaSuccess) return detail::no_memory(kWorkspace, "device memory");
      detail::blas_check(cublasSetWorkspace(blas_, workspace_, kWorkspace), "giving cuBLAS its workspace");
    }
    graphs_ = graphs;
    return Done{};
  }
  // Runs work that does not wait for the device; with graphs its launches are one.
  template <class Work>
  void as_one(const Work& work) {
    if (!graphs_ || capturing_) return work();
    graph_.begin(stream_);
    capturing_ = true;
    work();
    capturing_ = false;
    graph_.launch(stream_);
  }

  template <class F>
  void each(Index n, const F& f) {
    if (n == 0) return;
    const Index blocks = (n + grid::kGridThreads - 1) / grid::kGridThreads, most = processors_ * 32;
    detail::each_kernel<<<static_cast<unsigned>(blocks < most ? blocks : most), grid::kGridThreads, 0, stream_>>>(n, f);
    launched("a kernel of one number each");
  }
  template <class K>
  void blocks(Index count, const K& kernel) {
    if (count == 0) return;
    require(count <= 0x7fffffff, "cuda: a kernel of ", count, " blocks; the most is 2147483647");
    detail::blocks_kernel<<<static_cast<unsigned>(count), grid::kGridThreads, 0, stream_>>>(kernel);
    launched("a kernel of blocks");
  }

  // `from` may be changed as soon as this returns.
  void upload(void* to, const void* from, std::size_t bytes) {
    const void* source = from;
    if (capturing_) {
      source = std::memcpy(graph_.take(bytes), from, bytes);
    } else if (bytes <= kHalf) {
      if (used_ + bytes > kHalf) turn();
      std::byte* const held = staging_ + static_cast<std::size_t>(half_) * kHalf + used_;
      std::memcpy(held, from, bytes);
      used_ += (bytes + 63) / 64 * 64;
      source = held;
    }
    detail::cuda_check(cudaMemcpyAsync(to, source, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the device");
    if (source == from) synchronize();  // pageable memory may still be read after the call
  }
  // Waits until the numbers are there.
  void download(void* to, const void* from, std::size_t bytes) {
    require(!capturing_, "cuda: work that runs as one cannot wait for the device; read numbers after it");
    detail::cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the device");
    synchronize();
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    detail::cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy on the device");
  }
  // Waits for everything, and stops the program if a kernel failed.
  void synchronize() { detail::cuda_check(cudaStreamSynchronize(stream_), "waiting for the device"); }

  void multiply(const grid::BlasCall& call, const float* a, const float* b, float* c, bool accumulate) {
    const cublasComputeType_t kind = math_ == CudaMath::tf32   ? CUBLAS_COMPUTE_32F_FAST_TF32
                                     : math_ == CudaMath::bf16 ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                               : CUBLAS_COMPUTE_32F;
    const float one = 1, keep = accumulate ? 1.0F : 0.0F;
    gemm(call, a, b, c, &one, &keep, CUDA_R_32F, kind);
  }
  void multiply(const grid::BlasCall& call, const double* a, const double* b, double* c, bool accumulate) {
    const double one = 1, keep = accumulate ? 1.0 : 0.0;
    gemm(call, a, b, c, &one, &keep, CUDA_R_64F, CUBLAS_COMPUTE_64F);
  }

  cudaStream_t stream() const { return stream_; }
  const cudaDeviceProp& properties() const { return properties_; }
  const CudaGraph& graph() const { return graph_; }
  CudaMath math() const { return math_; }
  void set_math(CudaMath math) { math_ = math; }

 private:
  static constexpr std::size_t kWorkspace = std::size_t(32) << 20;  // what cuBLAS asks for on its largest devices
  static constexpr std::size_t kHalf = std::size_t(4) << 20;  // bytes of staging that are filled before the other half

  Result<Done> find(int device) {
    int count = 0, driver = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    cudaDriverGetVersion(&driver);
    if (driver == 0)
      return make_fault(FaultKind::unsupported,
                        "cuda: this machine has no NVIDIA driver; this program was built with CUDA ",
                        CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10, " and needs one for it");
    if (status == cudaErrorInsufficientDriver || driver < CUDART_VERSION / 1000 * 1000)
      return make_fault(FaultKind::unsupported, "cuda: the driver of this machine is too old: it knows CUDA ",
                        driver / 1000, ".", driver % 1000 / 10, ", this program was built with ", CUDART_VERSION / 1000,
                        ".", CUDART_VERSION % 1000 / 10, "; install a newer driver");
    if (status != cudaSuccess || count == 0)
      return make_fault(FaultKind::not_found, "cuda: no device: ",
                        status == cudaSuccess ? "the driver lists none" : cudaGetErrorString(status));
    if (device < 0 || device >= count)
      return make_fault(FaultKind::not_found, "cuda: device ", device, " does not exist; there are ", count,
                        ", counted from 0");
    if (cudaSetDevice(device) != cudaSuccess || cudaGetDeviceProperties(&properties_, device) != cudaSuccess)
      return make_fault(FaultKind::unsupported, "cuda: device ", device,
                        " does not start: ", cudaGetErrorString(cudaGetLastError()));
    processors_ = properties_.multiProcessorCount;
    if (properties_.major < 8)
      return make_fault(FaultKind::unsupported, "cuda: ", static_cast<const char*>(properties_.name),
                        " has compute capability ", properties_.major, ".", properties_.minor, "; 8.0 is needed");
    return Done{};
  }

  static void launched(const char* what) { detail::cuda_check(cudaGetLastError(), what); }

  // Goes on in the other half of the staging memory, once the device has read what is there.
  void turn() {
    detail::cuda_check(cudaEventRecord(left_[half_], stream_), "marking copied ids");
    half_ = 1 - half_;
    used_ = 0;
    detail::cuda_check(cudaEventSynchronize(left_[half_]), "waiting for copied ids");
  }

  template <class R>
  void gemm(const grid::BlasCall& s, const R* a, const R* b, R* c, const void* one, const void* keep,
            cudaDataType_t type, cublasComputeType_t kind) {
    const auto turned = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    detail::blas_check(cublasGemmStridedBatchedEx(blas_, turned(s.first), turned(s.second), s.m, s.n, s.k, one, b, type,
                                                  s.b_stride, s.b_batch, a, type, s.a_stride, s.a_batch, keep, c, type,
                                                  s.c_stride, s.c_batch, s.batch, kind, CUBLAS_GEMM_DEFAULT),
                       "a product");
  }

  cudaDeviceProp properties_{};
  Index processors_ = 1;
  CudaMath math_ = CudaMath::fp32;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  void* workspace_ = nullptr;  // of cuBLAS, with graphs
  CudaGraph graph_;
  bool graphs_ = false, capturing_ = false;
  std::byte* staging_ = nullptr;  // pinned: what is on its way to the device
  std::size_t used_ = 0;
  int half_ = 0;
  cudaEvent_t left_[2] = {nullptr, nullptr};  // recorded when a half was left
};

}  // namespace thaw::inline v0

#endif  // __CUDACC__
