// The fused meta-step of HyperRS against the recorded one: the scorer's gradients in double, whole training steps and
// adapted users in float, first order and exact; the same model from one thread and from two; and a device's steps, on
// the host's loops.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "../heap_counter.hpp"
#include "hyperrs/device_learner.hpp"
#include "hyperrs/hyperrs_learner.hpp"
#include "hyperrs_rivals.hpp"
#include "tests/cuda/host_session.hpp"
#include "thaw/autodiff/gradient.hpp"
#include "thaw/meta/unroll.hpp"

namespace {

using Double = thaw::Array<double, thaw::CpuEigen>;
using Recorded = thaw::Var<double, thaw::CpuEigen>;
using hyperrs::FusedHyperLearner;
using hyperrs::GeneratedScorer;
using hyperrs::HyperLearner;
using hyperrs::Index;
using thaw::Episode;

constexpr int kAttributes = 3;
constexpr Index kWidth = 6, kRows = 5;

hyperrs::HyperSizes sizes() {
  hyperrs::HyperSizes z;
  z.attributes = kAttributes;
  z.width = z.codes = kWidth;
  z.interest = 7;
  for (int x = 0; x < kAttributes; ++x) z.cardinality[x] = kRows;  // one content an item: its embedding is its row
  return z;
}

// A recorded network whose scorer is given, and the fused one on the same numbers.
struct Both {
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  thaw::Tape<double, thaw::CpuEigen> tape{context};
  hyperrs::HyperSizes z = sizes();
  hyperrs::FusedScorer<double> fused{z};
  hyperrs::HyperRS<Recorded> model;
  GeneratedScorer<Recorded> scorer;
  Recorded user;
  std::vector<double> theta;
  std::int32_t ids[kRows] = {0, 1, 2, 3, 4};

  Both() {
    int t = 0;
    model = thaw::map_unnamed<Recorded>(hyperrs::hyperrs_plan(z), [&](const thaw::Spec& s) { return leaf(s, t++); });
    scorer =
        thaw::map_unnamed<Recorded>(hyperrs::scorer_plan(z), [&](const thaw::Spec& s) { return leaf(s, 50 + t++); });
    user = leaf({{1, kWidth}, {}}, 99);
    theta = flat(scorer);
  }
  Recorded leaf(const thaw::Spec& spec, int t) {
    const auto a = Double::make(context, spec.shape);
    for (Index k = 0; k < a.size(); ++k) a[k] = rivals::fill(t, k);
    return tape.leaf(a);
  }
  template <class M>
  static std::vector<double> flat(const M& m) {
    std::vector<double> out;
    thaw::for_each_unnamed(
        [&](const auto& v) {
          for (Index k = 0; k < v.shape.size(); ++k) {
            if constexpr (requires { v.array(); })
              out.push_back(v.array()[k]);
            else
              out.push_back(v[k]);
          }
        },
        m);
    return out;
  }
  // Items from, from + 1, ... with labels by formula.
  Recorded loss(const GeneratedScorer<Recorded>& with, Index from, Index count) {
    hyperrs::ItemContents items;
    items.count = count;
    for (int x = 0; x < kAttributes; ++x) items.of[x] = {ids + from, nullptr, count, false};
    const auto labels = Double::make(context, {count});
    for (Index i = 0; i < count; ++i) labels[i] = rivals::fill(70, from + i);
    return thaw::mse(model.score(with, user, items), labels);
  }
  hyperrs::FusedItems<double> items(Index from, Index count) {
    hyperrs::FusedItems<double> out;
    out.count = count;
    for (int x = 0; x < kAttributes; ++x) out.raw[x] = model.contents[x].table.array().data + from * kWidth;
    auto* labels = arena.take<double>(count);
    for (Index i = 0; i < count; ++i) labels[i] = rivals::fill(70, from + i);
    out.labels = labels;
    return out;
  }
};

// Gradients of the fused scorer with room for all of a net's inputs.
struct Out {
  std::vector<double> theta, user, raw;
  hyperrs::FusedGradients<double> to;

