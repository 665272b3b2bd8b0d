// CountAware: what a new item's impressions say about its vector, weighed against what its features say by their
// number.
//
// A new item's vector is drawn from a normal distribution around a mean that its features predict; both the prediction
// and the spread are learnt from the old items. After n impressions it is the most probable vector,
//
//   v = argmin  sum of n click losses + (v - mean(features))^T precision (v - mean(features)) / 2,
//
// found by Newton's method on the base's slopes: exact where the logit is linear in v, as in a factorisation machine.
// Without impressions v is the prediction; with many it is what fine-tuning would find; in between the prediction
// counts as much as its spread deserves. In the terms of MWUF: a scale and a shift that know the number of impressions.
//
//   mwuf::CountAware method(*base, world, {});
//
// No epochs and no rate to tune: fit() solves. Not for bases with batch norm or tables so wide that width^3 hurts.
#pragma once

#include <cmath>

#include "mwuf/method.hpp"

namespace mwuf {

namespace detail {

// Solves a x = b for symmetric positive definite a (n, n), which it overwrites; b becomes x. False where a is not.
inline bool solve_in_place(std::vector<double>& a, std::vector<double>& b, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k)
      for (std::size_t i = j; i < n; ++i) a[i * n + j] -= a[i * n + k] * a[j * n + k];
    if (!(a[j * n + j] > 0)) return false;
    const double root = std::sqrt(a[j * n + j]);
    for (std::size_t i = j; i < n; ++i) a[i * n + j] /= root;
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

// The inverse of a symmetric positive definite matrix.
inline std::vector<double> inverse_of(const std::vector<double>& a, std::size_t n) {
  std::vector<double> inverse(n * n, 0.0);
  for (std::size_t j = 0; j < n; ++j) {
    std::vector<double> copy = a, column(n, 0.0);
    column[j] = 1;
    thaw::require(solve_in_place(copy, column, n), "CountAware: the spread of the old vectors has no inverse");
    for (std::size_t i = 0; i < n; ++i) inverse[i * n + j] = column[i];
  }
  return inverse;
}

}  // namespace detail

struct CountAwareOptions {
  double ridge = 100;  // of the prediction from features; below zero: the mean of the old vectors
  int newton_steps = 6;
};

class CountAware final : public WarmUp {
 public:
  CountAware(ClickBase& base, const ClickWorld& world, const CountAwareOptions& options)
      : WarmUp(base, world), options_(options), size_(static_cast<std::size_t>(base.width())) {}

  void learn() override {
    fit_prediction();
    fit_spread();
  }
  void arrive() override {
    std::vector<float> vectors;
    predict(world_.new_items(), vectors);
    for (std::size_t i = 0; i < world_.new_items().size(); ++i)
      std::copy_n(vectors.data() + i * size_, size_, ids_.row(world_.new_items()[i]));
    prior_.assign(ids_.values().begin(), ids_.values().end());
    seen_.assign(static_cast<std::size_t>(base_.items()), {});
  }
  void observe(Rows rows) override {
    for (const std::int32_t r : rows) seen_[static_cast<std::size_t>(world_.item_of(r))].push_back(r);
  }
  void fit(Rows rows, const FineTuning& tuning) override {
    std::vector<std::int32_t> items;
    for (const std::int32_t r : rows) items.push_back(world_.item_of(r));
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    for (const std::int32_t item : items) solve(item, tuning.strength);
  }
  // What a vector of the item is worth before its impressions: its most probable value, and the inverse of its spread.
  std::span<const float> prior(std::int32_t item) const {
    return {prior_.data() + static_cast<std::size_t>(item) * size_, size_};
  }
  std::span<const double> precision() const { return precision_; }

