// A Spec goes through every operation and comes out with the shape that an Array would have.
#include "tests/ops/fixture.hpp"
#include "thaw/ops/attention.hpp"
#include "thaw/ops/index.hpp"
#include "thaw/ops/product.hpp"

using namespace thaw_test;
using thaw::Spec;

namespace {

thaw::Shape shape_of(const A& a) { return a.shape; }

// Applies op to arrays and to Specs of the same shapes.
template <class Op, class... X>
void same(const char* name, Op op, const X&... x) {
  INFO(name);
  const auto array = op(x...);
  const auto spec = op(Spec{shape_of(x), {}, nullptr, false}...);
  static_assert(std::is_same_v<decltype(spec), const Spec>);
  CHECK(same_shape(spec.shape, array.shape));
}

constexpr std::int32_t kIds[] = {2, 0, 1};

}  // namespace

TEST_CASE("elementwise and reductions") {
  Host host;
  const A x = host.uniform({2, 3}, 0.5, 1), row = host.uniform({3}, 0.5, 1), cube = host.uniform({4, 1, 3}, 0.5, 1);
  same(
      "add", [](const auto& a, const auto& b) { return thaw::add(a, b); }, x, row);
  same(
      "sub", [](const auto& a, const auto& b) { return thaw::sub(a, b); }, row, x);
  same(
      "mul", [](const auto& a, const auto& b) { return thaw::mul(a, b); }, x, cube);
  same(
      "div", [](const auto& a, const auto& b) { return thaw::div(a, b); }, cube, x);
  same(
      "scale and shift", [](const auto& a) { return thaw::scale(thaw::shift(a, 1), 2); }, x);
  same(
      "tanh", [](const auto& a) { return thaw::tanh(a); }, x);
  same(
      "sigmoid", [](const auto& a) { return thaw::sigmoid(a); }, x);
  same(
      "relu", [](const auto& a) { return thaw::relu(a); }, x);
  same(
      "gelu", [](const auto& a) { return thaw::gelu(a); }, x);
  same(
      "exp", [](const auto& a) { return thaw::exp(a); }, x);
  same(
      "log", [](const auto& a) { return thaw::log(a); }, x);
  same(
      "sqrt", [](const auto& a) { return thaw::sqrt(a); }, x);
  same(
      "square", [](const auto& a) { return thaw::square(a); }, x);
  same(
      "softplus", [](const auto& a) { return thaw::softplus(a); }, x);
  same(
      "erf", [](const auto& a) { return thaw::erf(a); }, x);
  same(
      "abs", [](const auto& a) { return thaw::abs(a); }, x);
  same(
      "broadcast_to",
      [](const auto& a) {
        return thaw::broadcast_to(a, {5, 2, 3});
      },
      x);
  same(
      "sum_to",
      [](const auto& a) {
        return thaw::sum_to(a, {2, 1});
      },
      x);
  same(
      "sum", [](const auto& a) { return thaw::sum(a); }, x);
}

TEST_CASE("layout, products, look-ups, normalisation and attention") {
  Host host;
  const A x = host.normal({2, 3}), y = host.normal({3, 4}), weight = host.normal({5, 3}), bias = host.normal({5});
  const A row = host.normal({3}), q = host.normal({2, 3, 1, 4}), k = host.normal({2, 5, 1, 4});
  const A w = host.normal({2, 1, 2, 3, 5});
  same(
      "reshape",
      [](const auto& a) {
        return thaw::reshape(a, {3, 2});
      },
      x);
  same(
      "permute",
      [](const auto& a) {
        return thaw::permute(a, {1, 0});
      },
      x);
  same(
      "slice", [](const auto& a) { return thaw::slice(a, -1, 1, 2); }, x);
  same(
      "pad", [](const auto& a) { return thaw::pad(a, 0, 1, 5); }, x);
  same(
      "concat",
      [](const auto& a) {
        return thaw::concat({a, a, a}, 1);
      },
      x);
  same(
      "matmul", [](const auto& a, const auto& b) { return thaw::matmul(a, b); }, x, y);
  same(
      "matmul transposed", [](const auto& a, const auto& b) { return thaw::matmul(a, b, thaw::Transpose::both); }, y,
      x);
  same(
      "linear", [](const auto& a, const auto& b, const auto& c) { return thaw::linear(a, b, c); }, x, weight, bias);
  same(
      "gather",
      [](const auto& a) {
        return thaw::gather(a, {kIds, nullptr, 3});
      },
      weight);
  same(
      "scatter",
      [](const auto& a) {
        return thaw::scatter(a, {kIds, nullptr, 3}, 7);
      },
      y);
  same(
      "pick", [](const auto& a) { return thaw::pick(a, kIds); }, y);
  same(
      "place", [](const auto& a) { return thaw::place(a, kIds, 6); }, row);
  same(
      "softmax", [](const auto& a) { return thaw::softmax(a); }, x);
  same(
      "log_sum_exp", [](const auto& a) { return thaw::log_sum_exp(a); }, x);
  same(
      "layer_norm", [](const auto& a, const auto& b, const auto& c) { return thaw::layer_norm(a, b, c); }, x, row, row);
  same(
      "dropout", [](const auto& a) { return thaw::dropout(a, thaw::DropoutRule::make(0.5, thaw::Key{1}, 0)); }, x);
  same(
      "attention_scores", [](const auto& a, const auto& b) { return thaw::attention_scores(a, b, 2); }, q, k);
  same(
      "attention_mix", [](const auto& a, const auto& b) { return thaw::attention_mix(a, b); }, w, k);
  same(
      "attention_mix transposed", [](const auto& a, const auto& b) { return thaw::attention_mix(a, b, true); }, w, q);
}

TEST_CASE("the meter adds up what the results would take") {
  std::size_t bytes = 0;
  const Spec x{{4, 3}, {}, &bytes, false}, weight{{2, 3}, {}, nullptr, false}, bias{{2}, {}, nullptr, false};
  const Spec y = thaw::tanh(thaw::linear(x, weight, bias));
  CHECK(y.meter == &bytes);
  CHECK(bytes >= 2 * 8 * sizeof(double));
}