  explicit Out(Index size) : theta(static_cast<std::size_t>(size)), user(kWidth), raw(kAttributes * kRows * kWidth) {
    to.theta = theta.data();
    to.user = user.data();
    to.inputs = true;
    at(0);
  }
  void at(Index row) {
    for (int x = 0; x < kAttributes; ++x) to.raw[x] = raw.data() + (x * kRows + row) * kWidth;
  }
};

void check_near(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK(a.size() == b.size());
  double size = 0, off = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    size = std::fmax(size, std::fabs(a[i]));
    off = std::fmax(off, std::fabs(a[i] - b[i]));
  }
  CHECK(size > 1e-3);
  CHECK(off < 1e-9 * std::fmax(1, size));
}

hyperrs::LearnerOptions small(bool first_order, int steps, int threads = 1) {
  return {.width = 8, .first_order = first_order, .inner_steps = steps, .threads = threads, .seed = 3};
}
hyperrs::HyperOptions hyper(const hyperrs::LearnerOptions& options) {
  hyperrs::HyperOptions h = hyperrs::hyper_options(options);
  h.start = thaw::HeadStart::fan_in;  // weights at which the scorer's slopes are not tiny
  h.inner_rate = 0.05;
  return h;
}
std::vector<float> scores(const hyperrs::Learner& learner, std::int32_t user, const Episode& e, int steps) {
  std::vector<std::int32_t> items(rivals::MadeWorld::kItems);
  std::iota(items.begin(), items.end(), 0);
  std::vector<float> out(items.size());
  learner.adapt(user, e.support, steps)->score(items, out);
  return out;
}
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::fmax(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

}  // namespace

TEST_CASE("fused scorer: loss, scores and gradients are those of the recorded network, in double") {
  Both both;
  const auto loss = both.loss(both.scorer, 0, kRows);
  Out out(both.fused.size());
  const double fused =
      both.fused.gradient(both.arena, both.theta.data(), both.user.array().data, both.items(0, kRows), 1, out.to);
  CHECK(std::fabs(fused - loss.item()) < 1e-12);
  check_near(Both::flat(thaw::gradient(loss, both.scorer)), out.theta);
  const auto model = thaw::gradient(loss, both.model);
  std::vector<double> tables;
  for (int x = 0; x < kAttributes; ++x)
    tables.insert(tables.end(), model.contents[x].table.begin(), model.contents[x].table.end());
  check_near(tables, out.raw);
  const hyperrs::UserVectors<Recorded> user{both.user, both.user};
  const auto of_user = thaw::gradient(loss, user);
  check_near({of_user.embedding.begin(), of_user.embedding.end()}, out.user);
}

TEST_CASE("fused scorer: the gradient through an inner step is the recorded one, in double") {
  constexpr double kRate = 0.03;
  constexpr Index kSeen = 3, kAsked = 2;
  Both both;
  const auto inner = both.loss(both.scorer, 0, kSeen);
  const auto fast = thaw::descend(both.scorer, thaw::gradient(inner, both.scorer, thaw::differentiable), kRate);
  const auto loss = both.loss(fast, kSeen, kAsked);

  const Index size = both.fused.size();
  const double* user = both.user.array().data;
  const auto seen = both.items(0, kSeen), asked = both.items(kSeen, kAsked);
  std::vector<double> gradient(both.theta.size()), moved = both.theta, direction(both.theta.size());
  both.fused.gradient(both.arena, both.theta.data(), user, seen, 1, {.theta = gradient.data()});
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] -= kRate * gradient[i];
  Out query(size);
  query.at(kSeen);
  CHECK(std::fabs(both.fused.gradient(both.arena, moved.data(), user, asked, 1, query.to) - loss.item()) < 1e-12);
  for (std::size_t i = 0; i < moved.size(); ++i) direction[i] = -kRate * query.theta[i];
  Out through = query;  // user and raw are added to
  through.to.theta = through.theta.data(), through.to.user = through.user.data();
  through.at(0);
  both.fused.curvature(both.arena, both.theta.data(), direction.data(), user, seen, 1, through.to);
  for (std::size_t i = 0; i < moved.size(); ++i) through.theta[i] += query.theta[i];

  check_near(Both::flat(thaw::gradient(loss, both.scorer)), through.theta);
  const auto model = thaw::gradient(loss, both.model);
  std::vector<double> tables;
  for (int x = 0; x < kAttributes; ++x)
    tables.insert(tables.end(), model.contents[x].table.begin(), model.contents[x].table.end());
  check_near(tables, through.raw);
  const hyperrs::UserVectors<Recorded> vectors{both.user, both.user};
  const auto of_user = thaw::gradient(loss, vectors);
  check_near({of_user.embedding.begin(), of_user.embedding.end()}, through.user);
}

