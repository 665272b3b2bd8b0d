#include "thaw/ops/reduce.hpp"

#include "tests/ops/fixture.hpp"
#include "thaw/ops/elementwise.hpp"

using namespace thaw_test;

namespace {

// Position in `narrow` of element i of `wide`.
Index meets(const thaw::Shape& wide, const thaw::Shape& narrow, Index i) {
  Index at = 0, step = 1;
  for (int axis = wide.rank - 1, k = narrow.rank - 1; axis >= 0; --axis, --k) {
    const Index position = i % wide[axis];
    i /= wide[axis];
    if (k < 0) continue;
    at += narrow[k] == 1 ? 0 : position * step;
    step *= narrow[k];
  }
  return at;
}

}  // namespace

TEST_CASE("broadcast_to and sum_to against loops, and as each other's gradient") {
  Host host;
  const thaw::Shape wide{2, 3, 4};
  const thaw::Shape narrows[] = {{4}, {3, 1}, {1, 4}, {2, 1, 1}, {}, {1, 3, 4}, {2, 3, 1}, {1}};
  for (const thaw::Shape& narrow : narrows) {
    const A x = host.normal(narrow), w = host.normal(wide);
    const A stretched = thaw::broadcast_to(x, wide), summed = thaw::sum_to(w, narrow);
    CHECK(same_shape(stretched.shape, wide));
    CHECK(same_shape(summed.shape, narrow));
    A expected = host.zeros(narrow);
    for (Index i = 0; i < wide.size(); ++i) {
      CHECK(stretched[i] == x[meets(wide, narrow, i)]);
      expected[meets(wide, narrow, i)] += w[i];
    }
    CHECK(difference(summed, expected) < 1e-14);
    hold("broadcast_to",
         thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::broadcast_to(v, wide)); }, {x}));
    hold("sum_to", thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::sum_to(v, narrow)); }, {w}));
  }
}

TEST_CASE("sum is a scalar; the same shape is the same value") {
  Host host;
  const A x = host.of({2, 2}, {1, 2, 3, 4.5});
  CHECK(thaw::sum(x).shape.rank == 0);
  CHECK(thaw::sum(x).item() == 10.5);
  CHECK(thaw::sum_to(x, {2, 2}).data == x.data);
  CHECK(thaw::broadcast_to(x, {2, 2}).data == x.data);
  CHECK(thaw::sum(host.zeros({0, 3})).item() == 0);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("reduce: messages name both shapes") {
  Host host;
  const A x = host.zeros({2, 3});
  const thaw::Fault wide = message_of([&] { (void)thaw::broadcast_to(x, {2, 4}); });
  CHECK(says(wide, "(2, 3)"));
  CHECK(says(wide, "(2, 4)"));
  const thaw::Fault narrow = message_of([&] { (void)thaw::sum_to(x, {2}); });
  CHECK(says(narrow, "(2, 3)"));
  CHECK(says(narrow, "(2)"));
  CHECK(says(message_of([&] { (void)thaw::broadcast_to(x, {3}); }), "does not stretch to (3)"));
}
#endif
