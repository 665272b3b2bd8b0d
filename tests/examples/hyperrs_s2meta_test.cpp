// s2Meta against PyTorch, by-hand values and its promises.
#include "hyperrs/s2meta.hpp"
#include "hyperrs_rivals.hpp"

namespace {

using A = thaw::Array<double>;
using V = thaw::Var<double>;
using Pairs = hyperrs::RankingPairs<A>;
using hyperrs::S2Meta;
using hyperrs::StopController;

struct Tiny {
  hyperrs::S2MetaOptions options;
  thaw::GrowingArena arena, weights;
  thaw::Cpu::Context context{&arena}, weight_context{&weights};
  thaw::Tape<double> tape{context};
  thaw::Parameters<S2Meta<thaw::Spec>, double> net;
  thaw::Parameters<StopController<thaw::Spec>, double> stop;

  Tiny()
      : options(small()),
        net(hyperrs::s2meta_plan(options), weight_context, 1),
        stop(hyperrs::stop_plan(options), weight_context, 2) {
    rivals::fill_parameters(net);
    rivals::fill_parameters(stop, net.count());
    for (int k = 0; k < 8; ++k) set_gates(k, -2, 4);
  }
  static hyperrs::S2MetaOptions small() {
    hyperrs::S2MetaOptions o;
    o.width = 2;
    o.hidden[0] = 3;
    o.hidden[1] = o.hidden[2] = 2;
    o.cells = 3;
    o.least_steps = 100;  // no coin
    return o;
  }
  void set_gates(int k, double input, double forget) {
    net.values().learners[k].input_gate.bias[0] = input;
    net.values().learners[k].forget_gate.bias[0] = forget;
  }
  A inputs(int t, thaw::Index rows) {
    const A out = A::make(weight_context, {rows, 4});
    for (thaw::Index k = 0; k < out.size(); ++k) out[k] = 2 * rivals::fill(t, k);
    return out;
  }
  Pairs support(int step) { return {inputs(200 + 2 * step, 4), inputs(201 + 2 * step, 4)}; }
  Pairs query() { return {inputs(300, 3), inputs(301, 3)}; }

  // The weights after some steps of a loop over T.
  template <thaw::Value T>
  thaw::Mlp<T> run(const S2Meta<T>& model, int steps, hyperrs::InnerTrace<A>& trace) {
    const Pairs asked = query();
    hyperrs::S2MetaLoop<T> loop(model, stop.values(), options, tape);
    return loop.run([&](int t) { return support(t); }, &asked, steps, thaw::Philox(1), trace);
  }
  auto loss_after(int steps) {
    return [this, steps](const S2Meta<V>& model) {
      hyperrs::InnerTrace<A> trace;
      const thaw::Mlp<V> theta = run(model, steps, trace);
      const Pairs asked = query();
      return hyperrs::ranking_loss(theta, asked.positive, asked.negative, 1);
    };
  }
};

}  // namespace

// From a program in PyTorch, double precision, with torch.nn.LSTMCell, layer_norm and autograd, the inner gradients and
// the LSTM's inputs detached, and the same formula for weights and inputs; three steps.
TEST_CASE("s2Meta has the numbers of PyTorch") {
  Tiny t;
  thaw::Scope scope(t.tape);
  const auto net = t.net.on(t.tape);
  hyperrs::InnerTrace<A> trace;
  const thaw::Mlp<V> theta = t.run(net, 3, trace);
  const Pairs asked = t.query();
  const V loss = hyperrs::ranking_loss(theta, asked.positive, asked.negative, 1);
  CHECK(rivals::near(loss.item(), 1.0256228878e+00));
  CHECK(trace.steps == 3);
  const double before[] = {1.0463692162e+00, 1.0621891087e+00, 1.0583246416e+00};
  for (std::size_t k = 0; k < 3; ++k) CHECK(rivals::near(trace.query_before[k], before[k]));
  CHECK(rivals::near(theta.layers[3].weight[0], 4.3372210637e-01));
  CHECK(rivals::near(theta.layers[3].weight[1], -4.9226394854e-01));
  const auto slopes = thaw::gradient(loss, net);
  CHECK(rivals::near(rivals::norm(slopes.start.layers[0].weight), 1.0041207298e-01));
  CHECK(rivals::near(rivals::norm(slopes.learners[0].cell.input.weight), 1.2607427043e-03));
  CHECK(rivals::near(rivals::norm(slopes.learners[0].norm.weight), 1.5245358707e-02));
  CHECK(rivals::near(rivals::norm(slopes.learners[0].input_gate.weight), 1.1657177224e-03));
  CHECK(rivals::near(rivals::norm(slopes.learners[0].forget_gate.weight), 2.3194665179e-02));
  CHECK(rivals::near(rivals::norm(slopes.learners[0].first_hidden), 5.7668581767e-04));

  const auto stop = t.stop.on(t.tape);
  const double p[] = {2.2541953282e-01, 2.4606221218e-01, 3.9465963783e-01};
  auto state = stop.first();
  for (thaw::Index k = 0; k < 3; ++k)
    CHECK(rivals::near(thaw::sigmoid(stop(thaw::slice(trace.stop_features, 0, k, 1), state)).item(), p[k]));
  const A features = thaw::slice(trace.stop_features, 0, 0, 3);
  const V regret = hyperrs::stop_loss(stop, features, trace.query_before.data(), loss.item(), 0);
  CHECK(rivals::near(regret.item(), 3.2042389886e-02));
  const auto turn = thaw::gradient(regret, stop);
  CHECK(rivals::near(rivals::norm(turn.cell.input.weight), 1.7773363096e-02));
  CHECK(rivals::near(rivals::norm(turn.first_cell), 1.2890767871e-02));
}

