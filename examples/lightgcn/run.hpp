// A training run: epochs with a validation now and then, the best vectors kept, a checkpoint to go on from.
//
//   lightgcn::Run run(options, task, interactions);
//   auto done = run.train(/*epochs*/ 200);        // done.value(): the best vectors and their epoch
#pragma once

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "lightgcn/task.hpp"
#include "thaw/file/checkpoint.hpp"
#include "thaw/train/interrupt.hpp"
#include "thaw/train/progress.hpp"

namespace lightgcn {

struct Trained {
  std::vector<float> vectors;  // (users + items, width)
  int epoch = 0;               // of these vectors
  Scores validation;
  double seconds = 0;  // of training, without validation
  int epochs_run = 0;
};

inline std::string loss_text(const thaw::LightGcnOptions& m) {
  char text[128];
  if (m.loss == thaw::LightGcnLoss::bpr)
    std::snprintf(text, sizeof text, "candidates %d", m.candidates);
  else
    std::snprintf(text, sizeof text, "softmax of %s / %g over %td drawn%s", m.cosine ? "cosine" : "product",
                  m.temperature, m.negatives, m.in_batch ? " and the batch" : "");
  return text;
}

class Run {
 public:
  Run(const Options& o, const Task& task, const thaw::Interactions& visible, bool validate)
      : o_(o), task_(task), visible_(visible), validate_(validate) {}

  // `epochs`: the last one; `of`: the epochs that the cosine of the rate spans.
  thaw::Result<Trained> train(int epochs, int of) {
    auto made = thaw::LightGcn::make(visible_, o_.model);
    if (!made) return made.fault();
    thaw::LightGcn& model = made.value();
    vectors_.resize(static_cast<std::size_t>(model.graph().nodes() * model.width()));
    best_.vectors.resize(vectors_.size());
    int epoch = 0;
    if (validate_ && !o_.checkpoint.empty() && thaw::file_exists(o_.checkpoint)) {
      const auto resumed = resume(model);
      if (!resumed) return resumed.fault();
      epoch = resumed.value();
    }
    const thaw::Index per_epoch = model.steps_per_epoch();
    thaw::Progress progress({.total_steps = epochs * per_epoch, .first_step = epoch * per_epoch});
    thaw::InterruptGuard guard;
    while (epoch < epochs && !guard.interrupted() && !out_of_time() && !out_of_patience()) {
      const double start = now();
      const double turn = static_cast<double>(epoch) / of;
      model.set_learning_rate(o_.model.learning_rate *
                              (o_.last_rate + (1 - o_.last_rate) * 0.5 * (1 + std::cos(3.14159265358979 * turn))));
      double loss = 0;
      for (thaw::Index s = 0; s < per_epoch; ++s) {
        loss = model.step();
        if (!std::isfinite(loss))
          return thaw::make_fault(thaw::FaultKind::out_of_range, "the loss is ", loss, " at step ", model.steps(),
                                  "; the last checkpoint is kept, try a smaller --rate");
        progress.step(epoch * per_epoch + s + 1, loss);
      }
      ++epoch;
      best_.seconds += now() - start;
      best_.epochs_run = epoch;
      if (!validate_ || (epoch % o_.every != 0 && epoch != epochs)) continue;
      const auto checked = check(model, epoch, progress);
      if (!checked) return checked.fault();
    }
    if (!validate_) {
      model.final_vectors(best_.vectors);
      best_.epoch = epoch;
    }
    return std::move(best_);
  }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  bool out_of_time() const { return o_.minutes > 0 && best_.seconds > 60 * o_.minutes; }
  bool out_of_patience() const { return o_.patience > 0 && since_best_ >= o_.patience; }

  thaw::Result<thaw::Done> check(thaw::LightGcn& model, int epoch, thaw::Progress& progress) {
    model.final_vectors(vectors_);
    const thaw::DotScorer scorer(vectors_, static_cast<std::int32_t>(model.graph().users()), model.width());
    const auto scores = measure(task_.validation, task_, scorer);
    if (!scores) return scores.fault();
    ++since_best_;
    if (scores.value().recall > best_.validation.recall) {
      best_.validation = scores.value();
      best_.epoch = epoch;
      best_.vectors = vectors_;
      since_best_ = 0;
    }
    char line[160];
    std::snprintf(line, sizeof line, "epoch %d, %.0f s: validation Recall@20 %.4f, NDCG@20 %.4f, best at epoch %d",
                  epoch, best_.seconds, scores.value().recall, scores.value().ndcg, best_.epoch);
    progress.note(line);
    return save(model, epoch);
  }

