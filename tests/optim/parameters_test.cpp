#include "thaw/optim/parameters.hpp"

#include "tests/optim/fixture.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/adam.hpp"

using namespace optim_test;
using Plan = thaw::Mlp<thaw::Spec>;

TEST_CASE("parameters: a seed names the start values, whatever the number type and memory") {
  Host host, other;
  const Plan plan = thaw::mlp_spec({5, 7, 1}, thaw::Activation::tanh);
  thaw::Parameters<Plan, double> a(plan, host.context, 5), b(plan, other.context, 5), c(plan, host.context, 6);
  thaw::Parameters<Plan, float> narrow(plan, host.context, 5);
  CHECK(a.count() == 4);
  int same_as_c = 0;
  for (int i = 0; i < 4; ++i) {
    const auto& slot = a.slot(i);
    CHECK(slot.value.shape == b.slot(i).value.shape);
    CHECK(reinterpret_cast<std::uintptr_t>(slot.value.data) % thaw::kAlignment == 0);
    const double bound = 1 / std::sqrt(i < 2 ? 5.0 : 7.0);
    for (Index k = 0; k < slot.value.size(); ++k) {
      CHECK(slot.value[k] == b.slot(i).value[k]);
      CHECK(narrow.slot(i).value[k] == static_cast<float>(slot.value[k]));
      CHECK(std::fabs(slot.value[k]) <= bound);
      same_as_c += slot.value[k] == c.slot(i).value[k];
    }
  }
  CHECK(same_as_c == 0);
  CHECK(std::strcmp(a.slot(2).path.text, "layers.1.weight") == 0);
  // The model for scoring is a view of the same numbers.
  CHECK(a.values().layers[1].bias.data == a.slot(3).value.data);
}

TEST_CASE("parameters: initial distributions have their moments") {
  Host host;
  const Two<thaw::Spec> plan{thaw::Spec{{200, 100}, {thaw::Init::Kind::normal, 0.5}},
                             thaw::Spec{{3}, {thaw::Init::Kind::constant, -2}}};
  const thaw::Parameters<Two<thaw::Spec>, double> parameters(plan, host.context, 1);
  double sum = 0, squares = 0;
  for (const double x : parameters.slot(0).value) sum += x, squares += x * x;
  CHECK(std::fabs(sum / 20000) < 4 * 0.5 / std::sqrt(20000.0));
  CHECK(squares / 20000 == doctest::Approx(0.25).epsilon(0.04));
  for (const double x : parameters.slot(1).value) CHECK(x == -2);
}

TEST_CASE("parameters: gradients are those of thaw::gradient, and padding stays zero under steps") {
  Host host;
  thaw::Parameters<Plan, double> parameters(thaw::mlp_spec({5, 7, 1}, thaw::Activation::gelu), host.context, 5);
  thaw::Adam<double> adam(parameters, {.decay = 0.1});
  const auto x = host.normal({6, 5});
  for (int t = 0; t < 3; ++t) {
    thaw::Tape<double> tape(host.context);
    thaw::Scope scope(tape);
    const auto model = parameters.on(tape);
    const auto loss = thaw::sum(thaw::square(model(x)));
    const auto list = parameters.gradient(loss);
    const auto direct = thaw::gradient(loss, model);
    int i = 0;
    thaw::for_each_tensor(
        [&](const thaw::Path&, const thaw::Array<double>& g) {
          for (Index k = 0; k < g.size(); ++k) CHECK(list.dense[i][k] == g[k]);
          ++i;
        },
        direct);
    adam.step(parameters, list, 0.1);
  }
  double padding = 0, block = 0, slots = 0;
  for (const double v : parameters.dense_block()) block += std::fabs(v);
  for (int i = 0; i < parameters.count(); ++i)
    for (const double v : parameters.slot(i).value) slots += std::fabs(v);
  CHECK(parameters.dense_block().size() == 40 + 8 + 8 + 8);
  const double* const data = parameters.dense_block().data;
  for (const Index at : {35, 39, 47, 55, 57, 63}) padding += std::fabs(data[at]);
  CHECK(padding == 0);
  CHECK(block == doctest::Approx(slots).epsilon(1e-12));
}
