// A training run of ELMRec: steps with a validation now and then, the best weights kept, a checkpoint to go on from.
//
//   elmrec::Run run(trainer, {.validate_every = 500, .checkpoint = "elmrec.run"}, direct, sequential);
//   thaw::Result<thaw::Done> done = run.train();           // the best weights are in the trainer afterwards
//
// The best weights are those with the highest sum of NDCG@10 of both tasks on validation; of a model with a prior, by
// its state alone, which is quick. A resumed run equals one that was never stopped, bit for bit.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "elmrec/trainer.hpp"
#include "thaw/file/checkpoint.hpp"
#include "thaw/train/interrupt.hpp"
#include "thaw/train/progress.hpp"

namespace elmrec {

struct RunOptions {
  Index validate_every = 500;
  double minutes = 0;  // of this run, then the end; 0: no limit
  std::string checkpoint = {};
  bool quiet = false;
  std::string identity = {};  // of what it learns from; a checkpoint of another one is refused
};

class Run {
 public:
  Run(Trainer& trainer, RunOptions options, const Questions& direct, const Questions& sequential)
      : trainer_(trainer), o_(std::move(options)), direct_(direct), sequential_(sequential) {}

  thaw::Result<thaw::Done> train() {
    if (!o_.checkpoint.empty() && thaw::file_exists(o_.checkpoint)) {
      const auto resumed = resume();
      if (!resumed) return resumed.fault();
    }
    const Index total = trainer_.options().steps;
    thaw::Progress progress({.total_steps = total, .first_step = trainer_.steps()});
    thaw::InterruptGuard guard;
    const auto start = std::chrono::steady_clock::now();
    const auto late = [&] {
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
      return o_.minutes > 0 && passed.count() > 60 * o_.minutes;
    };
    while (trainer_.steps() < total) {
      const double loss = trainer_.step();
      if (!std::isfinite(loss))
        return thaw::make_fault(thaw::FaultKind::out_of_range, "the loss of step ", trainer_.steps(),
                                " is not a number; the last checkpoint is kept, try a smaller --rate");
      if (!o_.quiet) progress.step(trainer_.steps(), loss);
      const bool due = trainer_.steps() % o_.validate_every == 0 || trainer_.steps() == total;
      if (due) validate(progress);
      const bool stops = late() || guard.interrupted();
      if (!due && !stops) continue;
      // Between two validations nothing is measured, so that the run that goes on from here is the same run.
      if (const auto saved = save(); !saved) return saved.fault();
      if (stops) break;
    }
    if (best_step_ > 0) std::copy(best_.begin(), best_.end(), trainer_.parameters().dense_block().begin());
    return thaw::Done{};
  }
  std::int64_t best_step() const { return best_step_; }

 private:
  void validate(thaw::Progress& progress) {
    const bool prior = trainer_.options().prior;
    const Quality direct = prior ? trainer_.quick(direct_, Task::direct) : trainer_.direct(direct_),
                  next = prior ? trainer_.quick(sequential_, Task::sequential) : trainer_.sequential(sequential_);
    const double value = direct.ndcg[2] + next.ndcg[2];
    if (value > best_value_) {
      const auto& block = trainer_.parameters().dense_block();
      best_.assign(block.begin(), block.end());
      best_value_ = value;
      best_step_ = trainer_.steps();
    }
    if (o_.quiet) return;
    char line[200];
    std::snprintf(
        line, sizeof line,
        "step %lld: validation direct HR@1 %.4f, NDCG@10 %.4f; sequential HR@10 %.4f, NDCG@10 %.4f; best at %lld",
        static_cast<long long>(trainer_.steps()), direct.hits[0], direct.ndcg[2], next.hits[2], next.ndcg[2],
        static_cast<long long>(best_step_));
    progress.note(line);
  }

