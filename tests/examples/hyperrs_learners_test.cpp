// Every learner of the table: it serves the users that real data has, learns what is planted, and is the same again.
#include <set>

#include "hyperrs/learners.hpp"
#include "hyperrs/simple_methods.hpp"
#include "tests/examples/meta_worlds.hpp"

using hyperrs::LearnerEntry;
using hyperrs::Objective;
using hyperrs::Variant;
using thaw::Episode;

namespace {

std::vector<std::int32_t> items_and_strangers(std::int32_t items) {
  std::vector<std::int32_t> asked;
  for (std::int32_t i = 0; i < items; i += 7) asked.push_back(i);
  asked.push_back(0);  // twice
  return asked;
}

// Scores of the new user with these records, and that they are numbers, the same twice, and the same for an item that
// is asked twice.
std::vector<float> asked(const hyperrs::Learner& learner, const LearnerEntry& entry, std::int32_t user,
                         const Episode::Part& support, std::int32_t items) {
  const std::vector<std::int32_t> which = items_and_strangers(items);
  std::vector<float> first(which.size(), NAN), again(which.size(), NAN);
  for (const int steps : entry.test_steps) {
    learner.adapt(user, support, steps)->score(which, first);
    learner.adapt(user, support, steps)->score(which, again);
    bool all_finite = true;
    for (const float x : first) all_finite = all_finite && std::isfinite(x);
    CHECK_MESSAGE(all_finite, std::string(entry.name));
    CHECK_MESSAGE(first == again, std::string(entry.name));
    CHECK_MESSAGE(first.front() == first.back(), std::string(entry.name));
  }
  return first;
}

Episode::Part all_equal(Episode::Part part) {
  for (float& label : part.labels) label = 3;
  return part;
}

// What the acceptance of this folder lists, for one learner.
void serve_odd_users(const LearnerEntry& entry, Variant variant, Objective objective) {
  auto task = meta_worlds::four_tastes(objective, 40, 80);
  CHECK(task.ok());
  if (!task) return;
  // Items 0..9 have no known attribute value.
  thaw::Attribute& group = task.value().data.items.attributes[0];
  thaw::Attribute bare;
  bare.name = group.name;
  bare.values = group.values;
  for (std::int32_t i = 0; i < 80; ++i) bare.append(i < 10 ? std::span<const std::int32_t>() : group.of(i));
  group = bare;
  const hyperrs::World world = task.value().world();
  const auto learner = entry.make(world, {.variant = variant, .width = 8, .inner_steps = entry.steps});
  CHECK(learner->parameter_count() > 0);
  const auto sampler = task.value().sampler({.support = 4, .query = 4});
  std::vector<Episode> batch(4);
  for (std::size_t k = 0; k < batch.size(); ++k) sampler.draw(1, sampler.training_users()[k], batch[k]);
  const Episode usual = batch[0];
  batch[1].support = {};  // nothing to adapt to
  batch[2].support.labels.assign(batch[2].support.items.size(), 3);
  batch[3].support.items[1] = batch[3].support.items[0];  // a repeated item
  CHECK_MESSAGE(std::isfinite(learner->train(batch)), std::string(entry.name));
  CHECK_MESSAGE(std::isfinite(learner->train({batch.data() + 1, 1})), std::string(entry.name));
  CHECK_MESSAGE(std::isfinite(learner->train(batch)), std::string(entry.name));
  const std::int32_t user = task.value().split.test_users[0];
  const std::int32_t cold = task.value().split.cold_items[0];
  const auto served = [&](const Episode::Part& part) { return asked(*learner, entry, user, part, 80); };
  served(usual.support);
  served({});
  served({{usual.support.items[0]}, {usual.support.labels[0]}, {}});
  served(all_equal(usual.support));
  served({{0, 1, 2}, {1, 5, 3}, {3}});
  served({{12, 12, 12, 12}, {5, 5, 1, 5}, {13, 13}});
  served({{cold}, {4}, {}});
}

}  // namespace

TEST_CASE("the table of learners is sound") {
  std::set<std::string_view> names;
  for (const LearnerEntry& entry : hyperrs::learners()) {
    CHECK(names.insert(entry.name).second);
    CHECK(hyperrs::find_learner(entry.name) == &entry);
    CHECK((entry.make != nullptr));
    CHECK_FALSE(entry.test_steps.empty());
    for (const Variant v : {Variant::paper, Variant::best}) CHECK(entry.outer_steps(v) > 0);
    std::set<std::string> rows;
    for (const int steps : entry.test_steps) CHECK(rows.insert(entry.row_name(steps)).second);
  }
  CHECK(hyperrs::find_learner("hyper") == nullptr);
  CHECK(hyperrs::learner_names() == "hyperrs, melu, metatl, s2meta, matching, mamo, tanp");
}

TEST_CASE("every learner serves users without records, with one, with equal ratings, repeats and unknown values") {
  for (const LearnerEntry& entry : hyperrs::learners())
    for (const Objective objective : {Objective::ranking, Objective::rating}) {
      if (objective == Objective::rating && !entry.predicts_ratings) continue;
      serve_odd_users(entry, Variant::best, objective);
    }
}

TEST_CASE("every learner of the paper's sizes serves them as well [slow]") {
  for (const LearnerEntry& entry : hyperrs::learners()) {
    serve_odd_users(entry, Variant::paper, Objective::ranking);
    if (entry.predicts_ratings) serve_odd_users(entry, Variant::paper, Objective::rating);
  }
}

TEST_CASE(
    "HyperRS and the matching network find the planted tastes, beyond popularity, and the same way twice [slow]") {
  auto task = meta_worlds::four_tastes(Objective::ranking);
  CHECK(task.ok());
  if (!task) return;
  const hyperrs::World world = task.value().world();
  const int supports[] = {4};
  const auto scenarios = hyperrs::make_scenarios(task.value(), supports);
  CHECK(scenarios.ok());
  if (!scenarios) return;
  const hyperrs::Scenario& warm = scenarios.value()[0];
  const auto popularity = warm.test.rank(thaw::PopularityPredictor(world.train.by_item));
  CHECK(popularity.ok());
  if (!popularity) return;
  hyperrs::TrainingOptions options;
  options.supports = {4};
  options.query = 6;
  options.checks = 2;
  for (const char* name : {"hyperrs", "matching"}) {
    options.outer_steps = name[0] == 'h' ? 60 : 300;
    const LearnerEntry& entry = *hyperrs::find_learner(name);
    const hyperrs::Training training(task.value(), world, options);
    const auto run = training.run(entry, warm.validation, meta_worlds::nobody_watches());
    const auto again = training.run(entry, warm.validation, meta_worlds::nobody_watches());
    CHECK((run.ok() && again.ok()));
    if (!run || !again) return;
    CHECK(run.value().losses == again.value().losses);
    const auto table = warm.test.score(*run.value().learner, 1), twin = warm.test.score(*again.value().learner, 1);
    CHECK((table.ok() && twin.ok()));
    if (!table || !twin) return;
    CHECK(table.value().find("NDCG@10")->per_user == twin.value().find("NDCG@10")->per_user);
    const auto d = thaw::compare(table.value(), popularity.value(), "Recall@10");
    CHECK(d.ok());
    if (d) CHECK_MESSAGE(d.value().lower > 0, name << ": " << d.value().mean);
  }
}
