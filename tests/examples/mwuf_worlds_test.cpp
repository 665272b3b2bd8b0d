#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "mwuf/click_stream.hpp"
#include "mwuf/worlds.hpp"
#include "tests/heap_counter.hpp"
#include "thaw/eval/click_metrics.hpp"

using mwuf::WorldKind;

namespace {

constexpr WorldKind kKinds[] = {WorldKind::features, WorldKind::nothing, WorldKind::user_sets};

mwuf::Task task_of(const mwuf::World& world) {
  auto made = mwuf::make_task(world.source());
  CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
  return made ? std::move(made.value()) : mwuf::Task();
}

// AUC of one score an impression.
template <class Score>
double auc_of(const mwuf::Task& task, std::span<const std::int32_t> impressions, const Score& score) {
  thaw::Auc auc;
  for (const std::int32_t i : impressions) {
    const auto at = static_cast<std::size_t>(i);
    auc.add(static_cast<float>(score(task.clicks().users[at], task.clicks().items[at])), task.clicks().labels[at]);
  }
  return auc.value().value;
}

// How well the mean over old items with the same attribute values tells the odds of a new item: the correlation of that
// mean with the truth over random pairs.
double told_by_attributes(const mwuf::World& world, const mwuf::Task& task) {
  thaw::Philox rng(17);
  double xy = 0, xx = 0, yy = 0;
  for (int n = 0; n < 4000; ++n) {
    const auto user = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(task.clicks().user_count)));
    const std::int32_t item = task.split.new_items[rng.below(static_cast<std::uint32_t>(task.split.new_items.size()))];
    double sum = 0, others = 0, all = 0;
    for (const std::int32_t old : task.split.old_items) {
      int same = 0;
      for (std::size_t f = 0; f < mwuf::World::kAttributes; ++f)
        same += task.fields[f].ids[static_cast<std::size_t>(item)] == task.fields[f].ids[static_cast<std::size_t>(old)];
      sum += same * world.logit(user, old);
      others += same;
      all += world.logit(user, old) / static_cast<double>(task.split.old_items.size());
    }
    const double x = others > 0 ? sum / others - all : 0, y = world.logit(user, item) - all;
    xy += x * y, xx += x * x, yy += y * y;
  }
  return xy / std::sqrt(xx * yy);
}

// The same for the mean odds of an item's first viewers among themselves: do those who came first like it more than
// chance would have it?
double told_by_viewers(const mwuf::World& world, const mwuf::Task& task) {
  double came = 0, chance = 0, squares = 0, count = 0;
  thaw::Philox rng(19);
  for (const std::int32_t i : task.split.slices[0]) {
    const auto at = static_cast<std::size_t>(i);
    const auto anybody = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(task.clicks().user_count)));
    const double value = world.logit(anybody, task.clicks().items[at]);
    came += world.logit(task.clicks().users[at], task.clicks().items[at]);
    chance += value, squares += value * value, ++count;
  }
  const double mean = chance / count;
  return (came / count - mean) / std::sqrt(squares / count - mean * mean);
}

}  // namespace

TEST_CASE("a planted world splits as asked, and is the same for the same seed") {
  for (const WorldKind kind : kKinds) {
    const mwuf::WorldOptions options{.kind = kind, .users = 300, .old_items = 60, .new_items = 30, .seed = 5};
    const mwuf::World world(options);
    const mwuf::Task task = task_of(world);
    CHECK(task.split.old_items.size() == 60);
    CHECK(task.split.new_items.size() == 30);
    for (std::size_t s = 0; s < 3; ++s) CHECK(task.split.slices[s].size() == 600);
    CHECK(task.split.test().size() == 1800);
    CHECK(task.split.left_out == 0);
    CHECK(thaw::check_ascending(task.clicks(), task.split.base).ok());
    const mwuf::Task same = task_of(mwuf::World(options));
    CHECK(same.clicks().labels == task.clicks().labels);
    CHECK(same.clicks().users == task.clicks().users);
    mwuf::WorldOptions other = options;
    other.seed = 6;
    CHECK(task_of(mwuf::World(other)).clicks().users != task.clicks().users);
  }
}

TEST_CASE("labels follow the planted odds, which leave a model something to find") {
  for (const WorldKind kind : kKinds) {
    const mwuf::World world({.kind = kind, .seed = 2});
    const mwuf::Task task = task_of(world);
    double expected = 0, found = 0, variance = 0;
    for (const std::int32_t i : task.split.base) {
      const auto at = static_cast<std::size_t>(i);
      const double p = 1 / (1 + std::exp(-world.logit(task.clicks().users[at], task.clicks().items[at])));
      expected += p, variance += p * (1 - p), found += static_cast<double>(task.clicks().labels[at]);
    }
    CHECK(std::abs(found - expected) < 4 * std::sqrt(variance));
    const auto truth = [&](std::int32_t u, std::int32_t i) { return world.logit(u, i); };
    const double best = auc_of(task, task.split.test(), truth);
    CHECK((best > 0.7 && best < 0.95));
    MESSAGE(std::string(name_of(kind)) << ": AUC of the planted odds on test " << best);
  }
}

