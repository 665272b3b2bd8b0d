// Base models: gradients to second order, the gradient of one input of a frozen base, rows that do not mix, sizes,
// learning without the heap, the table by name. Values against PyTorch are in mwuf_golden_test.cpp.
#include "mwuf/models.hpp"
#include "tests/examples/mwuf_tiny.hpp"
#include "tests/heap_counter.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/optim/adam.hpp"

using namespace mwuf_test;

namespace {

template <class Base>
Base plan_of(const Base&, bool bias_terms = false) {
  mwuf::BaseOptions options = tiny_options();
  options.bias_terms = bias_terms;
  return Base::spec(tiny_plan(), options);
}

}  // namespace

TEST_CASE("every base model: gradients of item vectors and of all weights against differences, to second order") {
  mwuf::BaseModels::each([](auto base) {
    Host host;
    const auto plan = plan_of(base, /*bias_terms*/ true);
    const auto weights = random_base(host, plan);
    const A packed = pack(host, weights);
    const A start = pack(host, thaw::map_model<A>(plan, [&](const thaw::Path&, const thaw::Spec& s) {
                           A out = host.zeros(s.shape);
                           for (double& x : out) x = s.init.scale;
                           return out;
                         }));
    const Batch batch = tiny_batch();
    const A items = host.normal({3, 5});
    thaw::CheckOptions options;
    options.projections = 1;
    options.step = 1e-4;
    const auto f = [&](const auto& theta, const auto& v) {
      using T = thaw::Meet<std::decay_t<decltype(theta)>, std::decay_t<decltype(v)>>;
      const T& like = thaw::detail::first_of<T>(theta, v);
      return unpack(plan, thaw::lift_to<T>(theta, like), start).logits(batch, thaw::lift_to<T>(v, like));
    };
    thaw_test::hold(decltype(base)::kName, thaw::check_gradient(f, {packed, items}, options));
  });
}

TEST_CASE("every base model: a frozen base gives the gradient of its input and none of its weights") {
  mwuf::BaseModels::each([](auto base) {
    Host host;
    thaw::Tape<double> tape(host.context);
    const auto weights = random_base(host, plan_of(base));
    const Batch batch = tiny_batch();
    const auto live = thaw::map_unnamed<V>(weights, [&](const A& a) { return tape.leaf(a); });
    const V v = tape.leaf(host.normal({3, 4}));
    const A both = thaw::gradient(mwuf::click_loss(live.logits(batch, v), batch), v);
    const std::int32_t before = tape.size();
    const auto base_model = thaw::frozen(tape, weights);
    CHECK(tape.size() == before);
    const V loss = mwuf::click_loss(base_model.logits(batch, v), batch);
    CHECK(difference(thaw::gradient(loss, v), both) < 1e-12);
    thaw::for_each_unnamed([](const V& w) { CHECK(w.node == nullptr); }, base_model);
  });
}

TEST_CASE("every base model: the logit of a row depends on that row alone") {
  mwuf::BaseModels::each([](auto base) {
    Host host;
    const auto model = random_base(host, plan_of(base));
    const Batch all = tiny_batch();
    const A together = model.logits(all, model.tables.item_vectors(all));
    Batch second = all;
    second.rows = 1;
    second.item += 1, second.field[0].bags.ids += 1, second.field[1].bags.offsets += 1, second.field[2].values += 1;
    second.field[3].bags.ids += 1, second.history += 3;
    for (auto& column : second.field) column.bags.count = 1;
    const A alone = model.logits(second, model.tables.item_vectors(second));
    CHECK(std::fabs(alone[0] - together[1]) < 1e-13);
  });
}

TEST_CASE("every base model: learns by touched rows and takes nothing from the heap once it is warm") {
  mwuf::BaseModels::each([](auto base) {
    using B = thaw::CpuEigen;
    thaw::GrowingArena weight_arena, arena;
    B::Context weights{&weight_arena}, context{&arena};
    const auto plan = plan_of(base, true);
    using Plan = std::decay_t<decltype(plan)>;
    thaw::Parameters<Plan, float, B> parameters(plan, weights, 7);
    thaw::Adam<float, B> adam(parameters);
    thaw::Tape<float, B> tape(context);
    const Batch batch = tiny_batch();
    float first = 0, last = 0;
    const auto step = [&] {
      thaw::Scope scope(tape);
      thaw::StatisticsUpdate<float> update;
      const auto net = parameters.on(tape);
      const auto loss =
          mwuf::click_loss(mwuf::training_logits(net, batch, net.tables.item_vectors(batch), update), batch);
      adam.step(parameters, parameters.gradient(loss), 0.01);
      update.commit();
      last = loss.item();
    };
    const auto items = parameters.values().tables.items;
    const float untouched = items[2 * 5], touched = items[1 * 5];
    step();
    first = last;
    step();
    const long before = thaw_test::heap_allocations();
    for (int i = 0; i < 300; ++i) step();
    CHECK(thaw_test::heap_allocations() == before);
    CHECK(last < 0.2F * first);
    CHECK(items[1 * 5] != touched);
    if (!requires { decltype(base)::kReadsHistory; }) CHECK(items[2 * 5] == untouched);
  });
}

