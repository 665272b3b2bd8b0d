// HyperRS against numbers that are not ours, in double: d = 3, p = 4, q = 2, every tensor filled by
// fill(t, k) = 0.4 sin(1 + 1.3 t + 2.1 k) + 0.2. The `code` column was made by an independent program and confirmed by
// central differences there; both columns come out of a second one, in PyTorch (autograd with create_graph), that
// shares no code with this project. The `paper` column has head biases 0.1 fill(20 + j) and an item bias with head 34.
#include <vector>

#include "hyperrs/hyperrs_model.hpp"
#include "tests/ops/fixture.hpp"
#include "thaw/meta/unroll.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/low_rank_step.hpp"

using thaw::Index;
using thaw_test::A;
using thaw_test::Host;
using thaw_test::V;

namespace {

using hyperrs::FastUser;
using hyperrs::HyperRS;
using hyperrs::HyperSizes;
using hyperrs::ItemContents;
using hyperrs::UserVectors;

constexpr Index kWidth = 3;

HyperSizes sizes_of(bool paper) {
  HyperSizes sizes{.cardinality = {5, 4, 6}, .attributes = 3, .width = kWidth, .interest = 4, .codes = 2};
  return paper ? sizes : sizes.as_released();
}

A fill(Host& host, int t, const thaw::Shape& shape, double factor = 1) {
  A out = host.zeros(shape);
  for (Index k = 0; k < out.size(); ++k)
    out[k] = factor * (0.4 * std::sin(1 + 1.3 * t + 2.1 * static_cast<double>(k)) + 0.2);
  return out;
}

HyperRS<A> filled_model(Host& host, bool paper) {
  const auto plan = hyperrs::hyperrs_plan(sizes_of(paper));
  auto model = thaw::map_model<A>(plan, [&](const thaw::Path&, const thaw::Spec& s) { return host.zeros(s.shape); });
  for (int i = 0; i < 3; ++i) model.contents[i].table = fill(host, i, plan.contents[i].table.shape);
  model.basis.basis = fill(host, 5, plan.basis.basis.shape);
  int t = 6;
  for (int i = 0; i < model.heads.heads.count; ++i) {
    auto& head = model.heads.heads[i];
    const bool item_bias = paper && i == 7;
    const int own = item_bias ? 34 : t++;
    head.matrix = fill(host, own, head.matrix.shape);
    if (paper) head.bias[0] = fill(host, item_bias ? 35 : own + 14, head.bias[0].shape, 0.1);
  }
  return model;
}

// Items A, B, C.
struct Items {
  std::vector<std::int32_t> ids[3], offsets[3];
  ItemContents contents;

  explicit Items(const char* names) {
    const std::vector<std::vector<std::int32_t>> all[3] = {
        {{0, 3}, {1}, {0, 2, 5}}, {{1}, {0, 2}, {3}}, {{2, 4}, {3}, {1, 4}}};
    for (int x = 0; x < 3; ++x) offsets[x].push_back(0);
    for (; *names != '\0'; ++names, ++contents.count)
      for (int x = 0; x < 3; ++x) {
        const auto& list = all[*names - 'A'][static_cast<std::size_t>(x)];
        ids[x].insert(ids[x].end(), list.begin(), list.end());
        offsets[x].push_back(static_cast<std::int32_t>(ids[x].size()));
      }
    for (int x = 0; x < 3; ++x) contents.of[x] = {ids[x].data(), offsets[x].data(), contents.count};
  }
};

// Support A = 1, B = 0; query B = 0, C = 1; mean squared errors.
struct Task {
  Items support{"AB"}, query{"BC"};
  A support_labels, query_labels;

  explicit Task(Host& host) : support_labels(host.of({2}, {1, 0})), query_labels(host.of({2}, {0, 1})) {}
  template <class T, class M, class S>
  T support_loss(const M& model, const S& scorer, const T& user) const {
    return thaw::mse(model.score(scorer, user, support.contents), support_labels);
  }
  template <class T, class M, class S>
  T query_loss(const M& model, const S& scorer, const T& user) const {
    return thaw::mse(model.score(scorer, user, query.contents), query_labels);
  }
};

double norm(const A& a) {
  double squares = 0;
  for (const double x : a) squares += x * x;
  return std::sqrt(squares);
}

// A model on a tape with the user's rows, and every gradient of a loss.
struct Run {
  Host host;
  bool paper;
  HyperRS<A> model;
  UserVectors<A> user;
  Task task{host};
  thaw::Tape<double> tape{host.context};

