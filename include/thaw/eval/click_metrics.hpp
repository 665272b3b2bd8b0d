// Metrics of click probabilities: log-loss, F1, calibration error, relative improvement, and all of them in one report.
//
//   thaw::ClickMetrics metrics;
//   metrics.add(probabilities, labels);            // batch by batch
//   const thaw::ClickReport report = metrics.report();
//   use(report.auc.value, report.log_loss.value, report.f1_at_mean.value);
//
// Every value is a `Measured`: defined, or with the reason why not. Not for logits: apply the sigmoid first, or use
// `LogLoss::add_logit`, which loses nothing at either end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/eval/auc.hpp"

namespace thaw::inline v0 {

// Mean of -log(probability of the label). Probabilities are clipped to [1e-7, 1 - 1e-7]; `clipped` counts how often.
struct LogLoss {
  static constexpr double kClip = 1e-7;
  std::int64_t count = 0;
  std::int64_t clipped = 0;
  std::int64_t not_numbers = 0;
  double sum = 0;

  void add(float probability, float label) {
    const bool positive = detail::is_positive(label);
    ++count;
    if (probability != probability) {
      ++not_numbers;
      return;
    }
    const double p = static_cast<double>(probability);
    const double kept = (std::min)((std::max)(p, kClip), 1.0 - kClip);
    clipped += kept != p ? 1 : 0;
    sum -= positive ? std::log(kept) : std::log1p(-kept);
  }
  // log(1 + exp(-z)) for label 1 and log(1 + exp(z)) for label 0, without clipping.
  void add_logit(float logit, float label) {
    const double z = detail::is_positive(label) ? static_cast<double>(logit) : -static_cast<double>(logit);
    ++count;
    if (logit != logit) {
      ++not_numbers;
      return;
    }
    sum += std::log1p(std::exp(-std::abs(z))) + (std::max)(-z, 0.0);
  }
  void add(const LogLoss& other) {
    count += other.count;
    clipped += other.clipped;
    not_numbers += other.not_numbers;
    sum += other.sum;
  }
  Measured value() const {
    if (count == 0) return Measured::undefined(Undefined::no_samples);
    if (not_numbers > 0) return Measured::undefined(Undefined::score_not_a_number);
    return Measured::of(sum / static_cast<double>(count));
  }
};

// Counts of a yes/no prediction: yes where the score is above the threshold.
struct Confusion {
  std::int64_t true_positives = 0, false_positives = 0, false_negatives = 0, true_negatives = 0;

  void add(bool predicted, bool positive) {
    if (predicted)
      ++(positive ? true_positives : false_positives);
    else
      ++(positive ? false_negatives : true_negatives);
  }
  // 2 TP / (2 TP + FP + FN)
  Measured f1() const {
    const std::int64_t wrong = false_positives + false_negatives;
    if (true_positives + wrong + true_negatives == 0) return Measured::undefined(Undefined::no_samples);
    if (true_positives + wrong == 0) return Measured::undefined(Undefined::nothing_positive);
    return Measured::of(2.0 * static_cast<double>(true_positives) / static_cast<double>(2 * true_positives + wrong));
  }
};

inline Confusion confusion_at(std::span<const float> scores, std::span<const float> labels, double threshold) {
  require(scores.size() == labels.size(), "confusion_at: ", scores.size(), " scores for ", labels.size(), " labels");
  Confusion counts;
  for (std::size_t i = 0; i < scores.size(); ++i)
    counts.add(static_cast<double>(scores[i]) > threshold, detail::is_positive(labels[i]));
  return counts;
}

// Expected calibration error: sum over equally wide bins of (share of samples) * |mean probability - share of ones|.
class CalibrationError {
 public:
  explicit CalibrationError(std::int32_t bins = 10) : bins_(static_cast<std::size_t>((std::max)(bins, 1))) {
    require(bins > 0, "CalibrationError: needs at least one bin, got ", bins);
  }
  void add(float probability, float label) {
    const double positive = detail::is_positive(label) ? 1.0 : 0.0;
    ++count_;
    if (!(probability >= 0.0f && probability <= 1.0f)) {
      require(probability != probability, "CalibrationError: expected a probability, got ",
              static_cast<double>(probability));
      ++not_numbers_;
      return;
    }
    const double place = static_cast<double>(probability) * static_cast<double>(bins_.size());
    Bin& bin = bins_[(std::min)(static_cast<std::size_t>(place), bins_.size() - 1)];
    bin.excess += static_cast<double>(probability) - positive;
    predicted_ += static_cast<double>(probability);
    positives_ += positive;
  }
  Measured value() const {
    if (count_ == 0) return Measured::undefined(Undefined::no_samples);
    if (not_numbers_ > 0) return Measured::undefined(Undefined::score_not_a_number);
    double sum = 0;
    for (const Bin& bin : bins_) sum += std::abs(bin.excess);
    return Measured::of(sum / static_cast<double>(count_));
  }
  // Sum of probabilities over number of ones: above 1 the model promises too much.
  Measured predicted_over_actual() const {
    if (count_ == 0) return Measured::undefined(Undefined::no_samples);
    if (not_numbers_ > 0) return Measured::undefined(Undefined::score_not_a_number);
    if (positives_ == 0) return Measured::undefined(Undefined::only_negatives);
    return Measured::of(predicted_ / positives_);
  }

