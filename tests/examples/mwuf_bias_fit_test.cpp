// Fitted biases: the optimum against a dense Newton solve made elsewhere, against conditions that hold at an optimum,
// and in closed form; and what a base of them may know of new items.
#include <set>

#include "mwuf/bias_fit.hpp"
#include "mwuf/worlds.hpp"
#include "tests/examples/mwuf_world.hpp"

using namespace mwuf_test;

namespace {

struct Sample {
  std::vector<mwuf::BiasFit::Entry> entries;
  float label;
};

// Three users, two values with precisions 2 and 4.
const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = {
      {{{0, 1}, {3, 1}}, 1}, {{{0, 1}, {4, 1}}, 0}, {{{1, 1}, {3, 1}}, 1}, {{{1, 1}, {3, 0.5F}, {4, 0.5F}}, 1},
      {{{1, 1}, {4, 1}}, 0}, {{{2, 1}, {3, 1}}, 1}, {{{2, 1}, {4, 1}}, 1}, {{{0, 1}, {3, 1}}, 0},
      {{{2, 1}}, 1}};
  return all;
}

mwuf::BiasFit fit_of(const std::vector<Sample>& all) {
  mwuf::BiasFit fit(5);
  fit.set_precision(0, 3, 0.5);
  fit.set_precision(3, 1, 2);
  fit.set_precision(4, 1, 4);
  for (const Sample& sample : all) fit.add(sample.entries, sample.label);
  return fit;
}

mwuf::FittedBiases biases_of(const mwuf::Task& task) {
  mwuf::FittedBiases biases(task, {});
  biases.fit(task);
  return biases;
}

}  // namespace

TEST_CASE("bias fit: the optimum of a small problem, from a dense Newton solve in numpy") {
  mwuf::BiasFit fit = fit_of(samples());
  const double mean = fit.solve();
  const double expected[] = {-0.9037389676, -0.0381125901, 0.9418515577, 0.2648247487, -0.1723163693};
  CHECK(mean == doctest::Approx(0.7192365919).epsilon(1e-4));
  for (std::size_t j = 0; j < 5; ++j) CHECK(fit.biases()[j] == doctest::Approx(expected[j]).epsilon(1e-4));
}

TEST_CASE("bias fit: without values the mean is the log-odds, and a lone value's optimum solves its equation") {
  mwuf::BiasFit none(1);
  for (int i = 0; i < 8; ++i) none.add({}, i < 6 ? 1.0F : 0.0F);
  CHECK(none.solve() == doctest::Approx(std::log(3.0)).epsilon(1e-5));
  CHECK(none.biases()[0] == 0.0);
  CHECK(mwuf::BiasFit(3).solve() == 0.0);  // nothing was shown
  // Half of all labels are likes on either side, so the mean is 0 and the values are each other's opposite:
  // precision * b = likes - shown * p(b).
  mwuf::BiasFit two(2);
  two.set_precision(0, 2, 1.5);
  for (int i = 0; i < 10; ++i)
    for (const std::int64_t row : {std::int64_t{0}, std::int64_t{1}}) {
      const mwuf::BiasFit::Entry entry{row, 1};
      two.add({&entry, 1}, (i < 8) == (row == 0) ? 1.0F : 0.0F);
    }
  CHECK(std::fabs(two.solve()) < 1e-4);
  const double b = two.biases()[0];
  CHECK(b == doctest::Approx(-two.biases()[1]).epsilon(1e-4));
  CHECK(1.5 * b == doctest::Approx(8 - 10 / (1 + std::exp(-b))).epsilon(1e-4));
}

TEST_CASE("bias fit: the order of samples does not matter; separable labels leave finite biases") {
  std::vector<Sample> turned(samples().rbegin(), samples().rend());
  mwuf::BiasFit a = fit_of(samples()), b = fit_of(turned);
  CHECK(a.solve() == doctest::Approx(b.solve()).epsilon(1e-4));
  for (std::size_t j = 0; j < 5; ++j) CHECK(a.biases()[j] == doctest::Approx(b.biases()[j]).epsilon(1e-4));
  mwuf::BiasFit all_liked(2);
  for (int i = 0; i < 40; ++i) {
    const mwuf::BiasFit::Entry entry{i % 2, 1};
    all_liked.add({&entry, 1}, 1);
  }
  CHECK(std::isfinite(all_liked.solve()));
  CHECK(std::isfinite(all_liked.biases()[0]));
}

