// What holds for every way of warming up: the base is frozen, a cold score reads no impression of a new item, scores
// never depend on labels that come later, and the same seed gives the same numbers.
#include "tests/examples/mwuf_world.hpp"

using namespace mwuf_test;

namespace {

const mwuf::FineTuning kTuning{.epochs = 2, .rate = 1e-2, .batch = 16};

mwuf::PhaseScores run(const mwuf::MethodEntry& entry, const mwuf::Task& task) {
  const mwuf::ClickWorld world{&task, 3};
  const auto base = base_for(entry, world);
  const auto method = entry.make(*base, world);
  method->learn();
  return mwuf::run_phases(*method, world, kTuning);
}

}  // namespace

TEST_CASE("methods: the base is the same to the bit after learning, fine-tuning and scoring") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    const auto base = base_for(entry, world);
    const std::uint64_t before = base->fingerprint();
    const auto method = entry.make(*base, world);
    method->learn();
    method->arrive();
    std::vector<float> old(method->ids().values().begin(), method->ids().values().begin() + kOldItems * base->width());
    mwuf::PhaseScores scores = mwuf::run_phases(*method, world, kTuning);
    CHECK(base->fingerprint() == before);
    // Nor did fine-tuning on new items move what it keeps for old ones.
    CHECK(std::equal(old.begin(), old.end(), method->ids().values().begin()));
    for (const float p : scores.of(thaw::Phase::warm_c, thaw::EvaluationOrder::fixed_test)) CHECK((p > 0 && p < 1));
    // The fingerprint would have noticed.
    mwuf::Batches batches(task, 8);
    base->train(batches.fill(world.old_rows().first(8)), 1e-3);
    CHECK(base->fingerprint() != before);
  }
}

TEST_CASE("methods: a cold score reads no impression of a new item") {
  const mwuf::Task task = click_task();
  WorldOptions poisoned;
  poisoned.flip_new = poisoned.other_users = true;
  const mwuf::Task other = click_task(poisoned);
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    std::vector<float> cold[2], warm[2];
    for (int k = 0; k < 2; ++k) {
      const mwuf::Task& learnt = k == 0 ? task : other;
      const mwuf::ClickWorld world{&learnt, 3};
      const auto base = base_for(entry, world);
      const auto method = entry.make(*base, world);
      method->learn();
      method->arrive();
      cold[k] = scores_of(*method, task, task.split.slices[0]);
      method->observe(learnt.split.slices[0]);
      method->fit(learnt.split.slices[0], kTuning);
      warm[k] = scores_of(*method, task, task.split.slices[1]);
    }
    CHECK(largest_difference(cold[0], cold[1]) == 0);
    CHECK(largest_difference(warm[0], warm[1]) > 1e-6);  // what is poisoned does matter once it is read
  }
}

TEST_CASE("methods: labels change no score that comes before they are learnt from") {
  const mwuf::Task task = click_task();
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    mwuf::PhaseScores scores = run(entry, task);
    for (int slice = 0; slice < 4; ++slice) {
      WorldOptions options;
      options.flip_last = true;
      options.last_from = slice;
      mwuf::PhaseScores other = run(entry, click_task(options));
      for (int p = 0; p <= slice; ++p) {
        const thaw::Phase phase = thaw::kPhases[static_cast<std::size_t>(p)];
        for (const auto order : {thaw::EvaluationOrder::next_slice, thaw::EvaluationOrder::fixed_test})
          CHECK(largest_difference(scores.of(phase, order), other.of(phase, order)) == 0);
      }
    }
  }
}

TEST_CASE("methods: the same seed gives the same scores, arriving again starts over") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    mwuf::PhaseScores once = run(entry, task), twice = run(entry, task);
    const auto phase = thaw::Phase::warm_c;
    const auto order = thaw::EvaluationOrder::fixed_test;
    CHECK(largest_difference(once.of(phase, order), twice.of(phase, order)) == 0);
    const auto base = base_for(entry, world);
    const auto method = entry.make(*base, world);
    method->learn();
    mwuf::run_phases(*method, world, kTuning);
    method->arrive();
    CHECK(largest_difference(scores_of(*method, task, task.split.slices[0]), [&] {
            const auto fresh = entry.make(*base, world);
            fresh->learn();
            fresh->arrive();
            return scores_of(*fresh, task, task.split.slices[0]);
          }()) == 0);
  }
}

TEST_CASE("methods: an item without impressions, with one, with equal labels") {
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  std::vector<std::int32_t> likes;
  for (const std::int32_t r : task.split.slices[0])
    if (task.clicks().labels[static_cast<std::size_t>(r)] == 1.0F) likes.push_back(r);
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    const auto base = base_for(entry, world);
    const auto method = entry.make(*base, world);
    method->learn();
    method->arrive();
    method->observe({});
    method->fit({}, kTuning);
    method->observe(mwuf::Rows(likes).first(1));
    method->fit(mwuf::Rows(likes).first(1), kTuning);
    method->observe(mwuf::Rows(likes).subspan(1));
    method->fit(mwuf::Rows(likes).subspan(1), kTuning);
    for (const float z : scores_of(*method, task, task.split.slices[3])) CHECK(std::isfinite(z));
  }
}

TEST_CASE("methods: found by name, and a protocol that learns") {
  CHECK(mwuf::find_method("mwuf") != nullptr);
  CHECK(mwuf::find_method("nothing") == nullptr);
  // What was learnt from is predicted better than before.
  const mwuf::Task task = click_task();
  const mwuf::ClickWorld world{&task, 3};
  const mwuf::Rows slice = task.split.slices[0];
  const std::vector<float> labels = mwuf::labels_of(task, slice);
  for (const mwuf::MethodEntry& entry : mwuf::kMethods) {
    INFO(std::string(entry.name));
    const auto base = base_for(entry, world);
    const auto method = entry.make(*base, world);
    method->learn();
    method->arrive();
    const auto loss = [&] {
      thaw::LogLoss sum;
      const std::vector<float> logits = scores_of(*method, task, slice);
      for (std::size_t i = 0; i < logits.size(); ++i) sum.add_logit(logits[i], labels[i]);
      return sum.value().value;
    };
    const double cold = loss();
    method->observe(slice);
    method->fit(slice, {.epochs = 20, .rate = 2e-2, .batch = 16});
    if (std::string(entry.name) != "cvar") CHECK(loss() < cold);  // which decodes rows from features alone
  }
}

TEST_CASE("tuning: pseudo-new items are old ones, and the best budget is the one that is taken") {
  const mwuf::Task task = click_task();
  const thaw::WarmUpSizes sizes = mwuf::pseudo_new_sizes(task);
  CHECK(sizes.old_from == 61);
  CHECK(sizes.new_from == 40);
  CHECK(sizes.new_to == 60);
  CHECK(sizes.slice == 3);
  const mwuf::ClickWorld world{&task, 3};
  const auto base = click_base(world);
  mwuf::WarmUp method(*base, world);
  const mwuf::Tuned tuned = mwuf::tune(method, world, {{.epochs = 0}, {.epochs = 20, .rate = 2e-2}});
  CHECK(tuned.aucs.size() == 2);
  CHECK(tuned.auc == (std::max)(tuned.aucs[0], tuned.aucs[1]));
  CHECK(tuned.choice.epochs == (tuned.aucs[1] > tuned.aucs[0] ? 20 : 0));
}