TEST_CASE("tiled heads: products and a step of Adam are those of one plain matrix, whatever the last tile holds") {
  constexpr Index kCode = 5, kSize = 39, kUsers = 3;
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  thaw::Hypernetwork<Double> heads;
  int t = 0;
  for (const Index size : {Index(30), Index(9)}) {
    heads.heads.push({Double::make(context, {kCode, size}), {}});
    heads.heads[t].bias.push(Double::make(context, {1, size}));
    for (Index k = 0; k < kCode * size; ++k) heads.heads[t].matrix[k] = rivals::fill(t, k);
    for (Index k = 0; k < size; ++k) heads.heads[t].bias[0][k] = rivals::fill(9 + t, k);
    ++t;
  }
  const auto weight = [&](Index r, Index j) {
    return j < 30 ? heads.heads[0].matrix[r * 30 + j] : heads.heads[1].matrix[r * 9 + j - 30];
  };
  hyperrs::TiledHeads<double> tiled(arena, kCode, kSize, 2);
  tiled.load(heads);
  std::vector<double> codes(kUsers * kCode), made(static_cast<std::size_t>(kUsers * tiled.stride()), NAN);
  std::vector<double> gradient(made.size(), 0), d_codes(codes.size(), NAN);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = rivals::fill(20, static_cast<Index>(i));
  tiled.generate(arena, kUsers, codes.data(), made.data());
  double off = 0;
  for (Index u = 0; u < kUsers; ++u)
    for (Index j = 0; j < kSize; ++j) {
      double sum = j < 30 ? heads.heads[0].bias[0][j] : heads.heads[1].bias[0][j - 30];
      for (Index r = 0; r < kCode; ++r) sum += codes[static_cast<std::size_t>(u * kCode + r)] * weight(r, j);
      const auto at = static_cast<std::size_t>(u * tiled.stride() + j);
      off = std::fmax(off, std::fabs(sum - made[at]));
      gradient[at] = rivals::fill(30 + static_cast<int>(u), j);
    }
  CHECK(off < 1e-14);
  std::vector<double> to_codes(codes.size()), stepped, biases;
  constexpr double kRate = 0.1;
  for (Index j = 0; j < kSize; ++j) {
    double of_bias = 0;
    for (Index u = 0; u < kUsers; ++u) of_bias += gradient[static_cast<std::size_t>(u * tiled.stride() + j)];
    const double bias = j < 30 ? heads.heads[0].bias[0][j] : heads.heads[1].bias[0][j - 30];
    biases.push_back(bias - kRate * of_bias / (std::fabs(of_bias) + 1e-8));  // the first step of Adam
    for (Index r = 0; r < kCode; ++r) {
      double g = 0;
      for (Index u = 0; u < kUsers; ++u) {
        const double of = gradient[static_cast<std::size_t>(u * tiled.stride() + j)];
        g += codes[static_cast<std::size_t>(u * kCode + r)] * of;
        to_codes[static_cast<std::size_t>(u * kCode + r)] += weight(r, j) * of;
      }
      stepped.push_back(weight(r, j) - kRate * g / (std::fabs(g) + 1e-8));
    }
  }
  tiled.step(kUsers, codes.data(), gradient.data(), thaw::AdamStep::at(1, kRate), d_codes.data());
  tiled.store(heads);
  check_near(to_codes, d_codes);
  std::vector<double> stored, stored_biases;
  for (Index j = 0; j < kSize; ++j) {
    stored_biases.push_back(j < 30 ? heads.heads[0].bias[0][j] : heads.heads[1].bias[0][j - 30]);
    for (Index r = 0; r < kCode; ++r) stored.push_back(weight(r, j));
  }
  check_near(stepped, stored);
  check_near(biases, stored_biases);
}

TEST_CASE("fused learner: after the first pass a meta-step takes nothing from the heap") {
  const rivals::MadeWorld made;
  for (const bool first_order : {true, false})
    for (const int threads : {1, 2}) {
      const auto options = small(first_order, 2, threads);
      FusedHyperLearner learner(made.world, options, hyper(options));
      rivals::train_pass(learner, made, 20);
      const long before = thaw_test::heap_allocations();
      CHECK(rivals::train_pass(learner, made, 20) > 0);
      CHECK(thaw_test::heap_allocations() == before);
    }
}

