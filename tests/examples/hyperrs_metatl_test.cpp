// MetaTL against PyTorch, its closed form and its promises.
#include "hyperrs/metatl.hpp"
#include "hyperrs_rivals.hpp"

namespace {

using A = thaw::Array<double>;
using Moments = hyperrs::Moments<A>;

struct Tiny {
  rivals::TinyWorld tiny;
  hyperrs::MetaTlOptions options;
  thaw::GrowingArena arena, weights;
  thaw::Cpu::Context context{&arena}, weight_context{&weights};
  thaw::Tape<double> tape{context};
  hyperrs::KnownItems known;
  thaw::Parameters<hyperrs::MetaTl<thaw::Spec>, double> parameters;
  std::vector<thaw::Episode> episodes = rivals::tiny_episodes();
  hyperrs::MetaTlTasks tasks;
  double mean[3][3] = {{0.05, -0.1, 0.2}, {0.1, 0.0, -0.3}, {0.02, 0.3, 0.1}};
  double variance[3][3] = {{0.5, 1.2, 0.8}, {0.7, 0.9, 1.1}, {0.6, 0.4, 1.5}};
  Moments running[3];

  explicit Tiny(bool attributes = false)
      : options(small()),
        known(tiny.world, attributes),
        parameters(hyperrs::metatl_plan(known, options), weight_context, 1),
        tasks(hyperrs::MetaTlTasks::make(known, episodes, 3, weights)) {
    rivals::fill_parameters(parameters);
    for (int l = 0; l < 3; ++l) running[l] = {A::view(context, mean[l], {3, 1}), A::view(context, variance[l], {3, 1})};
  }
  static hyperrs::MetaTlOptions small() {
    hyperrs::MetaTlOptions o;
    o.width = 3;
    o.hidden[0] = 4;
    o.hidden[1] = 3;
    o.channels = 3;
    return o;
  }
  auto loss(bool training) {
    return [this, training](const auto& net) {
      return hyperrs::metatl_loss(net, tasks, options, hyperrs::NormMode<A>{training ? nullptr : running, nullptr, {}});
    };
  }
};

}  // namespace

// From a program in PyTorch, double precision, with the same formula for the weights, torch.nn.functional.batch_norm a
// transition index and autograd for the inner and the outer gradient; users (0 1 2 3 | 5 6, asked 4 5 | 7) and
// (6 2 | 1, asked 3 | 0).
TEST_CASE("MetaTL has the numbers of PyTorch") {
  struct Golden {
    bool first_order, training;
    double beta, loss, items, first, third, norm, r[3];
  };
  const Golden golden[] = {
      {true,
       true,
       5,
       1.3592385435e+00,
       9.9764918147e-01,
       3.0650377688e-03,
       5.3356430236e-02,
       4.9362799798e-04,
       {4.7214212248e-01, 9.8668015558e-01, 1.5975387285e+00}},
      {true,
       false,
       0.3,
       1.1932446445e+00,
       1.0670093446e+00,
       1.3146352021e-02,
       1.7634230269e-01,
       7.2907321840e-03,
       {-1.2683986515e-01, 4.8429134494e-03, 9.2941955875e-01}},
      {false,
       true,
       5,
       1.3592385435e+00,
       1.3952940446e+00,
       8.8223427250e-03,
       1.2810437104e-01,
       1.2951654881e-04,
       {4.7214212248e-01, 9.8668015558e-01, 1.5975387285e+00}},
      {false,
       false,
       5,
       1.2759271958e+00,
       1.1197872952e+00,
       6.1035006844e-03,
       1.4732640654e-01,
       3.5898480668e-03,
       {8.2145610186e-02, 2.8165985026e+00, 2.2730863795e+00}},
  };
  for (const Golden& g : golden) {
    Tiny t;
    t.options.first_order = g.first_order;
    t.options.beta = g.beta;
    thaw::Scope scope(t.tape);
    const auto net = t.parameters.on(t.tape);
    const auto loss = t.loss(g.training)(net);
    CHECK(rivals::near(loss.item(), g.loss));
    const auto slopes = thaw::gradient(loss, net);
    CHECK(rivals::near(rivals::norm(slopes.items.id.table), g.items));
    CHECK(rivals::near(rivals::norm(slopes.layers[0].linear.weight), g.first));
    CHECK(rivals::near(rivals::norm(slopes.layers[2].linear.weight), g.third));
    CHECK(rivals::near(rivals::norm(slopes.layers[0].norm.weight), g.norm));
    const auto codes = net.codes(t.tasks);
    const auto r = net.relation(codes, t.tasks, hyperrs::NormMode<A>{g.training ? nullptr : t.running, nullptr, {}});
    const auto adapted = hyperrs::adapt_relation(codes, r, t.tasks, t.options, 1);
    for (thaw::Index k = 0; k < 3; ++k) CHECK(rivals::near(adapted[k], g.r[k]));
  }
}

