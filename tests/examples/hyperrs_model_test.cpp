// HyperRS: sizes, shapes, attention, empty and repeated contents, the start, finite differences.
#include "hyperrs/hyperrs_model.hpp"

#include "tests/nn/fixture.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/parameters.hpp"

using namespace nn_test;
using hyperrs::HyperSizes;

namespace {

HyperSizes movie_sizes(Index d, Index p, Index q) {
  return {.cardinality = {25, 2186, 7978}, .attributes = 3, .width = d, .interest = p, .codes = q};
}
Index total(const HyperSizes& sizes, Index users) {
  return thaw::parameter_count(hyperrs::hyperrs_plan(sizes)) + users * (sizes.codes + sizes.width);
}

// Five contents of each attribute.
HyperSizes tiny(bool paper = true) {
  HyperSizes s{.cardinality = {5, 5, 5}, .attributes = 3, .width = 3, .interest = 4, .codes = 2};
  return paper ? s : s.as_released();
}

}  // namespace

TEST_CASE("generated tensors have the published shapes and sum to 10 d^2 + 7 d, d more with the item bias") {
  const HyperSizes paper{.attributes = 3, .width = 128, .interest = 256, .codes = 128};
  CHECK(thaw::parameter_count(hyperrs::scorer_plan(paper)) == 164864);
  const auto plan = hyperrs::scorer_plan(paper.as_released());
  CHECK(thaw::parameter_count(plan) == 164736);
  CHECK(thaw::tensor_count(plan) == 14);
  CHECK(plan.attributes[2].weight.shape == thaw::Shape{128, 128});
  CHECK(plan.attributes[2].bias[0].shape == thaw::Shape{1, 128});
  CHECK(plan.item.weight.shape == thaw::Shape{384, 128});
  CHECK(plan.item.bias.count == 0);
  CHECK(plan.layers[0].weight.shape == thaw::Shape{256, 128});
  CHECK(plan.layers[3].weight.shape == thaw::Shape{128, 1});
  CHECK(plan.layers[3].bias.count == 0);
  CHECK(thaw::tensor_count(hyperrs::scorer_plan(paper)) == 15);
}

TEST_CASE("parameter counts of the published configurations") {
  HyperSizes s = movie_sizes(64, 128, 64).as_released();
  CHECK(total(s, 6040) == 6733632);
  s.width = 32, s.interest = 64, s.codes = 32;
  CHECK(total(s, 6040) == 1384352);
  s.width = 16, s.interest = 32, s.codes = 16;
  CHECK(total(s, 6040) == 442320);
  HyperSizes large{.cardinality = {273, 3571, 28252}, .attributes = 3, .width = 128, .interest = 256, .codes = 128};
  CHECK(total(large.as_released(), 71567) == 64634624);
  CHECK(total(large.as_released(), 58711) == 61343488);
  // As printed: 14 head biases (164,736) and the item bias with its head and bias (128 * 257).
  CHECK(total(large, 71567) == 64634624 + 164736 + 128 * 257);
  HyperSizes books{.cardinality = {37780, 41533, 10829}, .attributes = 3, .width = 64, .interest = 128, .codes = 64};
  CHECK(total(books.as_released(), 7383) == 12022528);
  // The released file counts other contents.
  books = {.cardinality = {82790, 10829, 41533}, .attributes = 3, .width = 100, .interest = 100, .codes = 50};
  CHECK(total(books.as_released(), 7383) == 24697650);
  HyperSizes television{.cardinality = {11, 7, 9374}, .attributes = 3, .width = 64, .interest = 128, .codes = 64};
  CHECK(total(television.as_released(), 70) == 5918464);
}

