// fit_weights: the weights of a few numbers that make right answers likeliest among their candidates.
//
//   std::vector<double> w = elmrec::fit_weights(x, /*candidates*/ 100, /*numbers*/ 5);
//
// x (questions, candidates, numbers), the right answer first of its candidates. Maximises the mean of
// log softmax(x w)[0] - ridge |w|^2 / 2 by Newton's method: concave, so there is one best. For a handful of numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace elmrec {

namespace detail {

// The gradient and the negative curvature (numbers, numbers) of the mean log-likelihood at w; returns it.
inline double logit_slopes(std::span<const float> x, std::size_t candidates, const std::vector<double>& w,
                           std::vector<double>& gradient, std::vector<double>& curvature) {
  const std::size_t numbers = w.size(), size = candidates * numbers, questions = x.size() / size;
  std::vector<double> score(candidates), mean(numbers);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  std::fill(curvature.begin(), curvature.end(), 0.0);
  double likelihood = 0;
  for (std::size_t q = 0; q < questions; ++q) {
    const float* const rows = x.data() + q * size;
    for (std::size_t c = 0; c < candidates; ++c) {
      score[c] = 0;
      for (std::size_t k = 0; k < numbers; ++k) score[c] += w[k] * static_cast<double>(rows[c * numbers + k]);
    }
    const double most = *std::max_element(score.begin(), score.end()), right = score[0];
    double sum = 0;
    for (double& s : score) sum += s = std::exp(s - most);
    likelihood += right - most - std::log(sum);
    std::fill(mean.begin(), mean.end(), 0.0);
    for (std::size_t c = 0; c < candidates; ++c)
      for (std::size_t k = 0; k < numbers; ++k) {
        const double part = score[c] / sum * static_cast<double>(rows[c * numbers + k]);
        mean[k] += part;
        for (std::size_t l = 0; l <= k; ++l)
          curvature[k * numbers + l] += part * static_cast<double>(rows[c * numbers + l]);
      }
    for (std::size_t k = 0; k < numbers; ++k) {
      gradient[k] += static_cast<double>(rows[k]) - mean[k];
      for (std::size_t l = 0; l <= k; ++l) curvature[k * numbers + l] -= mean[k] * mean[l];
    }
  }
  const auto count = static_cast<double>(questions);
  for (double& g : gradient) g /= count;
  for (double& c : curvature) c /= count;
  return likelihood / count;
}

// Solves a y = b for a positive definite a, of which the lower half is given, by Cholesky; b becomes y.
inline void solve_positive(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt((std::max)(sum, 1e-12)) : sum / a[j * n + j];
    }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

}  // namespace detail

inline std::vector<double> fit_weights(std::span<const float> x, std::size_t candidates, std::size_t numbers,
                                       double ridge = 1e-4) {
  std::vector<double> w(numbers, 0.0), gradient(numbers), curvature(numbers * numbers), trial;
  const auto value = [&](const std::vector<double>& at, double likelihood) {
    double square = 0;
    for (const double v : at) square += v * v;
    return likelihood - ridge * square / 2;
  };
  if (x.empty()) return w;
  double now = value(w, detail::logit_slopes(x, candidates, w, gradient, curvature));
  for (int step = 0; step < 50; ++step) {
    for (std::size_t k = 0; k < numbers; ++k) gradient[k] -= ridge * w[k], curvature[k * numbers + k] += ridge;
    std::vector<double> move = gradient;
    detail::solve_positive(curvature, move);
    // Half steps until it gains: far from the best the square model may overshoot.
    double gained = -1, share = 1;
    for (; share > 1e-6 && gained < 0; share /= 2) {
      trial = w;
      for (std::size_t k = 0; k < numbers; ++k) trial[k] += share * move[k];
      gained = value(trial, detail::logit_slopes(x, candidates, trial, gradient, curvature)) - now;
    }
    if (gained < 0) break;
    w = trial, now += gained;
    if (gained < 1e-10) break;
  }
  return w;
}

}  // namespace elmrec