TEST_CASE("bias fit: what is shown often is shrunk less") {
  mwuf::BiasFit fit(2);
  const mwuf::BiasFit::Entry often{0, 1}, seldom{1, 1};
  for (int i = 0; i < 40; ++i) fit.add({&often, 1}, i % 4 != 0 ? 1.0F : 0.0F);
  for (int i = 0; i < 4; ++i) fit.add({&seldom, 1}, i != 0 ? 1.0F : 0.0F);
  for (int i = 0; i < 200; ++i) fit.add({}, i % 2 == 0 ? 1.0F : 0.0F);
  fit.solve();
  CHECK(fit.biases()[0] > fit.biases()[1] + 0.1);
  CHECK(fit.biases()[1] > 0.1);
}

TEST_CASE("fitted biases: pairs are those of the base, where items have one value each") {
  const mwuf::World world({.users = 40, .old_items = 20, .new_items = 10, .slice = 5, .old_least = 40, .seed = 5});
  const mwuf::Task task = std::move(mwuf::make_task(world.source()).value());
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;
  for (const std::int32_t r : task.split.base) {
    const auto at = static_cast<std::size_t>(r);
    pairs.emplace(task.clicks().users[at], world.attribute_of(task.clicks().items[at], 0));
  }
  CHECK(mwuf::FittedBiases(task, {}).pairs() == pairs.size());
  CHECK(mwuf::FittedBiases(click_task(), {}).pairs() == 0);  // genres come in lists
}

TEST_CASE("fitted biases: the slope of the loss along an item's bias is its prior's") {
  const mwuf::Task task = click_task();
  mwuf::FittedBiases biases = biases_of(task);
  // An item's bias: precision * bias = sum of (label - probability) over its impressions.
  const double mean = mwuf::FittedBiases(biases).fit(task);
  mwuf::Batches batches(task, 64);
  for (const std::int32_t item : task.split.old_items) {
    double rest = 0;
    const auto rows = task.split.of_item(item);
    const auto& batch = batches.fill(rows);
    for (thaw::Index i = 0; i < batch.rows; ++i) {
      const double z = mean + static_cast<double>(biases.of(batch, i)) + static_cast<double>(biases.item(item));
      rest += static_cast<double>(batch.labels[i]) - 1 / (1 + std::exp(-z));
    }
    CHECK(rest == doctest::Approx(2 * static_cast<double>(biases.item(item))).epsilon(1e-2));
  }
}

TEST_CASE("fitted biases: nothing is learnt from impressions of new items, and new items have no bias") {
  WorldOptions poisoned;
  poisoned.flip_new = poisoned.other_users = true;
  const mwuf::Task task = click_task(), other = click_task(poisoned);
  CHECK(biases_of(task).values() == biases_of(other).values());
  mwuf::FittedBiases biases = biases_of(task);
  for (const std::int32_t item : task.split.new_items) CHECK(biases.item(item) == 0.0F);
  // The base of them has no vectors, so nothing depends on a seed.
  const mwuf::ClickWorld one{&task, 1}, nine{&task, 9};
  const auto a = mwuf::make_taste_base(one, mwuf::taste_choice(2)),
             b = mwuf::make_taste_base(nine, mwuf::taste_choice(2));
  const auto first = mwuf::detail::make_best(*a, one), second = mwuf::detail::make_best(*b, nine);
  for (const auto& method : {first.get(), second.get()}) method->learn(), method->arrive();
  CHECK(largest_difference(scores_of(*first, task, task.split.slices[3]),
                           scores_of(*second, task, task.split.slices[3])) == 0);
}
