// Tables of click models: the bootstrap over seeds against the one of the library, runs kept on disk, tables.
#include <unistd.h>

#include "mwuf/comparison.hpp"
#include "tests/examples/mwuf_world.hpp"
#include "tests/temporary_folder.hpp"

using namespace mwuf_test;

namespace {

// Labels by item, and scores that know them more or less.
struct Scored {
  std::vector<float> labels, good, better;
  std::vector<std::int32_t> items;

  explicit Scored(int rows) {
    thaw::Philox rng(3, 3);
    for (int i = 0; i < rows; ++i) {
      const auto item = static_cast<std::int32_t>(rng.below(17));
      const bool like = rng.uniform() < 0.3 + 0.02 * item;
      labels.push_back(like ? 1.0F : 0.0F);
      items.push_back(10 * item);
      // Few values, so that there are ties.
      good.push_back(static_cast<float>(rng.below(6)) / 8 + (like ? 0.1F : 0.0F));
      better.push_back(static_cast<float>(rng.below(6)) / 8 + (like ? 0.25F : 0.0F));
    }
  }
};

mwuf::TrainOptions options_for(const thaw_test::TemporaryFolder& folder) {
  mwuf::TrainOptions options;
  options.out = folder.path();
  options.data = "clicks";
  options.width = 4;
  options.progress = false;
  return options;
}

std::vector<const mwuf::MethodEntry*> methods(std::initializer_list<const char*> names) {
  std::vector<const mwuf::MethodEntry*> out;
  for (const char* name : names) out.push_back(mwuf::find_method(name));
  return out;
}

bool same_scores(mwuf::PhaseScores& a, mwuf::PhaseScores& b) { return a.probabilities == b.probabilities; }

}  // namespace

TEST_CASE("bootstrap over seeds: one run on either side is the library's bootstrap to the bit") {
  const Scored s(400);
  const thaw::BootstrapOptions options{.resamples = 200, .seed = 9};
  const mwuf::ResampledAuc a({s.better}, s.labels, s.items, options), b({s.good}, s.labels, s.items, options);
  const thaw::PairedDifference ours = mwuf::difference_of(a, b),
                               theirs = thaw::paired_auc_bootstrap(s.better, s.good, s.labels, s.items, options);
  CHECK(ours.users == theirs.users);
  CHECK(ours.mean == theirs.mean);
  CHECK(ours.lower == theirs.lower);
  CHECK(ours.upper == theirs.upper);
  CHECK(ours.not_better == theirs.not_better);
  CHECK(ours.lower > 0);
}

TEST_CASE("bootstrap over seeds: several runs are averaged in every resample") {
  const Scored s(300);
  const thaw::BootstrapOptions options{.resamples = 50, .seed = 2};
  const mwuf::ResampledAuc one({s.good}, s.labels, s.items, options), two({s.better}, s.labels, s.items, options),
      both({s.good, s.better}, s.labels, s.items, options), twice({s.good, s.good}, s.labels, s.items, options);
  CHECK(both.mean() == doctest::Approx(0.5 * (one.mean() + two.mean())).epsilon(1e-12));
  for (std::size_t r = 0; r < 50; ++r)
    CHECK(both.values()[r] == doctest::Approx(0.5 * (one.values()[r] + two.values()[r])).epsilon(1e-12));
  const thaw::PairedDifference none = mwuf::difference_of(twice, one);
  CHECK(none.lower == 0);
  CHECK(none.upper == 0);
  CHECK(none.not_better == 1);
  // Items of one label only: no AUC, and no number for it.
  const std::vector<float> ones(s.labels.size(), 1.0F);
  const mwuf::ResampledAuc undefined({s.good}, ones, s.items, options);
  CHECK(undefined.mean() != undefined.mean());
  CHECK(mwuf::difference_of(undefined, undefined).mean != 0);
}

TEST_CASE("score files: what was written is read, to the bit; other runs and damaged files are not") {
  const thaw_test::TemporaryFolder folder;
  const mwuf::Task task = click_task();
  mwuf::PhaseScores scores = mwuf::run_counts(task);
  const std::string path = folder / "a.scores";
  CHECK(!mwuf::read_scores(path, "run 1", task));
  CHECK(static_cast<bool>(mwuf::write_scores(path, "run 1", scores)));
  auto back = mwuf::read_scores(path, "run 1", task);
  CHECK(back.has_value());
  if (!back) return;
  CHECK(same_scores(*back, scores));
  CHECK(!mwuf::read_scores(path, "run 2", task));
  CHECK(!mwuf::read_scores(path, "run", task));
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size - 1);
  CHECK(!mwuf::read_scores(path, "run 1", task));
  std::filesystem::resize_file(path, size + 4);
  CHECK(!mwuf::read_scores(path, "run 1", task));

  mwuf::Tuned tuned;
  tuned.choice = {.epochs = 5, .rate = 0.1, .strength = 1.0 / 3};
  tuned.auc = 0.1 + 0.2;
  tuned.tried = {{.epochs = 1}, tuned.choice};
  tuned.aucs = {0.25, tuned.auc};
  const std::string tuning = folder / "a.txt";
  CHECK(static_cast<bool>(mwuf::write_tuned(tuning, "run 1", tuned)));
  const auto read = mwuf::read_tuned(tuning, "run 1");
  CHECK(read.has_value());
  if (!read) return;
  CHECK(read->choice.epochs == 5);
  CHECK(read->choice.strength == 1.0 / 3);
  CHECK(read->auc == 0.1 + 0.2);
  CHECK(read->aucs == tuned.aucs);
  CHECK(read->tried[1].rate == 0.1);
  CHECK(!mwuf::read_tuned(tuning, "run 2"));
  CHECK(!mwuf::write_scores(folder / "nowhere/a.scores", "run 1", scores));
}

