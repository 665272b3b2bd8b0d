// One table for all fields: the numbers of a FieldEmbedding for each field, gaps and bad ids, gradients, row gradients.
#include "thaw/nn/field_table.hpp"

#include "tests/nn/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/optim/parameters.hpp"

using namespace nn_test;
using thaw::FieldColumn;
using thaw::FieldKind;

namespace {

constexpr std::int32_t kUser[] = {0, 3, -1}, kGenres[] = {0, 2, 1, -1, 1}, kOffsets[] = {0, 2, 2, 5},
                       kAge[] = {2, -1, 1};
constexpr double kYear[] = {0.5, -1.25, 2};

struct Columns {
  FieldColumn<double> column[4];
  Columns() {
    column[0].bags = {kUser, nullptr, 3, false};
    column[1].bags = {kGenres, kOffsets, 3, false};
    column[2].values = kYear;
    column[3].bags = {kAge, nullptr, 3, false};
  }
};

thaw::FieldLayout layout_of(bool several = true, bool number = true) {
  thaw::FieldLayout layout;
  layout.add(FieldKind::categorical, 4);
  if (several) layout.add(FieldKind::multi_valued, 3);
  if (number) layout.add(FieldKind::continuous, 1);
  layout.add(FieldKind::categorical, 3);
  return layout;
}

}  // namespace

TEST_CASE("the vectors of a FieldEmbedding for each field, joined; means over known values; zeros for unknown ones") {
  Host host;
  const auto plan = thaw::field_table_spec(layout_of(), 5);
  CHECK(plan.table.shape == thaw::Shape{11, 5});
  CHECK(plan.table.row_table);
  const thaw::FieldTable<A> table{host.normal({11, 5}), plan.layout};
  const Columns in;
  const A all = table(table.bags(in.column, 3));
  CHECK(all.shape == thaw::Shape{3, 20});
  const Index first[] = {0, 4, 7, 8}, rows[] = {4, 3, 1, 3};
  for (int f = 0; f < 4; ++f) {
    const thaw::FieldEmbedding<A> one{thaw::slice(table.table, 0, first[f], rows[f]), plan.layout.parts[f].kind};
    CHECK(difference(thaw::slice(all, 1, 5 * f, 5), one(in.column[f], 3)) < 1e-15);
  }
  for (Index j = 0; j < 5; ++j) {
    CHECK(all[20 + 5 + j] == 0);   // no genre
    CHECK(all[20 + 15 + j] == 0);  // unknown age
    // Known values 1 and 1, one unknown: the mean is the row itself.
    CHECK(std::fabs(all[40 + 5 + j] - table.table[5 * 5 + j]) < 1e-15);
    CHECK(std::fabs(all[40 + 10 + j] - 2 * table.table[7 * 5 + j]) < 1e-15);
  }
}

TEST_CASE("a mask takes some fields in their order, also where every field has one entry a row") {
  Host host;
  const Columns in;
  const thaw::FieldTable<A> table{host.normal({11, 5}), layout_of()};
  const A all = table(table.bags(in.column, 3));
  const A ends = table(table.bags(in.column, 3, 0b1001));
  CHECK(table.selected(0b1001) == 2);
  CHECK(difference(thaw::slice(ends, 1, 0, 5), thaw::slice(all, 1, 0, 5)) == 0);
  CHECK(difference(thaw::slice(ends, 1, 5, 5), thaw::slice(all, 1, 15, 5)) == 0);
  const A numbers = table(table.bags(in.column, 3, 0b1100));
  CHECK(difference(numbers, thaw::slice(all, 1, 10, 10)) == 0);
}

TEST_CASE("bags of one field: sums and means over known values, in the numbering of that field") {
  Host host;
  const thaw::FieldTable<A> table{host.normal({11, 5}), layout_of()};
  const std::int32_t ids[] = {0, 2, -1, 1}, offsets[] = {0, 3, 3, 4};
  const A means = table.field(3, {ids, offsets, 3, true});
  const A sums = table.field(3, {ids, offsets, 3, false});
  for (Index j = 0; j < 5; ++j) {
    const double both = table.table[8 * 5 + j] + table.table[10 * 5 + j];
    CHECK(std::fabs(means[j] - both / 2) < 1e-15);
    CHECK(std::fabs(sums[j] - both) < 1e-15);
    CHECK(means[5 + j] == 0);
    CHECK(means[10 + j] == table.table[9 * 5 + j]);
  }
}

