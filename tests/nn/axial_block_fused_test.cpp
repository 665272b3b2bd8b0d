// The fused axial block of the host engine, in float, against the composition of single operations in double: the
// value, the gradient of every tensor, and the gradient of a gradient.
#include "tests/nn/fixture.hpp"
#include "thaw/autodiff/gradient.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/nn/attention.hpp"

using namespace nn_test;

namespace {

using F = thaw::Array<float, thaw::CpuEigen>;
static_assert(thaw::FusedAxialBlock<thaw::CpuEigen, float>::available);
static_assert(!thaw::FusedAxialBlock<thaw::Cpu, double>::available);

constexpr int kTensors = 19;  // x and the parameters

// The input and the tensors of a block after one another.
template <thaw::Value T>
struct Layer {
  T x;
  thaw::AxialBlock<T> block;
  static void each(auto&& visit, auto&... m) { visit("x", m.x...), visit("block", m.block...); }
};

struct Results {
  A value, first[kTensors], second[kTensors];
};

// loss = sum(y c); second: the gradient of |d loss / d x|^2.
template <class T>
Results results_of(Host& host, const Layer<T>& layer, const T& c, const thaw::DropoutRule& rule) {
  const auto wide = [&](const T& from) {
    const A out = A::make(host.context, from.shape);
    for (Index i = 0; i < out.size(); ++i) out[i] = static_cast<double>(from[i]);
    return out;
  };
  Results r;
  thaw::Tape<typename T::Real, typename T::Backend> tape(*c.context);
  const auto leaves = thaw::map_model<thaw::Var<typename T::Real, typename T::Backend>>(
      layer, [&](const thaw::Path&, const T& t) { return tape.leaf(t); });
  const auto y = leaves.block(leaves.x, rule);
  r.value = wide(y.array());
  const auto loss = thaw::sum(thaw::mul(y, c));
  const auto first = thaw::gradient(loss, leaves);
  const auto slope = thaw::gradient(loss, leaves.x, thaw::differentiable);
  const auto second = thaw::gradient(thaw::sum(thaw::square(slope)), leaves);
  int i = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path&, const T& a, const T& b) {
        r.first[i] = wide(a);
        r.second[i++] = wide(b);
      },
      first, second);
  return r;
}

double length(const A& a) {
  double squares = 0;
  for (const double v : a) squares += v * v;
  return std::sqrt(squares);
}
// |a - b| / |b|; tensors whose gradient vanishes (the bias of the keys) are held against the largest one instead.
double worst(const A* got, const A* want, int count) {
  double largest = 0, most = 0;
  for (int i = 0; i < count; ++i) largest = std::fmax(largest, length(want[i]));
  for (int i = 0; i < count; ++i) {
    double squares = 0;
    for (Index k = 0; k < want[i].size(); ++k) squares += (got[i][k] - want[i][k]) * (got[i][k] - want[i][k]);
    most = std::fmax(most, std::sqrt(squares) / std::fmax(length(want[i]), 1e-2 * largest));
  }
  return most;
}

void compare(Index width, const thaw::Shape& shape, double dropout) {
  Host host;
  thaw::CpuEigen::Context engine{&host.arena};
  const Layer<thaw::Spec> plan{thaw::Spec{shape, {}},
                               thaw::axial_block_spec(width, 4, std::sqrt(double(width)), 4, 1e-5)};
  const auto narrow = random_model<F>(host, engine, plan, 1 / std::sqrt(static_cast<double>(width)));
  for (float& v : narrow.x) v = static_cast<float>(host.rng.normal());
  const auto wide = [&](const thaw::Path&, const F& from) {
    const A out = A::make(host.context, from.shape);
    for (Index i = 0; i < out.size(); ++i) out[i] = static_cast<double>(from[i]);
    return out;
  };
  const auto exact = thaw::map_model<A>(narrow, wide);
  const F c = F::make(engine, shape);
  for (float& v : c) v = static_cast<float>(host.rng.normal());
  const auto rule = thaw::DropoutRule::make(dropout, thaw::Key{11}, 40);
  const Results got = results_of(host, narrow, c, rule), want = results_of(host, exact, wide({}, c), rule);
  INFO("width ", width, ", dropout ", dropout);
  const double value = worst(&got.value, &want.value, 1), first = worst(got.first, want.first, kTensors),
               second = worst(got.second, want.second, kTensors);
  if (std::getenv("THAW_TEST_VERBOSE") != nullptr)
    std::fprintf(stderr, "width %td, dropout %.1f: value %.1e, gradient %.1e, second %.1e\n", width, dropout, value,
                 first, second);
  CHECK(value < 2e-5);
  CHECK(first < 2e-5);
  CHECK(second < 2e-5);
}

}  // namespace

TEST_CASE("fused axial block: value, gradient and second order against the composition in double") {
  for (const double dropout : {0.0, 0.3}) {
    compare(16, {3, 9, 1, 16}, dropout);
    compare(20, {2, 5, 3, 20}, dropout);
    compare(144, {2, 6, 2, 144}, dropout);
  }
}
