#include "thaw/core/shape.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;
using thaw::Shape;

TEST_CASE("sizes, rows, and shapes made from others") {
  constexpr Shape s{8, 32, 144};
  static_assert(s.rank == 3 && s.size() == 36864 && s.last() == 144 && s.leading() == 256);
  static_assert(Shape{}.size() == 1 && Shape{}.last() == 1);
  CHECK(same_shape(s.with_last(2), {8, 32, 2}));
  CHECK(same_shape(s.with_axis(0, 1), {1, 32, 144}));
  CHECK(same_shape(s.without_last(), {8, 32}));
  CHECK(same_shape(s.append(5), {8, 32, 144, 5}));
  CHECK(same_shape(s.without_last().append(144), s));
  CHECK(!(Shape{2, 3} == Shape{3, 2}));
  CHECK(!(Shape{2, 3} == Shape{2, 3, 1}));
  CHECK(Shape{4, 0, 3}.size() == 0);
}

TEST_CASE("broadcasting as in NumPy") {
  CHECK(same_shape(thaw::broadcast_shape({2, 3}, {3}, "test"), {2, 3}));
  CHECK(same_shape(thaw::broadcast_shape({3}, {2, 1}, "test"), {2, 3}));
  CHECK(same_shape(thaw::broadcast_shape({}, {4, 5}, "test"), {4, 5}));
  CHECK(same_shape(thaw::broadcast_shape({8, 1, 6, 1}, {7, 1, 5}, "test"), {8, 7, 6, 5}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("shapes: messages") {
  const thaw::Fault fault = message_of([] { (void)thaw::broadcast_shape({2, 3}, {4, 3}, "add"); });
  CHECK(says(fault, "add: shapes (2, 3) and (4, 3) do not broadcast"));
  CHECK(says(message_of([] { (void)Shape{1, 1, 1, 1, 1, 1, 1}; }), "rank 7 is above the limit of 6"));
  CHECK(says(message_of([] { (void)Shape{1, 1, 1, 1, 1, 1}.append(1); }), "limit of 6"));
}
#endif
