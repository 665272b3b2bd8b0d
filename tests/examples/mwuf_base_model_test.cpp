// Click models: values and gradients of PyTorch in double for weights 0.6 sin(1 + 1.3 t + 0.7 k) of tensor t, the three
// impressions of mwuf_tiny.hpp, written from the equations of each model (FM as the double sum over pairs).
#include "mwuf/models.hpp"
#include "tests/examples/mwuf_tiny.hpp"
#include "tests/heap_counter.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/optim/adam.hpp"

using namespace mwuf_test;

namespace {

struct Golden {
  double logits[3];
  double loss;
  double norms[24];  // of the gradient of each tensor, in the order of the model
};

template <class Plan>
void hold_golden(const Plan& plan, const Golden& want) {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto model = waves<V>(host, plan, [&](const A& a) { return tape.leaf(a); });
  const Batch batch = tiny_batch();
  const V logits = model.logits(batch, model.tables.item_vectors(batch));
  CHECK(logits.shape == thaw::Shape{3});
  for (Index i = 0; i < 3; ++i) CHECK(std::fabs(logits[i] - want.logits[i]) < 1e-12);
  const V loss = mwuf::click_loss(logits, batch);
  CHECK(std::fabs(loss.item() - want.loss) < 1e-13);
  const auto gradient = thaw::gradient(loss, model);
  int i = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const A& g) {
        if (is_statistic(path)) return;
        const char* name = path.text;
        INFO(name);
        CHECK(std::fabs(norm(g) - want.norms[i++]) < 1e-12);
      },
      gradient);
}

template <class Base>
Base plan_of(const Base&, bool bias_terms = false) {
  mwuf::BaseOptions options = tiny_options();
  options.bias_terms = bias_terms;
  return Base::spec(tiny_plan(), options);
}

}  // namespace

TEST_CASE("FM, Wide & Deep and DeepFM: logits, loss and all gradients as torch has them") {
  hold_golden(plan_of(mwuf::FactorizationMachine<thaw::Spec>{}),
              {{-2.094471654001985, -0.9846015033334592, 2.5219754695885426},
               0.8684205577399,
               {0.14717949048981557, 0.5674716998044155, 0.5719793225330966, 0.23090563208459175}});
  hold_golden(plan_of(mwuf::WideAndDeep<thaw::Spec>{}),
              {{-1.4061360144341721, -1.8802909789182682, -0.35289476147716936},
               0.8841323509578634,
               {0.08180198598972532, 0.24077520417812392, 0.7957093967256985, 0.2846870623925823, 0.1493192164856169,
                0.3936021367702136, 0.2926797684084088, 0.39362760298562016, 0.4193732320504234}});
  hold_golden(plan_of(mwuf::DeepFm<thaw::Spec>{}),
              {{-2.6660324807715385, -1.3461442546509272, 2.2128624175253346},
               1.0227869110292123,
               {0.10321527333053986, 0.6528591000544057, 0.5877398617685143, 0.210962345824281, 0.09297958286175644,
                0.36577761399673925, 0.19240868564411792, 0.3436648836766395, 0.27569740406706345}});
}

TEST_CASE("every base model: gradients of item vectors and of all weights against differences, to second order") {
  mwuf::BaseModels::each([](auto base) {
    Host host;
    const auto plan = plan_of(base, /*bias_terms*/ true);
    const auto weights = random_model(host, plan, 0.5);
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
    const auto weights = random_model(host, plan_of(base), 0.5);
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
    const auto model = random_model(host, plan_of(base), 0.5);
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
