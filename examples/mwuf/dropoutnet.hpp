// DropoutNet (Volkovs et al., NeurIPS 2017) for click models: while the base is trained, a share of the impressions
// reads the mean of all items' vectors in place of the item's own, so that the base learns to do without it. A new item
// starts from that mean.
//
//   mwuf::ItemDropper dropper({.share = 0.5}, seed);
//   base->train(batch, rate, dropper.next(*base, old_items, batch.rows));
//
// Impressions are drawn one by one; published click code drops whole batches. Warming up is plain fine-tuning.
#pragma once

#include "mwuf/method.hpp"

namespace mwuf {

struct ItemDropperOptions {
  double share = 0;         // of impressions
  bool zero = false;        // substitute zeros, not the mean
  int batches_a_mean = 50;  // the mean is taken anew every so many batches
};

class ItemDropper {
 public:
  ItemDropper(const ItemDropperOptions& options, std::uint64_t seed) : options_(options), rng_(seed, 31) {}

  // What the next batch drops; valid until the call after.
  ItemDropout next(ClickBase& base, Rows items, Index rows) {
    if (options_.share <= 0) return {};
    if (batches_++ % options_.batches_a_mean == 0) {
      mean_ = mean_vector(base, items);
      if (options_.zero) std::fill(mean_.begin(), mean_.end(), 0.0f);
    }
    keep_.resize(static_cast<std::size_t>(rows));
    for (float& k : keep_) k = rng_.uniform(0, 1) < options_.share ? 0.0f : 1.0f;
    return {keep_.data(), mean_.data()};
  }

 private:
  ItemDropperOptions options_;
  thaw::Philox rng_;
  std::int64_t batches_ = 0;
  std::vector<float> mean_, keep_;
};

}  // namespace mwuf
