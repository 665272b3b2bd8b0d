// Masked GRU: the cell step by step over known slots only, wherever the empty ones are; gradients over three steps.
#include "thaw/nn/masked_gru.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("the state after the known slots; an empty history gives zeros; empty slots before or after do not matter") {
  Host host;
  const auto gru = random_model(host, thaw::masked_gru_spec(3, 2));
  const A x = host.normal({3, 3, 3});
  const A known = host.of({3, 3}, {1, 1, 1, 0, 1, 0, 0, 0, 0});
  const A y = gru(x, known);
  A state = host.zeros({1, 2});
  for (Index t = 0; t < 3; ++t)
    state = gru.cell(thaw::reshape(thaw::slice(thaw::slice(x, 0, 0, 1), 1, t, 1), {1, 3}), state);
  CHECK(difference(thaw::slice(y, 0, 0, 1), state) < 1e-15);
  const A one = gru.cell(thaw::reshape(thaw::slice(thaw::slice(x, 0, 1, 1), 1, 1, 1), {1, 3}), host.zeros({1, 2}));
  CHECK(difference(thaw::slice(y, 0, 1, 1), one) < 1e-15);
  CHECK(y[4] == 0);
  CHECK(y[5] == 0);
}

TEST_CASE("gradients to second order of the history and of the weights over three steps") {
  Host host;
  const auto weights = random_model(host, thaw::masked_gru_spec(2, 2), 0.8);
  const A known = host.of({2, 3}, {1, 1, 1, 0, 1, 1});
  const auto f = [&](const auto& x, const auto& input, const auto& hidden) {
    using T = thaw::Meet<std::decay_t<decltype(x)>,
                         thaw::Meet<std::decay_t<decltype(input)>, std::decay_t<decltype(hidden)>>>;
    const T& like = thaw::detail::first_of<T>(x, input, hidden);
    auto gru = thaw::map_unnamed<T>(weights, [&](const A& a) { return thaw::lift_to<T>(a, like); });
    gru.cell.input.weight = thaw::lift_to<T>(input, like);
    gru.cell.hidden.weight = thaw::lift_to<T>(hidden, like);
    return gru(thaw::lift_to<T>(x, like), known);
  };
  thaw_test::hold("masked_gru",
                  thaw::check_gradient(f, {host.normal({2, 3, 2}), host.normal({6, 2}), host.normal({6, 2})}));
}
