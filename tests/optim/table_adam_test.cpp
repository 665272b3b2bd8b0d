// TableAdam: torch's SparseAdam on touched rows, dense Adam's numbers without a dense gradient, threads, no heap.
#include "thaw/optim/table_adam.hpp"

#include "tests/heap_counter.hpp"
#include "tests/optim/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/optim/adam.hpp"

using namespace optim_test;
using thaw::Bags;

namespace {

template <class B>
struct World {
  thaw::GrowingArena weights, arena;
  typename B::Context context{&weights}, work{&arena};
  thaw::Tape<float, B> tape{work};
};

Tables<thaw::Spec> tables_spec(Index users, Index items, Index width, bool row_tables) {
  return {thaw::embedding_spec(users, width, row_tables), thaw::embedding_spec(items, width, row_tables),
          thaw::Spec{{width}, {thaw::Init::Kind::constant, 0.25}}};
}
template <class M>
auto loss_of(const M& model, const Bags& users, const Bags& items) {
  const auto x = thaw::mul(model.users(users), thaw::add(model.items(items), model.bias));
  return thaw::sum(thaw::square(thaw::shift(x, -1)));
}
template <class P, class Optimiser, class Tape>
void step(P& parameters, Optimiser& optimiser, Tape& tape, const Bags& users, const Bags& items) {
  thaw::Scope scope(tape);
  optimiser.step(parameters, parameters.gradient(loss_of(parameters.on(tape), users, items)), 0.02);
}

// Bags of one to three ids of a table, now and then unknown; `first` of them name only the lower half.
struct Draws {
  std::int32_t ids[6000], offsets[2001];
  Draws(std::uint64_t seed, std::uint32_t rows) {
    thaw::Philox rng(seed);
    std::int32_t at = 0;
    for (int s = 0; s < 2000; ++s) {
      offsets[s] = at;
      for (std::uint32_t left = 1 + rng.below(3); left > 0; --left)
        ids[at++] = rng.below(20) == 0 ? -1 : static_cast<std::int32_t>(rng.below(rows));
    }
    offsets[2000] = at;
  }
  Bags bags(Index count, bool mean = false) const { return {ids, offsets, count, mean}; }
};

}  // namespace

// torch.optim.SparseAdam, double, rate 0.05: a table 5 x 3 of 0.6 sin(1 + 0.7 k), the squared distances to 1 of the
// rows that five steps look up.
TEST_CASE("rest: five steps as torch.optim.SparseAdam makes them") {
  Host host;
  Tables<thaw::Spec> plan = tables_spec(5, 1, 3, true);
  thaw::Parameters<thaw::Embedding<thaw::Spec>, double> parameters(plan.users, host.context, 1);
  for (Index k = 0; k < 15; ++k) parameters.slot(0).value[k] = 0.6 * std::sin(1 + 0.7 * static_cast<double>(k));
  thaw::TableAdam<double> adam(parameters);
  thaw::Tape<double> tape(host.context);
  const std::int32_t ids[5][3] = {{0, 3, 3}, {1, 0, -1}, {4, -1, -1}, {3, 1, 1}, {0, -1, -1}};
  const Index counts[] = {3, 2, 1, 3, 1};
  for (int t = 0; t < 5; ++t) {
    thaw::Scope scope(tape);
    const auto loss =
        thaw::sum(thaw::square(thaw::shift(parameters.on(tape)({ids[t], nullptr, counts[t], false}), -1)));
    adam.step(parameters, parameters.gradient(loss), 0.05);
  }
  const double want[] = {0.6468604612465295,   0.7367238095335368,  0.5474210854188895,  0.10000206800258378,
                         -0.29210676989646117, -0.5115258213888477, -0.5300727934320921, -0.22432599889814211,
                         0.18692481810802672,  0.5960342757430338,  0.6792477485757504,  0.48367757316806925,
                         0.04680593011547108,  -0.3431017130386098, -0.5566210612491117};
  for (Index k = 0; k < 15; ++k) CHECK(std::fabs(parameters.slot(0).value[k] - want[k]) < 1e-7);
  CHECK(adam.steps() == 5);
  CHECK(parameters.slot(0).last_step[2] == 0);
  CHECK(parameters.slot(0).last_step[0] == 5);
}

TEST_CASE("move: the numbers of Adam on dense tables, untouched rows too; bags with means and gaps") {
  Host host;
  const Draws users(3, 40), items(4, 100);
  using P = thaw::Parameters<Tables<thaw::Spec>, double>;
  P rows(tables_spec(80, 100, 5, true), host.context, 9), dense(tables_spec(80, 100, 5, false), host.context, 9);
  thaw::TableAdam<double> on_rows(rows, {.untouched = thaw::Untouched::move});
  thaw::Adam<double> on_dense(dense);
  thaw::Tape<double> tape(host.context);
  const double idle = rows.slot(0).value[79 * 5];
  for (int t = 0; t < 12; ++t) {
    // From the seventh step on fewer rows are touched; the others go on moving.
    const Index count = t < 6 ? 200 : 20;
    step(rows, on_rows, tape, users.bags(count, true), items.bags(count));
    step(dense, on_dense, tape, users.bags(count, true), items.bags(count));
  }
  for (int i = 0; i < 3; ++i)
    for (Index k = 0; k < rows.slot(i).value.size(); ++k)
      CHECK(std::fabs(rows.slot(i).value[k] - dense.slot(i).value[k]) < 1e-12);
  CHECK(rows.slot(0).value[79 * 5] == idle);  // never touched: its moments are zero
}

