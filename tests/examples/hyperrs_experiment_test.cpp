// The trainer of meta-learners without any: what is drawn, when training stops, what is kept, and what a table says,
// with learners that are told what to say.
#include <cstdlib>
#include <map>

#include "hyperrs/comparison.hpp"
#include "hyperrs/experiment.hpp"
#include "hyperrs/run_file.hpp"
#include "tests/examples/meta_worlds.hpp"
#include "tests/temporary_folder.hpp"

using hyperrs::LearnerEntry;
using hyperrs::Objective;
using meta_worlds::ToldLearner;
using thaw_test::contains;

namespace {

struct Fixture {
  hyperrs::Task task;
  hyperrs::World world;
  std::vector<hyperrs::Scenario> scenarios;
  bool ok = false;

  explicit Fixture(Objective objective = Objective::ranking) {
    auto made = meta_worlds::four_tastes(objective);
    CHECK(made.ok());
    if (!made) return;
    task = std::move(made.value());
    world = task.world();
    const int supports[] = {2, 4};
    auto found = hyperrs::make_scenarios(task, supports);
    CHECK(found.ok());
    if (!found) return;
    scenarios = std::move(found.value());
    ok = true;
  }
  Fixture(const Fixture&) = delete;
};

// Knows every user's group; best after 30 outer steps, worse and worse from there on.
std::unique_ptr<hyperrs::Learner> make_fading(const hyperrs::World&, const hyperrs::LearnerOptions&) {
  return std::make_unique<ToldLearner>([](const ToldLearner& self, std::int32_t user, std::int32_t item) {
    const int wrong = std::abs(self.trained - 30) / 3;  // items whose score is not to be trusted
    return item % 30 < wrong ? 9.0F : user % 4 == item % 4 ? 1.0F + static_cast<float>(item % 7) : 0.0F;
  });
}
LearnerEntry fading() {
  return {.name = "fading",
          .title = "Fading",
          .test_steps = {1},
          .batch = 8,
          .outer_steps_best = 100,
          .make = &make_fading};
}

// The opposite of what users like, or what they like.
template <bool kRight>
std::unique_ptr<hyperrs::Learner> make_steady(const hyperrs::World&, const hyperrs::LearnerOptions&) {
  return std::make_unique<ToldLearner>([](const ToldLearner&, std::int32_t user, std::int32_t item) {
    const float taste = user % 4 == item % 4 ? 1.0F : 0.0F;
    return (kRight ? taste : -taste) + 0.001F * static_cast<float>(item % 13);
  });
}

hyperrs::TrainingOptions options() {
  hyperrs::TrainingOptions o;
  o.supports = {2, 4};
  o.query = 4;
  o.checks = 10;
  o.patience = 3;
  return o;
}

}  // namespace

TEST_CASE("episodes: training users alone, each once a round, all supports, the same again for the same seed") {
  const Fixture f;
  if (!f.ok) return;
  const hyperrs::TrainingOptions o = options();
  hyperrs::EpisodeStream stream(f.task, o, 8), again(f.task, o, 8);
  const std::size_t users = f.task.sampler({.support = 2}).training_users().size();
  CHECK(users == 96);
  std::map<std::int32_t, int> seen;
  std::map<std::size_t, int> supports;
  for (std::size_t step = 0; step < 2 * users / 8; ++step) {
    const auto batch = stream.next(), twin = again.next();
    CHECK(batch.size() == 8);
    for (std::size_t k = 0; k < batch.size(); ++k) {
      CHECK(batch[k].support.items == twin[k].support.items);
      CHECK(batch[k].query.negatives == twin[k].query.negatives);
      CHECK(f.task.split.group_of[static_cast<std::size_t>(batch[k].user)] == thaw::UserGroup::training);
      ++seen[batch[k].user];
      ++supports[batch[k].support.items.size()];
    }
  }
  CHECK(seen.size() == users);
  for (const auto& [user, times] : seen) CHECK(times == 2);
  CHECK(supports[2] == static_cast<int>(users));
  CHECK(supports[4] == static_cast<int>(users));
}