 private:
  struct Bin {
    double excess = 0;  // sum of (probability - label)
  };
  std::vector<Bin> bins_;
  std::int64_t count_ = 0, not_numbers_ = 0;
  double predicted_ = 0, positives_ = 0;
};

// RelaImpr of click models, in percent: ((auc - 0.5) / (reference - 0.5) - 1) * 100.
inline Measured relative_improvement(const Measured& auc, const Measured& reference) {
  if (!auc) return auc;
  if (!reference || reference.value == 0.5) return Measured::undefined(Undefined::reference_is_chance);
  return Measured::of(((auc.value - 0.5) / (reference.value - 0.5) - 1.0) * 100.0);
}
inline Measured relative_improvement(double auc, double reference) {
  return relative_improvement(Measured::of(auc), Measured::of(reference));
}

struct ClickReport {
  std::int64_t samples = 0;
  std::int64_t positives = 0;
  Measured auc;                // pooled
  Measured log_loss;           // nats
  Measured f1_at_mean;         // yes above the mean score of these samples (blind to calibration)
  Measured f1_at_half;         // yes above 0.5
  Measured calibration_error;  // ten bins
};

// Collects probabilities and labels of a slice.
class ClickMetrics {
 public:
  void add(std::span<const float> probabilities, std::span<const float> labels) {
    require(probabilities.size() == labels.size(), "ClickMetrics::add: ", probabilities.size(), " scores for ",
            labels.size(), " labels");
    scores_.insert(scores_.end(), probabilities.begin(), probabilities.end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  }
  void clear() {
    scores_.clear();
    labels_.clear();
  }
  std::span<const float> scores() const { return scores_; }
  std::span<const float> labels() const { return labels_; }

  ClickReport report() const {
    ClickReport report;
    Auc auc;
    LogLoss loss;
    CalibrationError calibration;
    double sum = 0;
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      auc.add(scores_[i], labels_[i]);
      loss.add(scores_[i], labels_[i]);
      calibration.add(scores_[i], labels_[i]);
      sum += static_cast<double>(scores_[i]);
    }
    report.samples = static_cast<std::int64_t>(scores_.size());
    report.positives = auc.positives();
    report.auc = auc.value();
    report.log_loss = loss.value();
    report.calibration_error = calibration.value();
    if (loss.not_numbers > 0) {
      report.f1_at_mean = report.f1_at_half = Measured::undefined(Undefined::score_not_a_number);
      return report;
    }
    const double mean = scores_.empty() ? 0.0 : sum / static_cast<double>(scores_.size());
    report.f1_at_mean = confusion_at(scores_, labels_, mean).f1();
    report.f1_at_half = confusion_at(scores_, labels_, 0.5).f1();
    return report;
  }

 private:
  std::vector<float> scores_, labels_;
};

}  // namespace thaw::inline v0
