// Single kernels at sizes that fill a device, with the bytes and operations that each cannot do without.
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/index.hpp"
#include "thaw/ops/product.hpp"
#include "thaw/ops/rms_norm.hpp"

namespace bench {

namespace {

using A = thaw::Array<float, thaw::Cuda>;
using thaw::Index;

A random_array(thaw::Cuda::Context& context, const thaw::Shape& shape, std::uint64_t stream) {
  std::vector<float> numbers(static_cast<std::size_t>(shape.size()));
  thaw::Philox rng(1, stream);
  for (float& x : numbers) x = static_cast<float>(rng.uniform(-1, 1));
  return A::of_host(context, numbers.data(), shape);
}

struct Kernels {
  thaw::Cuda::Context& context;
  CudaTimer timer;

  template <class Call>
  void time(const char* name, double numbers_moved, double flop, const Call& call) const {
    const double seconds = timer.median([&] {
      thaw::ContextScope scope(context);
      call();
    });
    print_cuda(name, seconds, 4 * numbers_moved, flop);
  }
};

void time_rows(const Kernels& kernels) {
  constexpr Index kRows = 1 << 16, kColumns = 512;
  constexpr double kAll = static_cast<double>(kRows * kColumns);
  thaw::ContextScope scope(kernels.context);
  const A x = random_array(kernels.context, {kRows, kColumns}, 1),
          weight = random_array(kernels.context, {kColumns}, 2);
  const auto rule = thaw::DropoutRule::make(0.1, thaw::Key{1}, 0);
  kernels.time("copy", 2 * kAll, 0,
               [&] { thaw::Cuda::copy(kernels.context, x.size(), x.data, A::make(kernels.context, x.shape).data); });
  kernels.time("gelu", 2 * kAll, 0, [&] { (void)thaw::gelu(x); });
  kernels.time("dropout", 2 * kAll, 0, [&] { (void)thaw::dropout(x, rule); });
  kernels.time("softmax", 2 * kAll, 0, [&] { (void)thaw::softmax(x); });
  kernels.time("layer_norm", 2 * kAll, 0, [&] { (void)thaw::layer_norm(x, weight, weight, 1e-5); });
  kernels.time("rms_norm", 2 * kAll, 0, [&] { (void)thaw::rms_norm(x, weight, 1e-5); });
  kernels.time("transpose", 2 * kAll, 0, [&] { (void)thaw::permute(x, {1, 0}); });
  kernels.time("sum of rows", kAll, 0, [&] { (void)thaw::sum_to(x, {kRows, 1}); });
  kernels.time("sum of columns", kAll, 0, [&] { (void)thaw::sum_to(x, {1, kColumns}); });
}

void time_lookups(const Kernels& kernels) {
  constexpr Index kTable = 1000000, kIds = 1 << 16, kWidth = 64;
  thaw::ContextScope scope(kernels.context);
  const A table = random_array(kernels.context, {kTable, kWidth}, 3),
          rows = random_array(kernels.context, {kIds, kWidth}, 4);
  std::vector<std::int32_t> ids(kIds);
  thaw::Philox rng(1, 5);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.below(kTable));
  const thaw::Bags bags{ids.data(), nullptr, kIds, false};
  const double moved = static_cast<double>(kIds * kWidth);
  kernels.time("gather of 65536 ids", 2 * moved, 0, [&] { (void)thaw::gather(table, bags); });
  kernels.time("scatter_add of 65536 ids", 3 * moved, 0,
               [&] { thaw::Cuda::scatter_add(kernels.context, bags, rows.data, kWidth, table.data); });
}

void time_products(thaw::CudaSession& session, const Kernels& kernels) {
  constexpr Index kSide = 4096;
  thaw::ContextScope scope(kernels.context);
  const A a = random_array(kernels.context, {kSide, kSide}, 6), b = random_array(kernels.context, {kSide, kSide}, 7);
  const double flop = 2.0 * kSide * kSide * kSide;
  const struct {
    thaw::CudaMath math;
    const char* name;
  } kinds[] = {{thaw::CudaMath::fp32, "product 4096, FP32"},
               {thaw::CudaMath::tf32, "product 4096, TF32"},
               {thaw::CudaMath::bf16, "product 4096, BF16"}};
  for (const auto& kind : kinds) {
    session.device().set_math(kind.math);
    kernels.time(kind.name, 0, flop, [&] { (void)thaw::matmul(a, b); });
  }
  session.device().set_math(thaw::CudaMath::fp32);
  // The shapes of attention over 32 users of 8 contexts of 32 items: many products, all small.
  const A q = random_array(kernels.context, {8, 32, 32, 144}, 8);
  const double small = 2.0 * 8 * 32 * 32 * 32 * 144;
  kernels.time("attention scores, 2048 products", 0, small, [&] { (void)thaw::attention_scores(q, q, 8); });
}

}  // namespace

void time_kernels(thaw::CudaSession& session) {
  const Kernels kernels{session.context(), CudaTimer(session.device().stream())};
  time_rows(kernels);
  time_lookups(kernels);
  time_products(session, kernels);
}

}  // namespace bench
