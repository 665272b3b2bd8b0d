#include "thaw/ops/cross_entropy.hpp"

#include "tests/ops/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/nn/losses.hpp"

using namespace thaw_test;

namespace {
const std::int32_t kClasses[] = {3, -1, 0, 6};
}

TEST_CASE("token_cross_entropy: equals the mean over the rows that count, padding changes nothing") {
  Host host;
  const A x = host.normal({4, 7});
  const std::int32_t kept[] = {3, 0, 6};
  A rows = host.zeros({3, 7});
  for (Index i = 0; i < 21; ++i) rows[i] = x[i < 7 ? i : i + 7];
  CHECK(thaw::token_cross_entropy(x, kClasses).item() ==
        doctest::Approx(thaw::cross_entropy(rows, kept).item()).epsilon(1e-13));
  const std::int32_t none[] = {-1, -1, -1, -1};
  CHECK(thaw::token_cross_entropy(x, none).item() == 0);
  // Equal logits: the logarithm of the number of classes. Large ones do not overflow.
  const A flat = thaw::shift(host.zeros({4, 7}), 5000);
  CHECK(thaw::token_cross_entropy(flat, kClasses).item() == doctest::Approx(std::log(7.0)).epsilon(1e-12));
}

TEST_CASE("token_cross_entropy: gradients to second order") {
  Host host;
  hold("token_cross_entropy", thaw::check_gradient([](const auto& x) { return thaw::token_cross_entropy(x, kClasses); },
                                                   {host.normal({4, 7})}));
}

TEST_CASE("token_cross_entropy: a large vocabulary in float, by kernels and threads") {
  Host host;
  const Index rows = 9, columns = 5003;
  const A x = thaw::scale(host.normal({rows, columns}), 3);
  std::int32_t classes[rows];
  for (Index i = 0; i < rows; ++i) classes[i] = i == 4 ? -1 : static_cast<std::int32_t>(i * 500);
  const double want = thaw::token_cross_entropy(x, classes).item();
  thaw::Tape<double> slow(host.context);
  const auto leaf = slow.leaf(x);
  const A d = thaw::gradient(thaw::token_cross_entropy(leaf, classes), leaf);
  for (int isa = static_cast<int>(thaw::detect_isa()); isa >= 0; --isa)
    for (const int threads : {1, 2}) {
      thaw::CpuEigen::Context context{&host.arena, threads, static_cast<thaw::Isa>(isa)};
      using R = thaw::Array<float, thaw::CpuEigen>;
      R narrow = R::make(context, x.shape);
      for (Index i = 0; i < x.size(); ++i) narrow[i] = static_cast<float>(x[i]);
      thaw::Tape<float, thaw::CpuEigen> tape(context);
      const auto v = tape.leaf(narrow);
      const auto loss = thaw::token_cross_entropy(v, classes);
      CHECK(static_cast<double>(loss.item()) == doctest::Approx(want).epsilon(1e-5));
      const R g = thaw::gradient(loss, v);
      double worst = 0;
      for (Index i = 0; i < g.size(); ++i) worst = std::fmax(worst, std::fabs(static_cast<double>(g[i]) - d[i]));
      CHECK(worst < 1e-6);
    }
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("token_cross_entropy: a class beyond the columns") {
  Host host;
  const std::int32_t classes[] = {7};
  CHECK(says(message_of([&] { (void)thaw::token_cross_entropy(host.normal({1, 7}), classes); }), "class 7 of row 0"));
}
#endif