TEST_CASE("an item without contents has zeros for them; a repeated content counts twice") {
  Host host;
  for (const bool paper : {true, false}) {
    const auto model = random_model(host, hyperrs::hyperrs_plan(tiny(paper)));
    const A table = model.contents[0].table;
    const std::int32_t ids[] = {1, 1, 4}, offsets[] = {0, 0, 2, 3};
    const A rows = model.contents[0](thaw::Bags{ids, offsets, 3});
    for (Index j = 0; j < 3; ++j) {
      CHECK(rows[j] == 0);
      CHECK(rows[3 + j] == 2 * table[3 + j]);
      CHECK(rows[6 + j] == table[12 + j]);
    }
    hyperrs::ItemContents nothing{{{ids, offsets, 1}, {ids, offsets, 1}, {ids, offsets, 1}}, 1};
    const A code = host.normal({1, 2}), user = host.zeros({1, 3});
    const auto scorer = model.scorer(code);
    const A shares = model.attention(scorer, user, nothing);
    for (const double share : shares) CHECK(share == 1.0 / 3);
    const auto& kernel = scorer.attributes[1];
    const A transformed = thaw::relu(kernel(host.zeros({1, 3})));
    for (Index j = 0; j < 3; ++j) CHECK(transformed[j] == std::fmax(0, kernel.bias[0][j]));
    CHECK(std::isfinite(model.score(scorer, host.normal({1, 3}), nothing)[0]));
  }
}

TEST_CASE("one attribute alone has weight one") {
  Host host;
  HyperSizes sizes = tiny();
  sizes.attributes = 1;
  const auto model = random_model(host, hyperrs::hyperrs_plan(sizes));
  const std::int32_t ids[] = {1, 2};
  const hyperrs::ItemContents items{{{ids, nullptr, 2}}, 2};
  for (const double share : model.attention(model.scorer(host.normal({1, 2})), host.normal({1, 3}), items))
    CHECK(share == 1);
}

TEST_CASE("the fan-in start tells items apart where the published start is a constant in single precision") {
  double spread[2] = {};
  for (const bool principled : {false, true}) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context context{&arena};
    const HyperSizes sizes{.cardinality = {40, 40, 40}, .attributes = 3, .width = 32, .interest = 64, .codes = 32};
    auto plan = hyperrs::hyperrs_plan(sizes, principled ? thaw::HeadStart::fan_in : thaw::HeadStart::glorot);
    thaw::Parameters<hyperrs::HyperRS<thaw::Spec>, float> model(plan, context, 3);
    thaw::Philox rng(4);
    const auto vector = [&](Index n) {
      auto out = thaw::Array<float>::make(context, {1, n});
      for (float& x : out) x = static_cast<float>(rng.uniform(-0.05, 0.05));
      return out;
    };
    std::int32_t ids[40];
    for (int i = 0; i < 40; ++i) ids[i] = i;
    const thaw::Bags each{ids, nullptr, 40};
    const auto scores = model.values().score(model.values().scorer(vector(32)), vector(32), {{each, each, each}, 40});
    double sum = 0, squares = 0;
    for (const float s : scores)
      sum += static_cast<double>(s), squares += static_cast<double>(s) * static_cast<double>(s);
    spread[principled ? 1 : 0] = std::sqrt(std::fmax(0, squares / 40 - sum * sum / 1600));
  }
  CHECK(spread[0] < 1e-6);
  CHECK(spread[1] > 1e-2);
}

TEST_CASE("HyperRS: derivatives to second order in every kind of parameter") {
  Host host;
  for (const bool paper : {true, false}) {
    const auto plan = hyperrs::hyperrs_plan(tiny(paper));
    const auto model = random_model(host, plan, 0.6);
    const std::int32_t ids[] = {0, 3, 1, 2}, offsets[] = {0, 2, 3, 4};
    const thaw::Bags each{ids, offsets, 3};
    const hyperrs::ItemContents items{{each, each, each}, 3};
    thaw_test::hold(
        "hyperrs",
        thaw::check_gradient(
            [&](const auto& user, const auto& code, const auto& basis, const auto& table, const auto& matrix) {
              // Lift everything to the type that the mix of operands meets in.
              const auto one =
                  thaw::sum(thaw::add(thaw::add(thaw::sum(user), thaw::sum(code)),
                                      thaw::add(thaw::add(thaw::sum(basis), thaw::sum(table)), thaw::sum(matrix))));
              using T = std::remove_cvref_t<decltype(one)>;
              const auto lift = [&](const auto& x) { return thaw::lift_to<T>(x, one); };
              auto m = thaw::map_model<T>(model, [&](const thaw::Path&, const A& a) { return lift(a); });
              m.basis.basis = lift(basis);
              m.contents[1].table = lift(table);
              m.heads.heads[2].matrix = lift(matrix);
              return m.score(m.scorer(lift(code)), lift(user), items);
            },
            {host.normal({1, 3}), host.normal({1, 2}), model.basis.basis, model.contents[1].table,
             model.heads.heads[2].matrix},
            {.step = 1e-5}));
  }
}
