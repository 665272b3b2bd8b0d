// Area under the ROC curve, exactly: the share of (positive, negative) pairs whose scores are in the right order.
//
//   thaw::Auc auc;
//   auc.add(scores, labels);                       // batch by batch; labels are 0 or 1
//   const thaw::Measured value = auc.value();      // pooled over everything added
//   if (value) use(value.value); else std::puts(thaw::reason(value.why));
//
//   thaw::GroupedAuc by_item;                      // the same inside each item (user, query, ...)
//   by_item.add(items, scores, labels);
//   by_item.mean(thaw::GroupWeight::samples);
//
// A tie counts one half. Where there is no pair (all labels equal, nothing added) the value is undefined and says why:
// it is never a number that looks like a result. Four bytes a sample are kept (grouped: twelve); not an approximation
// by bins.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/eval/summary.hpp"

namespace thaw::inline v0 {

// Why a measure has no value.
enum class Undefined : std::uint8_t {
  no,
  no_samples,
  only_positives,
  only_negatives,
  score_not_a_number,
  nothing_positive,     // F1: no positive label and no positive prediction
  reference_is_chance,  // relative improvement over an AUC of one half
};

inline const char* reason(Undefined why) {
  switch (why) {
    case Undefined::no:
      return "defined";
    case Undefined::no_samples:
      return "undefined: no samples";
    case Undefined::only_positives:
      return "undefined: every label is 1";
    case Undefined::only_negatives:
      return "undefined: every label is 0";
    case Undefined::score_not_a_number:
      return "undefined: a score is not a number";
    case Undefined::nothing_positive:
      return "undefined: no positive label and no positive prediction";
    case Undefined::reference_is_chance:
      return "undefined: the reference is at chance, or has no value itself";
  }
  return "undefined";
}

// A value, or the reason why there is none (`value` is NaN then, so that summaries leave it out).
struct Measured {
  double value = std::numeric_limits<double>::quiet_NaN();
  Undefined why = Undefined::no_samples;

  explicit operator bool() const { return why == Undefined::no; }
  static Measured of(double value) { return {value, Undefined::no}; }
  static Measured undefined(Undefined why) { return {std::numeric_limits<double>::quiet_NaN(), why}; }
};

namespace detail {

// Unsigned numbers in the order of the floats; both zeros are one.
inline std::uint32_t ordered_bits(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score == 0.0f ? 0.0f : score);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

inline bool is_positive(float label) {
  require(label == 0.0f || label == 1.0f, "labels must be 0 or 1, found ", static_cast<double>(label));
  return label == 1.0f;
}

inline Undefined why_no_pairs(std::uint64_t positives, std::uint64_t negatives) {
  if (positives == 0 && negatives == 0) return Undefined::no_samples;
  if (negatives == 0) return Undefined::only_positives;
  return positives == 0 ? Undefined::only_negatives : Undefined::no;
}

// Twice the number of pairs in the right order, ties once, over one run of samples in ascending order of score.
class PairCounter {
 public:
  void add(std::uint32_t key, bool positive) {
    if (key != key_) close();
    key_ = key;
    (positive ? tied_positives_ : tied_negatives_) += 1;
  }
  Measured value() {
    close();
    const Undefined why = why_no_pairs(positives_, negatives_);
    if (why != Undefined::no) return Measured::undefined(why);
    return Measured::of(static_cast<double>(twice_) /
                        (2.0 * static_cast<double>(positives_) * static_cast<double>(negatives_)));
  }
  std::uint64_t positives() const { return positives_; }
  std::uint64_t negatives() const { return negatives_; }

 private:
  void close() {
    twice_ += tied_positives_ * (2 * negatives_ + tied_negatives_);
    positives_ += tied_positives_;
    negatives_ += tied_negatives_;
    tied_positives_ = tied_negatives_ = 0;
  }
  std::uint32_t key_ = 0;
  std::uint64_t tied_positives_ = 0, tied_negatives_ = 0, positives_ = 0, negatives_ = 0, twice_ = 0;
};

}  // namespace detail

class Auc {
 public:
  void add(float score, float label) {
    if (score != score) ++not_numbers_;
    (detail::is_positive(label) ? positives_ : negatives_).push_back(detail::ordered_bits(score));
    sorted_ = false;
  }
  void add(std::span<const float> scores, std::span<const float> labels) {
    require(scores.size() == labels.size(), "Auc::add: ", scores.size(), " scores for ", labels.size(), " labels");
    for (std::size_t i = 0; i < scores.size(); ++i) add(scores[i], labels[i]);
  }
  void add(const Auc& other) {
    positives_.insert(positives_.end(), other.positives_.begin(), other.positives_.end());
    negatives_.insert(negatives_.end(), other.negatives_.begin(), other.negatives_.end());
    not_numbers_ += other.not_numbers_;
    sorted_ = false;
  }
  // Forgets the samples, keeps the memory.
  void clear() {
    positives_.clear();
    negatives_.clear();
    not_numbers_ = 0;
  }
  std::int64_t positives() const { return static_cast<std::int64_t>(positives_.size()); }
  std::int64_t negatives() const { return static_cast<std::int64_t>(negatives_.size()); }