TEST_CASE("smooth by hand") {
  // ln 1 = 0, ln(e^-5) / 10 = -0.5, ln(e^2) / 10 = 0.2; below e^-10 the number itself, times e^10
  const auto expect = [](double w, double magnitude, double sign) {
    const auto s = hyperrs::smooth(w);
    CHECK(rivals::near(s.magnitude, magnitude, 1e-12));
    CHECK(rivals::near(s.sign, sign, 1e-12));
  };
  expect(1, 0, 1);
  expect(-std::exp(-5.0), -0.5, -1);
  expect(std::exp(2.0), 0.2, 1);
  expect(0, -1, 0);
  expect(std::exp(-11.0), -1, std::exp(-1.0));
  expect(-std::exp(-12.0), -1, -std::exp(-2.0));
}

TEST_CASE("the slopes of s2Meta's loss are those of differences with gradients and features held") {
  Tiny t;
  // what the steps see, written down once
  std::vector<std::vector<double>> kept;
  const auto model_of = [&](std::size_t& at, thaw::Index columns) {
    return thaw::map_unnamed<A>(t.net.values().start, [&](const A& w) {
      const thaw::Shape shape = columns == 0 ? w.shape : thaw::Shape{w.size(), columns};
      return A::view(t.context, kept[at++].data(), shape);
    });
  };
  {
    thaw::Scope scope(t.tape);
    const auto net = t.net.on(t.tape);
    auto theta = net.start;
    auto states = net.first_states();
    for (int step = 0; step < 3; ++step) {
      const auto here = thaw::map_unnamed<V>(theta, [&](const V& w) { return t.tape.leaf(w.array()); });
      const Pairs batch = t.support(step);
      const V loss = hyperrs::ranking_loss(here, batch.positive, batch.negative, 1);
      auto g = thaw::gradient(loss, here);
      const auto keep = [&](const A& a) { kept.emplace_back(a.begin(), a.end()); };
      thaw::for_each_unnamed(
          [&](const A& a) {
            for (double& x : a) x = (std::clamp)(x, -1.0, 1.0);
          },
          g);
      auto features = g;
      thaw::for_each_unnamed(
          [&](A& x, const V& w, const A& s) { x = hyperrs::coordinate_features(w.array(), s, loss.item()); }, features,
          theta, g);
      thaw::for_each_unnamed(keep, features);
      thaw::for_each_unnamed(keep, g);
      net.update(theta, states, features, g);
    }
  }
  const auto held = [&](const S2Meta<V>& net) {
    auto theta = net.start;
    auto states = net.first_states();
    std::size_t at = 0;
    for (int step = 0; step < 3; ++step) {
      const auto features = model_of(at, 5);
      net.update(theta, states, features, model_of(at, 0));
    }
    const Pairs asked = t.query();
    return hyperrs::ranking_loss(theta, asked.positive, asked.negative, 1);
  };
  CHECK(rivals::slope_error(t.net, t.tape, t.loss_after(3), held) < 1e-5);

  hyperrs::InnerTrace<A> trace;
  thaw::Scope scope(t.tape);
  t.run(t.net.values(), 3, trace);
  const auto regret = [&](const StopController<V>& stop) {
    return hyperrs::stop_loss(stop, thaw::slice(trace.stop_features, 0, 0, 3), trace.query_before.data(), 0.9, 0.01);
  };
  CHECK(rivals::slope_error(t.stop, t.tape, regret, regret) < 1e-5);
}

TEST_CASE("gates i = 0 and f = 1 leave the weights as they are, and so do no steps") {
  Tiny t;
  const auto moved = [&](int steps) {
    thaw::Scope scope(t.tape);
    hyperrs::InnerTrace<A> trace;
    const thaw::Mlp<A> theta = t.run(t.net.values(), steps, trace);
    double most = 0;
    thaw::for_each_unnamed(
        [&](const A& a, const A& b) {
          for (thaw::Index k = 0; k < a.size(); ++k) most = (std::max)(most, std::abs(a[k] - b[k]));
        },
        theta, t.net.values().start);
    return most;
  };
  CHECK(moved(0) == 0);
  CHECK(moved(3) > 1e-3);
  for (int k = 0; k < 8; ++k) t.set_gates(k, -1000, 1000);
  CHECK(moved(3) == 0);
}

