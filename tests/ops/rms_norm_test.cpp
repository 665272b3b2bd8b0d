#include "thaw/ops/rms_norm.hpp"

#include <cmath>

#include "tests/ops/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"

using namespace thaw_test;

TEST_CASE("rms_norm: numbers by hand") {
  Host host;
  // mean(x^2) of (1, 2, 2) is 3, of (0, 0, 3) too.
  const A y = thaw::rms_norm(host.of({2, 3}, {1, 2, 2, 0, 0, 3}), host.of({3}, {1, 10, -1}), 1.0);
  const double want[] = {0.5, 10, -1, 0, 0, -1.5};
  for (Index i = 0; i < 6; ++i) CHECK(y[i] == doctest::Approx(want[i]).epsilon(1e-14));
}

TEST_CASE("rms_norm: gradients to second order, and the kernels are the composition") {
  Host host;
  const A x = host.normal({2, 3, 5}), w = host.normal({5});
  hold("rms_norm",
       thaw::check_gradient([](const auto& a, const auto& b) { return thaw::rms_norm(a, b, 1e-3); }, {x, w}));
  const A in[] = {x, w};
  CHECK(difference(thaw::rms_norm(x, w, 0.1), thaw::op::RmsNorm::compose<A>({0.1}, in, 2)) < 1e-14);
}

TEST_CASE("rms_norm: every instruction set and number of threads, against the portable loops") {
  Host host;
  using R = thaw::Array<float, thaw::CpuEigen>;
  for (const Index width : {5, 16, 64, 200}) {
    const Index rows = 1 << 11;
    const A x = host.normal({rows, width}), w = host.normal({width}), g = host.normal({rows, width});
    const A want = thaw::rms_norm(x, w), d_x = A::make(host.context, x.shape), d_w = host.zeros(w.shape);
    thaw::Cpu::rms_norm_backward(host.context, rows, width, 1e-6, x.data, w.data, g.data, d_x.data, d_w.data);
    for (int isa = static_cast<int>(thaw::detect_isa()); isa >= 0; --isa)
      for (const int threads : {1, 2, 3}) {
        thaw::CpuEigen::Context context{&host.arena, threads, static_cast<thaw::Isa>(isa)};
        const auto narrow = [&](const A& a) {
          R out = R::make(context, a.shape);
          for (Index i = 0; i < a.size(); ++i) out[i] = static_cast<float>(a[i]);
          return out;
        };
        const R in[] = {narrow(x), narrow(w)}, up = narrow(g);
        const R y = thaw::rms_norm(in[0], in[1]);
        R slopes[2] = {R::make(context, x.shape), R::make(context, w.shape)};
        for (float& v : slopes[1]) v = 0;
        thaw::CpuEigen::rms_norm_backward(context, rows, width, 1e-6F, in[0].data, in[1].data, up.data, slopes[0].data,
                                          slopes[1].data);
        double worst = 0;
        for (Index i = 0; i < y.size(); ++i)
          worst = std::fmax(worst, std::fabs(static_cast<double>(y[i]) - want[i]) +
                                       std::fabs(static_cast<double>(slopes[0][i]) - d_x[i]));
        CHECK(worst < 1e-4);
        for (Index i = 0; i < width; ++i)
          CHECK(static_cast<double>(slopes[1][i]) == doctest::Approx(d_w[i]).epsilon(1e-3));
      }
  }
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("rms_norm: a weight of another width") {
  Host host;
  const A x = host.normal({2, 5}), w = host.normal({4});
  CHECK(says(message_of([&] { (void)thaw::rms_norm(x, w); }), "does not fit weight (4)"));
}
#endif