  // O(n log n) after an addition, and takes nothing from the heap.
  Measured value() {
    if (not_numbers_ > 0) return Measured::undefined(Undefined::score_not_a_number);
    const Undefined why = detail::why_no_pairs(positives_.size(), negatives_.size());
    if (why != Undefined::no) return Measured::undefined(why);
    if (!sorted_) {
      std::sort(positives_.begin(), positives_.end());
      std::sort(negatives_.begin(), negatives_.end());
      sorted_ = true;
    }
    std::uint64_t twice = 0;
    std::size_t below = 0, not_above = 0;  // negatives below, and not above, the current positive
    for (const std::uint32_t key : positives_) {
      while (below < negatives_.size() && negatives_[below] < key) ++below;
      while (not_above < negatives_.size() && negatives_[not_above] <= key) ++not_above;
      twice += below + not_above;
    }
    return Measured::of(static_cast<double>(twice) /
                        (2.0 * static_cast<double>(positives_.size()) * static_cast<double>(negatives_.size())));
  }

 private:
  std::vector<std::uint32_t> positives_, negatives_;
  std::int64_t not_numbers_ = 0;
  bool sorted_ = false;
};

// AUC of lists that are already in memory.
inline Measured area_under_curve(std::span<const float> scores, std::span<const float> labels) {
  Auc auc;
  auc.add(scores, labels);
  return auc.value();
}

// How much a group counts in the mean: its samples (what click models report as grouped AUC), or all the same.
enum class GroupWeight : std::uint8_t { samples, equal };

struct GroupAuc {
  std::int32_t group = 0;
  std::int64_t samples = 0;
  Measured auc;
};

class GroupedAuc {
 public:
  void add(std::int32_t group, float score, float label) {
    not_numbers_ += score != score ? 1 : 0;
    samples_.push_back({group, detail::ordered_bits(score), detail::is_positive(label)});
    groups_.clear();
  }
  void add(std::span<const std::int32_t> groups, std::span<const float> scores, std::span<const float> labels) {
    require(scores.size() == labels.size() && groups.size() == labels.size(), "GroupedAuc::add: ", groups.size(),
            " groups and ", scores.size(), " scores for ", labels.size(), " labels");
    for (std::size_t i = 0; i < scores.size(); ++i) add(groups[i], scores[i], labels[i]);
  }

  // Each group that has a sample, ascending.
  std::span<const GroupAuc> groups() {
    if (!groups_.empty() || samples_.empty()) return groups_;
    std::sort(samples_.begin(), samples_.end(),
              [](const Sample& a, const Sample& b) { return a.group != b.group ? a.group < b.group : a.key < b.key; });
    for (std::size_t at = 0; at < samples_.size();) {
      detail::PairCounter pairs;
      const std::size_t begin = at;
      for (; at < samples_.size() && samples_[at].group == samples_[begin].group; ++at)
        pairs.add(samples_[at].key, samples_[at].positive);
      groups_.push_back({samples_[begin].group, static_cast<std::int64_t>(at - begin), pairs.value()});
    }
    return groups_;
  }

  // The mean over groups that have both labels; the others say nothing about order and are left out.
  Measured mean(GroupWeight weight = GroupWeight::samples) {
    if (not_numbers_ > 0) return Measured::undefined(Undefined::score_not_a_number);
    double sum = 0, total = 0;
    Undefined why = Undefined::no_samples;
    for (const GroupAuc& group : groups()) {
      if (!group.auc) {
        why = group.auc.why;
        continue;
      }
      const double w = weight == GroupWeight::equal ? 1.0 : static_cast<double>(group.samples);
      sum += w * group.auc.value;
      total += w;
    }
    return total > 0 ? Measured::of(sum / total) : Measured::undefined(why);
  }
  // Groups with both labels.
  std::int64_t defined() {
    const std::span<const GroupAuc> all = groups();
    return std::count_if(all.begin(), all.end(), [](const GroupAuc& g) { return static_cast<bool>(g.auc); });
  }