TEST_CASE("the slopes of MetaTL's loss are those of differences, through the inner step too") {
  for (const bool training : {true, false})
    for (const bool attributes : {true, false}) {
      Tiny t(attributes);
      t.options.first_order = false;
      t.options.beta = 0.3;
      t.options.inner_steps = 2;
      CHECK(rivals::slope_error(t.parameters, t.tape, t.loss(training), t.loss(training)) < 1e-5);
    }
}

TEST_CASE("the first-order step is the step with its gradient frozen") {
  Tiny t;
  t.options.beta = 0.3;
  std::vector<double> step;
  {
    thaw::Scope scope(t.tape);
    const auto net = t.parameters.on(t.tape);
    const auto codes = net.codes(t.tasks);
    const auto r = net.relation(codes, t.tasks, hyperrs::NormMode<A>{});
    const A g = thaw::gradient(thaw::sum(hyperrs::support_loss(codes, r, t.tasks, 1)), r);
    for (const double x : g) step.push_back(0.3 * x);
  }
  const auto frozen = [&](const auto& net) {
    const auto codes = net.codes(t.tasks);
    const auto r = net.relation(codes, t.tasks, hyperrs::NormMode<A>{});
    const auto moved = thaw::sub(r, A::view(t.context, step.data(), r.shape));
    return thaw::scale(thaw::sum(hyperrs::query_loss(codes, moved, t.tasks, 1)), 0.5);
  };
  CHECK(rivals::slope_error(t.parameters, t.tape, t.loss(true), frozen) < 1e-5);
  t.options.first_order = false;
  CHECK(rivals::slope_error(t.parameters, t.tape, t.loss(true), frozen) > 1e-3);  // the other path counts
}

TEST_CASE("beta of zero and no steps leave r as it is") {
  Tiny t;
  thaw::Scope scope(t.tape);
  const auto net = t.parameters.on(t.tape);
  const auto codes = net.codes(t.tasks);
  const auto r = net.relation(codes, t.tasks, hyperrs::NormMode<A>{});
  const auto same = [&](int steps) {
    const auto after = hyperrs::adapt_relation(codes, r, t.tasks, t.options, steps);
    bool equal = true;
    for (thaw::Index i = 0; i < r.size(); ++i) equal = equal && after[i] == r[i];
    return equal;
  };
  CHECK(same(0));
  CHECK(!same(1));
  t.options.beta = 0;
  CHECK(same(3));
}

TEST_CASE("a user's adapted scores do not depend on who else is in the batch") {
  Tiny t;
  thaw::Scope scope(t.tape);
  const auto net = t.parameters.on(t.tape);
  const hyperrs::NormMode<A> mode{t.running, nullptr, {}};
  const auto adapted = [&](const hyperrs::MetaTlTasks& tasks) {
    const auto codes = net.codes(tasks);
    return hyperrs::adapt_relation(codes, net.relation(codes, tasks, mode), tasks, t.options, 1);
  };
  const auto together = adapted(t.tasks);
  const auto alone = adapted(hyperrs::MetaTlTasks::make(t.known, {&t.episodes[1], 1}, 3, t.weights));
  for (thaw::Index i = 0; i < 3; ++i) CHECK(rivals::near(together[3 + i], alone[i]));
}

TEST_CASE("MetaTL at the published sizes") {
  const rivals::MadeWorld made;
  const auto learner = hyperrs::make_metatl(made.world, {});
  CHECK(learner->parameter_count() == 220800 + 130 * 100 + 3 * 2 * 9);
}

TEST_CASE("MetaTL learns, and new users leave no trace") {
  const rivals::MadeWorld made;
  hyperrs::LearnerOptions options;
  options.variant = hyperrs::Variant::best;
  options.width = 16;
  const auto learner = hyperrs::make_metatl(made.world, options), twin = hyperrs::make_metatl(made.world, options);
  rivals::check_learns(*learner, *twin, made, {.passes = 30, .batch = 20, .share = 0.8, .steps = 1});
}

TEST_CASE("MetaTL's published form with users who have little") {
  const rivals::MadeWorld made;
  const auto learner = hyperrs::make_metatl(made.world, {});
  rivals::check_odd_users(*learner, 2);
  rivals::check_odd_batches(*learner);
  // items without training records are one and the same
  const std::vector<std::int32_t> items = {121, 129, 3};
  float out[3];
  learner->adapt(240, made.test[0].support, 1)->score(items, out);
  CHECK(out[0] == out[1]);
  CHECK(out[0] != out[2]);
}