  thaw::Result<thaw::Done> save(const thaw::LightGcn& model, int epoch) const {
    if (o_.checkpoint.empty()) return thaw::Done{};
    thaw::CheckpointWriter file;
    const thaw::LightGcn::State& state = model.state();
    const auto size = static_cast<thaw::Index>(state.weights.size());
    file.add("weights", {size}, state.weights.data());
    file.add("first", {size}, state.first.data());
    file.add("second", {size}, state.second.data());
    file.add("best", {static_cast<thaw::Index>(best_.vectors.size())}, best_.vectors.data());
    file.set("settings", settings());
    file.set("steps", state.steps);
    file.set("epoch", std::int64_t{epoch});
    file.set("best_epoch", std::int64_t{best_.epoch});
    file.set("since_best", std::int64_t{since_best_});
    file.set("best_recall", best_.validation.recall);
    file.set("best_ndcg", best_.validation.ndcg);
    file.set("seconds", best_.seconds);
    return file.write(o_.checkpoint);
  }
  // What a run must share with the one that it goes on from. Threads and lengths may differ.
  std::string settings() const {
    const thaw::LightGcnOptions& m = o_.model;
    char text[256];
    std::snprintf(text, sizeof text,
                  "%s %zu, width %td, layers %d, batch %td, %s, rate %.9g to %.9g, decay %.9g, seed %llu, %d",
                  task_.lists.name.c_str(), visible_.by_user.ids.size(), m.width, m.layers, m.batch,
                  loss_text(m).c_str(), m.learning_rate, o_.last_rate, m.regularization,
                  static_cast<unsigned long long>(m.seed), static_cast<int>(m.draw));
    return text;
  }
  // The epoch to go on from.
  thaw::Result<int> resume(thaw::LightGcn& model) {
    const auto file = thaw::CheckpointReader::open(o_.checkpoint);
    if (!file) return file.fault();
    const auto written = file.value().text("settings");
    if (!written || written.value() != settings())
      return thaw::make_fault(thaw::FaultKind::mismatch, o_.checkpoint.c_str(), ": belongs to a run with ",
                              written ? written.value().c_str() : "other settings", ", this one has ",
                              settings().c_str(), "; use its settings or another file");
    thaw::LightGcn::State state = model.state();
    const auto size = static_cast<thaw::Index>(state.weights.size());
    for (const auto& [name, part] : {std::pair<const char*, std::vector<float>*>{"weights", &state.weights},
                                     {"first", &state.first},
                                     {"second", &state.second}})
      if (const auto read = file.value().read(name, {size}, part->data()); !read) return read.fault();
    const auto best_size = static_cast<thaw::Index>(best_.vectors.size());
    if (const auto read = file.value().read("best", {best_size}, best_.vectors.data()); !read) return read.fault();
    const auto steps = file.value().integer("steps"), epoch = file.value().integer("epoch"),
               best = file.value().integer("best_epoch"), since = file.value().integer("since_best");
    const auto recall = file.value().real("best_recall"), ndcg = file.value().real("best_ndcg"),
               seconds = file.value().real("seconds");
    if (!steps || !epoch || !best || !since || !recall || !ndcg || !seconds)
      return thaw::make_fault(thaw::FaultKind::malformed, o_.checkpoint.c_str(), ": an entry of the run is missing");
    state.steps = steps.value();
    if (const auto restored = model.restore(std::move(state)); !restored) return restored.fault();
    best_.epoch = static_cast<int>(best.value());
    best_.validation = {recall.value(), ndcg.value()};
    best_.seconds = seconds.value();
    best_.epochs_run = static_cast<int>(epoch.value());
    since_best_ = static_cast<int>(since.value());
    std::fprintf(stderr, "going on from epoch %d of %s\n", best_.epochs_run, o_.checkpoint.c_str());
    return best_.epochs_run;
  }

  const Options& o_;
  const Task& task_;
  const thaw::Interactions& visible_;
  bool validate_;
  Trained best_;
  std::vector<float> vectors_;
  int since_best_ = 0;
};

}  // namespace lightgcn
