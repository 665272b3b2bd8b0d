// Task: what is to be learnt: a data set, who is new in it, and for generated data the world that it came from.
//
//   thaw::Result<hire::Task> task = hire::generated_task({.seed = 1});
//   thaw::Result<hire::Task> task = hire::movielens_task("data/ml-1m");
//   thaw::Result<hire::Task> task = hire::file_task({.path = "ratings.csv"}, 1);
#pragma once

#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>

#include "hire/recipe.hpp"
#include "thaw/data/cold_start_split.hpp"
#include "thaw/data/generator.hpp"
#include "thaw/data/movielens.hpp"
#include "thaw/train/text.hpp"

namespace hire {

struct Task {
  thaw::Dataset data;
  thaw::ColdStartSplit split;
  std::optional<thaw::ColdStartStates> states;  // the published split, where its files are
  std::optional<thaw::Generator> world;         // of generated data: knows the best possible prediction
  std::string split_text;                       // who is new, in words
};

// 12345 as "12,345".
inline std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), 1, ',');
  return text;
}

inline Task generated_task(const thaw::GeneratorOptions& options) {
  Task task;
  task.world.emplace(options);
  task.data = task.world->generate();
  task.data.name = "generated";
  task.split = thaw::split_cold_start(task.data, {.seed = options.seed});
  task.split_text = "a fifth of the users and a fifth of the items are new, drawn at random";
  return task;
}

// For each item when it was first rated, as a rank; empty where the file holds no times.
inline std::vector<std::int32_t> first_rated(const thaw::Dataset& data) {
  if (data.times.size() != data.ratings.size()) return {};
  std::vector<std::int64_t> first(static_cast<std::size_t>(data.items.size()), INT64_MAX);
  for (std::size_t r = 0; r < data.ratings.size(); ++r) {
    std::int64_t& time = first[static_cast<std::size_t>(data.ratings[r].item)];
    time = (std::min)(time, data.times[r]);
  }
  std::vector<std::size_t> order(first.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return first[a] < first[b]; });
  std::vector<std::int32_t> rank(first.size());
  std::int32_t place = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && first[order[i]] != first[order[i - 1]]) place = static_cast<std::int32_t>(i);
    rank[order[i]] = place;
  }
  return rank;
}

// Our own split: random new users; new items are the newest where that is known.
inline void split_by_newest(Task& task, std::uint64_t seed) {
  const bool has_years = task.data.items.years.size() == static_cast<std::size_t>(task.data.items.size());
  const std::vector<std::int32_t> order = has_years ? task.data.items.years : first_rated(task.data);
  task.split = thaw::split_cold_start(task.data, {.seed = seed, .item_order = order});
  task.split_text = "a fifth of the users are new, drawn at random; new items are ";
  task.split_text += has_years        ? "the newest fifth by year of release"
                     : !order.empty() ? "the fifth that was rated last for the first time"
                                      : "a fifth drawn at random";
}

// The folder with users.dat: the given one, or its folder ml-1m.
inline std::string movielens_folder(const std::string& data_dir) {
  std::string base = data_dir;
  const char* from_environment = std::getenv("THAW_DATA");
  if (base.empty()) base = from_environment != nullptr && *from_environment != '\0' ? from_environment : "data";
  const bool is_itself = thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(base, "users.dat")));
  return is_itself ? base : thaw::join_path(base, "ml-1m");
}

inline bool has_published_split(const std::string& folder) {
  for (const char* name :
       {"warm_state_y.json", "user_cold_state.json", "user_cold_state_y.json", "item_cold_state.json",
        "item_cold_state_y.json", "user_and_item_cold_state.json", "user_and_item_cold_state_y.json"})
    if (!thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, name)))) return false;
  return true;
}

inline thaw::Result<Task> movielens_task(const std::string& folder, std::uint64_t seed) {
  if (!thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, "users.dat"))))
    return thaw::make_fault(thaw::FaultKind::not_found, folder.c_str(),
                            " does not hold MovieLens-1M (no users.dat); 'data ml-1m' says where to get it, --data-dir "
                            "or THAW_DATA say where it is");
  thaw::Result<thaw::Dataset> data = thaw::read_movielens_1m(folder);
  if (!data) return data.fault();
  Task task;
  task.data = std::move(data.value());
  const std::string extra = folder + "-melu";
  if (!has_published_split(extra)) {
    split_by_newest(task, seed);
    return task;
  }
  thaw::Result<thaw::ColdStartStates> states = thaw::read_cold_start_states(extra, task.data);
  if (!states) return states.fault();
  task.states.emplace(std::move(states.value()));
  task.split = thaw::split_from_states(*task.states, task.data);
  task.split_text = "the published split: new users at random, new films are the newest";
  return task;
}

// A ratings file of one's own. Columns are found by their usual names, or named or numbered here.
struct RatingsFile {
  std::string path;
  std::string user_column, item_column, rating_column, time_column;
  std::string user_attributes, item_attributes;  // files; empty: none but those that RecBole keeps beside
};

inline thaw::Result<Task> file_task(const RatingsFile& file, std::uint64_t seed) {
  thaw::RatingsOptions options;
  options.duplicates = thaw::DuplicatePolicy::keep_last;
  options.user_column = file.user_column;
  options.item_column = file.item_column;
  options.rating_column = file.rating_column;
  options.time_column = file.time_column;
  thaw::Result<thaw::Dataset> data = thaw::read_ratings(file.path, options);
  if (!data) return data.fault();
  Task task;
  task.data = std::move(data.value());
  if (task.data.name.empty()) task.data.name = file.path;
  for (const bool of_users : {true, false}) {
    const std::string& table = of_users ? file.user_attributes : file.item_attributes;
    if (table.empty()) continue;
    const auto read = thaw::read_attributes(table, of_users ? task.data.users : task.data.items);
    if (!read) return read.fault();
  }
  split_by_newest(task, seed);
  return task;
}

// Whether a recipe can be trained on a task at all, or why not.
inline thaw::Result<thaw::Done> check_task(const Task& task, const Recipe& recipe) {
  const thaw::Dataset& data = task.data;
  const auto fault = [&](const auto&... parts) {
    return thaw::make_fault(thaw::FaultKind::mismatch, data.name.c_str(), ": ", parts...);
  };
  if (!(data.highest > data.lowest))
    return fault("every rating is ", static_cast<double>(data.lowest), "; there is nothing to predict");
  if (data.users.size() < 4 * recipe.users || data.items.size() < 2 * recipe.items)
    return fault(data.users.size(), " users and ", data.items.size(), " items; at least ", 4 * recipe.users, " and ",
                 2 * recipe.items, " are needed");
  const std::size_t most = static_cast<std::size_t>(kMaxAttributes);
  const std::size_t users = data.users.attributes.size(), items = data.items.attributes.size();
  if (users > most || items > most) return fault(users, " and ", items, " attributes of users and items; at most 8");
  if (!recipe.on_biases && (users == 0 || items == 0))
    return fault("no attributes of ", users == 0 ? "users" : "items",
                 "; --variant paper lives on attributes, use --variant best");
  for (const thaw::Scenario& scenario : task.split.test)
    if (scenario.targets.empty()) return fault("too few ratings: one of the cold-start scenarios has nobody to score");
  return thaw::Done{};
}

}  // namespace hire
