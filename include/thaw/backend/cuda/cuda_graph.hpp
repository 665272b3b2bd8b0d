// CudaGraph: launches that follow each other without the host between them, for steps of many small kernels.
//
//   graph.begin(stream);                    // from here on launches are noted, not run
//   ... kernels, products, copies to the device ...
//   graph.launch(stream);                   // all of them by one call
//
// Every run is captured anew and the graph of the run before takes over its numbers and pointers (cudaGraphExecUpdate),
// so that ids, dropout keys and addresses may change from run to run; where the kernels themselves are others, the
// graph is built again. What is copied from the host during a capture is kept until that run has read it. Programs
// say CudaOptions::graphs and thaw::run_as_one; this is what CudaDevice does with it. Nothing in a capture may wait.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#include <new>

#include "thaw/core/config.hpp"
#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

class CudaGraph {
 public:
  CudaGraph() = default;
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  ~CudaGraph() {
    if (ready_ != nullptr) cudaGraphExecDestroy(ready_);
    for (Half& half : halves_) {
      if (half.read != nullptr) cudaEventDestroy(half.read);
      for (Chunk* c = half.first; c != nullptr;) {
        Chunk* const next = c->next;
        cudaFreeHost(c->begin);
        delete c;
        c = next;
      }
    }
  }

  void begin(cudaStream_t stream) {
    half_ = 1 - half_;
    Half& half = halves_[half_];
    if (half.read == nullptr)
      check(cudaEventCreateWithFlags(&half.read, cudaEventDisableTiming), "making an event");
    else
      check(cudaEventSynchronize(half.read), "waiting for copies");  // of the run before the last
    half.now = half.first;
    half.used = 0;
    // Relaxed: memory may be taken while the launches are noted.
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "beginning a capture");
  }
  // Pinned memory for something that this run copies to the device.
  std::byte* take(std::size_t bytes) {
    Half& half = halves_[half_];
    bytes = (bytes + 63) / 64 * 64;
    while (half.now != nullptr && half.used + bytes > half.now->bytes) {
      half.used = 0;
      half.now = half.now->next;
    }
    if (half.now == nullptr) half.now = add_chunk(half, bytes);
    half.used += bytes;
    return half.now->begin + half.used - bytes;
  }
  void launch(cudaStream_t stream) {
    cudaGraph_t noted = nullptr;
    check(cudaStreamEndCapture(stream, &noted), "ending a capture");
    if (ready_ != nullptr) {
      cudaGraphExecUpdateResultInfo info{};
      if (cudaGraphExecUpdate(ready_, noted, &info) != cudaSuccess) {
        cudaGetLastError();  // other kernels than before
        cudaGraphExecDestroy(ready_);
        ready_ = nullptr;
      }
    }
    if (ready_ == nullptr) {
      check(cudaGraphInstantiate(&ready_, noted, 0), "building a graph");
      ++built_;
    }
    cudaGraphDestroy(noted);
    check(cudaGraphLaunch(ready_, stream), "launching a graph");
    check(cudaEventRecord(halves_[half_].read, stream), "marking copies");
  }
  // How often the launches were others than before, the first time included.
  Index built() const { return built_; }

 private:
  struct Chunk {
    Chunk* next;
    std::byte* begin;
    std::size_t bytes;
  };
  struct Half {
    Chunk *first = nullptr, *now = nullptr;
    std::size_t used = 0;        // of `now`
    cudaEvent_t read = nullptr;  // recorded behind the run that reads this half
  };

  static void check(cudaError_t status, const char* what) {
    if (status != cudaSuccess) [[unlikely]]
      stop(make_fault(FaultKind::unsupported, "cuda: ", what, ": ", cudaGetErrorString(status),
                      "; leave out CudaOptions::graphs if this step cannot be captured"));
  }
  static Chunk* add_chunk(Half& half, std::size_t bytes) {
    constexpr std::size_t kLeast = std::size_t(1) << 20;
    const std::size_t size = bytes < kLeast ? kLeast : bytes;
    void* begin = nullptr;
    check(cudaMallocHost(&begin, size), "taking pinned host memory");
    Chunk* const chunk = new (std::nothrow) Chunk{nullptr, static_cast<std::byte*>(begin), size};
    if (chunk == nullptr) stop(make_fault(FaultKind::out_of_memory, "cuda: no host memory for a graph"));
    Chunk** last = &half.first;
    while (*last != nullptr) last = &(*last)->next;
    *last = chunk;
    return chunk;
  }

  cudaGraphExec_t ready_ = nullptr;
  Half halves_[2];
  int half_ = 0;
  Index built_ = 0;
};

}  // namespace thaw::inline v0

#endif  // __CUDACC__
