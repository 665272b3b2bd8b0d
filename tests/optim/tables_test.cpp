// Row tables: a step costs its batch, and does what a dense step would do to the rows that it touches.
#include "tests/heap_counter.hpp"
#include "tests/optim/fixture.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/sgd.hpp"

using namespace optim_test;
using thaw::Bags;
using P = thaw::Parameters<Tables<thaw::Spec>, double>;

namespace {

Tables<thaw::Spec> tables_spec(Index users, Index items, bool row_tables) {
  return {thaw::embedding_spec(users, 3, row_tables), thaw::embedding_spec(items, 3, row_tables),
          thaw::Spec{{3}, {thaw::Init::Kind::constant, 0.25}}};
}

// Both tables and the bias take part; ids may repeat.
template <class M>
auto loss_of(const M& model, const Bags& users, const Bags& items) {
  const auto x = thaw::mul(model.users(users), thaw::add(model.items(items), model.bias));
  return thaw::sum(thaw::square(thaw::shift(x, -1)));
}

template <class Optimiser>
void step(P& parameters, Optimiser& optimiser, const Bags& users, const Bags& items, double rate) {
  thaw::Tape<double> tape(parameters.context());
  thaw::Scope scope(tape);
  optimiser.step(parameters, parameters.gradient(loss_of(parameters.on(tape), users, items)), rate);
}

double furthest(const P& a, const P& b) {
  double most = 0;
  for (int i = 0; i < a.count(); ++i)
    for (Index k = 0; k < a.slot(i).value.size(); ++k)
      most = std::fmax(most, std::fabs(a.slot(i).value[k] - b.slot(i).value[k]));
  return most;
}

constexpr std::int32_t kUsers[] = {0, 1, 2, 3, 0, 2}, kItems[] = {4, 3, 2, 1, 0, 0};

template <class Optimiser>
void check_same_as_dense() {
  Host host;
  P rows(tables_spec(4, 5, true), host.context, 9), dense(tables_spec(4, 5, false), host.context, 9);
  CHECK(furthest(rows, dense) == 0);
  const double start = rows.slot(0).value[0];
  Optimiser on_rows(rows), on_dense(dense);
  const Bags users{kUsers, nullptr, 6}, items{kItems, nullptr, 6};
  for (int t = 0; t < 25; ++t) {
    step(rows, on_rows, users, items, 0.02);
    step(dense, on_dense, users, items, 0.02);
    CHECK(furthest(rows, dense) < 1e-12);
  }
  CHECK(std::fabs(rows.slot(0).value[0] - start) > 1e-3);
}

}  // namespace

TEST_CASE("row tables: when every row is touched in every step, the same as dense") {
  check_same_as_dense<thaw::Adam<double>>();
  check_same_as_dense<thaw::Sgd<double>>();
}

TEST_CASE("row tables: only touched rows change, and memory does not grow with the table") {
  std::size_t used[2] = {};
  int at = 0;
  for (const Index rows : {Index(100), Index(20000)}) {
    thaw::GrowingArena arena, work;
    thaw::Cpu::Context context{&arena}, steps{&work};
    P parameters(tables_spec(rows, rows, true), context, 9);
    const P before(tables_spec(rows, rows, true), context, 9);
    thaw::Adam<double> adam(parameters);
    const std::size_t held = arena.used();
    CHECK(arena.peak() == held);
    const Bags users{kUsers, nullptr, 6}, items{kItems, nullptr, 6};
    {
      thaw::Tape<double> tape(steps);
      thaw::Scope scope(tape);
      adam.step(parameters, parameters.gradient(loss_of(parameters.on(tape), users, items)), 0.02);
    }
    used[at++] = arena.peak() - held + work.peak();
    Index changed = 0;
    for (Index r = 0; r < rows; ++r) {
      bool moved = false;
      for (Index j = 0; j < 3; ++j)
        moved = moved || parameters.slot(0).value[r * 3 + j] != before.slot(0).value[r * 3 + j];
      CHECK(moved == (r < 4));
      CHECK(parameters.slot(0).last_step[r] == (r < 4 ? 1 : 0));
      changed += moved;
    }
    CHECK(changed == 4);
  }
  CHECK(used[0] == used[1]);
}