  explicit Run(bool is_paper)
      : paper(is_paper), model(filled_model(host, is_paper)), user{fill(host, 3, {1, 3}), fill(host, 4, {1, 2})} {}
  auto leaves() {
    return thaw::map_model<V>(model, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  }
  UserVectors<V> user_leaves() { return {tape.leaf(user.embedding), tape.leaf(user.code)}; }
};

// The query loss after an inner loop, at 0.05.
enum class Moved { scorer, code, everything };
V meta_loss(const Task& task, const HyperRS<V>& model, const UserVectors<V>& user, Moved moved, int steps,
            thaw::MetaOrder order) {
  if (moved == Moved::scorer) {
    const auto fast = thaw::unroll(
        model.scorer(user.code), steps, 0.05,
        [&](int, const auto& s) { return task.support_loss(model, s, user.embedding); }, order);
    return task.query_loss(model, fast, user.embedding);
  }
  FastUser<V> fast{user, {}};
  fast.moved = thaw::map_model<V>(hyperrs::scorer_plan(model.sizes), [&](const thaw::Path&, const thaw::Spec& s) {
    A zero = A::make(*user.code.context, s.shape);
    for (double& x : zero) x = 0;
    return user.code.tape->leaf(zero);
  });
  for (int step = 0; step < steps; ++step) {
    const V loss = task.support_loss(model, hyperrs::fast_scorer(model, fast), fast.user.embedding);
    auto g = thaw::gradient(loss, fast, thaw::differentiable);
    if (moved == Moved::code)
      fast.user.code = thaw::sub(fast.user.code, thaw::scale(g.user.code, 0.05));
    else
      fast = thaw::descend(fast, g, 0.05);
  }
  return task.query_loss(model, hyperrs::fast_scorer(model, fast), fast.user.embedding);
}

struct Golden {
  double loss, basis, genre, item, first, last, corner, creator, code;
};
void hold(Run& run, Moved moved, int steps, thaw::MetaOrder order, const Golden& want) {
  const auto model = run.leaves();
  const auto user = run.user_leaves();
  const V loss = meta_loss(run.task, model, user, moved, steps, order);
  CHECK(std::fabs(loss.item() - want.loss) < 1e-10);
  const auto g = thaw::gradient(loss, model);
  const int shift = run.paper ? 1 : 0;  // the head of the item layer's bias
  CHECK(std::fabs(norm(g.basis.basis) - want.basis) < 1e-10);
  CHECK(std::fabs(g.basis.basis[0] - want.corner) < 1e-10);
  CHECK(std::fabs(norm(g.heads.heads[0].matrix) - want.genre) < 1e-10);
  CHECK(std::fabs(norm(g.heads.heads[6].matrix) - want.item) < 1e-10);
  CHECK(std::fabs(norm(g.heads.heads[7 + shift].matrix) - want.first) < 1e-10);
  CHECK(std::fabs(norm(g.heads.heads[13 + shift].matrix) - want.last) < 1e-10);
  CHECK(std::fabs(norm(g.contents[1].table) - want.creator) < 1e-10);
  CHECK(std::fabs(norm(thaw::gradient(loss, user.code)) - want.code) < 1e-10);
}

// Every tensor of the model and the user's rows, moved along a random direction: the largest error of its slope against
// central differences of `differenced()`, which reads them anew.
template <class Differenced>
double slope_error(Run& run, const HyperRS<A>& model_gradient, const UserVectors<A>& user_gradient,
                   const Differenced& differenced) {
  double worst = 0;
  std::uint64_t tensors = 0;
  const auto compare = [&](const A& value, const A& gradient) {
    thaw::Philox rng(17, tensors++);
    const std::vector<double> start(value.begin(), value.end());
    std::vector<double> direction;
    double slope = 0;
    for (Index k = 0; k < value.size(); ++k) slope += direction.emplace_back(rng.normal()) * gradient[k];
    const auto at = [&](double h) {
      thaw::Scope scope(run.tape);
      for (Index k = 0; k < value.size(); ++k)
        value[k] = start[static_cast<std::size_t>(k)] + h * direction[static_cast<std::size_t>(k)];
      return static_cast<double>(differenced().item());
    };
    const double h = 1e-5, numeric = (at(h) - at(-h)) / (2 * h);
    std::copy(start.begin(), start.end(), value.begin());
    worst = std::fmax(worst, std::fabs(slope - numeric) / std::fmax(1e-2, std::fabs(numeric)));
  };
  thaw::for_each_unnamed(compare, run.model, model_gradient);
  thaw::for_each_unnamed(compare, run.user, user_gradient);
  CHECK(tensors == (run.paper ? 3 + 1 + 30 + 2 : 3 + 1 + 14 + 2));  // tables, basis, heads with their biases, rows
  return worst;
}

}  // namespace

TEST_CASE("HyperRS goldens: scores, attention, support loss and its gradients") {
  struct Want {
    double y[3], attention[3], loss, code[2], tables[3], user, basis, heads[4];
  };
  const Want wants[2] = {{{0.118808726263, 0.117023600129, 0.117918748316},
                          {0.348601897083, 0.374306185593, 0.277091917324},
                          0.395096291948,
                          {-0.478919902714, -0.293352082393},
                          {0.00465484235331, 0.00310695467406, 0.00391540427088},
                          0.00756342396577,
                          0.476038428366,
                          {0.00240450806156, 0.00302007423635, 0.00910439081397, 0.157518919878}},
                         {{0.155686942112, 0.150857352897, 0.153138775686},
                          {0.248440923366, 0.256330415275, 0.495228661359},
                          0.367811240322,
                          {-0.485563281649, -0.298652590934},
                          {0.00615876056708, 0.00409831229572, 0.0111672067913},
                          0.00794477017864,
                          0.482992591772,
                          {0.00140684005898, 0.00343298456482, 0.0121110013763, 0.182531712761}}};
  for (const bool paper : {false, true}) {
    Run run(paper);
    const Want& want = wants[paper ? 1 : 0];
    const Items all("ABC");
    const A scores = run.model.score(run.model.scorer(run.user.code), run.user.embedding, all.contents);
    const A shares = run.model.attention(run.model.scorer(run.user.code), run.user.embedding, all.contents);
    for (Index i = 0; i < 3; ++i) {
      CHECK(std::fabs(scores[i] - want.y[i]) < 1e-11);
      CHECK(std::fabs(shares[i] - want.attention[i]) < 1e-11);
    }
    const auto model = run.leaves();
    const auto user = run.user_leaves();
    const V loss = run.task.support_loss(model, model.scorer(user.code), user.embedding);
    CHECK(std::fabs(loss.item() - want.loss) < 1e-11);
    const A d_code = thaw::gradient(loss, user.code);
    for (Index i = 0; i < 2; ++i) CHECK(std::fabs(d_code[i] - want.code[i]) < 1e-11);
    const auto g = thaw::gradient(loss, model);
    for (int x = 0; x < 3; ++x) CHECK(std::fabs(norm(g.contents[x].table) - want.tables[x]) < 1e-11);
    CHECK(std::fabs(norm(thaw::gradient(loss, user.embedding)) - want.user) < 1e-11);
    CHECK(std::fabs(norm(g.basis.basis) - want.basis) < 1e-11);
    const int shift = paper ? 1 : 0, at[4] = {0, 6, 7 + shift, 13 + shift};
    for (int i = 0; i < 4; ++i) CHECK(std::fabs(norm(g.heads.heads[at[i]].matrix) - want.heads[i]) < 1e-11);
  }
}

TEST_CASE("HyperRS goldens: one step on the scorer, exact second order and first order") {
  Run code(false), paper(true);
  hold(code, Moved::scorer, 1, thaw::MetaOrder::exact,
       {0.381120299488, 0.536949558104, 0.00346909067702, 0.00384705782278, 0.0121022402067, 0.149942810256,
        -0.0761548859517, 0.00405145697653, 0.633444708791});
  hold(code, Moved::scorer, 1, thaw::MetaOrder::first_order,
       {0.381120299488, 0.501026465233, 0.00293889593414, 0.00320931469196, 0.0102680263619, 0.152765568609,
        -0.0710386661034, 0.00391874434606, 0.591086032422});
  hold(paper, Moved::scorer, 1, thaw::MetaOrder::exact,
       {0.346280861204, 0.557573834684, 0.00258983268489, 0.00550310675943, 0.0182800840494, 0.157348783633,
        -0.0785291948456, 0.00713929395932, 0.65793062047});
  hold(paper, Moved::scorer, 1, thaw::MetaOrder::first_order,
       {0.346280861204, 0.508998196329, 0.00202406665422, 0.00418421513841, 0.0137014893002, 0.1665074145,
        -0.0715342375273, 0.00664381163993, 0.600674531648});
}

TEST_CASE("HyperRS goldens: a step on the code makes a new scorer; two steps on everything") {
  Run code(false), paper(true);
  hold(code, Moved::code, 1, thaw::MetaOrder::exact,
       {0.379709378761, 0.590401022754, 0.00399937947753, 0.00463422883346, 0.0138933459869, 0.189275049402,
        -0.0989249652162, 0.00460450857204, 0.65273390671});
  hold(paper, Moved::code, 1, thaw::MetaOrder::exact,
       {0.353800457505, 0.559206120461, 0.00229959450062, 0.00490065331532, 0.0151114080168, 0.211993931222,
        -0.0931300317329, 0.00604430451737, 0.61675688943});
  hold(code, Moved::everything, 2, thaw::MetaOrder::exact,
       {0.32594367432, 0.853778339741, 0.00949236589453, 0.0109797027247, 0.0303793636363, 0.197142642594,
        -0.160585112215, 0.0115581408947, 0.890857427698});
  hold(paper, Moved::everything, 2, thaw::MetaOrder::exact,
       {0.286873268278, 0.703096505147, 0.00615253093382, 0.0122939358228, 0.0360809817829, 0.166165496311,
        -0.13249818209, 0.0184200199218, 0.729782158638});
}

TEST_CASE("HyperRS: the factors of every head multiply to its gradient, with a step on the scorer and on the code") {
  for (const Moved moved : {Moved::scorer, Moved::code}) {
    Run run(true);
    const auto leaves = run.leaves();
    const V loss = meta_loss(run.task, leaves, run.user_leaves(), moved, 1, thaw::MetaOrder::exact);
    const auto want = thaw::gradient(loss, leaves);

    auto thin = thaw::map_model<V>(run.model, [&](const thaw::Path&, const A& a) { return run.tape.leaf(a); });
    A matrices[32];
    thaw::LowRankGradient<double> factors[32];
    const int count = thin.heads.heads.count;
    for (int i = 0; i < count; ++i) {
      matrices[i] = run.model.heads.heads[i].matrix;
      factors[i] = {run.host.context, matrices[i].shape, 8};
      thin.heads.heads[i].matrix = run.tape.constant(matrices[i]);
    }
    const V again = meta_loss(run.task, thin, run.user_leaves(), moved, 1, thaw::MetaOrder::exact);
    const V wanted[2] = {thin.basis.basis, thin.contents[2].table};
    A out[2];
    thaw::low_rank_sweep<double, thaw::Cpu>(again, {wanted, 2, out}, {matrices, count, factors});
    CHECK(thaw_test::difference(out[0], want.basis.basis) < 1e-14);
    CHECK(thaw_test::difference(out[1], want.contents[2].table) < 1e-14);
    for (int i = 0; i < count; ++i) {
      const A product = thaw::matmul(factors[i].left(), factors[i].right(), thaw::Transpose::first);
      CHECK(thaw_test::difference(product, want.heads.heads[i].matrix) < 1e-14);
      CHECK(factors[i].rank() == (moved == Moved::scorer ? 1 : 3));
    }
  }
}

TEST_CASE("HyperRS: the slope through two inner steps is that of the whole map, in every tensor") {
  for (const bool paper : {false, true})
    for (const Moved moved : {Moved::scorer, Moved::code, Moved::everything}) {
      Run run(paper);
      const auto loss = [&](const HyperRS<V>& model, const UserVectors<V>& user) {
        return meta_loss(run.task, model, user, moved, 2, thaw::MetaOrder::exact);
      };
      const auto model = run.leaves();
      const auto user = run.user_leaves();
      const V value = loss(model, user);
      const auto of_model = thaw::gradient(value, model);
      const auto of_user = thaw::gradient(value, user);
      CHECK(slope_error(run, of_model, of_user, [&] { return loss(run.leaves(), run.user_leaves()); }) < 1e-6);
    }
}

TEST_CASE("HyperRS: the first-order slope is that of the map whose inner gradients stand still") {
  for (const bool paper : {false, true}) {
    Run run(paper);
    const auto model = run.leaves();
    const auto user = run.user_leaves();
    const V value = meta_loss(run.task, model, user, Moved::scorer, 2, thaw::MetaOrder::first_order);
    const auto of_model = thaw::gradient(value, model);
    const auto of_user = thaw::gradient(value, user);
    // How far two steps take the scorer from here, as numbers.
    const auto made = model.scorer(user.code);
    const auto fast = thaw::unroll(
        made, 2, 0.05, [&](int, const auto& s) { return run.task.support_loss(model, s, user.embedding); },
        thaw::MetaOrder::first_order);
    std::vector<A> moves;
    thaw::for_each_unnamed([&](const V& to, const V& from) { moves.push_back(thaw::sub(to.array(), from.array())); },
                           fast, made);
    const auto standing = [&] {
      const auto now = run.leaves();
      const auto row = run.user_leaves();
      std::size_t at = 0;
      const auto moved =
          thaw::map_unnamed<V>(now.scorer(row.code), [&](const V& v) { return thaw::add(v, moves[at++]); });
      return run.task.query_loss(now, moved, row.embedding);
    };
    CHECK(standing().item() == doctest::Approx(value.item()).epsilon(1e-13));
    CHECK(slope_error(run, of_model, of_user, standing) < 1e-6);
    const V exact = meta_loss(run.task, model, user, Moved::scorer, 2, thaw::MetaOrder::exact);
    CHECK(slope_error(run, thaw::gradient(exact, model), thaw::gradient(exact, user), standing) > 1e-3);
  }
}
