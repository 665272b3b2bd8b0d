#include "thaw/data/cold_start_episodes.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "thaw/data/movielens.hpp"

namespace {

// Users 0 .. 3 with 12, 13, 100 and 101 records.
thaw::ColdStartState state_with_counts() {
  thaw::ColdStartState state;
  const std::int32_t counts[] = {12, 13, 100, 101};
  for (std::int32_t user = 0; user < 4; ++user) {
    state.users.push_back(user);
    for (std::int32_t i = 0; i < counts[user]; ++i)
      state.ratings.push_back({user, i, static_cast<float>(1 + (i + user) % 5)});
  }
  return state;
}

double episode_mean(const std::vector<float>& labels) {
  double sum = 0;
  for (const float label : labels) sum += static_cast<double>(label);
  return sum / static_cast<double>(labels.size());
}

// Sums over all ratings: what the trivial predictors know.
struct ItemMeans {
  double mean = 0;
  std::map<std::int32_t, std::pair<double, double>> of;  // sum, count

  void learn(const thaw::Rating& r) {
    auto& [sum, count] = of[r.item];
    sum += static_cast<double>(r.value);
    count += 1;
  }
  void finish() {
    double sum = 0, count = 0;
    for (const auto& [item, known] : of) sum += known.first, count += known.second;
    mean = sum / count;
  }
  double shrunken(std::int32_t item) const {
    const auto at = of.find(item);
    return at == of.end() ? mean : (at->second.first + 5 * mean) / (at->second.second + 5);
  }
};

struct Errors {
  double global = 0, support = 0, item = 0, bias = 0;
};

// Mean absolute errors of the four predictors, over all query records.
Errors errors_of(const std::vector<thaw::Episode>& episodes, const ItemMeans& means) {
  Errors sum;
  double count = 0;
  for (const thaw::Episode& e : episodes) {
    const double own = episode_mean(e.support.labels);
    double residuals = 0;
    for (std::size_t i = 0; i < e.support.items.size(); ++i)
      residuals += static_cast<double>(e.support.labels[i]) - means.shrunken(e.support.items[i]);
    const double bias = residuals / (static_cast<double>(e.support.items.size()) + 2);
    for (std::size_t i = 0; i < e.query.items.size(); ++i, ++count) {
      const double rating = static_cast<double>(e.query.labels[i]), item = means.shrunken(e.query.items[i]);
      sum.global += std::abs(rating - means.mean);
      sum.support += std::abs(rating - own);
      sum.item += std::abs(rating - item);
      sum.bias += std::abs(rating - (item + bias));
    }
  }
  return {sum.global / count, sum.support / count, sum.item / count, sum.bias / count};
}

}  // namespace

TEST_CASE("users with 13 to 100 records: ten are asked, the rest support, nothing is lost") {
  const thaw::ColdStartState state = state_with_counts();
  const std::vector<thaw::Episode> episodes = thaw::episodes_of_state(state);
  CHECK(episodes.size() == 2);
  if (episodes.size() != 2) return;
  CHECK(episodes[0].user == 1);
  CHECK(episodes[1].user == 2);
  CHECK(episodes[0].support.items.size() == 3);
  CHECK(episodes[1].support.items.size() == 90);
  for (const thaw::Episode& e : episodes) {
    CHECK(e.query.items.size() == 10);
    CHECK(e.query.negatives.empty());
    std::set<std::int32_t> seen;
    for (const auto* part : {&e.support, &e.query})
      for (std::size_t i = 0; i < part->items.size(); ++i) {
        CHECK(seen.insert(part->items[i]).second);
        CHECK(part->labels[i] == static_cast<float>(1 + (part->items[i] + e.user) % 5));
      }
    CHECK(seen.size() == e.support.items.size() + 10);
  }
  const auto again = thaw::episodes_of_state(state), other = thaw::episodes_of_state(state, {.seed = 2});
  CHECK(again[1].query.items == episodes[1].query.items);
  CHECK(other[1].query.items != episodes[1].query.items);
}

TEST_CASE("a user's draw does not depend on who else is in the state") {
  const thaw::ColdStartState all = state_with_counts();
  thaw::ColdStartState alone;
  for (const thaw::Rating& r : all.ratings)
    if (r.user == 2) alone.ratings.push_back(r);
  CHECK(thaw::episodes_of_state(alone)[0].query.items == thaw::episodes_of_state(all)[1].query.items);
  CHECK(thaw::episodes_of_state(thaw::ColdStartState{}).empty());
}

TEST_CASE("MovieLens-1M: users of the four partitions and errors of the trivial predictors as published") {
  const char* root = std::getenv("THAW_DATA");
  if (root == nullptr || !thaw::file_exists(thaw::join_path(root, "ml-1m/users.dat"))) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m and ml-1m-melu");
    return;
  }
  const auto data = thaw::read_movielens_1m(thaw::join_path(root, "ml-1m"));
  CHECK(data.ok());
  if (!data) return;
  const auto states = thaw::read_cold_start_states(thaw::join_path(root, "ml-1m-melu"), data.value());
  CHECK(states.ok());
  if (!states) return;
  const std::vector<thaw::Episode> episodes[] = {
      thaw::episodes_of_state(states.value().warm), thaw::episodes_of_state(states.value().user_cold),
      thaw::episodes_of_state(states.value().item_cold), thaw::episodes_of_state(states.value().both_cold)};
  const std::size_t users[] = {2653, 668, 2863, 723};
  for (std::size_t s = 0; s < 4; ++s) CHECK(episodes[s].size() == users[s]);

  // Item means know every record of the training partition, the queries included.
  ItemMeans means;
  for (const thaw::Rating& r : states.value().warm.ratings) means.learn(r);
  means.finish();
  CHECK(std::abs(means.mean - 3.611) < 0.0005);
  const Errors published[] = {{0.9352, 0.8144, 0.7774, 0.7282},
                              {0.9177, 0.8139, 0.7777, 0.7385},
                              {0.9555, 0.8971, 0.9555, 0.8913},
                              {0.9455, 0.8857, 0.9455, 0.8808}};
  for (std::size_t s = 0; s < 4; ++s) {
    const Errors measured = errors_of(episodes[s], means);
    MESSAGE("partition " << s << ": " << measured.global << " " << measured.support << " " << measured.item << " "
                         << measured.bias);
    CHECK(std::abs(measured.global - published[s].global) < 0.01);
    CHECK(std::abs(measured.support - published[s].support) < 0.01);
    CHECK(std::abs(measured.item - published[s].item) < 0.01);
    CHECK(std::abs(measured.bias - published[s].bias) < 0.01);
  }
}
