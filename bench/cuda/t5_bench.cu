// A training step of T5-small on random tokens: 16 prompts of 64 pieces, answers of 16, AdamW.
#include <elmrec/t5.hpp>
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/ops/cross_entropy.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

void time_t5(thaw::CudaSession& session) {
  using thaw::Index;
  constexpr Index kBatch = 16, kRead = 64, kWritten = 16;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  thaw::Parameters<elmrec::T5<thaw::Spec>, float, thaw::Cuda> parameters(elmrec::t5_plan(elmrec::kT5Small), context, 1);
  thaw::Adam<float, thaw::Cuda> adam(parameters, {.decay = 0.01});
  thaw::Tape<float, thaw::Cuda> tape(context);
  std::vector<std::int32_t> read, answer, read_rows, written_rows;
  thaw::Philox rng(1);
  for (Index b = 0; b <= kBatch; ++b) {
    read_rows.push_back(static_cast<std::int32_t>(b * kRead));
    written_rows.push_back(static_cast<std::int32_t>(b * kWritten));
  }
  for (Index i = 0; i < kBatch * kRead; ++i) read.push_back(static_cast<std::int32_t>(rng.below(32128)));
  for (Index i = 0; i < kBatch * kWritten; ++i) answer.push_back(static_cast<std::int32_t>(rng.below(32128)));
  const auto all = [](const std::vector<std::int32_t>& ids) {
    return thaw::Bags{ids.data(), nullptr, static_cast<Index>(ids.size()), false};
  };
  const thaw::Segments prompts{read_rows.data(), kBatch}, answers{written_rows.data(), kBatch};
  const CudaTimer timer(session.device().stream());
  const auto step = [&] {
    thaw::Scope scope(tape);
    const auto net = parameters.on(tape);
    const auto states = net.encode(net.embed(all(read)), prompts);
    const auto logits = net.logits(net.decode(net.embed(all(answer)), answers, states, prompts));
    const auto loss = thaw::token_cross_entropy(logits, answer.data());
    adam.step(parameters, parameters.gradient(loss), 1e-4);
  };
  print_cuda("T5-small training step, 16 prompts", timer.median(step));
  session.device().set_math(thaw::CudaMath::tf32);
  print_cuda("T5-small training step, 16 prompts, TF32", timer.median(step));
  session.device().set_math(thaw::CudaMath::fp32);
}

}  // namespace bench