TEST_CASE("row tables: a row that missed steps fades its moments, then goes on; a loop by hand") {
  Host host;
  P parameters(tables_spec(2, 1, true), host.context, 9);
  thaw::Adam<double> adam(parameters, {.beta1 = 0.8, .beta2 = 0.9});
  const std::int32_t zero[] = {0}, ids[] = {1, 1, 0, 0, 0, 1, 0, 1};
  const Bags items{zero, nullptr, 1};
  double m[2][3] = {}, v[2][3] = {};
  for (int t = 1; t <= 8; ++t) {
    const Bags users{ids + t - 1, nullptr, 1};
    const auto &w = parameters.slot(0).value, &item = parameters.slot(1).value, &bias = parameters.slot(2).value;
    double want[2][3];
    for (int r = 0; r < 2; ++r)
      for (int j = 0; j < 3; ++j) {
        const double y = item[j] + bias[j], x = w[3 * r + j] * y - 1;
        const bool touched = ids[t - 1] == r;
        const double g = touched ? 2 * x * y : 0;
        m[r][j] = 0.8 * m[r][j] + 0.2 * g;
        v[r][j] = 0.9 * v[r][j] + 0.1 * g * g;
        const double step =
            0.05 * (m[r][j] / (1 - std::pow(0.8, t))) / (std::sqrt(v[r][j] / (1 - std::pow(0.9, t))) + 1e-8);
        want[r][j] = w[3 * r + j] - (touched ? step : 0);
      }
    step(parameters, adam, users, items, 0.05);
    for (int r = 0; r < 2; ++r)
      for (int j = 0; j < 3; ++j) CHECK(w[3 * r + j] == doctest::Approx(want[r][j]).epsilon(1e-11));
  }
}

// Some frameworks call their dense rule sparse: it decays the moments of every row at every call, and moves them all.
TEST_CASE("Adam on a dense table moves rows that are not read, on a row table it does not; each call counts") {
  constexpr double kRate = 0.05, kBeta1 = 0.8, kBeta2 = 0.9;
  const thaw::AdamOptions options{.beta1 = kBeta1, .beta2 = kBeta2};
  Host host;
  P dense(tables_spec(2, 1, false), host.context, 9), rows(tables_spec(2, 1, true), host.context, 9);
  thaw::Adam<double> on_dense(dense, options), on_rows(rows, options);
  const std::int32_t first[] = {0}, second[] = {1};
  const Bags items{first, nullptr, 1};
  double idle[3] = {}, moments[3][2] = {};
  for (int t = 1; t <= 12; ++t) {
    const Bags users{t == 1 ? first : second, nullptr, 1};  // user 0 is read once
    if (t == 1)
      for (int j = 0; j < 3; ++j) {
        const double y = dense.slot(1).value[j] + dense.slot(2).value[j];
        const double g = 2 * (dense.slot(0).value[j] * y - 1) * y;
        moments[j][0] = (1 - kBeta1) * g, moments[j][1] = (1 - kBeta2) * g * g;
      }
    for (int j = 0; j < 3; ++j) idle[j] = rows.slot(0).value[j];
    const double before[3] = {dense.slot(0).value[0], dense.slot(0).value[1], dense.slot(0).value[2]};
    step(dense, on_dense, users, items, kRate);
    step(rows, on_rows, users, items, kRate);
    CHECK(on_dense.steps() == t);
    CHECK(on_rows.steps() == t);
    for (int j = 0; j < 3; ++j) {
      if (t > 1) moments[j][0] *= kBeta1, moments[j][1] *= kBeta2;
      const double m = moments[j][0] / (1 - std::pow(kBeta1, t)), v = moments[j][1] / (1 - std::pow(kBeta2, t));
      const double want = before[j] - kRate * m / (std::sqrt(v) + 1e-8);
      CHECK(dense.slot(0).value[j] == doctest::Approx(want).epsilon(1e-12));
      CHECK(std::fabs(dense.slot(0).value[j] - before[j]) > 1e-4);
      CHECK((rows.slot(0).value[j] == idle[j]) == (t > 1));
    }
  }
}

// A row that is first read late moves by beta1 and beta2 of one gradient over the clock of all calls.
TEST_CASE("Adam: a row first read after many calls takes a step larger than the rate") {
  for (const bool row_tables : {true, false}) {
    Host host;
    P parameters(tables_spec(2, 1, row_tables), host.context, 9);
    thaw::Adam<double> adam(parameters);
    const std::int32_t first[] = {0}, second[] = {1};
    const Bags items{first, nullptr, 1};
    for (int t = 0; t < 20000; ++t) step(parameters, adam, {first, nullptr, 1}, items, 1e-6);
    const double before = parameters.slot(0).value[3];
    step(parameters, adam, {second, nullptr, 1}, items, 1e-3);
    CHECK(std::fabs(parameters.slot(0).value[3] - before) == doctest::Approx(3.1623e-3).epsilon(1e-4));
  }
}