TEST_CASE("training stops after its patience and returns to its best moment") {
  const Fixture f;
  if (!f.ok) return;
  std::vector<int> begun, validated;
  hyperrs::Watch watch = meta_worlds::nobody_watches();
  watch.begin = [&](int of) { begun.push_back(of); };
  watch.validated = [&](int step, double) { validated.push_back(step); };
  const auto run = hyperrs::Training(f.task, f.world, options()).run(fading(), f.scenarios[1].validation, watch);
  CHECK_MESSAGE(run.ok(), (run ? "" : run.fault().text));
  if (!run) return;
  CHECK(validated == std::vector<int>{10, 20, 30, 40, 50, 60});
  CHECK(begun == std::vector<int>{100, 30});
  CHECK(run.value().steps == 30);
  CHECK(static_cast<const ToldLearner&>(*run.value().learner).trained == 30);
  CHECK(run.value().losses.size() == 60);
  CHECK(run.value().validation.size() == 6);
  CHECK_FALSE(run.value().was_cut);
}

TEST_CASE("a last moment that is as good as any is kept without a second run") {
  const Fixture f;
  if (!f.ok) return;
  LearnerEntry steady = fading();
  steady.make = &make_steady<true>;
  const auto run = hyperrs::Training(f.task, f.world, options())
                       .run(steady, f.scenarios[0].validation, meta_worlds::nobody_watches());
  CHECK(run.ok());
  if (!run) return;
  CHECK(run.value().steps == 40);  // the first check and three that were no better
  CHECK(static_cast<const ToldLearner&>(*run.value().learner).trained == 40);
}

TEST_CASE("a watch that says stop stops, a limit of time cuts, and what cannot be is a fault") {
  const Fixture f, stars(Objective::rating);
  if (!f.ok || !stars.ok) return;
  hyperrs::Watch watch = meta_worlds::nobody_watches();
  watch.step = [](int step, int, double) { return step < 5; };
  const auto stopped = hyperrs::Training(f.task, f.world, options()).run(fading(), f.scenarios[0].validation, watch);
  CHECK((stopped.ok() && stopped.value().learner == nullptr));
  hyperrs::TrainingOptions hurried = options();
  hurried.most_seconds = 1e-12;
  const auto cut = hyperrs::Training(f.task, f.world, hurried)
                       .run(fading(), f.scenarios[0].validation, meta_worlds::nobody_watches());
  CHECK((cut.ok() && cut.value().was_cut && cut.value().steps == 1 && cut.value().validation.size() == 1));
  const auto wrong = hyperrs::Training(stars.task, stars.world, options())
                         .run(fading(), stars.scenarios[0].validation, meta_worlds::nobody_watches());
  CHECK_FALSE(wrong.ok());
  if (!wrong) CHECK(contains(wrong.fault().text, "predicts no ratings"));
}

TEST_CASE("a run file gives back every number, and nothing for another run, other users or damage") {
  const Fixture f;
  if (!f.ok) return;
  hyperrs::RunRecord run;
  const auto rows = hyperrs::score_learner(*make_fading(f.world, {}), fading(), f.scenarios);
  CHECK(rows.ok());
  if (!rows) return;
  run.rows = rows.value();
  run.rows[0].table.columns[0].per_user[1] = std::nan("");
  run.losses = {0.1, 1.0 / 3, 2e-30};
  run.notes = {"EASE: too many items"};
  run.parameters = 123456789012;
  run.steps = 7;
  run.seconds = 1.25;
  run.was_cut = true;
  const std::string text = hyperrs::run_text("a b 1", run);
  const auto back = hyperrs::parse_run(text, "a b 1", f.scenarios);
  CHECK(back.has_value());
  if (!back) return;
  CHECK(hyperrs::run_text("a b 1", *back) == text);
  CHECK(back->rows.size() == 2 * f.scenarios.size());  // its own steps, and nothing shown
  CHECK(back->rows[1].table.mean("NDCG@10") == run.rows[1].table.mean("NDCG@10"));
  CHECK(back->rows[1].table.users == run.rows[1].table.users);
  CHECK(std::isnan(back->rows[0].table.columns[0].per_user[1]));
  CHECK_FALSE(hyperrs::parse_run(text, "a b 2", f.scenarios).has_value());
  CHECK_FALSE(hyperrs::parse_run(text.substr(0, text.size() - 6), "a b 1", f.scenarios).has_value());
  CHECK_FALSE(hyperrs::parse_run("", "a b 1", f.scenarios).has_value());
  std::string damaged = text;
  damaged.replace(damaged.find("0.1"), 3, "o.1");
  CHECK_FALSE(hyperrs::parse_run(damaged, "a b 1", f.scenarios).has_value());
  CHECK_FALSE(hyperrs::parse_run(text, "a b 1", std::span(f.scenarios).first(1)).has_value());

  thaw_test::TemporaryFolder files;
  const std::string path = files.write("x.run", "");
  CHECK(hyperrs::write_run(path, "a b 1", run).ok());
  CHECK(hyperrs::read_run(path, "a b 1", f.scenarios).has_value());
  CHECK_FALSE(hyperrs::read_run(path + "absent", "a b 1", f.scenarios).has_value());
}

