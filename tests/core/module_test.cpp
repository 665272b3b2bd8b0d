#include "thaw/core/module.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

namespace {

template <thaw::Value T>
struct Layer {
  T weight, bias;
  double epsilon = 0;
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...), visit("bias", m.bias...), visit("epsilon", m.epsilon...);
  }
};
template <thaw::Value T>
struct Tower {
  thaw::Several<Layer<T>> layers;
  Layer<T> score;
  int heads = 1;
  thaw::Several<T> tables;
  static void each(auto&& visit, auto&... m) {
    visit("layers", m.layers...), visit("score", m.score...), visit("heads", m.heads...), visit("tables", m.tables...);
  }
};

thaw::Spec sized(const thaw::Shape& shape) { return {shape, {}, nullptr, false}; }

Tower<thaw::Spec> plan(int layers) {
  Tower<thaw::Spec> out;
  for (int i = 0; i < layers; ++i) out.layers.push({sized({3, 2}), sized({3}), 0.5 + i});
  out.score = {sized({1, 3}), sized({1}), 0.25};
  out.heads = 4;
  out.tables.push(sized({10, 2}));
  return out;
}

}  // namespace

TEST_CASE("walking: dotted paths in the order of each") {
  const auto model = plan(2);
  const char* expected[] = {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
                            "score.weight",    "score.bias",    "tables.0"};
  int i = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const thaw::Spec&) {
        if (i < 7) CHECK(std::strcmp(path.text, expected[i]) == 0);
        ++i;
      },
      model);
  CHECK(i == 7);
  CHECK(thaw::tensor_count(model) == 7);
  CHECK(thaw::parameter_count(model) == 2 * (6 + 3) + 4 + 20);
}

TEST_CASE("map_model: another value type, settings and counts copied") {
  Host host;
  const auto specs = plan(3);
  const Tower<A> arrays =
      thaw::map_model<A>(specs, [&](const thaw::Path&, const thaw::Spec& s) { return host.normal(s.shape); });
  static_assert(std::is_same_v<thaw::ModelOf<Tower<thaw::Spec>, A>, Tower<A>>);
  CHECK(arrays.layers.count == 3);
  CHECK(arrays.layers[2].epsilon == 2.5);
  CHECK(arrays.score.epsilon == 0.25);
  CHECK(arrays.heads == 4);
  CHECK(arrays.tables.count == 1);
  CHECK(same_shape(arrays.layers[1].weight.shape, {3, 2}));
}

TEST_CASE("models are walked in lock-step") {
  Host host;
  const auto make = [&](const thaw::Path&, const thaw::Spec& s) { return host.normal(s.shape); };
  const Tower<A> a = thaw::map_model<A>(plan(2), make), b = thaw::map_model<A>(plan(2), make);
  Tower<A> sum = thaw::map_model<A>(plan(2), make);
  thaw::for_each_tensor(
      [](const thaw::Path&, const A& x, const A& y, A& out) {
        for (Index i = 0; i < x.size(); ++i) out[i] = x[i] + y[i];
      },
      a, b, sum);
  CHECK(sum.layers[1].bias[2] == a.layers[1].bias[2] + b.layers[1].bias[2]);
  CHECK(sum.tables[0][19] == a.tables[0][19] + b.tables[0][19]);
}

TEST_CASE("paths with two digits") {
  thaw::Path path;
  path.push("blocks");
  path.push(12);
  path.push("x");
  CHECK(std::strcmp(path.text, "blocks.12.x") == 0);
  CHECK(path.size == 11);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("models of different sizes are not walked together") {
  Host host;
  const auto make = [&](const thaw::Path&, const thaw::Spec& s) { return host.normal(s.shape); };
  const Tower<A> a = thaw::map_model<A>(plan(2), make), b = thaw::map_model<A>(plan(3), make);
  CHECK(says(message_of([&] { thaw::for_each_tensor([](const thaw::Path&, const A&, const A&) {}, a, b); }),
             "layers: models of 2 and 3 modules"));
}

TEST_CASE("too many modules, too long a name") {
  thaw::Several<thaw::Spec, 2> two;
  two.push({});
  two.push({});
  CHECK(says(message_of([&] { two.push({}); }), "more than 2 modules"));
  thaw::Path path;
  CHECK(says(message_of([&] {
               for (int i = 0; i < 40; ++i) path.push("blocks");
             }),
             "longer than 191"));
}
#endif
