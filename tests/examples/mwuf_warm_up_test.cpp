// MWUF: the identity at its start, gradients of its networks against differences, its views in every phase, the users
// an item is said to have, and what each part of it is for.
#include "mwuf/warm_up.hpp"
#include "tests/examples/mwuf_world.hpp"
#include "tests/nn/fixture.hpp"
#include "thaw/autodiff/check.hpp"

using namespace mwuf_test;
using nn_test::A;
using thaw::Index;

TEST_CASE("warm-up networks: scaling times cold plus shifting where there are users") {
  thaw_test::Host host;
  mwuf::MetaWarmUpOptions options;
  options.hidden = 5;
  const auto plan = mwuf::warm_up_networks_spec(3, 4, 2, options);
  const auto net = nn_test::random_model(host, plan);
  const A cold = host.normal({2, 3}), features = host.normal({2, 4}), users = host.normal({2, 2});
  A has = host.zeros({2, 1});
  has[1] = 1;
  const A warm = net(cold, features, users, has);
  const A scale = net.scaling(features), shift = net.shifting(users);
  for (Index j = 0; j < 3; ++j) {
    CHECK(warm[j] == doctest::Approx(cold[j] * scale[j]).epsilon(1e-14));
    CHECK(warm[3 + j] == doctest::Approx(cold[3 + j] * scale[3 + j] + shift[3 + j]).epsilon(1e-14));
  }
}

TEST_CASE("warm-up networks: gradients against differences") {
  thaw_test::Host host;
  mwuf::MetaWarmUpOptions options;
  options.hidden = 5;
  const auto plan = mwuf::warm_up_networks_spec(3, 4, 2, options);
  const auto net = nn_test::random_model(host, plan);
  const A cold = host.normal({2, 3}), features = host.normal({2, 4}), users = host.normal({2, 2});
  A has = host.zeros({2, 1});
  has[0] = 1;
  const auto result = thaw::check_gradient(
      [&](const auto& hidden, const auto& out, const auto& bias, const auto& shift) {
        using T = std::decay_t<decltype(thaw::add(thaw::add(thaw::sum(hidden), thaw::sum(out)),
                                                  thaw::add(thaw::sum(bias), thaw::sum(shift))))>;
        const T like =
            thaw::add(thaw::add(thaw::sum(hidden), thaw::sum(out)), thaw::add(thaw::sum(bias), thaw::sum(shift)));
        auto copy = thaw::map_unnamed<T>(net, [&](const A& a) { return thaw::lift(a, like); });
        copy.scaling.layers[0].weight = thaw::lift_to<T>(hidden, like);
        copy.scaling.layers[1].weight = thaw::lift_to<T>(out, like);
        copy.scaling.layers[1].bias = thaw::lift_to<T>(bias, like);
        copy.shifting.layers[1].weight = thaw::lift_to<T>(shift, like);
        return copy(cold, features, users, has);
      },
      {net.scaling.layers[0].weight, net.scaling.layers[1].weight, net.scaling.layers[1].bias,
       net.shifting.layers[1].weight});
  CHECK(result.comparisons > 0);
  CHECK(result.error_at(1) < 1e-6);
}

TEST_CASE("MWUF: before it has learnt it is the base, to the bit, in every phase") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::MetaWarmUp warm(*base, world, {});
  mwuf::WarmUp plain(*base, world);
  const mwuf::FineTuning tuning{.epochs = 3, .rate = 1e-2, .batch = 16};
  mwuf::PhaseScores a = mwuf::run_phases(warm, world, tuning), b = mwuf::run_phases(plain, world, tuning);
  for (const thaw::Phase phase : thaw::kPhases)
    for (const auto order : {thaw::EvaluationOrder::next_slice, thaw::EvaluationOrder::fixed_test})
      CHECK(largest_difference(a.of(phase, order), b.of(phase, order)) == 0);
  // And it is no longer once it has.
  warm.learn();
  mwuf::PhaseScores c = mwuf::run_phases(warm, world, tuning);
  CHECK(largest_difference(a.of(thaw::Phase::warm_a, thaw::EvaluationOrder::next_slice),
                           c.of(thaw::Phase::warm_a, thaw::EvaluationOrder::next_slice)) > 1e-5);
}

