// NcclCommunicator: sums of what lies in the memory of devices, one device a process.
//
//   thaw::Result<thaw::NcclCommunicator> devices = thaw::NcclCommunicator::start(ranks, stream);
//   thaw::GradientSum<float, thaw::Cuda> sum(ranks, thaw::CommunicatorRef(devices.value()));
//
// As MpiCommunicator cuts a block into a piece for each rank, so does this: pieces go to their owner by grouped sends,
// a kernel adds up in the order of the ranks, and the sums go round. ncclAllReduce would choose an order by the number
// of elements and the wiring. Every call waits for its end. The devices must be different ones.
//
// Exists where nvcc compiles and <nccl.h> is found; link with -lnccl. Written against NCCL 2 and compiled; it has not
// been run, for want of a machine with two devices. Host numbers and messages go through `ranks`.
#pragma once

#include "thaw/distributed/communicator.hpp"

#if defined(__CUDACC__) && __has_include(<nccl.h>)

#include <cuda_runtime.h>
#include <nccl.h>

namespace thaw::inline v0 {

namespace detail {

template <class R>
__global__ void add_in_order_kernel(const R* parts, int count, Index stride, Index n, R* out) {
  for (Index j = Index(blockIdx.x) * blockDim.x + threadIdx.x; j < n; j += Index(gridDim.x) * blockDim.x) {
    double sum = static_cast<double>(parts[j]);
    for (int p = 1; p < count; ++p) sum += static_cast<double>(parts[p * stride + j]);
    out[j] = static_cast<R>(sum);
  }
}

}  // namespace detail

class NcclCommunicator {
 public:
  static constexpr Index kBucketBytes = Index(4) << 20;

  // Uses the device that is current now. Errors: NCCL cannot connect, no room for a bucket.
  static Result<NcclCommunicator> start(const CommunicatorRef& ranks, cudaStream_t stream) {
    NcclCommunicator c(ranks, stream);
    ncclUniqueId id = {};
    if (ranks.is_first())
      if (const ncclResult_t code = ncclGetUniqueId(&id); code != ncclSuccess) return c.fault("ncclGetUniqueId", code);
    if (auto sent = ranks.broadcast(&id, sizeof id, 0); !sent) return sent.fault();
    const ncclResult_t code = ncclCommInitRank(&c.comm_, ranks.size(), id, ranks.rank());
    if (code != ncclSuccess) return c.fault("ncclCommInitRank", code);
    // A bucket's piece of every rank: pieces differ by one number at most.
    const auto bytes = static_cast<std::size_t>(kBucketBytes + 8 * ranks.size());
    if (const cudaError_t made = cudaMalloc(&c.parts_, bytes); made != cudaSuccess)
      return make_fault(FaultKind::out_of_memory, "NcclCommunicator: ", bytes,
                        " bytes of the device asked for: ", cudaGetErrorString(made), "; leave it some memory");
    return Result<NcclCommunicator>(std::move(c));
  }
  NcclCommunicator(NcclCommunicator&& other) noexcept
      : ranks_(other.ranks_),
        stream_(other.stream_),
        comm_(std::exchange(other.comm_, nullptr)),
        parts_(std::exchange(other.parts_, nullptr)) {}
  NcclCommunicator& operator=(NcclCommunicator&&) = delete;
  ~NcclCommunicator() {
    if (parts_ != nullptr) cudaFree(parts_);
    if (comm_ != nullptr) ncclCommDestroy(comm_);
  }

  int rank() const { return ranks_.rank(); }
  int size() const { return ranks_.size(); }
  // data: in the memory of the device.
  Result<Done> all_reduce_sum(float* data, Index count) const { return sum(data, count, ncclFloat); }
  Result<Done> all_reduce_sum(double* data, Index count) const { return sum(data, count, ncclDouble); }
  // own, all, data: in the memory of the host.
  Result<Done> all_gather(const void* own, void* all, const Index* bytes) const {
    return ranks_.all_gather(own, all, bytes);
  }
  Result<Done> broadcast(void* data, Index bytes, int root) const { return ranks_.broadcast(data, bytes, root); }
  Result<Done> barrier() const { return ranks_.barrier(); }
  [[noreturn]] void stop_all(const Fault& fault) const { ranks_.stop_all(fault); }

 private:
  NcclCommunicator(const CommunicatorRef& ranks, cudaStream_t stream) : ranks_(ranks), stream_(stream) {}

  Fault fault(const char* call, ncclResult_t code) const {
    return make_fault(FaultKind::unreadable, call, " failed in rank ", rank(), " of ", size(), ": ",
                      ncclGetErrorString(code), "; NCCL_DEBUG=INFO says more, and each rank needs a device of its own");
  }
  template <class R>
  Result<Done> sum(R* data, Index count, ncclDataType_t type) const {
    constexpr Index kBucket = kBucketBytes / static_cast<Index>(sizeof(R));
    for (Index begin = 0; begin < count && size() > 1; begin += kBucket) {
      const Index left = count - begin;
      if (auto done = sum_bucket(data + begin, kBucket < left ? kBucket : left, type); !done) return done;
    }
    const cudaError_t ended = cudaStreamSynchronize(stream_);
    if (ended != cudaSuccess)
      return make_fault(FaultKind::unreadable, "all_reduce_sum in rank ", rank(), ": ", cudaGetErrorString(ended));
    return Done{};
  }
  template <class R>
  Result<Done> sum_bucket(R* data, Index count, ncclDataType_t type) const {
    const Share own = share_of(count, rank(), size());
    R* const parts = static_cast<R*>(parts_);
    ncclResult_t code = ncclGroupStart();
    for (int r = 0; r < size() && code == ncclSuccess; ++r) {
      const Share piece = share_of(count, r, size());
      code = ncclSend(data + piece.begin, words(piece.size()), type, r, comm_, stream_);
      if (code == ncclSuccess) code = ncclRecv(parts + own.size() * r, words(own.size()), type, r, comm_, stream_);
    }
    if (const ncclResult_t ended = ncclGroupEnd(); code == ncclSuccess) code = ended;
    if (code != ncclSuccess) return fault("ncclSend to the owners", code);
    if (own.size() > 0)
      detail::add_in_order_kernel<<<static_cast<unsigned>((own.size() + 255) / 256), 256, 0, stream_>>>(
          parts, size(), own.size(), own.size(), data + own.begin);
    if (const cudaError_t launched = cudaGetLastError(); launched != cudaSuccess)
      return make_fault(FaultKind::unsupported, "nccl: summing pieces: ", cudaGetErrorString(launched));
    code = ncclGroupStart();
    for (int r = 0; r < size() && code == ncclSuccess; ++r) {
      const Share piece = share_of(count, r, size());
      code = ncclBroadcast(data + piece.begin, data + piece.begin, words(piece.size()), type, r, comm_, stream_);
    }
    if (const ncclResult_t ended = ncclGroupEnd(); code == ncclSuccess) code = ended;
    if (code != ncclSuccess) return fault("ncclBroadcast from the owners", code);
    return Done{};
  }
  static std::size_t words(Index count) { return static_cast<std::size_t>(count); }

  CommunicatorRef ranks_;
  cudaStream_t stream_;
  ncclComm_t comm_ = nullptr;
  void* parts_ = nullptr;
};

}  // namespace thaw::inline v0

#endif