  // What a run must share with the one that it goes on from.
  std::string settings() const {
    const TrainerOptions& o = trainer_.options();
    const T5Config& l = o.model.language;
    char text[500];
    std::snprintf(
        text, sizeof text,
        "width %td, %td heads of %td, hidden %td, %d + %d blocks, %td pieces, graph %td, own %td, evidence %d, "
        "alpha %.9g, sigma %.9g, nodes %d %d, short %d, numbering %d, batch %td, candidates %zu, history %zu, "
        "rate %.9g, steps %td, dropout %.9g, decay %.9g, seed %llu, prior %d, text %.9g %d, negatives %td, direct %td",
        l.d_model, l.num_heads, l.d_kv, l.d_ff, l.num_layers, l.num_decoder_layers, l.vocab_size, o.model.graph_width,
        o.model.own_nodes, o.model.evidence ? 1 : 0, o.model.alpha, o.model.sigma, o.direct_nodes ? 1 : 0,
        o.sequential_nodes ? 1 : 0, o.short_items ? 1 : 0, static_cast<int>(o.numbering), o.batch, o.candidates,
        o.history, o.rate, o.steps, o.dropout, o.decay, static_cast<unsigned long long>(o.seed), o.prior ? 1 : 0,
        o.text_weight, o.sequential_text ? 1 : 0, o.negatives, o.direct_every);
    return o_.identity.empty() ? text : o_.identity + "; " + text;
  }

  // visit(name, size, numbers) for all that changes while training.
  template <class Visit>
  void each_block(Visit&& visit) {
    const auto& block = trainer_.parameters().dense_block();
    visit(std::string("weights"), block.size(), block.data);
    best_.resize(static_cast<std::size_t>(block.size()));
    visit(std::string("best"), block.size(), best_.data());
    trainer_.adam().each_state([&](const char* name, int i, auto& array) {
      visit(std::string(name) + "/" + std::to_string(i), array.size(), array.data);
    });
  }
  thaw::Result<thaw::Done> save() {
    if (o_.checkpoint.empty()) return thaw::Done{};
    thaw::CheckpointWriter file;
    each_block([&](const std::string& name, Index size, float* data) { file.add(name, {size}, data); });
    file.set("settings", settings());
    file.set("steps", std::int64_t{trainer_.steps()});
    file.set("best_step", best_step_);
    file.set("best_value", best_value_);
    return file.write(o_.checkpoint);
  }
  thaw::Result<thaw::Done> resume() {
    const auto file = thaw::CheckpointReader::open(o_.checkpoint);
    if (!file) return file.fault();
    const auto written = file.value().text("settings");
    if (!written || written.value() != settings())
      return thaw::make_fault(thaw::FaultKind::mismatch, o_.checkpoint.c_str(), ": belongs to another run (",
                              written ? written.value().c_str() : "no settings", "); use its settings or another file");
    bool failed = false;
    thaw::Fault fault;
    each_block([&](const std::string& name, Index size, float* data) {
      if (failed) return;
      const auto read = file.value().read(name, {size}, data);
      if (!read) failed = true, fault = read.fault();
    });
    if (failed) return fault;
    const auto steps = file.value().integer("steps"), best = file.value().integer("best_step");
    const auto value = file.value().real("best_value");
    if (!steps || !best || !value)
      return thaw::make_fault(thaw::FaultKind::malformed, o_.checkpoint.c_str(), ": an entry of the run is missing");
    trainer_.adam().steps() = steps.value();
    best_step_ = best.value();
    best_value_ = value.value();
    if (!o_.quiet)
      std::fprintf(stderr, "going on from step %lld of %s\n", static_cast<long long>(steps.value()),
                   o_.checkpoint.c_str());
    return thaw::Done{};
  }

  Trainer& trainer_;
  RunOptions o_;
  const Questions &direct_, &sequential_;
  std::vector<float> best_;
  double best_value_ = -1;
  std::int64_t best_step_ = 0;
};

}  // namespace elmrec
