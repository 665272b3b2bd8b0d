// The example of docs/autodiff.md, "Writing an operation": this file is what the page quotes.
#include "tests/ops/fixture.hpp"
#include "thaw/ops/elementwise.hpp"

namespace own {

// One number to another, for the backend's map; written once for every backend.
struct ArcTangent {
  template <class V>
  THAW_HOST_DEVICE static V value(V x) {
    return std::atan(x);
  }
};

// y = atan(x), elementwise.
struct Atan {
  static constexpr const char* name = "atan";
  struct Attr {};
  template <class T>
  static thaw::Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr&, const A* in, int n, bool) {
    auto& context = thaw::context_of(in, n, name);
    A out = A::make(context, in[0].shape);
    A::Backend::template map<ArcTangent>(context, out.size(), in[0].data, out.data);
    return out;
  }
  // dy/dx = 1 / (1 + x^2), from operations that have rules of their own: every order follows.
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, thaw::Adjoints<T>& d) {
    d.give(0, thaw::div(g, thaw::shift(thaw::square(in[0]), 1)));
  }
};

template <thaw::Value T>
T atan(const T& x) {
  return thaw::apply<Atan>({}, {x});
}

}  // namespace own

using namespace thaw_test;

TEST_CASE("an operation of one's own: values, every order of gradient, shapes") {
  Host host;
  const A x = host.normal({3, 4});
  const A y = own::atan(x);
  for (Index i = 0; i < x.size(); ++i) CHECK(std::tan(y[i]) == doctest::Approx(x[i]).epsilon(1e-12));

  thaw::CheckOptions options;
  options.order = 3;
  options.step = 3e-3;
  const thaw::CheckResult r = thaw::check_gradient([](const auto& v) { return own::atan(v); }, {x}, options);
  CHECK(r.error_at(1) < 1e-7);
  CHECK(r.error_at(2) < 1e-6);
  CHECK(r.error_at(3) < 1e-5);

  CHECK(same_shape(own::atan(thaw::Spec{{3, 4}, {}, nullptr, false}).shape, x.shape));
}
