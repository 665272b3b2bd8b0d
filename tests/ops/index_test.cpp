#include "thaw/ops/index.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;
using thaw::Bags;

namespace {

// A negative id, an empty bag, a repeated id, a bag of one.
constexpr std::int32_t kIds[] = {2, 0, -1, 3, 3, 1, 2, 4, -5};
constexpr std::int32_t kOffsets[] = {0, 3, 3, 5, 6, 9};
constexpr std::int32_t kOne[] = {4, -1, 0, 4};

A gather_by_loops(Host& host, const A& table, const Bags& bags) {
  const Index width = table.shape[1];
  A out = host.zeros({bags.count, width});
  for (Index s = 0; s < bags.count; ++s) {
    const Index begin = bags.offsets == nullptr ? s : bags.offsets[s];
    const Index end = bags.offsets == nullptr ? s + 1 : bags.offsets[s + 1];
    for (Index j = 0; j < width; ++j) {
      double total = 0;
      for (Index e = begin; e < end; ++e)
        if (bags.ids[e] >= 0) total += table[bags.ids[e] * width + j];
      out[s * width + j] = bags.mean && end > begin ? total / static_cast<double>(end - begin) : total;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("gather and scatter: sums, means, negative ids, empty bags, one id a row") {
  Host host;
  const A table = host.normal({5, 3});
  const Bags bags[] = {{kIds, kOffsets, 5, false}, {kIds, kOffsets, 5, true}, {kOne, nullptr, 4, false}};
  for (const Bags& b : bags) {
    const A rows = thaw::gather(table, b);
    CHECK(difference(rows, gather_by_loops(host, table, b)) < 1e-14);
    // scatter is the transpose: <gather(T), R> = <T, scatter(R)>.
    const A r = host.normal({b.count, 3});
    const A back = thaw::scatter(r, b, 5);
    CHECK(same_shape(back.shape, {5, 3}));
    double left = 0, right = 0;
    for (Index i = 0; i < r.size(); ++i) left += rows[i] * r[i];
    for (Index i = 0; i < table.size(); ++i) right += table[i] * back[i];
    CHECK(left == doctest::Approx(right).epsilon(1e-13));
    hold("gather", thaw::check_gradient([&](const auto& t) { return thaw::square(thaw::gather(t, b)); }, {table}));
    hold("scatter", thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::scatter(v, b, 5)); }, {r}));
  }
}

TEST_CASE("scatter adds repeated ids") {
  Host host;
  constexpr std::int32_t ids[] = {1, 1, 0, 1};
  const A out = thaw::scatter(host.of({4, 1}, {1, 2, 4, 8}), {ids, nullptr, 4}, 3);
  CHECK(out[0] == 4);
  CHECK(out[1] == 11);
  CHECK(out[2] == 0);
}

TEST_CASE("no bags give no rows, and a gradient of zeros") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V table = tape.leaf(host.normal({2, 3}));
  const V none = thaw::gather(table, Bags{});
  CHECK(same_shape(none.shape, {0, 3}));
  for (const double v : thaw::gradient(thaw::sum(none), table)) CHECK(v == 0);
}

TEST_CASE("pick and place") {
  Host host;
  constexpr std::int32_t ids[] = {2, 0, 3};
  const A x = host.normal({3, 4}), column = host.normal({3});
  const A picked = thaw::pick(x, ids), placed = thaw::place(column, ids, 4);
  CHECK(same_shape(picked.shape, {3}));
  CHECK(same_shape(placed.shape, {3, 4}));
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 4; ++j) {
      if (j == ids[i]) CHECK(picked[i] == x[i * 4 + j]);
      CHECK(placed[i * 4 + j] == (j == ids[i] ? column[i] : 0.0));
    }
  hold("pick", thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::pick(v, ids)); }, {x}));
  hold("place", thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::place(v, ids, 4)); }, {column}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("index: an id outside its table is named, with its place") {
  Host host;
  const A table = host.zeros({4, 3});
  const thaw::Fault beyond = message_of([&] { (void)thaw::gather(table, {kIds, kOffsets, 5}); });
  CHECK(says(beyond, "gather: id 4 at position 7 is outside a table of 4 rows"));
  CHECK(says(message_of([&] { (void)thaw::scatter(host.zeros({5, 3}), {kIds, kOffsets, 5}, 4); }), "scatter: id 4"));
  CHECK(says(message_of([&] {
               (void)thaw::scatter(host.zeros({3, 3}), {kIds, kOffsets, 5}, 5);
             }),
             "(3, 3) for 5 bags"));
  CHECK(says(message_of([&] {
               (void)thaw::gather(host.zeros({4}), {kOne, nullptr, 4});
             }),
             "shape (4), expected (rows"));
  constexpr std::int32_t wrong[] = {0, 3, -1, 0};
  CHECK(says(message_of([&] { (void)thaw::pick(table, wrong); }), "id 3 of row 1 is outside shape (4, 3)"));
  CHECK(says(message_of([&] { (void)thaw::place(host.zeros({4}), wrong, 4); }), "id -1 of row 2 is outside (4, 4)"));
}
#endif