TEST_CASE("fused learner: training and adapting give the numbers of the recorded learner") {
  const rivals::MadeWorld made;
  for (const bool first_order : {true, false})
    for (const int steps : {0, 1, 3}) {
      const auto options = small(first_order, steps);
      HyperLearner recorded(made.world, options, hyper(options));
      FusedHyperLearner fused(made.world, options, hyper(options));
      CHECK(fused.parameter_count() == recorded.parameter_count());
      double first = 0;
      for (int k = 0; k < 6; ++k) {
        const std::span<const Episode> batch(made.train.data() + 12 * (k % 3), 12);
        const double a = recorded.train(batch), b = fused.train(batch);
        CHECK(std::fabs(a - b) < 1e-5 * std::fmax(1, a));
        first = k == 0 ? a : first;
        if (k == 3) CHECK(std::fabs(a - first) > 1e-4);  // the same batch again: it has learnt
      }
      for (const std::int32_t user : {made.train[2].user, made.test[1].user, 1'000'000})
        for (const int taken : {0, 1, 2})
          CHECK(distance(scores(recorded, user, made.test[1], taken), scores(fused, user, made.test[1], taken)) < 1e-4);
    }
}

TEST_CASE("fused learner: the start that new users share changes no score, and is made anew after a training step") {
  const rivals::MadeWorld made;
  const auto options = small(true, 1);
  FusedHyperLearner asked(made.world, options, hyper(options));
  std::vector<float> last;
  for (int k = 0; k < 3; ++k) {
    // A learner that nobody has asked before answers the same: what `asked` kept is of this moment.
    FusedHyperLearner fresh(made.world, options, hyper(options));
    for (int past = 0; past < k; ++past) fresh.train({made.train.data(), 20});
    const auto once = scores(asked, 1'000'000, made.test[0], 2);
    CHECK(distance(once, scores(fresh, 1'000'000, made.test[0], 2)) == 0);
    CHECK(distance(once, scores(asked, 1'000'000, made.test[0], 2)) == 0);
    if (k > 0) CHECK(distance(once, last) > 1e-6);
    last = once;
    asked.train({made.train.data(), 20});
  }
}

TEST_CASE("fused learner: a long list is scored by two threads as by one") {
  const rivals::MadeWorld made;
  FusedHyperLearner one(made.world, small(true, 1, 1), hyper(small(true, 1)));
  FusedHyperLearner two(made.world, small(true, 1, 2), hyper(small(true, 1)));
  std::vector<std::int32_t> items(10'001);
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i] = static_cast<std::int32_t>(i * 7 % rivals::MadeWorld::kItems);
  std::vector<float> a(items.size()), b(items.size());
  one.adapt(-1, made.test[0].support, 1)->score(items, a);
  two.adapt(-1, made.test[0].support, 1)->score(items, b);
  CHECK(distance(a, b) < 1e-6);
  CHECK(distance(a, std::vector<float>(items.size(), a[0])) > 1e-6);
}

TEST_CASE("fused learner: Adam of the heads is the library's to the last bit") {
  constexpr Index kCount = 83;  // whole registers and a tail
  std::vector<float> g, p, m, v;
  for (Index i = 0; i < kCount; ++i) {
    g.push_back(i % 7 == 0 ? 0.0F : static_cast<float>(1e-3 * rivals::fill(1, i)));
    p.push_back(static_cast<float>(rivals::fill(2, i)));
    m.push_back(static_cast<float>(1e-2 * rivals::fill(3, i)));
    v.push_back(i % 5 == 0 ? 0.0F : i % 5 == 1 ? 1e-41F : static_cast<float>(std::fabs(1e-4 * rivals::fill(4, i))));
  }
  auto p_library = p, m_library = m, v_library = v;
  for (int t = 1; t < 5; ++t) {
    const auto rule = thaw::AdamStep::at(t, 1e-2);
    hyperrs::head_adam(thaw::detect_isa(), kCount, rule, g.data(), p.data(), m.data(), v.data());
    thaw::adam_update(thaw::detect_isa(), kCount, rule, g.data(), p_library.data(), m_library.data(), v_library.data());
  }
  CHECK(p == p_library);
  CHECK(m == m_library);
  CHECK(v == v_library);
}