TEST_CASE("attributes tell in the first world alone, viewers in the last alone") {
  for (const std::uint64_t seed : {1u, 2u}) {
    double attributes[3], viewers[3];
    for (std::size_t k = 0; k < 3; ++k) {
      const mwuf::World world({.kind = kKinds[k], .seed = seed});
      const mwuf::Task task = task_of(world);
      attributes[k] = told_by_attributes(world, task);
      viewers[k] = told_by_viewers(world, task);
    }
    CHECK(attributes[0] > 0.5);
    CHECK(std::abs(attributes[1]) < 0.2);
    CHECK(std::abs(attributes[2]) < 0.2);
    CHECK(std::abs(viewers[0]) < 0.1);
    CHECK(std::abs(viewers[1]) < 0.1);
    CHECK(viewers[2] > 0.5);
  }
}

TEST_CASE("a stream is a function of seed and row: parts in any order, in any size, without memory") {
  const mwuf::ClickStreamOptions options{.items = 5000, .users = 300, .history = 3, .seed = 9};
  mwuf::ClickStream whole(options, 64), parts(options, 64);
  const auto sound = mwuf::check_batch(whole.plan(), whole.fill(1'000'000'000'000, 64));
  CHECK_MESSAGE(sound.ok(), (sound ? "" : sound.fault().text));
  const mwuf::ClickBatch<>& all = whole.fill(100, 64);
  const long before = thaw_test::heap_allocations();
  bool same = true;
  for (const std::int64_t begin : {48, 16, 0, 32}) {
    const mwuf::ClickBatch<>& part = parts.fill(100 + begin, 16);
    for (std::int64_t r = 0; r < 16; ++r) {
      const std::int64_t w = begin + r;
      same = same && part.item[r] == all.item[w] && part.labels[r] == all.labels[w];
      for (const int f : {0, 2, 3}) same = same && part.field[f].bags.ids[r] == all.field[f].bags.ids[w];
      const thaw::Bags &a = part.field[1].bags, &b = all.field[1].bags;
      same = same && a.offsets[r + 1] - a.offsets[r] == b.offsets[w + 1] - b.offsets[w];
      for (std::int32_t e = 0; same && e < a.offsets[r + 1] - a.offsets[r]; ++e)
        same = same && a.ids[a.offsets[r] + e] == b.ids[b.offsets[w] + e];
      for (std::int64_t h = 0; h < 3; ++h) same = same && part.history[3 * r + h] == all.history[3 * w + h];
    }
  }
  CHECK(same);
  CHECK(thaw_test::heap_allocations() == before);
}

TEST_CASE("a stream's labels follow its odds, its items a power of their rank, properties their owner") {
  mwuf::ClickStream stream({.items = 100000, .users = 1000, .skew = 3, .seed = 4}, 512);
  thaw::Auc auc;
  double excess = 0, variance = 0, head = 0;
  std::vector<std::int32_t> category_of(100000, -1);
  bool steady = true;
  for (std::int64_t row = 0; row < 20480; row += 512) {
    const mwuf::ClickBatch<>& batch = stream.fill(row, 512);
    for (std::size_t r = 0; r < 512; ++r) {
      const std::int32_t item = batch.item[r], user = batch.field[2].bags.ids[r];
      const double z = stream.logit(user, item), p = 1 / (1 + std::exp(-z));
      excess += static_cast<double>(batch.labels[r]) - p, variance += p * (1 - p);
      auc.add(static_cast<float>(z), batch.labels[r]);
      head += item < 12500 ? 1.0 / 20480 : 0;
      std::int32_t& category = category_of[static_cast<std::size_t>(item)];
      steady = steady && (category < 0 || category == batch.field[0].bags.ids[r]);
      category = batch.field[0].bags.ids[r];
    }
  }
  CHECK(steady);
  CHECK(std::abs(excess) < 4 * std::sqrt(variance));
  CHECK((auc.value().value > 0.7 && auc.value().value < 0.85));
  CHECK(std::abs(head - 0.5) < 0.02);  // an eighth of the items has (1/8)^(1/3), one half, of the impressions
  CHECK(stream.fill(0, 1).item[0] ==
        mwuf::ClickStream({.items = 100000, .users = 1000, .skew = 3, .seed = 4}, 1).fill(0, 1).item[0]);
}