TEST_CASE("gradients to second order; a row table gets rows, the same numbers") {
  Host host;
  const Columns in;
  const thaw::FieldLayout layout = layout_of();
  for (const std::uint32_t mask : {thaw::kAllFields, 0b1101u, 0b1001u}) {
    const auto f = [&](const auto& t) {
      const thaw::FieldTable<std::decay_t<decltype(t)>> table{t, layout};
      return thaw::square(table(table.bags(in.column, 3, mask)));
    };
    thaw_test::hold("field_table", thaw::check_gradient(f, {host.normal({11, 5})}));
  }
  using P = thaw::Parameters<thaw::FieldTable<thaw::Spec>, double>;
  P rows(thaw::field_table_spec(layout, 5, 0.5), host.context, 3);
  thaw::Tape<double> tape(host.context);
  const auto table = rows.on(tape);
  const V loss = thaw::sum(thaw::square(table(table.bags(in.column, 3))));
  const A dense = thaw::gradient(loss, table.table);
  const auto list = rows.gradient(loss);
  CHECK(list.dense[0].data == nullptr);
  A together = host.zeros({11, 5});
  for (const auto* g = list.rows[0]; g != nullptr; g = g->next)
    thaw::Cpu::scatter_add(host.context, g->bags, g->rows.data, 5, together.data);
  CHECK(difference(together, dense) < 1e-14);
  double largest = 0;
  for (const double x : dense) largest = std::fmax(largest, std::fabs(x));
  CHECK(largest > 0.1);
}

TEST_CASE("look_up is gather: one id a bag, several, unknown ones, widths with and without a remainder, two threads") {
  Host host;
  thaw::Philox rng(8);
  constexpr Index kRows = 5000;
  static std::int32_t ids[kRows];
  for (auto& id : ids) id = static_cast<std::int32_t>(rng.below(41)) - 1;
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context two{&arena, 2};
  for (const Index width : {1, 16, 19}) {
    const A table = host.normal({40, width});
    const thaw::Bags single{ids, nullptr, kRows, false};
    const A want = thaw::gather(table, single);
    CHECK(difference(thaw::look_up(table, single), want) == 0);
    const auto threaded = thaw::look_up(thaw::on<thaw::CpuEigen>(two, table), single);
    CHECK(std::memcmp(threaded.data, want.data, static_cast<std::size_t>(want.size()) * sizeof(double)) == 0);
  }
  const thaw::Bags bags{kGenres, kOffsets, 3, true};
  const A table = host.normal({3, 4});
  CHECK(difference(thaw::look_up(table, bags), thaw::gather(table, bags)) == 0);
  const thaw::Bags users{kUser, nullptr, 3, false};
  thaw_test::hold("look_up", thaw::check_gradient([&](const auto& t) { return thaw::square(thaw::look_up(t, users)); },
                                                  {host.normal({4, 2})}));
}

TEST_CASE("shapes of a plan") {
  const auto plan = thaw::field_table_spec(layout_of(), 7);
  const Columns in;
  CHECK(plan(plan.bags(in.column, 3)).shape == thaw::Shape{3, 28});
  CHECK(plan(plan.bags(in.column, 3, 0b11)).shape == thaw::Shape{3, 14});
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("an id of another field, a missing column, a short column are refused") {
  Host host;
  const thaw::FieldTable<A> table{host.normal({11, 5}), layout_of()};
  Columns in;
  const std::int32_t beyond[] = {0, 4, 1};
  in.column[0].bags.ids = beyond;
  CHECK(thaw_test::says(thaw_test::message_of([&] { table.bags(in.column, 3); }), "id 4 in a field of 4 values"));
  in = {};
  in.column[2].values = nullptr;
  CHECK(thaw_test::says(thaw_test::message_of([&] { table.bags(in.column, 3); }), "field 2 is missing"));
  in = {};
  in.column[3].bags.count = 2;
  CHECK(thaw_test::says(thaw_test::message_of([&] { table.bags(in.column, 3); }), "field 3"));
}
#endif
