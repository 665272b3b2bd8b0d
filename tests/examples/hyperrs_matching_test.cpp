// The matching network against PyTorch, and its promises.
#include "hyperrs/matching.hpp"
#include "hyperrs_rivals.hpp"

namespace {

using A = thaw::Array<double>;

struct Tiny {
  rivals::TinyWorld tiny;
  thaw::GrowingArena arena, weights;
  thaw::Cpu::Context context{&arena}, weight_context{&weights};
  thaw::Tape<double> tape{context};
  hyperrs::KnownItems known{tiny.world};
  thaw::Parameters<hyperrs::MatchingNetwork<thaw::Spec>, double> parameters;
  std::vector<thaw::Episode> episodes;
  hyperrs::MatchingTasks<A> tasks;

  Tiny() : parameters(hyperrs::matching_plan(known, small()), weight_context, 1) {
    rivals::fill_parameters(parameters);
    episodes.resize(2);
    episodes[0] = {0, {{0, 1, 2}, {1, 1, 1}, {}}, {{4, 5}, {1, 1}, {7}}};
    episodes[1] = {0, {{6}, {1}, {}}, {{3}, {1}, {0, 2}}};
    tasks = hyperrs::matching_tasks<A>(known, episodes, weight_context);
  }
  static hyperrs::MatchingOptions small() {
    hyperrs::MatchingOptions o;
    o.width = 3;
    return o;
  }
  std::vector<double> scores(std::vector<thaw::Episode> of) {
    thaw::ArenaScope scope(arena);
    const A out = parameters.values()(hyperrs::matching_tasks<A>(known, of, context), {});
    return {out.begin(), out.end()};
  }
};

}  // namespace

// From a program in PyTorch, double precision, with torch.nn.LSTMCell, layer_norm and autograd and the same formula for
// the weights; users (0 1 2, asked 4 5 | 7) and (6, asked 3 | 0 2).
TEST_CASE("the matching network has the numbers of PyTorch") {
  Tiny t;
  thaw::Scope scope(t.tape);
  const auto net = t.parameters.on(t.tape);
  const auto scores = net(t.tasks, {});
  const double golden[] = {9.4070568514e-01,  7.5855479710e-01, 1.1012893889e+00,
                           -1.2414288500e+00, 1.3441611420e+00, 1.1333697047e+00};
  for (thaw::Index i = 0; i < 6; ++i) CHECK(rivals::near(scores[i], golden[i]));
  const auto loss = hyperrs::matching_loss(net, t.tasks, 5, {});
  CHECK(rivals::near(loss.item(), 6.0296360958e+00));
  const double norms[] = {4.7530321821e-01, 3.8887012496e-01, 4.1973467033e-01, 3.2700571785e-01,
                          6.4110311183e-01, 2.5335783395e-01, 1.7713712769e+00, 1.2394060390e+00,
                          2.1971573780e-01, 1.9354424586e-01, 2.9928512223e-01, 1.9354424586e-01};
  int k = 0;
  const auto slopes = thaw::gradient(loss, net);
  thaw::for_each_unnamed([&](const A& g) { CHECK(rivals::near(rivals::norm(g), norms[k++])); }, slopes);
  CHECK(k == 12);
}

TEST_CASE("the slopes of the matching loss are those of differences") {
  Tiny t;
  const auto dropout = thaw::DropoutRule::make(0.2, thaw::Key{5}, 0);
  for (const thaw::DropoutRule& rule : {thaw::DropoutRule{}, dropout}) {
    const auto loss = [&](const auto& net) { return hyperrs::matching_loss(net, t.tasks, 5, rule); };
    CHECK(rivals::slope_error(t.parameters, t.tape, loss, loss) < 1e-5);
  }
}

TEST_CASE("the order of the support does not matter, its numbers do; nobody sees another user") {
  Tiny t;
  auto turned = t.episodes;
  turned[0].support.items = {2, 0, 1};
  const auto before = t.scores(t.episodes), after = t.scores(turned);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(rivals::near(before[i], after[i], 1e-12));
  turned[0].support.items = {2, 0, 1, 1};
  CHECK(!rivals::near(t.scores(turned)[0], before[0], 1e-6));
  const auto alone = t.scores({t.episodes[1]});
  for (std::size_t i = 0; i < alone.size(); ++i) CHECK(rivals::near(alone[i], before[3 + i], 1e-12));
}

TEST_CASE("one support item gets all attention, so r is its code and the score follows by hand") {
  Tiny t;
  // without rounds h is the query: the score is the product of two codes
  auto net = t.parameters.values();
  net.rounds = 0;
  const auto tasks = hyperrs::matching_tasks<A>(t.known, t.episodes, t.context);
  const A scores = net(tasks, {});
  const std::vector<std::int32_t> items = {6, 3};
  const A codes = net.encode(t.known.bags(items, t.arena), {});
  double product = 0;
  for (thaw::Index k = 0; k < 3; ++k) product += codes[k] * codes[3 + k];
  CHECK(rivals::near(scores[3], product, 1e-12));
}

TEST_CASE("the matching network learns, and new users leave no trace") {
  const rivals::MadeWorld made;
  hyperrs::LearnerOptions options;
  options.variant = hyperrs::Variant::best;
  options.width = 16;
  const auto learner = hyperrs::make_matching(made.world, options), twin = hyperrs::make_matching(made.world, options);
  rivals::check_learns(*learner, *twin, made, {.passes = 20, .batch = 20, .share = 0.8, .steps = 1});
  CHECK(rivals::scores_of(*learner, made.test[3], 0) == rivals::scores_of(*learner, made.test[3], 7));
}

TEST_CASE("the matching network's parameters") {
  const rivals::MadeWorld made;
  const auto learner = hyperrs::make_matching(made.world, {});
  const std::int64_t d = 100, attribute_values = 12 + 6 + 5 + 6;
  const std::int64_t encoder = (2 * d * d + 2 * d) + (2 * d * d + d) + 2 * d;
  const std::int64_t lstm = 4 * 2 * d * (d + 2 * d) + 2 * 4 * 2 * d;
  CHECK(learner->parameter_count() == (130 + attribute_values) * d + encoder + lstm);
}
