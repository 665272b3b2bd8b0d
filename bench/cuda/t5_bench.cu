// T5-small on random tokens, 16 prompts of 64 pieces, answers of 16: a training step with AdamW, and greedy decoding
// with kept keys and values, each step over the whole vocabulary.
#include <elmrec/t5.hpp>
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/nn/stepwise_decoder.hpp"
#include "thaw/ops/cross_entropy.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

namespace {

using thaw::Index;
using T5Parameters = thaw::Parameters<elmrec::T5<thaw::Spec>, float, thaw::Cuda>;

constexpr Index kBatch = 16, kRead = 64, kWritten = 16;

// The encoder once, then a token of each answer a step; which one is the largest goes to the host.
void time_decoding(thaw::CudaSession& session, const T5Parameters& parameters, const thaw::Bags& read,
                   const thaw::Segments& prompts) {
  auto& context = session.context();
  const auto& net = parameters.values();
  thaw::StepwiseDecoder<float, thaw::Cuda> decoder(net, context);
  const CudaTimer timer(session.device().stream());
  const double seconds = timer.median([&] {
    thaw::ContextScope memory(context);
    decoder.start(net.encode(net.embed(read), prompts), prompts, kBatch, kWritten);
    std::int32_t tokens[kBatch] = {}, rows[kBatch];
    for (int b = 0; b < kBatch; ++b) rows[b] = b;
    for (Index t = 0; t < kWritten; ++t) {
      decoder.step(tokens, rows, kBatch);
      thaw::ContextScope inside(context);
      const auto scores = decoder.logits();
      thaw::Cuda::largest_columns(context, kBatch, scores.shape[1], static_cast<const float*>(scores.data), tokens);
    }
  });
  print_rate("T5-small greedy decoding, 16 prompts, 16 tokens each", seconds, kBatch * kWritten);
}

}  // namespace

void time_t5(thaw::CudaSession& session) {
  auto& context = session.context();
  thaw::ContextScope memory(context);
  T5Parameters parameters(elmrec::t5_plan(elmrec::kT5Small), context, 1);
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
  time_decoding(session, parameters, all(read), prompts);
}

}  // namespace bench