TEST_CASE("one thread and two give the same bits, both rules; nothing from the heap once warm") {
  for (const thaw::Untouched untouched : {thaw::Untouched::rest, thaw::Untouched::fade, thaw::Untouched::move}) {
    const Draws users(5, 3000), items(6, 2000);
    World<thaw::CpuEigen> one, two;
    two.context.threads = 2;
    using P = thaw::Parameters<Tables<thaw::Spec>, float, thaw::CpuEigen>;
    P a(tables_spec(3000, 2000, 17, true), one.context, 9), b(tables_spec(3000, 2000, 17, true), two.context, 9);
    thaw::TableAdam<float, thaw::CpuEigen> on_a(a, {.untouched = untouched}), on_b(b, {.untouched = untouched});
    const float before = a.slot(2).value[0];
    long heap = 0;
    for (int t = 0; t < 5; ++t) {
      if (t == 3) heap = thaw_test::heap_allocations();
      step(a, on_a, one.tape, users.bags(2000), items.bags(2000));
      step(b, on_b, two.tape, users.bags(2000), items.bags(2000));
    }
    CHECK(thaw_test::heap_allocations() == heap);
    CHECK(a.slot(2).value[0] != before);
    for (int i = 0; i < 3; ++i)
      CHECK(std::memcmp(a.slot(i).value.data, b.slot(i).value.data,
                        static_cast<std::size_t>(a.slot(i).value.size()) * sizeof(float)) == 0);
  }
}

TEST_CASE("fade: the weights of Adam on row tables, also for rows that missed more steps than powers are kept") {
  Host host;
  const Draws users(3, 40), items(4, 100);
  using P = thaw::Parameters<Tables<thaw::Spec>, double>;
  P a(tables_spec(80, 100, 5, true), host.context, 9), b(tables_spec(80, 100, 5, true), host.context, 9);
  thaw::TableAdam<double> ours(a, {.untouched = thaw::Untouched::fade});
  thaw::Adam<double> theirs(b);
  thaw::Tape<double> tape(host.context);
  for (int t = 0; t < 700; ++t) {
    const Index count = t < 3 || t > 690 ? 200 : 1 + t % 7;
    step(a, ours, tape, users.bags(count, true), items.bags(count));
    step(b, theirs, tape, users.bags(count, true), items.bags(count));
  }
  double worst = 0;
  for (int i = 0; i < 3; ++i)
    for (Index k = 0; k < a.slot(i).value.size(); ++k)
      worst = std::fmax(worst, std::fabs(a.slot(i).value[k] - b.slot(i).value[k]));
  CHECK(worst < 1e-12);
}

TEST_CASE("rows of every width, narrow ones and those that fill no register: float steps as the portable backend's") {
  for (const Index width : {1, 3, 7, 8, 16, 21})
    for (const thaw::Untouched untouched : {thaw::Untouched::rest, thaw::Untouched::fade, thaw::Untouched::move}) {
      const Draws users(5, 400), items(6, 300);
      World<thaw::CpuEigen> fast;
      World<thaw::Cpu> plain;
      thaw::Parameters<Tables<thaw::Spec>, float, thaw::CpuEigen> a(tables_spec(400, 300, width, true), fast.context,
                                                                    9);
      thaw::Parameters<Tables<thaw::Spec>, float, thaw::Cpu> b(tables_spec(400, 300, width, true), plain.context, 9);
      thaw::TableAdam<float, thaw::CpuEigen> on_a(a, {.untouched = untouched});
      thaw::TableAdam<float, thaw::Cpu> on_b(b, {.untouched = untouched});
      for (int t = 0; t < 8; ++t) {
        const Index count = 300 - 30 * t;
        step(a, on_a, fast.tape, users.bags(count), items.bags(count));
        step(b, on_b, plain.tape, users.bags(count), items.bags(count));
      }
      CHECK(std::fabs(a.slot(2).value[0] - 0.25F) > 0.05F);
      float worst = 0;
      for (int i = 0; i < 3; ++i)
        for (Index k = 0; k < a.slot(i).value.size(); ++k)
          worst = std::fmax(worst, std::fabs(a.slot(i).value[k] - b.slot(i).value[k]));
      CHECK(worst < 1e-4F);  // eight steps of 0.02
    }
}
