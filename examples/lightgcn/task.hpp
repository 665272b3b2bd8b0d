// A published split as what training may see, what chooses the epoch, and what is asked in the end.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "lightgcn/options.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/data/split_lists.hpp"
#include "thaw/eval/top_n.hpp"
#include "thaw/graph/dot_scorer.hpp"

namespace lightgcn {

struct Task {
  thaw::SplitLists lists;  // train without validation
  thaw::RatingGraph graph;
  thaw::Interactions train, train_and_valid;
  std::vector<std::int32_t> items;
  std::vector<thaw::TopNQuery> validation;      // some users
  std::vector<std::vector<std::int32_t>> seen;  // training and validation items of each user
  std::vector<thaw::TopNQuery> test;            // everybody with a test item; seen items are known
  std::string text;
};

// Moves a share of every user's training items to validation: chosen by seed and user alone, rounded at random.
inline void hold_out(thaw::SplitLists& lists, double share) {
  thaw::IdLists kept, valid;
  kept.offsets.assign(1, 0);
  valid.offsets.assign(1, 0);
  for (std::int32_t user = 0; user < lists.users(); ++user) {
    const auto row = lists.train.row(user);
    std::vector<std::int32_t> order(row.begin(), row.end());
    thaw::Philox rng(0x686f6c64, static_cast<std::uint64_t>(user));
    rng.shuffle(order);
    const auto count = static_cast<std::size_t>(share * static_cast<double>(order.size()) + rng.uniform());
    const std::size_t taken = order.size() > 1 ? (std::min)(count, order.size() - 1) : 0;
    const auto cut = order.begin() + static_cast<std::ptrdiff_t>(taken);
    std::sort(order.begin(), cut);
    std::sort(cut, order.end());
    valid.ids.insert(valid.ids.end(), order.begin(), cut);
    kept.ids.insert(kept.ids.end(), cut, order.end());
    valid.offsets.push_back(static_cast<std::int64_t>(valid.ids.size()));
    kept.offsets.push_back(static_cast<std::int64_t>(kept.ids.size()));
  }
  lists.train = std::move(kept);
  lists.valid = std::move(valid);
}

// Queries point into the task, which must not move afterwards.
inline thaw::Result<thaw::Done> load_task(const Options& o, Task& task) {
  const char* variable = std::getenv("THAW_DATA");
  const std::string folder = !o.data_dir.empty() ? o.data_dir : variable != nullptr ? variable : "data";
  auto lists = thaw::read_split_lists(thaw::join_path(folder, o.data));
  if (!lists) return lists.fault();
  task.lists = std::move(lists.value());
  const bool own_validation = !task.lists.valid.ids.empty();
  if (!own_validation) hold_out(task.lists, o.hold_out);
  task.graph = task.lists.train_graph();
  auto train = thaw::Interactions::from_graph(task.graph);
  if (!train) return train.fault();
  auto all = thaw::Interactions::from_graph(task.lists.train_and_valid_graph());
  if (!all) return all.fault();
  task.train = std::move(train.value());
  task.train_and_valid = std::move(all.value());
  task.items = thaw::all_items(task.lists.items);
  std::vector<std::int32_t> users;
  for (std::int32_t user = 0; user < task.lists.users(); ++user) {
    const auto seen = task.train_and_valid.by_user.row(user);
    task.seen.emplace_back(seen.begin(), seen.end());
    if (!task.lists.valid.row(user).empty()) users.push_back(user);
  }
  for (std::int32_t user = 0; user < task.lists.users(); ++user)
    if (!task.lists.test.row(user).empty())
      task.test.push_back({user, task.seen[static_cast<std::size_t>(user)], task.lists.test.row(user)});
  thaw::Philox(0x76616c69).shuffle(users);
  users.resize((std::min)(users.size(), static_cast<std::size_t>(o.validation_users)));
  for (const std::int32_t user : users)
    task.validation.push_back({user, task.train.by_user.row(user), task.lists.valid.row(user)});
  task.text = task.lists.name + ": " + std::to_string(task.lists.users()) + " users, " +
              std::to_string(task.lists.items) + " items, " + std::to_string(task.train.by_user.ids.size()) +
              " interactions to learn from, " + std::to_string(task.lists.valid.ids.size()) +
              (own_validation ? " for validation (published)" : " held out for validation") + ", " +
              std::to_string(task.lists.test.ids.size()) + " to find";
  return thaw::Done{};
}

struct Scores {
  double recall = 0, ndcg = 0;  // at 20
};

template <class Scorer>
thaw::Result<Scores> measure(const std::vector<thaw::TopNQuery>& queries, const Task& task, const Scorer& scorer) {
  const auto table = thaw::evaluate_top_n(queries, task.items, scorer, {.depths = {20}});
  if (!table) return table.fault();
  return Scores{table.value().mean("Recall@20"), table.value().mean("NDCG@20")};
}

}  // namespace lightgcn
