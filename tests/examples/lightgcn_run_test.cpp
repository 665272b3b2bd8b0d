// The LightGCN trainer: a resumed run is the uninterrupted one, validation is held out, and Last.FM as a slow check on
// real data (set THAW_DATA to a folder that holds lastfm-lightgcnpp).
#include <doctest/doctest.h>

#include "lightgcn/run.hpp"
#include "tests/temporary_folder.hpp"

namespace {

using lightgcn::Options;
using lightgcn::Task;

// Three groups of users and items that never meet; two test items a user.
void write_groups(thaw_test::TemporaryFolder& files) {
  thaw::Philox rng(4);
  std::string train, test;
  for (int user = 0; user < 60; ++user) {
    std::vector<int> items;
    for (int i = 0; i < 20; ++i) items.push_back(user % 3 + 3 * i);
    rng.shuffle(items);
    train += std::to_string(user);
    test += std::to_string(user);
    for (std::size_t i = 0; i < 10; ++i) train += " " + std::to_string(items[i]);
    for (std::size_t i = 10; i < 12; ++i) test += " " + std::to_string(items[i]);
    train += "\n";
    test += "\n";
  }
  files.write("train.txt", train);
  files.write("test.txt", test);
}

Options small(const thaw_test::TemporaryFolder& files) {
  Options o;
  o.data_dir = files.path();
  o.data = ".";
  o.hold_out = 0.2;
  o.every = 2;
  o.model.width = 16;
  o.model.batch = 64;
  o.model.learning_rate = 0.02;
  return o;
}

void check_run(thaw::LightGcnLoss loss) {
  thaw_test::TemporaryFolder files;
  write_groups(files);
  Options o = small(files);
  o.model.loss = loss;
  o.model.negatives = 40;
  Task task;
  const auto loaded = lightgcn::load_task(o, task);
  CHECK_MESSAGE(loaded.ok(), (loaded ? "" : loaded.fault().text));
  if (!loaded) return;
  CHECK(task.train.by_user.ids.size() + task.lists.valid.ids.size() == 600);
  CHECK(task.lists.valid.ids.size() == 120);
  for (std::int32_t user = 0; user < 60; ++user)
    for (const std::int32_t item : task.lists.valid.row(user)) {
      const auto own = task.train.by_user.row(user);
      CHECK(!std::binary_search(own.begin(), own.end(), item));
    }
  auto whole = lightgcn::Run(o, task, task.train, true).train(12, 12);
  CHECK(whole.ok());
  if (!whole) return;
  const auto scores =
      lightgcn::measure(task.test, task, thaw::DotScorer(whole.value().vectors, task.lists.users(), o.model.width));
  CHECK(scores.ok());
  if (scores) CHECK(scores.value().recall > 0.9);  // 10 items of the own group are left, of 60
  o.checkpoint = thaw::join_path(files.path(), "run");
  const auto first = lightgcn::Run(o, task, task.train, true).train(6, 12);
  const auto second = lightgcn::Run(o, task, task.train, true).train(12, 12);
  o.model.loss = loss == thaw::LightGcnLoss::bpr ? thaw::LightGcnLoss::softmax : thaw::LightGcnLoss::bpr;
  const auto other = lightgcn::Run(o, task, task.train, true).train(12, 12);
  std::remove(o.checkpoint.c_str());
  CHECK(!other.ok());
  CHECK(first.ok());
  CHECK_MESSAGE(second.ok(), (second ? "" : second.fault().text));
  if (!first || !second) return;
  CHECK(first.value().epochs_run == 6);
  CHECK(second.value().epochs_run == 12);
  CHECK(second.value().epoch == whole.value().epoch);
  CHECK(second.value().vectors == whole.value().vectors);
}

TEST_CASE("LightGCN trainer: held-out items leave training, groups are found, a resumed run is the same bit for bit") {
  check_run(thaw::LightGcnLoss::bpr);
  check_run(thaw::LightGcnLoss::softmax);
}

TEST_CASE("LightGCN on Last.FM: above P3alpha with the epoch chosen on validation [slow]") {
  if (std::getenv("THAW_DATA") == nullptr) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds lastfm-lightgcnpp");
    return;
  }
  Options o;
  o.epochs = 60;
  o.every = 10;
  o.model.learning_rate = 0.005;
  Task task;
  const auto loaded = lightgcn::load_task(o, task);
  CHECK_MESSAGE(loaded.ok(), (loaded ? "" : loaded.fault().text));
  if (!loaded) return;
  const auto trained = lightgcn::Run(o, task, task.train, true).train(o.epochs, o.epochs);
  CHECK(trained.ok());
  if (!trained) return;
  const auto scores =
      lightgcn::measure(task.test, task, thaw::DotScorer(trained.value().vectors, task.lists.users(), o.model.width));
  CHECK(scores.ok());
  if (!scores) return;
  CHECK(scores.value().recall > 0.245);  // P3alpha, which sees validation too, has 0.2280
  CHECK(scores.value().ndcg > 0.245);
}

}  // namespace