TEST_CASE("fused learner: weights that are taken out and loaded elsewhere give the same scores") {
  const rivals::MadeWorld made;
  const auto options = small(false, 1);
  auto other = options;
  other.seed = 4;
  FusedHyperLearner from(made.world, options, hyper(options)), to(made.world, other, hyper(options));
  from.train({made.train.data(), 20});
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  CHECK(distance(scores(from, 5, made.test[0], 1), scores(to, 5, made.test[0], 1)) > 1e-3);
  to.load(from.model(context));
  FusedHyperLearner again(made.world, other, hyper(options));
  again.load(to.model(context));
  CHECK(distance(scores(again, 5, made.test[0], 1), scores(to, 5, made.test[0], 1)) == 0);
}

TEST_CASE("fused learner: one and two threads give the same model") {
  const rivals::MadeWorld made;
  for (const bool first_order : {true, false}) {
    FusedHyperLearner one(made.world, small(first_order, 1, 1), hyper(small(first_order, 1)));
    FusedHyperLearner two(made.world, small(first_order, 1, 2), hyper(small(first_order, 1)));
    for (int k = 0; k < 4; ++k) {
      const std::span<const Episode> batch(made.train.data() + 15 * k, 15);
      CHECK(one.train(batch) == two.train(batch));
    }
    CHECK(distance(scores(one, 5, made.test[0], 1), scores(two, 5, made.test[0], 1)) == 0);
  }
}

namespace {

// A device's steps on the host's loops, over memory that the host may not read.
class GridSteps : public hyperrs::DeviceSteps {
 public:
  GridSteps(const hyperrs::HyperOptions& hyper, const hyperrs::LearnerOptions& options, Index users)
      : steps_(hyper, options, users, session_.context) {}
  double step(const hyperrs::UserBatch& batch) override { return steps_.step(batch); }
  void load(const hyperrs::HyperRS<HostArray>& network, const float* rows) override { steps_.load(network, rows); }
  hyperrs::HyperRS<HostArray> store(thaw::Cpu::Context& host, float* rows) override { return steps_.store(host, rows); }

 private:
  device_checks::HostSession session_;
  hyperrs::StepsOn<thaw::HostGrid> steps_;
};

}  // namespace

TEST_CASE("--device: steps of a device give the numbers of the host's learner, and its weights come back") {
  const rivals::MadeWorld made;
  for (const bool first_order : {true, false}) {
    const auto options = small(first_order, 1);
    const auto wanted = hyperrs::with_contents(hyper(options), *made.world.data);
    FusedHyperLearner host(made.world, options, hyper(options));
    hyperrs::DeviceHyperLearner device(
        made.world, options, hyper(options),
        std::make_unique<GridSteps>(wanted, options, Index(made.world.data->users.size())));
    CHECK(distance(scores(host, 5, made.test[0], 1), scores(device, 5, made.test[0], 1)) == 0);
    double first = 0;
    for (int k = 0; k < 3; ++k) {
      // Users of unequal supports, and the first ones again: their rows' moments have rested.
      std::vector<Episode> batch(made.train.begin() + 4 * (k % 2), made.train.begin() + 4 * (k % 2) + 4);
      batch[1].support.items.resize(batch[1].support.items.size() / 2);
      const double a = host.train(batch), b = device.train(batch);
      CHECK(std::fabs(a - b) < 1e-5 * std::fmax(1, a));
      first = k == 0 ? a : first;
      if (k == 2) CHECK(std::fabs(a - first) > 1e-4);
    }
    for (const std::int32_t user : {made.train[2].user, made.test[1].user})
      CHECK(distance(scores(host, user, made.test[1], 1), scores(device, user, made.test[1], 1)) < 1e-4);
  }
}

TEST_CASE("--device: without CUDA in the program, the trainer's answer names the preset to build") {
  const rivals::MadeWorld made;
  const auto learner = hyperrs::make_device_hyperrs(made.world, small(false, 1));
  CHECK_FALSE(learner.ok());
  if (!learner) CHECK(std::string(learner.fault().text).find("cmake --preset cuda") != std::string::npos);
}
