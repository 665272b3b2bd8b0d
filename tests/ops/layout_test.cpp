#include "thaw/ops/layout.hpp"

#include "tests/ops/fixture.hpp"
#include "thaw/ops/elementwise.hpp"

using namespace thaw_test;

namespace {

// A value joined with others as parts of the recorded type.
template <thaw::Value X, thaw::Value Y>
thaw::Meet<X, Y> join(const X& x, const Y& y, int axis) {
  using T = thaw::Meet<X, Y>;
  if constexpr (std::is_same_v<X, T>)
    return thaw::concat({x, thaw::lift_to<T>(y, x), x}, axis);
  else
    return thaw::concat({thaw::lift_to<T>(x, y), y, thaw::lift_to<T>(x, y)}, axis);
}

}  // namespace

TEST_CASE("reshape is a view of the same numbers") {
  Host host;
  const A x = host.normal({2, 3, 4});
  const A y = thaw::reshape(x, {6, 4});
  CHECK(y.data == x.data);
  CHECK(same_shape(y.shape, {6, 4}));
  hold("reshape", thaw::check_gradient(
                      [](const auto& v) {
                        return thaw::mul(thaw::reshape(v, {4, 6}), thaw::reshape(v, {4, 6}));
                      },
                      {x}));
}

TEST_CASE("permute against index arithmetic") {
  Host host;
  const A x = host.normal({2, 3, 4, 5});
  const A y = thaw::permute(x, {2, 0, 3, 1});
  CHECK(same_shape(y.shape, {4, 2, 5, 3}));
  for (Index a = 0; a < 2; ++a)
    for (Index b = 0; b < 3; ++b)
      for (Index c = 0; c < 4; ++c)
        for (Index d = 0; d < 5; ++d) CHECK(y[((c * 2 + a) * 5 + d) * 3 + b] == x[((a * 3 + b) * 4 + c) * 5 + d]);
  CHECK(difference(thaw::permute(x, {-2, 0, -1, 1}), y) == 0);
  CHECK(difference(thaw::permute(y, {1, 3, 0, 2}), x) == 0);
  const A small = host.normal({2, 3, 2});
  hold("permute", thaw::check_gradient(
                      [](const auto& v) {
                        return thaw::square(thaw::permute(v, {2, 0, 1}));
                      },
                      {small}));
}

TEST_CASE("slice and pad, every axis") {
  Host host;
  const A x = host.normal({4, 5, 6});
  const Index begin[] = {1, 0, 2}, size[] = {2, 3, 4};
  for (int axis = 0; axis < 3; ++axis) {
    const A part = thaw::slice(x, axis, begin[axis], size[axis]);
    const A back = thaw::pad(part, axis, begin[axis], x.shape[axis]);
    CHECK(same_shape(part.shape, x.shape.with_axis(axis, size[axis])));
    CHECK(same_shape(back.shape, x.shape));
    for (Index i = 0; i < 4; ++i)
      for (Index j = 0; j < 5; ++j)
        for (Index k = 0; k < 6; ++k) {
          const Index at[] = {i, j, k};
          const bool inside = at[axis] >= begin[axis] && at[axis] < begin[axis] + size[axis];
          CHECK(back[(i * 5 + j) * 6 + k] == (inside ? x[(i * 5 + j) * 6 + k] : 0.0));
        }
    CHECK(difference(thaw::slice(x, axis - 3, begin[axis], size[axis]), part) == 0);
  }
  const A small = host.normal({3, 4});
  hold("slice", thaw::check_gradient([](const auto& v) { return thaw::square(thaw::slice(v, -1, 1, 2)); }, {small}));
  hold("pad", thaw::check_gradient([](const auto& v) { return thaw::square(thaw::pad(v, 0, 2, 6)); }, {small}));
  CHECK(thaw::slice(x, 1, 5, 0).size() == 0);
}

TEST_CASE("concat, every axis") {
  Host host;
  for (int axis = 0; axis < 3; ++axis) {
    const thaw::Shape base{2, 3, 4};
    const A x = host.normal(base), y = host.normal(base.with_axis(axis, 5));
    const A joined = thaw::concat({x, y, x}, axis);
    CHECK(same_shape(joined.shape, base.with_axis(axis, 2 * base[axis] + 5)));
    CHECK(difference(thaw::slice(joined, axis, 0, base[axis]), x) == 0);
    CHECK(difference(thaw::slice(joined, axis, base[axis], 5), y) == 0);
    CHECK(difference(thaw::slice(joined, axis, base[axis] + 5, base[axis]), x) == 0);
    CHECK(difference(thaw::concat({x, y, x}, axis - 3), joined) == 0);
    hold("concat",
         thaw::check_gradient([&](const auto& a, const auto& b) { return thaw::square(join(a, b, axis)); }, {x, y}));
  }
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("layout: messages name the shapes") {
  Host host;
  const A x = host.zeros({2, 3}), y = host.zeros({4, 2});
  const thaw::Fault reshape = message_of([&] { (void)thaw::reshape(x, {4, 2}); });
  CHECK(says(reshape, "(2, 3)"));
  CHECK(says(reshape, "(4, 2)"));
  const thaw::Fault concat = message_of([&] { (void)thaw::concat({x, y}, 0); });
  CHECK(says(concat, "(2, 3)"));
  CHECK(says(concat, "(4, 2)"));
  CHECK(says(message_of([&] { (void)thaw::slice(x, 1, 2, 2); }), "2 .. 4 are outside axis 1 of shape (2, 3)"));
  CHECK(says(message_of([&] { (void)thaw::slice(x, 2, 0, 1); }), "axis 2 is outside shape (2, 3)"));
  CHECK(says(message_of([&] { (void)thaw::pad(x, 0, 3, 4); }), "(2, 3) does not fit at 3 into size 4"));
  CHECK(says(message_of([&] { (void)thaw::permute(x, {0, 0}); }), "named twice"));
  CHECK(says(message_of([&] { (void)thaw::permute(x, {0, 1, 2}); }), "3 axes named for shape (2, 3)"));
}
#endif
