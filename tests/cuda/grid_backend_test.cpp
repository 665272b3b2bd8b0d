// The host's part of the device backend: arguments for BLAS, sorted look-ups, and how many launches work takes.
#include <algorithm>
#include <utility>
#include <vector>

#include "tests/cuda/host_session.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/index.hpp"
#include "thaw/ops/product.hpp"

using thaw::Index;

namespace {

// One product by the arguments for BLAS and by the definition; the largest difference, or -1 where there is no call.
double blas_difference(const thaw::ProductShape& s, Index a_size, Index b_size) {
  thaw::grid::BlasCall call;
  if (!thaw::grid::blas_call(s, call)) return -1;
  thaw::Philox rng(3);
  std::vector<double> a(static_cast<std::size_t>(a_size)), b(static_cast<std::size_t>(b_size));
  for (double& x : a) x = rng.normal();
  for (double& x : b) x = rng.normal();
  const auto size = static_cast<std::size_t>(s.batch * s.c_batch_stride + s.rows * s.c_row_stride + 1);
  std::vector<double> got(size, 0.5), expected(size, 0.5);
  thaw::HostDevice device;
  device.multiply(call, a.data(), b.data(), got.data(), s.accumulate);
  thaw::Cpu::Context host;
  thaw::Cpu::product(host, s, a.data(), b.data(), expected.data(), static_cast<const double*>(nullptr));
  double worst = 0;
  for (std::size_t i = 0; i < size; ++i) worst = std::fmax(worst, std::fabs(got[i] - expected[i]));
  return worst;
}

}  // namespace

TEST_CASE("blas_call: every way of storing a product, any size down to one") {
  int calls = 0;
  for (const Index rows : {1, 2, 5})
    for (const Index columns : {1, 3, 4})
      for (const Index inner : {1, 2, 7})
        for (int stored = 0; stored < 8; ++stored) {
          thaw::ProductShape s;
          s.batch = 2, s.rows = rows, s.columns = columns, s.inner = inner;
          const bool a_turned = (stored & 1) != 0, b_turned = (stored & 2) != 0;
          s.accumulate = (stored & 4) != 0;
          // Rows are two numbers further apart than they are long.
          s.a_row_stride = a_turned ? 1 : inner + 2, s.a_inner_stride = a_turned ? rows + 2 : 1;
          s.b_inner_stride = b_turned ? 1 : columns + 2, s.b_column_stride = b_turned ? inner + 2 : 1;
          s.c_row_stride = columns + 1;
          s.a_batch_stride = (rows + 2) * (inner + 2), s.b_batch_stride = (columns + 2) * (inner + 2);
          s.c_batch_stride = rows * (columns + 1);
          const double d = blas_difference(s, 2 * s.a_batch_stride, 2 * s.b_batch_stride);
          calls += d >= 0 ? 1 : 0;
          CHECK(d < 1e-12);
        }
  CHECK(calls == 3 * 3 * 3 * 8);  // none was refused
}

TEST_CASE("blas_call: what no BLAS can read is refused") {
  thaw::ProductShape s;
  s.rows = s.columns = s.inner = 4;
  s.a_row_stride = s.b_inner_stride = s.c_row_stride = 4;
  thaw::grid::BlasCall call;
  CHECK(thaw::grid::blas_call(s, call));
  thaw::ProductShape spread = s;
  spread.a_row_stride = 8, spread.a_inner_stride = 2;  // no unit stride
  CHECK_FALSE(thaw::grid::blas_call(spread, call));
  thaw::ProductShape same = s;
  same.b_inner_stride = 0;  // every row of B is the same memory
  CHECK_FALSE(thaw::grid::blas_call(same, call));
  thaw::ProductShape large = s;
  large.rows = Index(1) << 32;
  CHECK_FALSE(thaw::grid::blas_call(large, call));
}

TEST_CASE("sort_bags: every entry once, ids ascending, bags in their order") {
  thaw::GrowingArena arena;
  thaw::Philox rng(11);
  std::vector<std::int32_t> ids, offsets{0};
  for (int s = 0; s < 300; ++s) {
    for (std::uint32_t e = rng.below(5); e > 0; --e)
      ids.push_back(rng.below(9) == 0 ? -1 : static_cast<std::int32_t>(rng.below(s % 2 == 0 ? 7 : 100000)));
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  const thaw::grid::SortedBags sorted = thaw::grid::sort_bags({ids.data(), offsets.data(), 300, false}, arena);
  std::vector<std::pair<std::int32_t, std::int32_t>> expected;
  for (std::int32_t s = 0; s < 300; ++s)
    for (std::int32_t e = offsets[static_cast<std::size_t>(s)]; e < offsets[static_cast<std::size_t>(s) + 1]; ++e)
      if (ids[static_cast<std::size_t>(e)] >= 0) expected.emplace_back(ids[static_cast<std::size_t>(e)], s);
  std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  CHECK(sorted.entries == static_cast<Index>(expected.size()));
  if (sorted.entries != static_cast<Index>(expected.size())) return;
  std::size_t at = 0;
  for (Index k = 0; k < sorted.count; ++k) {
    CHECK(sorted.starts[k] < sorted.starts[k + 1]);
    for (std::int32_t e = sorted.starts[k]; e < sorted.starts[k + 1]; ++e, ++at) {
      CHECK(sorted.ids[k] == expected[at].first);
      CHECK(sorted.bags[e] == expected[at].second);
    }
  }
  CHECK(at == expected.size());
}

TEST_CASE("launches: one for all groups of attention, and a library's product where it is worth one") {
  device_checks::HostSession session;
  using A = thaw::Array<float, thaw::HostGrid>;
  const device_checks::Arrays<thaw::HostGrid, float> arrays{session.context};
  const auto draw = [&](const thaw::Shape& shape) {
    return arrays.make(shape, device_checks::draw<float>(device_checks::Input(shape, -1, 1), 1));
  };
  const A q = draw({2, 5, 7, 8}), square = draw({64, 64});
  const auto launches_of = [&](auto&& work) {
    const Index before = session.device.launches;
    work();
    return session.device.launches - before;
  };
  CHECK(launches_of([&] { (void)thaw::attention_scores(q, q, 2); }) == 1);
  CHECK(launches_of([&] { (void)thaw::matmul(square, square); }) == 0);
  CHECK(session.device.library_products == 1);
  CHECK(launches_of([&] { (void)thaw::concat({q, q, q}, 3); }) == 3);
  CHECK(session.device.downloads == 0);
  CHECK(thaw::sum(draw({1})).item() == doctest::Approx(arrays.read(draw({1}))[0]));
  CHECK(session.device.downloads == 2);
}

TEST_CASE("run_as_one: a host just runs it, a device is told, and numbers are read after it") {
  thaw::GrowingArena arena;
  thaw::Cpu::Context host{&arena};
  int runs = 0;
  thaw::run_as_one(host, [&] { ++runs; });
  CHECK(runs == 1);
  device_checks::HostSession session;
  const device_checks::Arrays<thaw::HostGrid, float> arrays{session.context};
  const auto x = arrays.make({2}, {3, 4});
  thaw::Array<float, thaw::HostGrid> y;
  thaw::run_as_one(session.context, [&] { y = thaw::sum(thaw::square(x)); });
  CHECK(session.device.graphs == 1);
  CHECK(session.device.downloads == 0);
  CHECK(y.item() == 25.0F);
}
