// A training step of HIRE with the published sizes: contexts of 32 users and 32 items, LAMB inside Lookahead.
#include <hire/model.hpp>
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"

namespace bench {

namespace {

using thaw::Index;

// Attributes of MovieLens-1M: rows of each table, values that one user or item has.
struct Kind {
  Index rows, values;
};
constexpr Kind kUserKinds[] = {{2, 1}, {7, 1}, {21, 1}, {3402, 1}};
constexpr Kind kItemKinds[] = {{6, 1}, {25, 2}, {2186, 1}, {8030, 4}};
constexpr Index kUsers = 32, kItems = 32;

hire::Settings published() {
  hire::Settings s;
  s.user_attributes = s.item_attributes = 4;
  for (int i = 0; i < 4; ++i) s.user_cardinality[i] = kUserKinds[i].rows, s.item_cardinality[i] = kItemKinds[i].rows;
  return s;
}

class Contexts {
 public:
  explicit Contexts(Index count) : count_(count) {
    thaw::Philox rng(1, 1);
    for (int i = 0; i < 4; ++i) {
      batch.user[i] = draw(kUserKinds[i], count * kUsers, rng);
      batch.item[i] = draw(kItemKinds[i], count * kItems, rng);
    }
    for (Index k = 0; k < count * kUsers * kItems; ++k) {
      const bool shown = rng.uniform() < 0.1;
      levels_.push_back(shown ? static_cast<std::int32_t>(rng.below(5)) : -1);
      truth.push_back(static_cast<float>(1 + rng.below(5)));
      weight.push_back(1.0F / static_cast<float>(kUsers * kItems));
    }
    batch.contexts = count, batch.users = kUsers, batch.items = kItems;
    batch.rating = {levels_.data(), nullptr, static_cast<Index>(levels_.size()), false};
  }
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  thaw::Shape cells() const { return {count_, kUsers, kItems}; }

  hire::Batch<float> batch;
  std::vector<float> truth, weight;

 private:
  thaw::Bags draw(const Kind& kind, Index count, thaw::Philox& rng) {
    std::vector<std::int32_t>& ids = lists_[used_++];
    std::vector<std::int32_t>& offsets = lists_[used_++];
    offsets.push_back(0);
    for (Index e = 0; e < count; ++e) {
      for (Index v = 0; v < kind.values; ++v)
        ids.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(kind.rows))));
      offsets.push_back(static_cast<std::int32_t>(ids.size()));
    }
    return {ids.data(), offsets.data(), count, true};
  }

  Index count_;
  std::vector<std::int32_t> lists_[16], levels_;
  int used_ = 0;
};

void time_step(thaw::CudaSession& session, Index count, const char* name) {
  using A = thaw::Array<float, thaw::Cuda>;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  const Contexts contexts(count);
  thaw::Parameters<hire::Hire<thaw::Spec>, float, thaw::Cuda> parameters(hire::make_plan(published()), context, 1);
  thaw::Lookahead<thaw::Lamb<float, thaw::Cuda>, float, thaw::Cuda> optimizer(parameters);
  thaw::Tape<float, thaw::Cuda> tape(context);
  std::uint64_t step = 0;
  const CudaTimer timer(session.device().stream());
  const double seconds = timer.median([&] {
    thaw::Scope scope(tape);
    const auto rule = thaw::DropoutRule::make(0.1, thaw::Key{1}.fold(step++), 0);
    thaw::GradientList<float, thaw::Cuda> gradients;
    thaw::run_as_one(context, [&] {
      const auto out = parameters.on(tape)(contexts.batch, rule);
      const auto loss = thaw::weighted_squared_error(out, A::of_host(context, contexts.truth.data(), contexts.cells()),
                                                     A::of_host(context, contexts.weight.data(), contexts.cells()));
      gradients = parameters.gradient(loss);
    });
    thaw::clip_norm(gradients, 1.0);
    optimizer.step(parameters, gradients, 1e-3);
  });
  // Of one forward pass: 26 width^2 + 4 tokens width operations a token and layer; training takes three times that.
  const double cells = static_cast<double>(count * kUsers * kItems), wide = 26.0 * 144 * 144 + 4 * 32 * 144;
  const double narrow = 9 * (26.0 * 16 * 16 + 4 * 9 * 16);
  print_cuda(name, seconds, 0, 3 * cells * (3 * (2 * wide + narrow) + 2 * 144));
}

}  // namespace

void time_hire(thaw::CudaSession& session) {
  time_step(session, 8, "HIRE training step, 8 contexts");
  time_step(session, 64, "HIRE training step, 64 contexts");
  if (!session.device().set_graphs(true)) return;
  time_step(session, 8, "HIRE training step, 8 contexts, one graph");
  time_step(session, 64, "HIRE training step, 64 contexts, one graph");
  (void)session.device().set_graphs(false);
}

}  // namespace bench
