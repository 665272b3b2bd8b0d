// The paired bootstrap over items of thaw/eval/auc.hpp for methods that were run with several seeds, all of them at
// once.
//
//   const mwuf::ResampledAuc a(runs_of_a, labels, items, options), b(runs_of_b, labels, items, options);
//   const thaw::PairedDifference difference = mwuf::difference_of(a, b);
//
// A method's AUC is the mean over its runs, in every resample too; both methods see the same resamples because those
// follow from the seed of the bootstrap. What the interval tells is how other items might have decided, with the seeds
// as they were: it holds no spread of seeds. One run on either side is the bootstrap of thaw/eval/auc.hpp to the bit.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "thaw/eval/auc.hpp"

namespace mwuf {

using ScoreRuns = std::vector<std::span<const float>>;

class ResampledAuc {
 public:
  // Each run: a score for each label.
  ResampledAuc(const ScoreRuns& runs, std::span<const float> labels, std::span<const std::int32_t> items,
               const thaw::BootstrapOptions& options)
      : options_(options) {
    thaw::require(!runs.empty() && items.size() == labels.size(), "ResampledAuc: no runs, or ", items.size(),
                  " items for ", labels.size(), " labels");
    std::vector<std::int32_t> names(items.begin(), items.end());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    item_count_ = names.size();
    std::vector<std::uint32_t> dense;
    for (const std::int32_t item : items)
      dense.push_back(static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), item) - names.begin()));
    values_.assign(static_cast<std::size_t>((std::max)(options.resamples, 0)), 0.0);
    for (const std::span<const float> run : runs) add(run, labels, dense, 1.0 / static_cast<double>(runs.size()));
  }

  double mean() const { return mean_; }                       // without resampling; NaN where it is undefined
  std::span<const double> values() const { return values_; }  // one a resample; NaN where it is undefined
  std::size_t items() const { return item_count_; }
  const thaw::BootstrapOptions& options() const { return options_; }

 private:
  void add(std::span<const float> run, std::span<const float> labels, std::span<const std::uint32_t> dense,
           double share) {
    thaw::require(run.size() == labels.size(), "ResampledAuc: ", run.size(), " scores for ", labels.size(), " labels");
    const thaw::Measured whole = thaw::area_under_curve(run, labels);
    mean_ += whole ? share * whole.value : std::numeric_limits<double>::quiet_NaN();
    if (!whole) return;
    const thaw::detail::WeightedAuc auc(run, labels, dense);
    std::vector<std::uint32_t> weight(item_count_);
    for (std::size_t r = 0; r < values_.size(); ++r) {
      thaw::Philox rng(options_.seed, static_cast<std::uint64_t>(r));
      std::fill(weight.begin(), weight.end(), 0u);
      for (std::size_t i = 0; i < item_count_; ++i) ++weight[rng.below(static_cast<std::uint32_t>(item_count_))];
      values_[r] += share * auc.value(weight);
    }
  }

  thaw::BootstrapOptions options_;
  std::size_t item_count_ = 0;
  double mean_ = 0;
  std::vector<double> values_;
};

// First minus second. Both must come from the same labels and items. Undefined (NaN) where an AUC is.
inline thaw::PairedDifference difference_of(const ResampledAuc& first, const ResampledAuc& second) {
  thaw::require(first.items() == second.items() && first.values().size() == second.values().size() &&
                    first.options().seed == second.options().seed,
                "difference_of: the two sides were not resampled alike");
  thaw::PairedDifference result;
  result.users = static_cast<std::int64_t>(first.items());
  result.mean = first.mean() - second.mean();
  if (result.mean != result.mean) return result;
  std::vector<double> differences;
  std::int64_t not_better = 0;
  for (std::size_t r = 0; r < first.values().size(); ++r) {
    const double difference = first.values()[r] - second.values()[r];
    if (difference != difference) continue;  // a resample of one label only
    differences.push_back(difference);
    not_better += difference <= 0 ? 1 : 0;
  }
  if (differences.empty()) return result;
  std::sort(differences.begin(), differences.end());
  result.lower = thaw::detail::quantile(differences, 0.5 * (1 - first.options().coverage));
  result.upper = thaw::detail::quantile(differences, 0.5 * (1 + first.options().coverage));
  result.not_better = static_cast<double>(not_better) / static_cast<double>(differences.size());
  return result;
}

}  // namespace mwuf
