// BiasFit: log-odds as a sum of biases, one for every value that a sample shows, fitted to all samples at once.
//
//   mwuf::BiasFit fit(3);                                  // two users and an item
//   fit.set_precision(0, 2, 0.7);                          // users' biases: normal priors of variance 1 / 0.7
//   const mwuf::BiasFit::Entry liked[] = {{0, 1}, {2, 1}};
//   fit.add(liked, 1);                                     // user 0 liked the item
//   const double mean = fit.solve();                       // and fit.biases()[0 .. 2]
//
//   minimise  sum of click losses + sum of precision_j * bias_j^2 / 2     over the biases and a mean that costs nothing
//
// A value that few samples show stays near zero, one that many show is what they say: shrinkage by count, which
// gradient descent with a shrink of each step does not give. Newton's method, each step solved by conjugate gradients
// (Jacobi preconditioner), halved where the objective would rise. Convex: the outcome depends on no seed and no order.
// Penalised logistic regression with random effects, as in textbooks. No interactions: those are taste_base.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"

namespace mwuf {

class BiasFit {
 public:
  struct Entry {
    std::int64_t row;
    float weight;
  };

  explicit BiasFit(std::int64_t rows)
      : precision_(static_cast<std::size_t>(rows) + 1, 1.0), biases_(precision_.size(), 0.0), begins_(1, 0) {
    precision_.back() = 0;  // the mean is the last row
  }

  void set_precision(std::int64_t first, std::int64_t count, double value) {
    thaw::require(first >= 0 && first + count < static_cast<std::int64_t>(precision_.size()) && value > 0,
                  "BiasFit: a precision is above zero and belongs to rows that exist");
    for (std::int64_t r = first; r < first + count; ++r) precision_[static_cast<std::size_t>(r)] = value;
  }
  void add(std::span<const Entry> entries, float label) {
    for (const Entry& entry : entries) {
      thaw::require(entry.row >= 0 && entry.row + 1 < static_cast<std::int64_t>(precision_.size()), "BiasFit: no row ",
                    entry.row);
      rows_.push_back(static_cast<std::size_t>(entry.row));
      weights_.push_back(entry.weight);
    }
    rows_.push_back(precision_.size() - 1);
    weights_.push_back(1);
    begins_.push_back(rows_.size());
    labels_.push_back(label);
  }

  // Returns the mean. Stops where no bias moves by more than 1e-4, or after that many steps.
  double solve(int steps = 30) {
    const std::size_t samples = labels_.size();
    if (samples == 0) return 0;
    z_.assign(samples, 0.0), curvature_.assign(samples, 0.0);
    each_sample([&](std::size_t i) { z_[i] = dot(i, biases_); });
    double before = objective(biases_, z_);
    for (int k = 0; k < steps; ++k) {
      const std::vector<double> step = newton_step();
      std::vector<double> along(samples);
      each_sample([&](std::size_t i) { along[i] = dot(i, step); });
      const double moved = move(step, along, before);
      if (moved < 1e-4) break;
    }
    return biases_.back();
  }
  // One for each row.
  std::span<const double> biases() const { return {biases_.data(), biases_.size() - 1}; }

 private:
  template <class Fn>
  void each_sample(const Fn& fn) const {
    for (std::size_t i = 0; i < labels_.size(); ++i) fn(i);
  }
  double dot(std::size_t i, const std::vector<double>& x) const {
    double sum = 0;
    for (std::size_t e = begins_[i]; e < begins_[i + 1]; ++e) sum += static_cast<double>(weights_[e]) * x[rows_[e]];
    return sum;
  }
  void scatter(std::size_t i, double value, std::vector<double>& x) const {
    for (std::size_t e = begins_[i]; e < begins_[i + 1]; ++e) x[rows_[e]] += static_cast<double>(weights_[e]) * value;
  }
  static double probability(double z) { return 1 / (1 + std::exp(-z)); }
  double objective(const std::vector<double>& biases, const std::vector<double>& z) const {
    double sum = 0;
    for (std::size_t j = 0; j < biases.size(); ++j) sum += 0.5 * precision_[j] * biases[j] * biases[j];
    each_sample([&](std::size_t i) {
      sum += std::log1p(std::exp(-std::fabs(z[i]))) + (z[i] > 0 ? z[i] : 0) - z[i] * static_cast<double>(labels_[i]);
    });
    return sum;
  }

  // (Hessian)^-1 * -gradient.
  std::vector<double> newton_step() {
    const std::size_t n = biases_.size();
    std::vector<double> rest(n), diagonal(precision_);
    for (std::size_t j = 0; j < n; ++j) rest[j] = -precision_[j] * biases_[j];
    each_sample([&](std::size_t i) {
      const double p = probability(z_[i]);
      curvature_[i] = p * (1 - p) + 1e-9;
      scatter(i, static_cast<double>(labels_[i]) - p, rest);
      for (std::size_t e = begins_[i]; e < begins_[i + 1]; ++e)
        diagonal[rows_[e]] += curvature_[i] * static_cast<double>(weights_[e]) * static_cast<double>(weights_[e]);
    });
    std::vector<double> x(n, 0.0), scaled(n), direction(n, 0.0), image(n);
    double size = 0, first = 0;
    for (int k = 0; k < 100; ++k) {
      double next = 0;
      for (std::size_t j = 0; j < n; ++j) scaled[j] = rest[j] / diagonal[j], next += rest[j] * scaled[j];
      if (k == 0) first = next;
      if (next <= 1e-6 * first || next <= 1e-12) break;
      for (std::size_t j = 0; j < n; ++j) direction[j] = scaled[j] + (k == 0 ? 0 : next / size) * direction[j];
      size = next;
      for (std::size_t j = 0; j < n; ++j) image[j] = precision_[j] * direction[j];
      each_sample([&](std::size_t i) { scatter(i, curvature_[i] * dot(i, direction), image); });
      double curved = 0;
      for (std::size_t j = 0; j < n; ++j) curved += direction[j] * image[j];
      for (std::size_t j = 0; j < n; ++j) {
        x[j] += size / curved * direction[j];
        rest[j] -= size / curved * image[j];
      }
    }
    return x;
  }
  // Goes along the step as far as the objective falls; returns the largest move of a bias.
  double move(const std::vector<double>& step, const std::vector<double>& along, double& objective_now) {
    double length = 1;
    for (int halvings = 0; halvings < 20; ++halvings, length /= 2) {
      std::vector<double> biases(biases_), z(z_);
      double moved = 0;
      for (std::size_t j = 0; j < biases.size(); ++j) {
        biases[j] += length * step[j];
        moved = std::fmax(moved, std::fabs(length * step[j]));
      }
      for (std::size_t i = 0; i < z.size(); ++i) z[i] += length * along[i];
      const double now = objective(biases, z);
      if (now > objective_now) continue;
      biases_.swap(biases), z_.swap(z);
      objective_now = now;
      return moved;
    }
    return 0;
  }

  std::vector<double> precision_, biases_;  // by row, the mean last
  std::vector<std::size_t> rows_,
      begins_;  // entries of samples, one sample after another
  std::vector<float> weights_, labels_;
  std::vector<double> z_, curvature_;
};

}  // namespace mwuf
