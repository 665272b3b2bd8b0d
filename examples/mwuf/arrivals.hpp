// New items whose impressions arrive one by one: what a served model makes of one of them, and the AUC of methods by
// the number of impressions that each new item has.
//
//   mwuf::Arrival arrival(method, world, item, users);
//   const mwuf::ArrivalState cold = arrival.state();
//   arrival.show(impression);                       // the method learns from it at once
//   std::vector<double> aucs = mwuf::auc_by_count(method, world, {0, 5, 10, 20}, tuning);
//
// Serving solves or steps an item's vector from all that was seen of the item. Nothing here trains a base.
#pragma once

#include <cmath>
#include <vector>

#include "mwuf/trainer.hpp"

namespace mwuf {

struct ArrivalState {
  int impressions = 0;
  double norm = 0;                   // of the item's vector
  double distance = 0;               // from where it started
  std::vector<float> probabilities;  // of the users asked about
};

class Arrival {
 public:
  // `users` by their numbers in the data. The method has learnt, and new items have arrived.
  Arrival(WarmUp& method, const ClickWorld& world, std::int32_t item, std::vector<std::int32_t> users)
      : method_(method), batches_(*world.task, 1), item_(item), users_(std::move(users)) {
    const float* row = method_.ids().row(item);
    start_.assign(row, row + method_.ids().width());
  }

  // One impression of this item, with its label.
  void show(std::int32_t impression, const FineTuning& tuning) {
    const Rows one(&impression, 1);
    method_.observe(one);
    method_.fit(one, tuning);
    ++count_;
  }
  ArrivalState state() {
    ArrivalState out;
    out.impressions = count_;
    const float* row = method_.ids().row(item_);
    for (std::size_t j = 0; j < start_.size(); ++j) {
      const double x = static_cast<double>(row[j]), apart = x - static_cast<double>(start_[j]);
      out.norm += x * x, out.distance += apart * apart;
    }
    out.norm = std::sqrt(out.norm), out.distance = std::sqrt(out.distance);
    for (const std::int32_t user : users_) out.probabilities.push_back(probability(user));
    return out;
  }
  float probability(std::int32_t user) {
    float logit = 0;
    method_.score(batches_.request(user, {&item_, 1}, {}), &logit);
    return 1.0f / (1.0f + std::exp(-logit));
  }

 private:
  WarmUp& method_;
  Batches batches_;
  std::int32_t item_;
  std::vector<std::int32_t> users_;
  std::vector<float> start_;
  int count_ = 0;
};

// The impressions that new items get between two counts.
inline std::vector<std::int32_t> arrivals_between(const Task& task, int from, int to) {
  std::vector<std::int32_t> rows;
  for (const std::int32_t item : task.split.new_items) {
    const Rows all = task.split.of_item(item);
    for (int n = from; n < to && static_cast<std::size_t>(n) < all.size(); ++n)
      rows.push_back(all[static_cast<std::size_t>(n)]);
  }
  return rows;
}

// score(rows) -> probabilities, learn(rows): the AUC on the test slice after each count, which rise and stay within the
// three slices before the test.
template <class Score, class Learn>
std::vector<double> auc_by_count(const Task& task, const std::vector<int>& counts, const Score& score,
                                 const Learn& learn) {
  const std::vector<float> labels = labels_of(task, task.split.test());
  std::vector<double> out;
  int seen = 0;
  for (const int count : counts) {
    if (count > seen) learn(arrivals_between(task, seen, count));
    seen = count;
    const thaw::Measured auc = thaw::area_under_curve(score(task.split.test()), labels);
    out.push_back(auc ? auc.value : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

inline std::vector<double> auc_by_count(WarmUp& method, const ClickWorld& world, const std::vector<int>& counts,
                                        const FineTuning& tuning) {
  method.arrive();
  Batches batches(*world.task, kMostRows);
  std::vector<float> logits(static_cast<std::size_t>(kMostRows));
  return auc_by_count(
      *world.task, counts,
      [&](Rows rows) {
        std::vector<float> out;
        each_batch(rows, kMostRows, [&](Rows part) {
          method.score(batches.fill(part), logits.data());
          for (std::size_t i = 0; i < part.size(); ++i) out.push_back(1.0f / (1.0f + std::exp(-logits[i])));
        });
        return out;
      },
      [&](Rows rows) {
        method.observe(rows);
        method.fit(rows, tuning);
      });
}

}  // namespace mwuf
