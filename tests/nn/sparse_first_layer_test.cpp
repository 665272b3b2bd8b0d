// A first layer over one-hot groups as a sum of rows, against the product with the rows of zeros and ones.
#include <vector>

#include "tests/nn/fixture.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/ops/index.hpp"

using namespace nn_test;

TEST_CASE("Mlp over one-hot groups: the sum of the active rows is the product with zeros and ones, gradients too") {
  Host host;
  constexpr Index kRows = 7, kGroups = 8, kBins = 10, kInputs = kGroups * kBins, kHidden = 12;
  const auto mlp = random_model(host, thaw::mlp_spec({kInputs, kHidden, 1}, thaw::Activation::relu), 0.8);
  std::vector<std::int32_t> active;
  A dense = host.zeros({kRows, kInputs});
  for (Index r = 0; r < kRows; ++r)
    for (Index g = 0; g < kGroups; ++g) {
      const Index input = g * kBins + (3 * r + 7 * g + r * g) % kBins;
      active.push_back(static_cast<std::int32_t>(input));
      dense[r * kInputs + input] = 1;
    }
  std::vector<std::int32_t> offsets;
  for (Index r = 0; r <= kRows; ++r) offsets.push_back(static_cast<std::int32_t>(r * kGroups));
  const thaw::Bags bags{.ids = active.data(), .offsets = offsets.data(), .count = kRows};
  A rows = host.zeros({kInputs, kHidden});  // the transposed weight: a row for each input
  for (Index o = 0; o < kHidden; ++o)
    for (Index i = 0; i < kInputs; ++i) rows[i * kHidden + o] = mlp.layers[0].weight[o * kInputs + i];

  thaw::Tape<double> tape(host.context);
  const V weight = tape.leaf(mlp.layers[0].weight), table = tape.leaf(rows);
  const V by_product = thaw::relu(thaw::linear(tape.leaf(dense), weight, tape.leaf(mlp.layers[0].bias)));
  const V by_rows = thaw::relu(thaw::add(thaw::gather(table, bags), tape.leaf(mlp.layers[0].bias)));
  const auto rest = [&](const V& hidden) {
    return thaw::sum(thaw::linear(hidden, tape.leaf(mlp.layers[1].weight), tape.leaf(mlp.layers[1].bias)));
  };
  const V first = rest(by_product), second = rest(by_rows);
  CHECK(first.item() == doctest::Approx(thaw::sum(mlp(dense)).item()).epsilon(1e-12));
  CHECK(second.item() == doctest::Approx(first.item()).epsilon(1e-12));
  const A of_weight = thaw::gradient(first, weight), of_rows = thaw::gradient(second, table);
  double largest = 0;
  for (Index o = 0; o < kHidden; ++o)
    for (Index i = 0; i < kInputs; ++i) {
      CHECK(std::fabs(of_weight[o * kInputs + i] - of_rows[i * kHidden + o]) < 1e-12);
      largest = (std::max)(largest, std::fabs(of_weight[o * kInputs + i]));
    }
  CHECK(largest > 0.01);
}
