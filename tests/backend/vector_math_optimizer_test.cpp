// Update kernels against PyTorch 1.13 (double precision, three steps) and against LAMB written out.
#include "thaw/backend/kernels/vector_math_optimizer.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace thaw;

namespace {

std::vector<Isa> sets_of_this_machine() {
  std::vector<Isa> sets{Isa::portable};
  for (Isa isa : {Isa::avx2, Isa::avx512})
    if (detect_isa() >= isa) sets.push_back(isa);
  return sets;
}

const double kGradients[3][3] = {{0.5, -1.0, 0.25}, {-0.1, 2.0, 0.75}, {1.5, 0.0, -0.5}};
const double kStart[3] = {1.0, -2.0, 3.0};

// Runs `update` on n parameters, the three of the reference repeated, and compares.
template <class Real, class Update>
double worst_error(Index n, const double (&expected)[3], Update update) {
  const auto size = static_cast<std::size_t>(n);
  std::vector<Real> p(size), g(size), m(size), v(size);
  for (std::size_t i = 0; i < size; ++i) p[i] = static_cast<Real>(kStart[i % 3]);
  for (int t = 0; t < 3; ++t) {
    for (std::size_t i = 0; i < size; ++i) g[i] = static_cast<Real>(kGradients[t][i % 3]);
    update(t + 1, g.data(), p.data(), m.data(), v.data());
  }
  double worst = 0;
  for (std::size_t i = 0; i < size; ++i)
    worst = std::fmax(worst, std::fabs(static_cast<double>(p[i]) - expected[i % 3]));
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("SGD, Adam and AdamW give PyTorch's parameters", Real, float, double) {
  const double sgd[3] = {0.7280747489999999, -2.097969498, 2.823104372};
  const double nesterov[3] = {0.562593358191, -2.182336916382, 2.782197731948};
  const double adam[3] = {0.7734240294948558, -1.9623931792378824, 2.7767320526387733};
  const double adamw[3] = {0.7729603399299123, -1.9590795496464593, 2.7737321888136415};
  const double tolerance = sizeof(Real) == 4 ? 1e-6 : 1e-12;
  for (Isa isa : sets_of_this_machine())
    for (Index n : {3, 16, 53}) {
      for (bool ahead : {false, true}) {
        const SgdStep step{0.1, 0.9, 0.01, ahead};
        CHECK(worst_error<Real>(n, ahead ? nesterov : sgd, [&](int, const Real* g, Real* p, Real* m, Real*) {
                sgd_update(isa, n, step, g, p, m);
              }) < tolerance);
      }
      for (bool decoupled : {false, true})
        CHECK(worst_error<Real>(n, decoupled ? adamw : adam, [&](int t, const Real* g, Real* p, Real* m, Real* v) {
                adam_update(isa, n, AdamStep::at(t, 0.1, 0.9, 0.999, 1e-8, 0.01, decoupled), g, p, m, v);
              }) < tolerance);
    }
}

TEST_CASE("SGD without a velocity is a plain step") {
  for (Isa isa : sets_of_this_machine()) {
    float p[] = {1.0f, 2.0f};
    const float g[] = {0.5f, -0.25f};
    sgd_update<float>(isa, 2, SgdStep{0.5, 0, 0, false}, g, p, nullptr);
    CHECK(p[0] == 0.75f);
    CHECK(p[1] == 2.125f);
  }
}

TEST_CASE("the first pass of LAMB moves the moments and returns the update and both lengths") {
  for (Isa isa : sets_of_this_machine()) {
    const Index n = 2500;
    std::vector<float> g(2500), p(2500), m(2500, 0.1f), v(2500, 0.2f), u(2500);
    for (std::size_t i = 0; i < 2500; ++i) {
      g[i] = 0.01f * static_cast<float>(i % 100) - 0.5f;
      p[i] = 0.02f * static_cast<float>(i % 70) - 0.7f;
    }
    const LambNorms norms = lamb_direction(isa, n, AdamStep::at(4, 0.1, 0.9, 0.99, 1e-6, 0.05), g.data(), p.data(),
                                           m.data(), v.data(), u.data());
    double parameters = 0, update = 0, worst = 0;
    for (std::size_t i = 0; i < 2500; ++i) {
      const double gi = static_cast<double>(g[i]), pi = static_cast<double>(p[i]);
      const double mi = 0.9 * static_cast<double>(0.1f) + 0.1 * gi;
      const double vi = 0.99 * static_cast<double>(0.2f) + 0.01 * gi * gi;
      const double ui = mi / (1 - std::pow(0.9, 4)) / (std::sqrt(vi / (1 - std::pow(0.99, 4))) + 1e-6) + 0.05 * pi;
      parameters += pi * pi;
      update += ui * ui;
      worst = std::fmax(worst, std::fabs(static_cast<double>(u[i]) - ui));
      worst = std::fmax(worst, std::fabs(static_cast<double>(m[i]) - mi));
      worst = std::fmax(worst, std::fabs(static_cast<double>(v[i]) - vi));
    }
    CHECK(worst < 1e-6);
    CHECK(norms.parameters == doctest::Approx(parameters).epsilon(1e-9));
    CHECK(norms.update == doctest::Approx(update).epsilon(1e-5));
  }
}