TEST_CASE("comparison: a run that is on disk is taken up, and one that is not gives the same numbers") {
  const thaw_test::TemporaryFolder folder;
  const mwuf::Task task = click_task();
  mwuf::TrainOptions options = options_for(folder);
  auto fresh = mwuf::Comparison(options, task, task).run({"fm"}, methods({"mean", "best"}));
  CHECK(static_cast<bool>(fresh));
  if (!fresh) return;
  CHECK(fresh.value().size() == 3);
  const std::string kept = folder / "clicks_fm_width_4_start_0.01_epochs_1_mean_1.scores";
  CHECK(thaw::file_exists(kept));
  CHECK(thaw::file_exists(folder / "clicks_own_best_1.scores"));
  // Another label in the file shows that it is read.
  auto marked = fresh.value()[1].runs[0];
  marked.of(thaw::Phase::cold, thaw::EvaluationOrder::fixed_test)[0] = 0.125F;
  std::string identity;
  {
    const auto text = thaw::read_text_file(kept);
    CHECK(static_cast<bool>(text));
    if (!text) return;
    const std::string first = text.value().substr(0, text.value().find('\n'));
    identity = first.substr(std::string("thaw scores 1, ").size());
  }
  CHECK(static_cast<bool>(mwuf::write_scores(kept, identity, marked)));
  options.seeds = 2;
  auto longer = mwuf::Comparison(options, task, task).run({"fm"}, methods({"mean", "best"}));
  CHECK(static_cast<bool>(longer));
  if (!longer) return;
  CHECK(same_scores(longer.value()[1].runs[0], marked));
  CHECK(same_scores(longer.value()[2].runs[0], fresh.value()[2].runs[0]));
  CHECK(longer.value()[1].runs.size() == 2);
  CHECK(longer.value()[0].runs.size() == 1);
  // Without the folder: the same second seed, the choice of the first one.
  options.out.clear();
  auto again = mwuf::Comparison(options, task, task).run({"fm"}, methods({"mean", "best"}));
  CHECK(static_cast<bool>(again));
  if (!again) return;
  CHECK(same_scores(again.value()[1].runs[0], fresh.value()[1].runs[0]));
  CHECK(same_scores(again.value()[1].runs[1], longer.value()[1].runs[1]));
  CHECK(!same_scores(again.value()[1].runs[0], again.value()[1].runs[1]));
  // Another data set in the same folder is another run.
  CHECK(!mwuf::read_scores(kept, identity + " ", task));
  CHECK(!mwuf::Comparison(options, task, task).run({"nothing"}, methods({"mean"})));
}

TEST_CASE("tables: every line in every table, the reference without a gain, undefined where a slice has one label") {
  const mwuf::Task task = click_task();
  std::vector<mwuf::Line> lines;
  lines.push_back({"counts"});
  lines.back().runs.push_back(mwuf::run_counts(task));
  lines.push_back({"again"});
  lines.back().runs = {lines[0].runs[0], lines[0].runs[0]};
  lines.back().tuned.push_back({{.epochs = 2}, 0.75, {{.epochs = 1}, {.epochs = 2}}, {0.5, 0.75}});
  mwuf::TableOptions options;
  options.resamples = 20;
  options.curves = true;
  const std::string text = mwuf::tables_text(task, lines, options);
  const auto count = [&](const std::string& part) {
    int n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  };
  CHECK(count("\n| counts |") == 12);  // five metrics and the bootstrap, two orders
  CHECK(count("\n| again |") == 10);
  CHECK(count("| +0.0 | +0.0 | +0.0 | +0.0 |") == 4);
  CHECK(count("+0.0000 [+0.0000, +0.0000]") == 8);
  CHECK(count("1 x 0.001 0.5000, 2 x 0.001 **0.7500**") == 1);
  const std::string auc = mwuf::detail::number_text(
      mwuf::report_of(task, lines[0].runs[0], thaw::Phase::cold, thaw::EvaluationOrder::next_slice).auc.value);
  CHECK(count("| counts | " + auc + " |") >= 1);

  mwuf::Task all_likes = click_task();
  for (float& label : all_likes.log.clicks.labels) label = 1;
  std::vector<mwuf::Line> undefined;
  undefined.push_back({"counts"});
  undefined.back().runs.push_back(lines[0].runs[0]);
  CHECK(mwuf::tables_text(all_likes, undefined, {}).find("| counts | undefined | undefined |") != std::string::npos);
}

TEST_CASE("trainer's names: what is not known is named") {
  mwuf::TrainOptions options;
  options.warm_up = "mwuf,nothing";
  const auto chosen = mwuf::chosen_methods(options);
  CHECK(!chosen);
  if (!chosen) CHECK(std::string(chosen.fault().text).find("nothing; there are none mean") != std::string::npos);
  options.base = "all";
  CHECK(mwuf::chosen_bases(options).size() == 9);
}