TEST_CASE("merge_rows: repeated ids, several bags, means, missing entries, against a dense table") {
  Host host;
  // Three bags {7, 300}, {7, 7, -1}, {70000}; then a second gather of the ids 300 and -5 without bags.
  const std::int32_t ids[] = {7, 300, 7, 7, -1, 70000}, offsets[] = {0, 2, 5, 6}, more[] = {300, -5};
  const auto first = host.normal({3, 2}), second = host.normal({2, 2});
  for (const bool mean : {false, true}) {
    thaw::RowGradient<double, thaw::Cpu> tail{Bags{more, nullptr, 2}, second, nullptr};
    const thaw::RowGradient<double, thaw::Cpu> list{Bags{ids, offsets, 3, mean}, first, &tail};
    const auto merged = thaw::detail::merge_rows(&list, 2, host.arena);
    CHECK(merged.count == 3);
    if (merged.count != 3) return;
    const double pair = mean ? 0.5 : 1, triple = mean ? 1.0 / 3 : 1;
    const std::int32_t want_ids[] = {7, 300, 70000};
    for (Index j = 0; j < 2; ++j) {
      const double want[] = {pair * first[j] + 2 * triple * first[2 + j], pair * first[j] + second[j], first[4 + j]};
      for (Index k = 0; k < 3; ++k) {
        CHECK(merged.ids[k] == want_ids[k]);
        CHECK(merged.rows[2 * k + j] == doctest::Approx(want[k]).epsilon(1e-14));
      }
    }
  }
}

TEST_CASE("merge_rows: a thousand random ids, ascending and each once") {
  Host host;
  std::int32_t ids[1000];
  double sums[3000] = {};
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(host.rng.below(3000));
  const auto rows = host.normal({1000, 1});
  for (Index i = 0; i < 1000; ++i) sums[ids[i]] += rows[i];
  const thaw::RowGradient<double, thaw::Cpu> list{Bags{ids, nullptr, 1000}, rows, nullptr};
  const auto merged = thaw::detail::merge_rows(&list, 1, host.arena);
  for (Index k = 0; k < merged.count; ++k) {
    CHECK((k == 0 || merged.ids[k - 1] < merged.ids[k]));
    CHECK(merged.rows[k] == sums[merged.ids[k]]);  // in the order of recording: bit for bit
    sums[merged.ids[k]] = 0;
  }
  for (const double left : sums) CHECK(left == 0);
}

TEST_CASE("clipping: by norm and by value, rows included, arrays that variables share changed once") {
  Host host;
  P parameters(tables_spec(4, 5, true), host.context, 9);
  const std::int32_t ids[] = {1, 3};
  const Bags two{ids, nullptr, 2};
  thaw::Tape<double> tape(host.context);
  thaw::Scope scope(tape);
  const auto model = parameters.on(tape);
  // d/d(users row) = d/d(items row) = 2, one array for both tables; d/d(bias) = 3.
  const auto loss = thaw::add(thaw::scale(thaw::sum(thaw::add(model.users(two), model.items(two))), 2),
                              thaw::scale(thaw::sum(model.bias), 3));
  const auto list = parameters.gradient(loss);
  const double norm = std::sqrt(12 * 4 + 3 * 9);
  CHECK(thaw::gradient_norm(list) == doctest::Approx(norm));
  CHECK(thaw::clip_norm(list, 100) == doctest::Approx(norm));
  CHECK(list.dense[2][0] == 3);
  CHECK(thaw::clip_norm(list, norm / 4) == doctest::Approx(norm));
  CHECK(thaw::gradient_norm(list) == doctest::Approx(norm / 4));
  CHECK(list.dense[2][0] == doctest::Approx(0.75));
  CHECK(list.rows[0]->rows[5] == doctest::Approx(0.5));
  CHECK(list.rows[1]->rows[0] == doctest::Approx(0.5));
  thaw::clip_value(list, 0.6);
  CHECK(list.dense[2][2] == 0.6);
  CHECK(list.rows[0]->rows[0] == doctest::Approx(0.5));
}

TEST_CASE("no allocation from the heap once the largest step was seen") {
  Host host;
  P parameters(tables_spec(50, 50, true), host.context, 9);
  thaw::Lookahead<thaw::Adam<double>, double> optimiser(parameters);
  const Bags users{kUsers, nullptr, 6}, items{kItems, nullptr, 6};
  step(parameters, optimiser, users, items, 0.01);
  const long before = thaw_test::heap_allocations();
  CHECK(before > 0);
  for (int t = 0; t < 20; ++t) step(parameters, optimiser, users, items, 0.01);
  CHECK(thaw_test::heap_allocations() == before);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("Lamb refuses row tables and names one") {
  Host host;
  P parameters(tables_spec(4, 5, true), host.context, 9);
  const thaw::Fault fault = thaw_test::message_of([&] { thaw::Lamb<double> lamb(parameters); });
  CHECK(thaw_test::says(fault, "users.table"));
  CHECK(thaw_test::says(fault, "Adam"));
}
#endif