 private:
  struct Sample {
    std::int32_t group;
    std::uint32_t key;
    bool positive;
  };
  std::vector<Sample> samples_;
  std::vector<GroupAuc> groups_;
  std::int64_t not_numbers_ = 0;
};

namespace detail {

// Pooled AUC of samples that count as often as their group was drawn; sorted once, one pass a resample.
class WeightedAuc {
 public:
  WeightedAuc(std::span<const float> scores, std::span<const float> labels, std::span<const std::uint32_t> groups) {
    samples_.reserve(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i)
      samples_.push_back({ordered_bits(scores[i]), groups[i], is_positive(labels[i])});
    std::sort(samples_.begin(), samples_.end(), [](const Sample& a, const Sample& b) { return a.key < b.key; });
  }
  double value(std::span<const std::uint32_t> weight) const {
    std::uint64_t positives = 0, negatives = 0, twice = 0;
    for (std::size_t at = 0; at < samples_.size();) {
      std::uint64_t tied[2] = {0, 0};
      const std::uint32_t key = samples_[at].key;
      for (; at < samples_.size() && samples_[at].key == key; ++at)
        tied[samples_[at].positive ? 1 : 0] += weight[samples_[at].group];
      twice += tied[1] * (2 * negatives + tied[0]);
      positives += tied[1];
      negatives += tied[0];
    }
    if (positives == 0 || negatives == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(twice) / (2.0 * static_cast<double>(positives) * static_cast<double>(negatives));
  }

 private:
  struct Sample {
    std::uint32_t key, group;
    bool positive;
  };
  std::vector<Sample> samples_;
};

}  // namespace detail

// Would other items of the same kind agree that the first scorer's pooled AUC is higher? Draws groups (items) with
// replacement, all of a group's samples at once. `users` of the result is the number of groups. Samples that one
// scorer has, the other must have, in the same order. Undefined (NaN) where the AUC is.
inline PairedDifference paired_auc_bootstrap(std::span<const float> first, std::span<const float> second,
                                             std::span<const float> labels, std::span<const std::int32_t> groups,
                                             const BootstrapOptions& options = {.resamples = 2000}) {
  require(first.size() == labels.size() && second.size() == labels.size() && groups.size() == labels.size(),
          "paired_auc_bootstrap: ", first.size(), " and ", second.size(), " scores and ", groups.size(), " groups for ",
          labels.size(), " labels");
  require(options.resamples > 0 && options.coverage > 0 && options.coverage < 1,
          "paired_auc_bootstrap: needs at least one resample and a coverage between 0 and 1");
  std::vector<std::int32_t> names(groups.begin(), groups.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<std::uint32_t> dense;
  for (const std::int32_t group : groups)
    dense.push_back(static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), group) - names.begin()));
  PairedDifference result;
  result.users = static_cast<std::int64_t>(names.size());
  const Measured one = area_under_curve(first, labels), two = area_under_curve(second, labels);
  if (!one || !two) return result;
  result.mean = one.value - two.value;
  const detail::WeightedAuc a(first, labels, dense), b(second, labels, dense);
  std::vector<double> differences;
  std::vector<std::uint32_t> weight(names.size());
  std::int64_t not_better = 0;
  for (std::int32_t r = 0; r < options.resamples; ++r) {
    Philox rng(options.seed, static_cast<std::uint64_t>(r));
    std::fill(weight.begin(), weight.end(), 0u);
    for (std::size_t i = 0; i < names.size(); ++i) ++weight[rng.below(static_cast<std::uint32_t>(names.size()))];
    const double difference = a.value(weight) - b.value(weight);
    if (difference != difference) continue;  // a resample of one label only
    differences.push_back(difference);
    not_better += difference <= 0 ? 1 : 0;
  }
  if (differences.empty()) return result;
  std::sort(differences.begin(), differences.end());
  result.lower = detail::quantile(differences, 0.5 * (1 - options.coverage));
  result.upper = detail::quantile(differences, 0.5 * (1 + options.coverage));
  result.not_better = static_cast<double>(not_better) / static_cast<double>(differences.size());
  return result;
}

}  // namespace thaw::inline v0