 private:
  // Features of items with a 1 in front: (items, feature width + 1).
  std::vector<float> features_of(Rows items) {
    const auto width = static_cast<std::size_t>(base_.item_feature_width());
    std::vector<float> plain(items.size() * width), out(items.size() * (width + 1));
    std::size_t at = 0;
    each_batch(items, kMostRows, [&](Rows part) {
      base_.item_features(batches_.request(-1, part, {}), plain.data() + at * width);
      at += part.size();
    });
    for (std::size_t i = 0; i < items.size(); ++i) {
      out[i * (width + 1)] = 1;
      std::copy_n(plain.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                  out.begin() + static_cast<std::ptrdiff_t>(i * (width + 1) + 1));
    }
    return out;
  }
  // Ridge regression of the old items' vectors on their features, whose columns are brought to one scale.
  void fit_prediction() {
    const Rows items = world_.old_items();
    const auto width = static_cast<std::size_t>(base_.item_feature_width()) + 1;
    const std::vector<float> x = features_of(items);
    scale_.assign(width, 0.0);
    for (std::size_t i = 0; i < x.size(); ++i)
      scale_[i % width] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (double& s : scale_) s = s > 0 ? std::sqrt(static_cast<double>(items.size()) / s) : 0;
    weights_.assign(width * size_, 0.0);
    const std::span<const float> table = base_.item_table();
    std::vector<double> gram(width * width, 0.0);
    for (std::size_t i = 0; i < items.size(); ++i)
      for (std::size_t a = 0; a < width; ++a) {
        const double xa = scale_[a] * static_cast<double>(x[i * width + a]);
        for (std::size_t b = 0; b < width; ++b)
          gram[a * width + b] += xa * scale_[b] * static_cast<double>(x[i * width + b]);
        for (std::size_t d = 0; d < size_; ++d)
          weights_[d * width + a] += xa * static_cast<double>(table[static_cast<std::size_t>(items[i]) * size_ + d]);
      }
    const bool mean_only = options_.ridge < 0;
    for (std::size_t a = 1; a < width; ++a) gram[a * width + a] += mean_only ? 1e12 : options_.ridge + 1e-6;
    for (std::size_t d = 0; d < size_; ++d) {
      std::vector<double> copy = gram;
      std::vector<double> b(weights_.begin() + static_cast<std::ptrdiff_t>(d * width),
                            weights_.begin() + static_cast<std::ptrdiff_t>((d + 1) * width));
      thaw::require(detail::solve_in_place(copy, b, width), "CountAware: features are not finite");
      std::copy(b.begin(), b.end(), weights_.begin() + static_cast<std::ptrdiff_t>(d * width));
    }
  }
  void predict(Rows items, std::vector<float>& out) {
    const auto width = static_cast<std::size_t>(base_.item_feature_width()) + 1;
    const std::vector<float> x = features_of(items);
    out.resize(items.size() * size_);
    for (std::size_t i = 0; i < items.size(); ++i)
      for (std::size_t d = 0; d < size_; ++d) {
        double sum = 0;
        for (std::size_t a = 0; a < width; ++a)
          sum += weights_[d * width + a] * scale_[a] * static_cast<double>(x[i * width + a]);
        out[i * size_ + d] = static_cast<float>(sum);
      }
  }
  // The covariance of what the prediction leaves, inverted.
  void fit_spread() {
    const Rows items = world_.old_items();
    std::vector<float> predicted;
    predict(items, predicted);
    std::vector<double> covariance(size_ * size_, 0.0), rest(size_);
    for (std::size_t i = 0; i < items.size(); ++i) {
      for (std::size_t d = 0; d < size_; ++d)
        rest[d] = static_cast<double>(base_.item_table()[static_cast<std::size_t>(items[i]) * size_ + d]) -
                  static_cast<double>(predicted[i * size_ + d]);
      for (std::size_t a = 0; a < size_; ++a)
        for (std::size_t b = 0; b < size_; ++b) covariance[a * size_ + b] += rest[a] * rest[b];
    }
    double trace = 0;
    for (std::size_t d = 0; d < size_; ++d) trace += covariance[d * size_ + d];
    for (double& c : covariance) c /= static_cast<double>(items.size());
    // A floor keeps directions that no old vector uses from becoming certain beyond number.
    const double floor = 1e-3 * trace / static_cast<double>(items.size() * size_) + 1e-9;
    for (std::size_t d = 0; d < size_; ++d) covariance[d * size_ + d] += floor;
    precision_ = detail::inverse_of(covariance, size_);
  }

  // Newton's method with the base linearised at each step (Gauss-Newton for bases that are not linear in the vector).
  void solve(std::int32_t item, double strength) {
    const auto& rows = seen_[static_cast<std::size_t>(item)];
    float* vector = ids_.row(item);
    const float* prior = prior_.data() + static_cast<std::size_t>(item) * size_;
    for (int k = 0; k < options_.newton_steps; ++k) {
      std::vector<double> hessian = precision_, gradient(size_, 0.0);
      for (double& h : hessian) h *= strength;
      for (std::size_t a = 0; a < size_; ++a)
        for (std::size_t b = 0; b < size_; ++b)
          gradient[a] += hessian[a * size_ + b] * (static_cast<double>(vector[b]) - static_cast<double>(prior[b]));
      each_batch(rows, kMostRows, [&](Rows part) { add_clicks(batches_.fill(part), vector, hessian, gradient); });
      thaw::require(detail::solve_in_place(hessian, gradient, size_),
                    "CountAware: a base with slopes that are not finite");
      double moved = 0;
      for (std::size_t d = 0; d < size_; ++d) {
        vector[d] -= static_cast<float>(gradient[d]);
        moved = (std::max)(moved, std::fabs(gradient[d]));
      }
      if (moved < 1e-5) return;
    }
  }
  void add_clicks(const ClickBatch<>& batch, const float* vector, std::vector<double>& hessian,
                  std::vector<double>& gradient) {
    const auto rows = static_cast<std::size_t>(batch.rows);
    vectors_.resize(rows * size_), slope_.resize(rows * size_), logits_.resize(rows);
    for (std::size_t i = 0; i < rows; ++i) std::copy_n(vector, size_, vectors_.data() + i * size_);
    base_.score(batch, vectors_.data(), logits_.data());
    base_.item_slope(batch, vectors_.data(), slope_.data());
    for (std::size_t i = 0; i < rows; ++i) {
      const double p = 1 / (1 + std::exp(-static_cast<double>(logits_[i])));
      const double error = p - static_cast<double>(batch.labels[i]), weight = p * (1 - p);
      for (std::size_t a = 0; a < size_; ++a) {
        const double s = static_cast<double>(slope_[i * size_ + a]);
        gradient[a] += error * s;
        for (std::size_t b = 0; b < size_; ++b)
          hessian[a * size_ + b] += weight * s * static_cast<double>(slope_[i * size_ + b]);
      }
    }
  }

  CountAwareOptions options_;
  std::size_t size_;
  std::vector<double> scale_, weights_, precision_;
  std::vector<float> prior_, slope_, logits_;
  std::vector<std::vector<std::int32_t>> seen_;
};

}  // namespace mwuf