TEST_CASE("MWUF: its vectors are a view, fine-tuning moves the cold ones by the cold loss alone") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::MetaWarmUp warm(*base, world, {});
  mwuf::WarmUp plain(*base, world);
  warm.learn();
  const mwuf::FineTuning tuning{.epochs = 3, .rate = 1e-2, .batch = 16};
  mwuf::run_phases(warm, world, tuning);
  mwuf::run_phases(plain, world, tuning);
  CHECK(std::equal(warm.ids().values().begin(), warm.ids().values().end(), plain.ids().values().begin()));
}

TEST_CASE("MWUF: every new item starts from the mean of the old ones") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::MetaWarmUp method(*base, world, {});
  method.arrive();
  for (Index j = 0; j < base->width(); ++j) {
    double sum = 0;
    for (int i = 0; i < kOldItems; ++i)
      sum += static_cast<double>(base->item_table()[static_cast<std::size_t>(i * base->width() + j)]);
    for (int i = kOldItems; i < kOldItems + kNewItems; ++i)
      CHECK(static_cast<double>(method.ids().row(i)[j]) == doctest::Approx(sum / kOldItems).epsilon(1e-6));
  }
}

TEST_CASE("users of an item: the mean of their vectors, none at first") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::ItemUsers users(*base, base->items());
  std::vector<float> mean(static_cast<std::size_t>(users.width()), 9.0F);
  CHECK(!users.mean(4, mean.data()));
  for (const float x : mean) CHECK(x == 0);
  users.add(4, 2), users.add(4, 5), users.add(4, -1), users.add(3, 1);
  CHECK(users.count(4) == 2);
  CHECK(users.mean(4, mean.data()));
  for (Index j = 0; j < users.width(); ++j) {
    const auto at = [&](Index u) { return base->user_table()[static_cast<std::size_t>(u * users.width() + j)]; };
    CHECK(mean[static_cast<std::size_t>(j)] == doctest::Approx(0.5 * static_cast<double>(at(2) + at(5))).epsilon(1e-6));
  }
}

TEST_CASE("MWUF: scaling and shifting are switches of one path") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  const mwuf::FineTuning tuning{.epochs = 2, .rate = 1e-2, .batch = 16};
  mwuf::MetaWarmUpOptions off;
  off.scales = off.shifts = false;
  mwuf::MetaWarmUp neither(*base, world, off);
  neither.learn();
  mwuf::WarmUp plain(*base, world);
  mwuf::PhaseScores a = mwuf::run_phases(neither, world, tuning), b = mwuf::run_phases(plain, world, tuning);
  const auto order = thaw::EvaluationOrder::fixed_test;
  CHECK(largest_difference(a.of(thaw::Phase::warm_b, order), b.of(thaw::Phase::warm_b, order)) == 0);
  // Without shifting, users do not matter: observing more of them changes nothing.
  mwuf::MetaWarmUpOptions scaled;
  scaled.shifts = false;
  mwuf::MetaWarmUp scaling(*base, world, scaled), both(*base, world, {});
  for (mwuf::MetaWarmUp* method : {&scaling, &both}) {
    method->learn();
    method->arrive();
    const auto before = scores_of(*method, task, task.split.slices[1]);
    method->observe(task.split.slices[0]);
    const double moved = largest_difference(before, scores_of(*method, task, task.split.slices[1]));
    if (method == &both)
      CHECK(moved > 1e-6);
    else
      CHECK(moved == 0);
  }
}

TEST_CASE("MWUF: learning lowers the warm loss of old items") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world, "wide_deep", false, 20);
  const auto warm_loss = [&](int epochs) {
    mwuf::MetaWarmUpOptions options;
    options.epochs = epochs;
    options.batch = 64;
    options.rate = 1e-2;
    options.users_dropped = 0;
    mwuf::MetaWarmUp method(*base, world, options);
    method.learn();
    method.arrive();
    mwuf::Batches batches(task, mwuf::kMostRows);
    const auto& batch = batches.fill(world.old_rows());
    std::vector<float> vectors(static_cast<std::size_t>(batch.rows * base->width())), gradient(vectors.size());
    method.vectors(batch, vectors.data());
    return base->item_gradient(batch, vectors.data(), gradient.data());
  };
  CHECK(warm_loss(10) < warm_loss(0));
}
