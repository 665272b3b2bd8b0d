#include "thaw/eval/click_metrics.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;
using thaw::Undefined;

namespace {

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("log-loss: closed forms, clipping, logits") {
  thaw::LogLoss loss;
  CHECK(loss.value().why == Undefined::no_samples);
  loss.add(0.5f, 1);
  loss.add(0.25f, 0);
  loss.add(0.25f, 1);
  CHECK(loss.value().value == Approx((std::log(2.0) - std::log(0.75) + std::log(4.0)) / 3).epsilon(1e-12));
  CHECK(loss.clipped == 0);
  thaw::LogLoss sure;
  sure.add(0.0f, 1);
  sure.add(1.0f, 1);
  CHECK(sure.clipped == 2);
  CHECK(sure.value().value == Approx(-0.5 * std::log(1e-7)).epsilon(1e-6));
  for (const float z : {-60.0f, -3.0f, 0.0f, 0.7f, 88.0f})
    for (const float label : {0.0f, 1.0f}) {
      thaw::LogLoss logit;
      logit.add_logit(z, label);
      const auto x = static_cast<long double>(label == 1.0f ? -z : z);
      CHECK(logit.value().value == Approx(static_cast<double>(std::log1p(std::exp(x)))).epsilon(1e-12));
    }
  loss.add(NAN, 1);
  CHECK(loss.value().why == Undefined::score_not_a_number);
}

TEST_CASE("log-loss is least for the true rate") {
  const auto loss_of = [](float p) {
    thaw::LogLoss loss;
    for (int i = 0; i < 10; ++i) loss.add(p, i < 3 ? 1.0f : 0.0f);
    return loss.value().value;
  };
  CHECK(loss_of(0.3f) == Approx(-0.3 * std::log(0.3) - 0.7 * std::log(0.7)).epsilon(1e-6));
  CHECK(loss_of(0.3f) < loss_of(0.29f));
  CHECK(loss_of(0.3f) < loss_of(0.31f));
}

TEST_CASE("F1 from counts, at a threshold and undefined") {
  const Floats scores{0.9f, 0.8f, 0.4f, 0.3f, 0.5f}, labels{1, 0, 1, 0, 1};
  // Above 0.5: the first two; one of them is right, two positives are missed.
  const thaw::Confusion counts = thaw::confusion_at(scores, labels, 0.5);
  CHECK(counts.true_positives == 1);
  CHECK(counts.false_positives == 1);
  CHECK(counts.false_negatives == 2);
  CHECK(counts.true_negatives == 1);
  CHECK(counts.f1().value == Approx(2.0 / 5.0));
  CHECK(thaw::confusion_at(scores, labels, -1).f1().value == Approx(6.0 / 8.0));
  CHECK(thaw::confusion_at(scores, Floats(5, 0.0f), 2).f1().why == Undefined::nothing_positive);
  CHECK(thaw::confusion_at(scores, Floats(5, 0.0f), 0.5).f1().value == 0.0);
  CHECK(thaw::Confusion{}.f1().why == Undefined::no_samples);
}

TEST_CASE("calibration error: perfect, shifted, and by hand") {
  thaw::CalibrationError perfect, shifted, hand;
  CHECK(perfect.value().why == Undefined::no_samples);
  for (int i = 0; i < 8; ++i) {
    perfect.add(0.25f, i < 2 ? 1.0f : 0.0f);
    shifted.add(0.75f, i < 2 ? 1.0f : 0.0f);
  }
  CHECK(perfect.value().value == Approx(0.0));
  CHECK(perfect.predicted_over_actual().value == Approx(1.0));
  CHECK(shifted.value().value == Approx(0.5));
  CHECK(shifted.predicted_over_actual().value == Approx(3.0));
  // Bins of a tenth: {0.05: label 1}, {0.95, 1.0: labels 1 and 0}: (0.95 + |1.95 - 1|) / 3.
  hand.add(0.05f, 1);
  hand.add(0.95f, 1);
  hand.add(1.0f, 0);
  CHECK(hand.value().value == Approx(1.9 / 3).epsilon(1e-6));
  thaw::CalibrationError none;
  none.add(0.5f, 0);
  CHECK(none.predicted_over_actual().why == Undefined::only_negatives);
  none.add(NAN, 0);
  CHECK(none.value().why == Undefined::score_not_a_number);
}

TEST_CASE("relative improvement: values printed with published tables, and a reference at chance") {
  CHECK(thaw::relative_improvement(0.5634, 0.5634).value == Approx(0.0));
  // AUC 0.5919 over 0.5634 was printed as 45.0 %; 0.5965 is 52.2 %, whatever was printed beside it.
  CHECK(std::abs(thaw::relative_improvement(0.5919, 0.5634).value - 45.0) < 0.06);
  CHECK(std::abs(thaw::relative_improvement(0.5965, 0.5634).value - 52.2) < 0.06);
  CHECK(thaw::relative_improvement(0.4, 0.6).value == Approx(-200.0));
  CHECK(thaw::relative_improvement(0.6, 0.5).why == Undefined::reference_is_chance);
  CHECK(thaw::relative_improvement(thaw::Measured::undefined(Undefined::only_positives), thaw::Measured::of(0.6)).why ==
        Undefined::only_positives);
  CHECK(thaw::relative_improvement(thaw::Measured::of(0.6), thaw::Measured::undefined(Undefined::only_positives)).why ==
        Undefined::reference_is_chance);
}

TEST_CASE("a report of a slice, of one label only, of nothing") {
  thaw::ClickMetrics metrics;
  metrics.add(Floats{0.9f, 0.2f}, Floats{1, 0});
  metrics.add(Floats{0.55f, 0.7f}, Floats{0, 1});
  const thaw::ClickReport report = metrics.report();
  CHECK(report.samples == 4);
  CHECK(report.positives == 2);
  CHECK(report.auc.value == 1.0);
  CHECK(report.f1_at_half.value == Approx(0.8));  // 0.9, 0.55, 0.7 are yes
  CHECK(report.f1_at_mean.value == Approx(1.0));  // the mean is 0.5875
  CHECK(report.log_loss.value ==
        Approx(-(std::log(0.9) + std::log(0.8) + std::log(0.45) + std::log(0.7)) / 4).epsilon(1e-6));
  CHECK(static_cast<bool>(report.calibration_error));
  metrics.clear();
  metrics.add(Floats{0.9f, 0.2f}, Floats{1, 1});
  const thaw::ClickReport positive = metrics.report();
  CHECK(positive.auc.why == Undefined::only_positives);
  CHECK(static_cast<bool>(positive.log_loss));
  CHECK(static_cast<bool>(positive.f1_at_mean));
  metrics.clear();
  CHECK(metrics.report().auc.why == Undefined::no_samples);
  CHECK(metrics.report().f1_at_mean.why == Undefined::no_samples);
  metrics.add(Floats{NAN, 0.2f}, Floats{1, 0});
  CHECK(metrics.report().auc.why == Undefined::score_not_a_number);
  CHECK(metrics.report().f1_at_half.why == Undefined::score_not_a_number);
}
