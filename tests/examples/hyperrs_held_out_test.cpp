// New users and how they are scored: against metrics written down by hand and learners that know the answer.
#include <set>

#include "hyperrs/held_out.hpp"
#include "tests/examples/meta_worlds.hpp"

using hyperrs::HeldOutUsers;
using hyperrs::Objective;
using thaw::Episode;
using thaw::ItemSet;

namespace {

// Two users; items 0..4.
std::vector<Episode> two_users() {
  std::vector<Episode> e(2);
  e[0] = {3, {{0}, {4}, {}}, {{1, 2}, {5, 3}, {}}};
  e[1] = {8, {{4}, {2}, {}}, {{0}, {1}, {}}};
  return e;
}
const std::vector<std::int32_t> kAll{0, 1, 2, 3, 4};

}  // namespace

TEST_CASE("held-out users: the order of scores decides, the support is no candidate") {
  const HeldOutUsers held(two_users(), kAll, Objective::ranking);
  // User 3: items 0 (shown, left out), then 3, 1, 4, 2. Places 2 and 4. User 8: place 1.
  meta_worlds::ToldLearner learner([](const auto&, std::int32_t user, std::int32_t item) {
    const float of[2][5] = {{9, 3, 1, 4, 2}, {5, 1, 2, 3, 9}};
    return of[user == 8][item];
  });
  const auto table = held.score(learner, 1);
  CHECK(table.ok());
  if (!table) return;
  const auto& recall = table.value().find("Recall@5")->per_user;
  CHECK(recall == std::vector<double>{1, 1});
  const auto& ndcg = table.value().find("NDCG@5")->per_user;
  CHECK(ndcg[0] == doctest::Approx((1 / std::log2(3.0) + 1 / std::log2(5.0)) / (1 + 1 / std::log2(3.0))));
  CHECK(ndcg[1] == 1);
}

TEST_CASE("held-out users: errors of the query alone, a mean over users") {
  const HeldOutUsers held(two_users(), kAll, Objective::rating);
  meta_worlds::ToldLearner fours([](const auto&, std::int32_t, std::int32_t) { return 4.0F; });
  const auto table = held.score(fours, 1);
  CHECK(table.ok());
  if (!table) return;
  CHECK(table.value().find("MAE")->per_user == std::vector<double>{1, 3});
  CHECK(table.value().mean("MAE") == 2);
  CHECK(table.value().mean("RMSE") == 2);
}

TEST_CASE("held-out users: with nothing shown a learner gets an empty support and the same is asked") {
  struct Recording : hyperrs::Learner {
    struct Own : hyperrs::Adapted {
      explicit Own(const Recording& of) : learner(of) {}
      void score(std::span<const std::int32_t> items, std::span<float> out) const override {
        learner.asked.emplace_back(items.begin(), items.end());
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i);
      }
      const Recording& learner;
    };
    std::int64_t parameter_count() const override { return 0; }
    double train(std::span<const Episode>) override { return 0; }
    std::unique_ptr<hyperrs::Adapted> adapt(std::int32_t user, const Episode::Part& support, int) const override {
      users.push_back(user);
      shown.push_back(support.items.size() + support.labels.size() + support.negatives.size());
      return std::make_unique<Own>(*this);
    }
    mutable std::vector<std::int32_t> users;
    mutable std::vector<std::size_t> shown;
    mutable std::vector<std::vector<std::int32_t>> asked;
  };
  for (const Objective objective : {Objective::ranking, Objective::rating}) {
    const HeldOutUsers held(two_users(), kAll, objective);
    Recording with, without;
    const auto a = held.score(with, 1), b = held.score(without, 1, /*shown*/ false);
    CHECK((a.ok() && b.ok()));
    CHECK(with.shown == std::vector<std::size_t>{2, 2});
    CHECK(without.shown == std::vector<std::size_t>{0, 0});
    CHECK(without.users == with.users);
    CHECK(without.asked == with.asked);
    CHECK(without.asked.size() == 2);
  }
}

TEST_CASE("scenarios: every support, both item sets, users spread evenly, no fault where only cold ones fail") {
  auto task = meta_worlds::four_tastes(Objective::ranking);
  CHECK(task.ok());
  if (!task) return;
  const int supports[] = {2, 3, 18};
  const auto made = hyperrs::make_scenarios(task.value(), supports, 5, 7);
  CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
  if (!made) return;
  // Nobody has 19 records on a fifth of the items.
  std::set<std::string> names;
  for (const hyperrs::Scenario& s : made.value()) {
    names.insert(s.name());
    CHECK(s.validation.episodes().size() <= 5);
    CHECK(s.test.episodes().size() <= 7);
    for (const Episode& e : s.test.episodes()) {
      CHECK(e.support.items.size() == static_cast<std::size_t>(s.support));
      CHECK(task.value().split.group_of[static_cast<std::size_t>(e.user)] == thaw::UserGroup::test);
      for (const std::int32_t item : e.query.items)
        CHECK((task.value().split.is_cold[static_cast<std::size_t>(item)] != 0) == (s.items == ItemSet::cold));
    }
  }
  CHECK(names.count("warm items, support 2") == 1);
  CHECK(names.count("warm items, support 3") == 1);
  CHECK(names.count("cold items, support 2") == 1);
  CHECK(names.count("cold items, support 18") == 0);
  const int too_many[] = {40};
  CHECK_FALSE(hyperrs::make_scenarios(task.value(), too_many).ok());
}

TEST_CASE("held-out users: a sample keeps the order and spreads over the group") {
  auto task = meta_worlds::four_tastes(Objective::ranking);
  CHECK(task.ok());
  if (!task) return;
  const auto sampler = task.value().sampler({.support = 3});
  const auto all = hyperrs::hold_out(task.value(), sampler, thaw::UserGroup::test, ItemSet::known);
  const auto few = hyperrs::hold_out(task.value(), sampler, thaw::UserGroup::test, ItemSet::known, 4);
  CHECK((all.ok() && few.ok()));
  if (!all || !few) return;
  const std::size_t n = all.value().episodes().size();
  CHECK(n > 20);
  CHECK(few.value().episodes().size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(few.value().episodes()[i].user == all.value().episodes()[i * n / 4].user);
}
