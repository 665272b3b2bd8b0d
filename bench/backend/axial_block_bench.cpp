// Speed of the axial block against the peak of fused multiply-adds, for eight contexts of 32 users by 32 items.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude bench/backend/axial_block_bench.cpp -o bench && ./bench [threads] [repeats]
//
// Operations are counted without what the backward pass computes again. Medians over the repeats.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "thaw/backend/kernels/axial_block.hpp"

namespace {

using thaw::Index;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// A buffer on a cache line.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : storage_(bytes / sizeof(float) + 32) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    skip_ = (64 - address % 64) % 64 / sizeof(float);
  }
  float* data() { return storage_.data() + skip_; }

 private:
  std::vector<float> storage_;
  std::size_t skip_ = 0;
};

struct Problem {
  thaw::AxialBlockShape shape;
  std::vector<std::vector<float>> weights, gradients;
  thaw::AxialBlockParams<const float*> params;
  thaw::AxialBlockParams<float*> grads;
  std::vector<float> x, out, d_out, d_x;

  explicit Problem(const thaw::AxialBlockShape& s) : shape(s) {
    const Index w = s.width, h = s.hidden;
    const Index sizes[] = {w, w, w * w, w, w * w, w, w * w, w, w * w, w, w * w, w, w, w, h * w, h, w * h, w};
    const float** pointer = &params.norm_query_weight;
    float** gradient = &grads.norm_query_weight;
    unsigned state = 1;
    const auto draw = [&state] {
      state = state * 1664525U + 1013904223U;
      return static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
    };
    for (const Index size : sizes) {
      std::vector<float> values(static_cast<std::size_t>(size));
      for (float& v : values) v = draw() / std::sqrt(static_cast<float>(w));
      gradients.emplace_back(values.size());
      weights.push_back(std::move(values));
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      pointer[i] = weights[i].data();
      gradient[i] = gradients[i].data();
    }
    const auto count = static_cast<std::size_t>(s.outer * s.tokens * s.inner * w);
    x.resize(count), out.resize(count), d_out.resize(count), d_x.resize(count);
    for (float& v : x) v = draw();
    for (float& v : d_out) v = draw();
  }
  double forward_flop() const {
    const auto tokens = static_cast<double>(shape.outer * shape.tokens * shape.inner);
    const auto w = static_cast<double>(shape.width), h = static_cast<double>(shape.hidden);
    return tokens * (2.0 * (5.0 * w * w + 2.0 * w * h) + 4.0 * static_cast<double>(shape.tokens) * w);
  }
  // For one query in each group.
  double row_flop() const {
    const auto groups = static_cast<double>(shape.outer * shape.inner), tokens = static_cast<double>(shape.tokens);
    const auto w = static_cast<double>(shape.width), h = static_cast<double>(shape.hidden);
    return groups * (tokens * 4.0 * w * w + 2.0 * (3.0 * w * w + 2.0 * w * h) + 4.0 * tokens * w);
  }
};

// Multiply-adds that no compiler removes and no memory slows, in FLOP/s of one thread.
#if defined(__x86_64__)
double peak() {
  double best = 0;
  if (!__builtin_cpu_supports("avx512f")) return best;
  for (int round = 0; round < 5; ++round) {
    const double start = now();
    for (int i = 0; i < 2000000; ++i) {
      asm volatile(
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm2\n vfmadd231ps %%zmm0, %%zmm1, %%zmm3\n"
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm4\n vfmadd231ps %%zmm0, %%zmm1, %%zmm5\n"
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm6\n vfmadd231ps %%zmm0, %%zmm1, %%zmm7\n"
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm8\n vfmadd231ps %%zmm0, %%zmm1, %%zmm9\n"
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm10\n vfmadd231ps %%zmm0, %%zmm1, %%zmm11\n"
          "vfmadd231ps %%zmm0, %%zmm1, %%zmm12\n vfmadd231ps %%zmm0, %%zmm1, %%zmm13\n" ::
              : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                "xmm12", "xmm13");
    }
    best = (std::max)(best, 2000000.0 * 12 * 32 / (now() - start));
  }
  return best;
}
#else
double peak() { return 0; }
#endif

template <class Call>
double median_seconds(int repeats, Call call) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const double start = now();
    call();
    times.push_back(now() - start);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void report(const char* axis, const char* pass, double seconds, double flop, double peak_all) {
  std::printf("%-22s %-26s %8.2f ms %8.1f GFLOP/s %5.1f %% of peak\n", axis, pass, seconds * 1e3, flop / seconds * 1e-9,
              100.0 * flop / seconds / peak_all);
}

void measure(const char* axis, const thaw::AxialBlockShape& shape, int threads, int repeats, double peak_all) {
  Problem p(shape);
  thaw::AxialBlockOptions options;
  options.scale = 1.0F / std::sqrt(static_cast<float>(shape.width));
  options.threads = threads;
  Buffer saved(thaw::axial_block_saved_bytes(shape));
  Buffer scratch((std::max)(thaw::axial_block_scratch_bytes(shape, threads, false),
                            thaw::axial_block_scratch_bytes(shape, threads, true)));
  const double flop = p.forward_flop();
  const auto forward = [&](void* keep) {
    thaw::axial_block_forward(shape, options, p.params, p.x.data(), p.out.data(), keep, scratch.data());
  };
  const auto backward = [&] {
    thaw::axial_block_backward(shape, options, p.params, p.x.data(), p.d_out.data(), saved.data(), p.d_x.data(),
                               p.grads, scratch.data());
  };
  report(axis, "forward", median_seconds(repeats, [&] { forward(nullptr); }), flop, peak_all);
  const Index target = shape.tokens / 2;
  report(axis, "forward, one row a group",
         median_seconds(repeats,
                        [&] {
                          thaw::axial_block_forward_rows(shape, options, p.params, p.x.data(), target, target + 1,
                                                         p.out.data(), scratch.data());
                        }),
         p.row_flop(), peak_all);
  report(axis, "forward, saving", median_seconds(repeats, [&] { forward(saved.data()); }), flop, peak_all);
  report(axis, "backward", median_seconds(repeats, backward), 2 * flop, peak_all);
  options.dropout = 0.1F;
  report(axis, "forward, dropout 0.1", median_seconds(repeats, [&] { forward(saved.data()); }), flop, peak_all);
  report(axis, "backward, dropout 0.1", median_seconds(repeats, backward), 2 * flop, peak_all);
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 1 ? std::atoi(arguments[1]) : 1;
  const int repeats = count > 2 ? std::atoi(arguments[2]) : 9;
  const double peak_all = peak() * threads;
  std::printf("%d threads, peak %.1f GFLOP/s\n", threads, peak_all * 1e-9);
  measure("users, width 144", {8, 32, 32, 144, 8, 576}, threads, repeats, peak_all);
  measure("items, width 144", {256, 32, 1, 144, 8, 576}, threads, repeats, peak_all);
  measure("attributes, width 16", {8192, 9, 1, 16, 8, 64}, threads, repeats, peak_all);
  return 0;
}
