// Serving new items: a kept base scores as the trained one, impressions one by one tell what they tell at once, and
// batches that do not fit their plan are named.
#include <unistd.h>

#include <filesystem>

#include "mwuf/arrivals.hpp"
#include "mwuf/taste_file.hpp"
#include "tests/examples/mwuf_world.hpp"
#include "tests/temporary_folder.hpp"

using namespace mwuf_test;

namespace {

std::unique_ptr<mwuf::TasteBase> trained(const mwuf::ClickWorld& world, int which) {
  return std::unique_ptr<mwuf::TasteBase>(
      static_cast<mwuf::TasteBase*>(mwuf::make_taste_base(world, mwuf::taste_choice(which)).release()));
}

}  // namespace

TEST_CASE("a kept base is the trained one to the bit; other data and damage are refused") {
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "model";
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  for (int which = 0; which < mwuf::kTasteChoices; ++which) {
    const auto base = trained(world, which);
    CHECK(static_cast<bool>(mwuf::save_taste_base(path, *base, task, which)));
    const auto back = mwuf::load_taste_base(path, task);
    const char* fault = back ? "" : back.fault().text;
    INFO(fault);
    CHECK(static_cast<bool>(back));
    if (!back) return;
    CHECK(back.value()->fingerprint() == base->fingerprint());
    CHECK(back.value()->options().epochs == mwuf::taste_choice(which).epochs);
    const auto a = mwuf::detail::make_best(*base, world), b = mwuf::detail::make_best(*back.value(), world);
    for (const auto& method : {a.get(), b.get()}) method->learn(), method->arrive();
    CHECK(largest_difference(scores_of(*a, task, task.split.slices[3]), scores_of(*b, task, task.split.slices[3])) ==
          0);
  }
  const auto fault = [&](const mwuf::Task& other) {
    const auto read = mwuf::load_taste_base(path, other);
    return read ? std::string() : std::string(read.fault().text);
  };
  CHECK(fault(task).empty());
  mwuf::Task renamed = click_task();
  renamed.text += ", but another";
  CHECK(fault(renamed).find("train again without --load") != std::string::npos);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  CHECK(!fault(task).empty());
  std::filesystem::remove(path);
  CHECK(fault(task).find("no such file") != std::string::npos);
}

TEST_CASE("arrivals: one by one is what all at once is, a like makes more probable, and the vector moves") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const auto base = trained(world, 0);
  const auto method = mwuf::detail::make_best(*base, world), at_once = mwuf::detail::make_best(*base, world);
  for (const auto& m : {method.get(), at_once.get()}) m->learn(), m->arrive();
  const std::int32_t item = task.split.new_items[2];
  const mwuf::Rows rows = task.split.of_item(item).first(6);
  mwuf::Arrival arrival(*method, world, item, {1, 4});
  const mwuf::ArrivalState cold = arrival.state();
  CHECK(cold.impressions == 0);
  CHECK(cold.distance == 0);
  CHECK(cold.probabilities.size() == 2);
  for (const std::int32_t row : rows) {
    const std::int32_t user = task.clicks().users[static_cast<std::size_t>(row)];
    const float before = arrival.probability(user);
    arrival.show(row, {.strength = 0.3});
    const bool likes = task.clicks().labels[static_cast<std::size_t>(row)] == 1.0F;
    CHECK((arrival.probability(user) > before) == likes);
  }
  const mwuf::ArrivalState warm = arrival.state();
  CHECK(warm.impressions == 6);
  CHECK(warm.distance > 1e-3);
  at_once->observe(rows);
  at_once->fit(rows, {.strength = 0.3});
  for (thaw::Index j = 0; j < base->width(); ++j)
    CHECK(std::fabs(method->ids().row(item)[j] - at_once->ids().row(item)[j]) < 1e-4F);
  // Other new items are where they were.
  for (thaw::Index j = 0; j < base->width(); ++j)
    CHECK(method->ids().row(task.split.new_items[3])[j] == at_once->ids().row(task.split.new_items[3])[j]);
}

TEST_CASE("AUC by count: whole slices give the numbers of the fixed test") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const mwuf::FineTuning tuning{.strength = 0.3};
  const auto base = trained(world, 0);
  const auto method = mwuf::detail::make_best(*base, world);
  method->learn();
  mwuf::PhaseScores scores = mwuf::run_phases(*method, world, tuning);
  const std::vector<double> aucs = mwuf::auc_by_count(*method, world, {0, 1, 3, 6, 9}, tuning);
  CHECK(aucs.size() == 5);
  const std::size_t at[] = {0, 2, 3, 4};
  for (std::size_t p = 0; p < 4; ++p) {
    const double fixed = mwuf::report_of(task, scores, thaw::kPhases[p], thaw::EvaluationOrder::fixed_test).auc.value;
    CHECK(aucs[at[p]] == doctest::Approx(fixed).epsilon(1e-9));
  }
  CHECK(mwuf::arrivals_between(task, 0, 2).size() == 2 * kNewItems);
  // An item has twelve impressions here: what it lacks does not arrive.
  CHECK(mwuf::arrivals_between(task, 10, 20).size() == 2 * kNewItems);
}

TEST_CASE("batches that do not fit their plan are named") {
  const mwuf::Task task = click_task();
  mwuf::Batches batches(task, 4);
  const mwuf::ClickBatch<> good =
      batches.fill(task.split.slices[0].size() < 4 ? task.split.base : mwuf::Rows(task.split.slices[0]).first(4));
  const auto fault = [&](const mwuf::ClickBatch<>& batch) {
    const auto sound = mwuf::check_batch(task.plan, batch);
    return sound ? std::string() : std::string(sound.fault().text);
  };
  CHECK(fault(good).empty());
  mwuf::ClickBatch<> bad = good;
  bad.field[1].bags.ids = nullptr;
  CHECK(fault(bad).find(std::string("field ") + task.plan.fields[1].name + " is missing") != std::string::npos);
  bad = good;
  const std::int32_t unseen[] = {0, static_cast<std::int32_t>(task.plan.items), 0, 0};
  bad.item = unseen;
  CHECK(fault(bad).find("number unseen values -1") != std::string::npos);
  const std::int32_t unknown[] = {-1, -1, -1, -1};
  bad.item = unknown;  // an unknown item is no fault
  CHECK(fault(bad).empty());
  bad = good;
  const float labels[] = {0, 1, 2, 0};
  bad.labels = labels;
  CHECK(fault(bad).find("label is 2") != std::string::npos);
  bad = good;
  bad.history = nullptr;
  CHECK(fault(bad).find("histories") != std::string::npos);
  bad = good;
  bad.rows = 0;
  CHECK(fault(bad).find("no rows") != std::string::npos);
}