TEST_CASE("the loop over arrays is the loop over variables, and its memory does not grow with the steps") {
  Tiny t;
  const auto peak_of = [&](int steps) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context context{&arena};
    thaw::Tape<double> tape(context);
    const auto model =
        thaw::map_unnamed<A>(t.net.values(), [&](const A& a) { return A::view(context, a.data, a.shape); });
    const Pairs fixed = t.support(0);
    hyperrs::InnerTrace<A> trace;
    hyperrs::S2MetaLoop<A> loop(model, t.stop.values(), t.options, tape);
    loop.run([&](int) { return fixed; }, nullptr, steps, thaw::Philox(1), trace);
    return arena.peak();
  };
  CHECK(peak_of(50) < peak_of(2) + 20000);
  thaw::Scope scope(t.tape);
  hyperrs::InnerTrace<A> first, second;
  const auto recorded = t.run(t.net.on(t.tape), 4, first);
  const auto plain = t.run(t.net.values(), 4, second);
  thaw::for_each_unnamed(
      [](const V& a, const A& b) {
        for (thaw::Index k = 0; k < b.size(); ++k) CHECK(rivals::near(a[k], b[k], 1e-13));
      },
      recorded, plain);
}

TEST_CASE("the controller's coin falls from the step on which it may") {
  Tiny t;
  t.options.least_steps = 2;
  t.stop.values().output.bias[0] = 1000;  // always stop
  hyperrs::InnerTrace<A> trace;
  thaw::Scope scope(t.tape);
  t.run(t.net.values(), 5, trace);
  CHECK(trace.steps == 2);
  t.stop.values().output.bias[0] = -1000;
  t.run(t.net.values(), 5, trace);
  CHECK(trace.steps == 5);
}

TEST_CASE("s2Meta at the published sizes") {
  const auto net = hyperrs::s2meta_plan({});
  CHECK(thaw::parameter_count(net.start) == 10881);
  CHECK(net.learners.count == 8);
  CHECK(thaw::parameter_count(net.learners[0]) == 1570);
  CHECK(thaw::parameter_count(hyperrs::stop_plan({})) == 2143);
  // remembering starts on the forget gate, [h, 2h) of the four
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<S2Meta<thaw::Spec>, double> parameters(net, context, 1);
  hyperrs::start_remembering(parameters.values());
  const auto& bias = parameters.values().learners[3].cell.input.bias;
  for (thaw::Index k = 0; k < 64; ++k) CHECK((bias[k] == 1) == (k >= 16 && k < 32));
}

TEST_CASE("pre-trained factors put a training user's items first; other items get zeros or their attributes' mean") {
  const rivals::MadeWorld made;
  hyperrs::MatrixFactorsOptions options;
  options.width = 8;
  const hyperrs::MatrixFactors plain(made.world, options);
  options.from_attributes = true;
  const hyperrs::MatrixFactors filled(made.world, options);
  double right = 0, pairs = 0;
  for (const thaw::Episode& e : made.train)
    for (std::size_t k = 0; k < e.query.items.size(); ++k, pairs += 1)
      right += plain.score(e.user, e.query.items[k]) > plain.score(e.user, e.query.negatives[k]);
  CHECK(right / pairs > 0.7);
  double zeros = 0, others = 0;
  for (const float x : plain.item(125)) zeros += std::abs(static_cast<double>(x));
  for (const float x : filled.item(125)) others += std::abs(static_cast<double>(x));
  CHECK(zeros == 0);
  CHECK(others > 0);
  for (std::size_t k = 0; k < 8; ++k) CHECK(plain.item(3)[k] == filled.item(3)[k]);
  std::vector<float> mean(8);
  const std::vector<std::int32_t> items = {3, 3, 7, 5};
  plain.mean_of(items, mean.data());
  for (std::size_t k = 0; k < 8; ++k)
    CHECK(mean[k] == doctest::Approx((2 * plain.item(3)[k] + plain.item(7)[k] + plain.item(5)[k]) / 4).epsilon(1e-5));
}

TEST_CASE("s2Meta learns, and new users leave no trace [slow]") {
  const rivals::MadeWorld made;
  hyperrs::LearnerOptions options;
  options.variant = hyperrs::Variant::best;
  options.width = 8;
  const auto learner = hyperrs::make_s2meta(made.world, options), twin = hyperrs::make_s2meta(made.world, options);
  rivals::check_learns(*learner, *twin, made, {.passes = 25, .batch = 5, .share = 0.9, .steps = -1});
  CHECK(rivals::right_pairs(*learner, made, 0) > 0.55);  // the learnt start alone
  rivals::check_odd_users(*learner, 1);
}

TEST_CASE("one step of s2Meta at the published sizes") {
  const rivals::MadeWorld made;
  const auto learner = hyperrs::make_s2meta(made.world, {});
  CHECK(learner->parameter_count() == 10881 + 8 * 1570 + 2143);
  CHECK(std::isfinite(learner->train({made.train.data(), 1})));
  rivals::check_odd_users(*learner, 0);
}
