// LightGCN and SASRec trained with the epoch chosen on validation, for the table of rivals.
//
//   auto vectors = elmrec::train_lightgcn(interactions, validation, options);     // (users + items, width)
//   elmrec::train_sasrec(model, data, validation, items, options);                // the best weights are in the model
//
// LightGCN's epoch is chosen by NDCG@10 of the answer among negatives, SASRec's by NDCG@10 among all items: the task
// that each is known for.
#pragma once

#include <cmath>
#include <cstdio>
#include <span>
#include <vector>

#include "elmrec/rivals.hpp"
#include "elmrec/rivals_options.hpp"
#include "thaw/train/interrupt.hpp"

namespace elmrec {

// Keeps the best of what it is shown and says when to stop.
template <class State>
class Best {
 public:
  Best(const char* name, int patience) : name_(name), patience_(patience) {}

  // True: go on.
  bool show(int epoch, double loss, const Quality& q, State state) {
    const double value = q.ndcg[2];
    if (value > value_) {
      value_ = value;
      state_ = std::move(state);
      epoch_ = epoch;
      since_ = 0;
    } else {
      ++since_;
    }
    std::fprintf(stderr, "%s, epoch %d: loss %.4f, validation HR@10 %.4f, NDCG@10 %.4f, best %.4f at %d\n", name_,
                 epoch, loss, q.hits[2], value, value_, epoch_);
    return since_ < patience_;
  }
  const State& state() const { return state_; }
  int epoch() const { return epoch_; }

 private:
  const char* name_;
  int patience_, since_ = 0, epoch_ = 0;
  double value_ = -1;
  State state_;
};

inline thaw::Result<std::vector<float>> train_lightgcn(const thaw::Interactions& x, const Questions& validation,
                                                       const RivalsOptions& o) {
  auto made = thaw::LightGcn::make(x, o.lightgcn);
  if (!made) return made.fault();
  thaw::LightGcn& model = made.value();
  std::vector<float> vectors(static_cast<std::size_t>(model.graph().nodes() * model.width()));
  Best<std::vector<float>> best("LightGCN", o.patience);
  thaw::InterruptGuard guard;
  double loss = 0;
  for (int epoch = 1; epoch <= o.lightgcn_epochs && !guard.interrupted(); ++epoch) {
    for (Index s = 0; s < model.steps_per_epoch(); ++s) loss = model.step();
    if (!std::isfinite(loss))
      return thaw::make_fault(thaw::FaultKind::out_of_range, "LightGCN: the loss of epoch ", epoch,
                              " is not a number; try a smaller rate");
    if (epoch % o.every != 0 && epoch != o.lightgcn_epochs) continue;
    model.final_vectors(vectors);
    if (!best.show(epoch, loss, rank_sampled(validation, NodeScorer(vectors, model.graph().users(), model.width())),
                   vectors))
      break;
  }
  if (guard.interrupted())
    return thaw::make_fault(thaw::FaultKind::unsupported,
                            "LightGCN: interrupted before its last epoch; nothing is kept");
  return best.state().empty() ? vectors : best.state();
}

inline thaw::Result<thaw::Done> train_sasrec(SasRec& model, const thaw::ItemSequences& data,
                                             const Questions& validation, std::span<const std::int32_t> items,
                                             const RivalsOptions& o) {
  Best<std::vector<float>> best("SASRec", o.patience);
  thaw::InterruptGuard guard;
  for (int epoch = 1; epoch <= o.sasrec_epochs && !guard.interrupted(); ++epoch) {
    const double loss = model.epoch(data);
    if (!std::isfinite(loss))
      return thaw::make_fault(thaw::FaultKind::out_of_range, "SASRec: the loss of epoch ", epoch,
                              " is not a number; try a smaller rate");
    if (epoch % o.every != 0 && epoch != o.sasrec_epochs) continue;
    const std::vector<float> hidden = model.read(validation);
    const Quality q = rank_all(validation, QuestionScorer(model.item_vectors(), hidden, o.sasrec.width), items);
    if (!best.show(epoch, loss, q, model.weights())) break;
  }
  if (!best.state().empty()) model.set_weights(best.state());
  return thaw::Done{};
}

}  // namespace elmrec
