// HyperRS at the published widths on users of MovieLens-1M's shape, drawn: 32 users a meta-batch, ten records and ten
// negatives in support and query, one inner step. An outer step, exact and first order, all users at once; and what a
// new user waits for: her scorer, one inner step, scores of 100 items.
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "hyperrs/device_steps.hpp"
#include "meta/meta_problem.hpp"

namespace bench {

namespace {

using hyperrs::Index;

// Moved items of one user: what the network reads, packed once.
struct PackedUsers {
  thaw::GrowingArena arena;
  hyperrs::UserBatch batch;

  PackedUsers(const MetaProblem& problem, const hyperrs::HyperSizes& sizes, std::size_t step, std::size_t users) {
    std::vector<const thaw::Episode*> chosen;
    for (const thaw::Episode& e : problem.meta_batch(step).first(users)) chosen.push_back(&e);
    batch = hyperrs::packed_users(chosen, problem.data.items, sizes, hyperrs::Objective::ranking, arena);
  }
};

void time_outer_step(thaw::CudaSession& session, const MetaProblem& problem, bool first_order, const char* name) {
  thaw::ContextScope memory(session.context());
  const hyperrs::LearnerOptions options{.first_order = first_order, .seed = 7};
  const auto hyper = hyperrs::with_contents(hyperrs::hyper_options(options), problem.data);
  hyperrs::BatchedSteps<thaw::Cuda> steps(hyper, options, MetaProblem::kUsers, session.context());
  std::vector<std::unique_ptr<PackedUsers>> packed;
  for (std::size_t k = 0; k < MetaProblem::kBatches; ++k)
    packed.push_back(std::make_unique<PackedUsers>(problem, hyper.sizes, k, MetaProblem::kBatch));
  const CudaTimer timer(session.device().stream());
  std::size_t k = 0;
  const double seconds = timer.median([&] { steps.step(packed[k++ % packed.size()]->batch); });
  print_rate(name, seconds, static_cast<double>(MetaProblem::kBatch));
}

void time_new_user(thaw::CudaSession& session, const MetaProblem& problem) {
  using V = thaw::Var<float, thaw::Cuda>;
  using A = thaw::Array<float, thaw::Cuda>;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  const auto hyper = hyperrs::with_contents(hyperrs::hyper_options({}), problem.data);
  thaw::Parameters<hyperrs::HyperRS<thaw::Spec>, float, thaw::Cuda> parameters(hyperrs::hyperrs_plan(hyper.sizes),
                                                                               context, 7);
  const PackedUsers her(problem, hyper.sizes, 0, 1);
  thaw::GrowingArena arena;
  hyperrs::BatchedPart asked;
  asked.each = asked.items.count = static_cast<Index>(problem.candidates.size());
  for (int x = 0; x < hyper.sizes.attributes; ++x)
    asked.items.of[x] = hyperrs::attribute_bags(problem.data.items, x, problem.candidates, false, arena);
  const std::vector<float> row(static_cast<std::size_t>(hyper.sizes.width), 0.05F);
  std::vector<float> scores(problem.candidates.size());
  thaw::Tape<float, thaw::Cuda> tape(context);
  const CudaTimer timer(session.device().stream());
  const double seconds = timer.median([&] {
    thaw::Scope scope(tape);
    const auto net = thaw::map_unnamed<V>(parameters.values(), [&](const A& a) { return tape.constant(a); });
    const V user = tape.constant(A::of_host(context, row.data(), {1, hyper.sizes.width}));
    auto scorer =
        thaw::map_unnamed<V>(hyperrs::batched_scorers(net, user), [&](const V& v) { return tape.leaf(v.array()); });
    const auto& seen = her.batch.support;
    const V loss = thaw::weighted_squared_error(hyperrs::batched_scores(net, scorer, user, seen),
                                                A::of_host(context, seen.labels, {1, seen.each}),
                                                A::of_host(context, seen.weights, {1, seen.each}));
    scorer = thaw::descend(scorer, thaw::gradient(loss, scorer), hyper.inner_rate);
    const V out = hyperrs::batched_scores(net, scorer, user, asked);
    thaw::Cuda::download(context, asked.each, static_cast<const float*>(out.array().data), scores.data());
  });
  print_rate("HyperRS, a new user", seconds, 1);
}

}  // namespace

void time_hyperrs(thaw::CudaSession& session) {
  const MetaProblem problem(hyperrs::Objective::ranking);
  time_outer_step(session, problem, false, "HyperRS outer step, 32 users, exact");
  time_outer_step(session, problem, true, "HyperRS outer step, 32 users, first order");
  time_new_user(session, problem);
  if (!session.device().set_graphs(true)) return;
  time_outer_step(session, problem, false, "HyperRS outer step, 32 users, exact, one graph");
  time_outer_step(session, problem, true, "HyperRS outer step, 32 users, first order, one graph");
  (void)session.device().set_graphs(false);
}

}  // namespace bench
