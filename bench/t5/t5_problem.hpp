// T5-small with random weights and random prompts and answers: what the timing programs train, run and decode.
//
//   bench::T5Problem problem(/*threads*/ 2);
//   problem.train();                               // forward, backward and AdamW, one step
//   problem.forward();                             // logits of every answer token
#pragma once

#include <vector>

#include "elmrec/t5.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/ops/cross_entropy.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

using thaw::Index;

class T5Problem {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using V = thaw::Var<float, Backend>;
  static constexpr Index kBatch = 16, kRead = 64, kWritten = 16;

  explicit T5Problem(int threads, const elmrec::T5Config& config = elmrec::kT5Small)
      : config_(config),
        held_{&weights_, threads},
        context_{&arena_, threads},
        parameters_(elmrec::t5_plan(config), held_, 1),
        adam_(parameters_, {.decay = 0.01}),
        tape_(context_) {
    // Standard normals as in a fresh T5, with the table small as in a trained one.
    for (float& x : parameters_.values().embedding) x *= 0.05F;
    thaw::Philox rng(1);
    const auto piece = [&] {
      return static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(config.vocab_size)));
    };
    for (Index b = 0; b <= kBatch; ++b) {
      read_rows.push_back(static_cast<std::int32_t>(b * kRead));
      written_rows.push_back(static_cast<std::int32_t>(b * kWritten));
    }
    for (Index i = 0; i < kBatch * kRead; ++i) read.push_back(piece());
    for (Index i = 0; i < kBatch * kWritten; ++i) answer.push_back(piece());
    previous.resize(answer.size());
    for (std::size_t b = 0; b < std::size_t(kBatch); ++b)
      elmrec::shift_right({answer.data() + b * kWritten, kWritten}, {previous.data() + b * kWritten, kWritten});
  }

  thaw::Segments prompts() const { return {read_rows.data(), kBatch}; }
  thaw::Segments answers() const { return {written_rows.data(), kBatch}; }

  // The logits (answer tokens, vocabulary), in the arena.
  template <class T>
  T logits(const elmrec::T5<T>& net) const {
    const auto all = [](const std::vector<std::int32_t>& ids) {
      return thaw::Bags{ids.data(), nullptr, static_cast<Index>(ids.size()), false};
    };
    const T memory = net.encode(net.embed(all(read)), prompts());
    return net.logits(net.decode(net.embed(all(previous)), answers(), memory, prompts()));
  }
  double train() {
    thaw::Scope scope(tape_);
    const V loss = thaw::token_cross_entropy(logits(parameters_.on(tape_)), answer.data());
    adam_.step(parameters_, parameters_.gradient(loss), 1e-4);
    return static_cast<double>(loss.item());
  }
  // The weights, computing in the arena of the steps.
  elmrec::T5<A> net() {
    return thaw::map_unnamed<A>(parameters_.values(), [&](const A& a) { return thaw::on<Backend>(context_, a); });
  }
  float forward() {
    thaw::ArenaScope scope(arena_);
    return logits(net())[0];
  }

  // Multiplications and additions of one forward pass; a training step needs three times as many.
  double forward_flop() const {
    const auto d = static_cast<double>(config_.d_model), ff = static_cast<double>(config_.d_ff);
    const auto inner = static_cast<double>(config_.d_kv * config_.num_heads);
    const double in = kBatch * kRead, out = kBatch * kWritten;
    const double encoder = config_.num_layers * (2 * in * (4 * d * inner + 2 * d * ff) + 4 * in * kRead * inner);
    const double keys = config_.num_decoder_layers * 4 * in * d * inner;
    const double decoder =
        config_.num_decoder_layers * (2 * out * (6 * d * inner + 2 * d * ff) + 4 * out * (kRead + kWritten) * inner);
    return encoder + keys + decoder + 2 * out * d * static_cast<double>(config_.vocab_size);
  }
  thaw::Parameters<elmrec::T5<thaw::Spec>, float, Backend>& parameters() { return parameters_; }
  thaw::GrowingArena& arena() { return arena_; }
  std::size_t peak_bytes() const { return weights_.peak() + arena_.peak(); }

  std::vector<std::int32_t> read, answer, previous, read_rows, written_rows;

 private:
  elmrec::T5Config config_;
  thaw::GrowingArena weights_, arena_;
  Backend::Context held_, context_;
  thaw::Parameters<elmrec::T5<thaw::Spec>, float, Backend> parameters_;
  thaw::Adam<float, Backend> adam_;
  thaw::Tape<float, Backend> tape_;
};

}  // namespace bench