TEST_CASE("numbers of weights") {
  // Items 5 x 4; fields 4 + 3 + 1 + 3 values of 4 and, where there are linear weights, of 1; 5 vectors of 4 a row.
  const Index vectors = 5 * 4 + 11 * 4, deep = 6 * 20 + 6 + 3 * 6 + 3 + 3 + 1, pairs = 10;
  const auto count = [](auto base) {
    Index statistics = 0;
    const auto plan = plan_of(base);
    thaw::for_each_tensor(
        [&](const thaw::Path& path, const thaw::Spec& s) { statistics += is_statistic(path) ? s.size() : 0; }, plan);
    return thaw::parameter_count(plan) - statistics;
  };
  CHECK(count(mwuf::FactorizationMachine<thaw::Spec>{}) == vectors + 11 + 1);
  CHECK(count(mwuf::WideAndDeep<thaw::Spec>{}) == vectors + 11 + deep);
  CHECK(count(mwuf::DeepFm<thaw::Spec>{}) == vectors + 11 + deep);
  CHECK(count(mwuf::InnerProductNetwork<thaw::Spec>{}) == vectors + deep + 6 * pairs);
  CHECK(count(mwuf::OuterProductNetwork<thaw::Spec>{}) == vectors + deep + 6 * pairs + pairs * 16);
  CHECK(count(mwuf::DeepAndCross<thaw::Spec>{}) == vectors + 2 * (20 + 20) + 6 * 20 + 6 + 3 * 6 + 3 + 23 + 1);
  // Three neurons over 5 vectors and their biases; batch norm of 4, 4, 6 and 3; layers 12 -> 6 -> 3 -> 1.
  CHECK(count(mwuf::AdaptiveFactorization<thaw::Spec>{}) == vectors + 15 + 3 + 16 + (6 * 12 + 6) + (18 + 3) + 18 + 4);
  CHECK(count(mwuf::RecurrentHistory<thaw::Spec>{}) == vectors + 2 * (12 * 4 + 12) + deep + 6 * 4);
  CHECK(count(mwuf::DeepInterest<thaw::Spec>{}) ==
        vectors + (80 * 16 + 80) + (40 * 80 + 40) + 41 + 2 * 28 + (6 * 28 + 6) + (18 + 3) + 18 + 4);
  // Bias terms: one more number a row of an item, and a weight for each user where there are no linear weights.
  CHECK(thaw::parameter_count(plan_of(mwuf::DeepFm<thaw::Spec>{}, true)) == vectors + 11 + deep + 5);
  CHECK(thaw::parameter_count(plan_of(mwuf::InnerProductNetwork<thaw::Spec>{}, true)) ==
        vectors + deep + 6 * pairs + 5 + 4);
}

TEST_CASE("bias terms add the item's last number and the user's weight to the logit, nothing else") {
  mwuf::BaseModels::each([](auto base) {
    Host host;
    const auto model = random_base(host, plan_of(base, true));
    const Batch batch = tiny_batch();
    A items = host.normal({3, 5});
    const A before = model.logits(batch, items);
    items[4] += 0.25;
    const A with_item = model.logits(batch, items);
    const int user = 0;  // of the first row
    model.tables.linear[0].table[user] += 0.5;
    const A with_user = model.logits(batch, items);
    CHECK(std::fabs(with_item[0] - before[0] - 0.25) < 1e-12);
    CHECK(std::fabs(with_user[0] - before[0] - 0.75) < 1e-12);
    CHECK(std::fabs(with_user[1] - before[1]) + std::fabs(with_user[2] - before[2]) < 1e-12);
  });
}

TEST_CASE("base models are found by name, and a wrong name is told the right ones") {
  int found = 0;
  const auto known = mwuf::with_base_model(
      "deepfm", [&](auto base) { found += std::strcmp(decltype(base)::kName, "deepfm") == 0 ? 1 : 100; });
  CHECK(static_cast<bool>(known));
  CHECK(found == 1);
  const auto wrong = mwuf::with_base_model("deepfn", [&](auto) { ++found; });
  CHECK(!wrong);
  CHECK(found == 1);
  if (wrong) return;
  CHECK(std::strstr(wrong.fault().text, "deepfn") != nullptr);
  mwuf::BaseModels::each([&](auto base) { CHECK(std::strstr(wrong.fault().text, decltype(base)::kName) != nullptr); });
}