TEST_CASE("a comparison says who is ahead, over whom, and is the paired bootstrap of the tables") {
  const Fixture f;
  if (!f.ok) return;
  LearnerEntry right = fading(), wrong = fading();
  right.title = "Right", wrong.title = "Wrong";
  right.name = "right", wrong.name = "wrong";
  const auto good = hyperrs::score_learner(*make_steady<true>(f.world, {}), right, f.scenarios);
  const auto bad = hyperrs::score_learner(*make_steady<false>(f.world, {}), wrong, f.scenarios);
  const auto middle =
      f.scenarios[0].test.rank([](const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) {
        for (std::size_t i = 0; i < items.size(); ++i) out[i] = static_cast<float>((items[i] * 7) % 31);
      });
  CHECK((good.ok() && bad.ok() && middle.ok()));
  if (!good || !bad || !middle) return;
  hyperrs::Comparison all(f.scenarios, Objective::ranking);
  all.add_simple({{"middling", 0, middle.value()}});
  all.add_learner(right, good.value());
  all.add_learner(wrong, bad.value());
  const std::string text = all.text();
  CHECK(contains(text, "warm items, support 2"));
  CHECK(contains(text, "cold items, support 2"));
  const auto line = [&](const std::string& start) {
    const std::size_t at = text.find(start);
    return at == std::string::npos ? std::string() : text.substr(at, text.find('\n', at) - at);
  };
  CHECK(contains(line("Right against middling"), "ahead"));
  CHECK(contains(line("Wrong against middling"), "BEHIND"));
  CHECK(contains(line("Right against Wrong"), "ahead"));
  CHECK(line("Wrong against Right").empty());
  // One scenario has the simple method: over all supports the margin is that scenario's.
  const std::size_t pooled = text.find("warm items, all supports");
  CHECK(pooled != std::string::npos);
  const auto d = thaw::compare(good.value()[0].table, middle.value(), "NDCG@10");
  CHECK(d.ok());
  if (!d) return;
  const thaw::Scores scores = all.scores();
  CHECK(scores.systems[0].name == "Right");
  CHECK(scores.metrics[0].name == "NDCG@10, %");
  CHECK(scores.scenarios.size() == f.scenarios.size());
  CHECK(scores.scenarios[0].margins[0].difference == doctest::Approx(100 * d.value().mean));
  CHECK(scores.scenarios[0].margins[0].low == doctest::Approx(100 * d.value().lower));
  CHECK(thaw::compare_to_baseline(scores, scores.scenarios[0], 0).outcome == thaw::Outcome::ahead);
}

TEST_CASE("a comparison of errors: less is better, seeds are averaged user by user") {
  const Fixture f(Objective::rating);
  if (!f.ok) return;
  LearnerEntry entry = fading();
  const auto says = [&](float value) {
    ToldLearner learner([value](const ToldLearner&, std::int32_t user, std::int32_t item) {
      return user % 4 == item % 4 ? value : 2.0F;
    });
    return hyperrs::score_learner(learner, entry, f.scenarios);
  };
  const auto low = says(4), high = says(5), far = says(1);
  CHECK((low.ok() && high.ok() && far.ok()));
  if (!low || !high || !far) return;
  hyperrs::Comparison all(f.scenarios, Objective::rating);
  all.add_simple({{"far", 0, far.value()[0].table}});
  all.add_learner(entry, low.value());
  all.add_learner(entry, high.value());
  const thaw::Scores scores = all.scores();
  CHECK(scores.metrics[0].name == "MAE");
  CHECK_FALSE(scores.metrics[0].higher_is_better);
  const double mean = (low.value()[0].table.mean("MAE") + high.value()[0].table.mean("MAE")) / 2;
  CHECK(scores.scenarios[0].values[0].mean == doctest::Approx(mean));
  CHECK(scores.scenarios[0].values[0].spread > 0);
  CHECK(scores.scenarios[0].margins[0].difference == doctest::Approx(mean - far.value()[0].table.mean("MAE")));
  CHECK(contains(all.text(), "ahead"));
}
