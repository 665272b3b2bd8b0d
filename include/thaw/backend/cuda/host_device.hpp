// HostDevice: runs the kernels of GridBackend by loops of the host, phase by phase. For tests and for finding faults.
//
//   thaw::HostDevice device;
//   thaw::GrowingArena arena, memory;
//   thaw::HostGrid::Context context{&arena, &memory, &device};
//   auto x = thaw::Array<float, thaw::HostGrid>::make(context, {2, 3});
//
// The same functors, index arithmetic and launches as on a GPU, without one. Threads of a block run one after another
// up to each barrier, in an order that can be turned round, so that a missing barrier shows. Shared memory and a
// thread's own state start as NaN. `guard` is told when kernels may touch memory and when not. Slow.
#pragma once

#include <cstring>

#include "thaw/backend/cuda/grid_backend.hpp"

namespace thaw::inline v0 {

class HostDevice {
 public:
  using Guard = void (*)(void* who, bool open);

  bool backwards = false;   // threads and blocks in the opposite order
  Guard guard = nullptr;    // called before and after everything that touches the device's memory
  void* guarded = nullptr;  // its first argument
  Index launches = 0, uploads = 0, downloads = 0, library_products = 0, graphs = 0;

  template <class F>
  void each(Index n, const F& f) {
    if (n == 0) return;
    const Open open(*this);
    ++launches;
    for (Index i = 0; i < n; ++i) f(backwards ? n - 1 - i : i);
  }
  template <class K>
  void blocks(Index count, const K& kernel) {
    if (count == 0) return;
    const Open open(*this);
    ++launches;
    for (Index b = 0; b < count; ++b) run_block(kernel, backwards ? count - 1 - b : b);
  }
  // Work that a GPU may take as one launch: it must not wait for the device, so nothing may be downloaded in it.
  template <class Work>
  void as_one(const Work& work) {
    ++graphs;
    is_one_ = true;
    work();
    is_one_ = false;
  }
  void upload(void* to, const void* from, std::size_t bytes) { move(to, from, bytes, uploads); }
  void download(void* to, const void* from, std::size_t bytes) {
    require(!is_one_, "HostDevice: work that runs as one cannot wait for the device; read numbers after it");
    move(to, from, bytes, downloads);
  }
  void copy(void* to, const void* from, std::size_t bytes) { move(to, from, bytes, launches); }

  // By the definition of a column-major BLAS.
  template <class R>
  void multiply(const grid::BlasCall& call, const R* a, const R* b, R* c, bool accumulate) {
    const Open open(*this);
    ++library_products;
    const auto stored = [](const R* x, bool transposed, int stride, Index row, Index column) {
      return transposed ? x[column + row * stride] : x[row + column * stride];
    };
    for (Index k = 0; k < call.batch; ++k)
      for (Index j = 0; j < call.n; ++j)
        for (Index i = 0; i < call.m; ++i) {
          R sum = 0;
          for (Index l = 0; l < call.k; ++l)
            sum += stored(b + k * call.b_batch, call.first, call.b_stride, i, l) *
                   stored(a + k * call.a_batch, call.second, call.a_stride, l, j);
          R& to = c[k * call.c_batch + i + j * call.c_stride];
          to = accumulate ? to + sum : sum;
        }
  }

 private:
  bool is_one_ = false;

  class Open {
   public:
    explicit Open(const HostDevice& device) : device_(device) { tell(true); }
    ~Open() { tell(false); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    void tell(bool open) const {
      if (device_.guard != nullptr) device_.guard(device_.guarded, open);
    }
    const HostDevice& device_;
  };

  void move(void* to, const void* from, std::size_t bytes, Index& counter) {
    const Open open(*this);
    ++counter;
    std::memcpy(to, from, bytes);
  }
  template <class K>
  void run_block(const K& kernel, Index block) const {
    alignas(kAlignment) unsigned char shared_bytes[sizeof(typename K::Shared)];
    alignas(kAlignment) unsigned char own_bytes[grid::kGridThreads * sizeof(typename K::State)];
    std::memset(shared_bytes, 0xff, sizeof shared_bytes);
    std::memset(own_bytes, 0xff, sizeof own_bytes);
    auto& shared = *reinterpret_cast<typename K::Shared*>(shared_bytes);
    auto* const own = reinterpret_cast<typename K::State*>(own_bytes);
    const int phases = kernel.phases(block);
    for (int p = 0; p < phases; ++p)
      for (int t = 0; t < grid::kGridThreads; ++t) {
        const int thread = backwards ? grid::kGridThreads - 1 - t : t;
        kernel.phase(p, grid::GridThread{block, thread}, shared, own[thread]);
      }
  }
};

// The backend of a device, on the host.
struct HostGrid : GridBackend<HostDevice> {};

}  // namespace thaw::inline v0
