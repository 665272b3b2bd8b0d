// Products of the shapes that matter here, as GFLOP/s and as a part of the peak measured in the same run.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -I/usr/include/eigen3 bench/backend/product_bench.cpp -o product_bench
//
// Eigen, one thread, takes its instructions from -march; `product` does not.
#include <chrono>
#include <cstdio>
#include <vector>

#include "thaw/backend/kernels/eigen_product.hpp"
#include "thaw/backend/kernels/product.hpp"

namespace {

using namespace thaw;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class Run>
double best_time(double operations, const Run& run) {
  const int repeats = static_cast<int>(2e8 / operations) + 1;
  double best = 1e9;
  run();
  for (int round = 0; round < 5; ++round) {
    const double start = seconds();
    for (int i = 0; i < repeats; ++i) run();
    best = (std::min)(best, (seconds() - start) / repeats);
  }
  return best;
}

// What the multiply-add units alone can do, without a product: 12 independent chains that stay in registers. They
// start differently, or a compiler would see the same chain twelve times.
// Operations of one call of a chain function, for vectors of `bytes`.
constexpr int kChains = 12, kSteps = 4096;
double chain_operations(int bytes) { return 2.0 * kChains * kSteps * bytes / 4; }

#define THAW_CHAINS(name, target, bytes)                                         \
  target __attribute__((noinline)) void name(float* out) {                       \
    typedef float Vector __attribute__((vector_size(bytes), aligned(4)));        \
    Vector sum[kChains], factor = Vector{} + out[0], term = Vector{} + out[1];   \
    for (int i = 0; i < kChains; ++i) sum[i] = Vector{} + static_cast<float>(i); \
    for (int step = 0; step < kSteps; ++step) {                                  \
      THAW_UNROLL                                                                \
      for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * factor + term;         \
    }                                                                            \
    THAW_UNROLL                                                                  \
    for (int i = 1; i < kChains; ++i) sum[0] += sum[i];                          \
    out[2] = sum[0][0];                                                          \
  }
#if THAW_X86_KERNELS
THAW_CHAINS(chains_avx512, THAW_TARGET_AVX512, 64)
THAW_CHAINS(chains_avx2, THAW_TARGET_AVX2, 32)
#endif
THAW_CHAINS(chains_portable, , 16)

double peak(Isa isa) {
  float numbers[3] = {0.5f, 0.25f, 0};
  void (*chains)(float*) = chains_portable;
  int bytes = 16;
#if THAW_X86_KERNELS
  if (isa == Isa::avx512) chains = chains_avx512, bytes = 64;
  if (isa == Isa::avx2) chains = chains_avx2, bytes = 32;
#endif
  (void)isa;
  const double operations = chain_operations(bytes);
  return operations / best_time(operations, [&] { chains(numbers); });
}

struct Case {
  const char* name;
  ProductShape shape;
};

ProductShape gradient(Index inner, Index rows, Index columns) {
  ProductShape s = row_major_product(rows, columns, inner);
  s.a_row_stride = 1;
  s.a_inner_stride = rows;
  return s;
}
ProductShape transposed(ProductShape s) {
  s.b_inner_stride = 1;
  s.b_column_stride = s.inner;
  return s;
}

void run_case(Isa isa, const Case& item, double best) {
  const ProductShape& s = item.shape;
  std::vector<float> a(static_cast<std::size_t>(s.batch * s.rows * s.inner), 1);
  std::vector<float> b(static_cast<std::size_t>(s.batch * s.inner * s.columns), 1);
  std::vector<float> c(static_cast<std::size_t>(s.batch * s.rows * s.columns));
  const double operations = 2.0 * static_cast<double>(s.batch * s.rows) * static_cast<double>(s.columns * s.inner);
  std::printf("%-24s", item.name);
  for (int threads = 1; threads <= 2; ++threads) {
    std::vector<char> scratch(product_scratch_bytes<float>(s, threads));
    const double time = best_time(operations, [&] {
      product_threads<float>(isa, s, a.data(), b.data(), c.data(), nullptr, threads, scratch.data());
    });
    std::printf(" %8.1f (%3.0f%%)", operations / time * 1e-9, 100 * operations / time / (best * threads));
    if (threads == 1) std::printf(" %10.2f us", time * 1e6);
  }
  const double time = best_time(operations, [&] { eigen_product<float>(s, a.data(), b.data(), c.data(), nullptr); });
  std::printf(" %8.1f (%3.0f%%)\n", operations / time * 1e-9, 100 * operations / time / best);
}

}  // namespace

int main() {
  const Case cases[] = {
      {"sq64", row_major_product(64, 64, 64)},
      {"sq128", row_major_product(128, 128, 128)},
      {"sq256", row_major_product(256, 256, 256)},
      {"sq512", row_major_product(512, 512, 512)},
      {"sq1024", row_major_product(1024, 1024, 1024)},
      {"4096x16.16x64", row_major_product(4096, 64, 16)},
      {"4096x32.32x64", row_major_product(4096, 64, 32)},
      {"4096x64.64x64", row_major_product(4096, 64, 64)},
      {"36864x16.16x48", row_major_product(36864, 48, 16)},
      {"4096x144.144x432", row_major_product(4096, 432, 144)},
      {"1024x128.128x128", row_major_product(1024, 128, 128)},
      {"20x256.256x128", row_major_product(20, 128, 256)},
      {"1x128.128x128", row_major_product(1, 128, 128)},
      {"1x64.64x64", row_major_product(1, 64, 64)},
      {"1x64.(64x64)T", transposed(row_major_product(1, 64, 64))},
      {"dW:(4096x64)T.4096x64", gradient(4096, 64, 64)},
      {"dW:(1024x128)T.1024x128", gradient(1024, 128, 128)},
      {"dX:4096x64.(64x64)T", transposed(row_major_product(4096, 64, 64))},
      {"b1024:32x32.32x16", row_major_product(32, 16, 32, 1024)},
      {"b1024:32x16.(32x16)T", transposed(row_major_product(32, 32, 16, 1024))},
      {"b4096:9x9.9x16", row_major_product(9, 16, 9, 4096)},
      {"b4096:9x16.(9x16)T", transposed(row_major_product(9, 9, 16, 4096))},
  };
  const char* names[] = {"portable", "AVX2", "AVX-512"};
  for (int set = static_cast<int>(detect_isa()); set >= 0; --set) {
    const Isa isa = static_cast<Isa>(set);
    const double best = peak(isa);
    std::printf("%s, peak %.1f GFLOP/s a thread\n%-24s %28s %16s %17s\n", names[set], best * 1e-9, "C = A x B",
                "1 thread", "2 threads", "Eigen, 1 thread");
    for (const Case& item : cases) run_case(isa, item, best);
  }
}
