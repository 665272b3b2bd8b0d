// Task: a data set, its histories, who of its users is new and which of its items nobody may learn from.
//
//   thaw::Result<hyperrs::Task> loaded = hyperrs::load_task("ml-1m", {.folder = "data", .seed = 1});
//   hyperrs::Task task = std::move(loaded.value());            // stays where it is from here on
//   const hyperrs::World world = task.world();                 // what learners may read
//   const thaw::EpisodeSampler sampler = task.sampler({.support = 10});
//   auto tests = sampler.held_out(thaw::UserGroup::test, thaw::ItemSet::cold);
//   task.candidates(thaw::ItemSet::cold);                      // what is ranked, less the support
//
// Names: ml-1m, ml-100k, book-crossing, lastfm, generated, or the path of any ratings file. An item keeps the
// attributes that play the part of genre, creator and character, in this order: genre, director, actor of films;
// author, publisher, year of books; the tags of an artist, counted among training users alone; whatever other data
// have.
#pragma once

#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/data/book_crossing.hpp"
#include "thaw/data/generator.hpp"
#include "thaw/data/histories.hpp"
#include "thaw/data/history_split.hpp"
#include "thaw/data/lastfm.hpp"
#include "thaw/data/movielens.hpp"
#include "thaw/data/movielens_100k.hpp"
#include "thaw/data/ratings_reader.hpp"

namespace hyperrs {

struct TaskOptions {
  std::string folder = {};    // the data set's own folder or the one that holds it; empty: $THAW_DATA, or "data"
  double cold_items = 0.3;    // share of items held out
  bool random_order = false;  // histories in random order even where the set has times
  Objective objective = Objective::ranking;
  std::uint64_t seed = 1;  // of the order, the split, and generated data
};

struct Task {
  std::string name;
  thaw::Dataset data;
  thaw::Histories histories;
  thaw::HistorySplit split;
  Objective objective = Objective::ranking;
  std::optional<thaw::Generator> generator;  // of generated data: knows the best possible prediction
  std::string text;                          // what was done to the data, in words, for a report

  // Both refer to this task.
  World world() const {
    World world;
    world.data = &data;
    world.train = thaw::RatingGraph::from_ratings(split.train, data.users.size(), data.items.size());
    world.objective = objective;
    world.chronological = histories.chronological;
    return world;
  }
  thaw::EpisodeSampler sampler(const thaw::EpisodeOptions& options) const {
    return thaw::EpisodeSampler(data, histories, split, options);
  }
  std::span<const std::int32_t> candidates(thaw::ItemSet set) const { return split.items(set); }
};

namespace detail {

inline std::string folder_of(std::string_view name, std::string_view marker, const std::string& given) {
  std::string base = given;
  const char* from_environment = std::getenv("THAW_DATA");
  if (base.empty()) base = from_environment != nullptr && *from_environment != '\0' ? from_environment : "data";
  const bool is_itself = thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(base, marker)));
  return is_itself ? base : thaw::join_path(base, name);
}

// Keeps the named attributes in the order of the names; what is not there is left out.
inline void keep_attributes(thaw::Entities& items, std::initializer_list<std::string_view> names) {
  std::vector<thaw::Attribute> kept;
  for (const std::string_view name : names)
    for (thaw::Attribute& attribute : items.attributes)
      if (attribute.name == name) kept.push_back(std::move(attribute));
  items.attributes = std::move(kept);
}

inline thaw::Result<thaw::Done> order_and_split(Task& task, const TaskOptions& options) {
  if (options.objective == Objective::rating && !(task.data.highest > task.data.lowest))
    return thaw::make_fault(thaw::FaultKind::mismatch, task.name.c_str(), ": every rating is ",
                            static_cast<double>(task.data.lowest), "; there is nothing to predict, rank instead");
  if (task.histories.users() != task.data.users.size()) {
    thaw::Result<thaw::Histories> histories =
        thaw::make_histories(task.data, {.seed = options.seed, .use_times = !options.random_order});
    if (!histories) return histories.fault();
    task.histories = std::move(histories.value());
  }
  task.split = thaw::split_histories(task.histories, task.data.items.size(),
                                     {.cold_items = options.cold_items, .seed = options.seed});
  task.objective = options.objective;
  task.text = "histories in " + task.histories.order + task.text;
  if (task.split.train.empty())
    return thaw::make_fault(thaw::FaultKind::mismatch, task.name.c_str(), ": no training user has a record; ",
                            task.data.users.size(), " users with ", task.data.ratings.size(),
                            " ratings are too few to learn from");
  return thaw::Done{};
}

// Times, where the set has them; else the published order of the ratings from 3 on; else none.
inline thaw::Result<thaw::Done> load_movielens_1m(Task& task, const TaskOptions& options) {
  const std::string folder = folder_of("ml-1m", "users.dat", options.folder);
  thaw::Result<thaw::Dataset> data = thaw::read_movielens_1m(folder);
  if (!data) return data.fault();
  task.data = std::move(data.value());
  keep_attributes(task.data.items, {"genre", "director", "actor"});
  const std::string order = thaw::plain_or_gzip(thaw::join_path(folder, "seq_ge3_chrono.txt"));
  if (!task.data.times.empty() || options.random_order || !thaw::file_exists(order)) return thaw::Done{};
  thaw::Result<thaw::Histories> histories = thaw::read_sequences(order, task.data);
  if (!histories) return histories.fault();
  task.histories = std::move(histories.value());
  task.histories.order = "time order of a public sequences file";
  task.text = ", which holds the ratings from 3 on; lower ones are no records, but no negatives either";
  return thaw::Done{};
}

inline thaw::Result<thaw::Done> load_movielens_100k(Task& task, const TaskOptions& options) {
  thaw::Result<thaw::Movielens100k> set = thaw::read_movielens_100k(folder_of("ml-100k", "u.user", options.folder));
  if (!set) return set.fault();
  task.data = std::move(set.value().data);
  keep_attributes(task.data.items, {"genre", "director", "actor"});
  task.text = "; directors and actors of " + std::to_string(set.value().films_joined) + " of " +
              std::to_string(task.data.items.size()) + " films, joined by title and year";
  return thaw::Done{};
}

inline thaw::Result<thaw::Done> load_book_crossing(Task& task, const TaskOptions& options) {
  std::string folder = folder_of("book-crossing", "BX-Ratings.csv", options.folder);
  if (thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(options.folder, "subset/BX-Ratings.csv"))))
    folder = options.folder;
  thaw::Result<thaw::Dataset> data = thaw::read_book_crossing(folder);
  if (!data) return data.fault();
  task.data = std::move(data.value());
  keep_attributes(task.data.items, {"author", "publisher", "year"});
  return thaw::Done{};
}

inline thaw::Result<thaw::Done> load_file(Task& task, const std::string& path) {
  thaw::RatingsOptions options;
  options.duplicates = thaw::DuplicatePolicy::keep_last;
  options.rating_when_absent = 1.0f;
  thaw::Result<thaw::Dataset> data = thaw::read_ratings(path, options);
  if (!data) return data.fault();
  task.data = std::move(data.value());
  return thaw::Done{};
}

}  // namespace detail

inline thaw::Result<Task> load_task(const std::string& name, const TaskOptions& options = {}) {
  thaw::require(options.cold_items >= 0 && options.cold_items < 1,
                "load_task: the share of cold items must be at least 0 and below 1");
  Task task;
  task.name = name;
  std::optional<thaw::Lastfm> lastfm;
  const auto load = [&]() -> thaw::Result<thaw::Done> {
    if (name == "ml-1m") return detail::load_movielens_1m(task, options);
    if (name == "ml-100k") return detail::load_movielens_100k(task, options);
    if (name == "book-crossing") return detail::load_book_crossing(task, options);
    if (name == "lastfm") {
      thaw::Result<thaw::Lastfm> set = thaw::read_lastfm(detail::folder_of("lastfm", "artists.dat", options.folder));
      if (!set) return set.fault();
      lastfm.emplace(std::move(set.value()));
      task.data = lastfm->data;
      return thaw::Done{};
    }
    if (name == "generated") {
      task.generator.emplace(thaw::GeneratorOptions{.seed = options.seed});
      task.data = task.generator->generate();
      return thaw::Done{};
    }
    if (thaw::file_exists(name)) return detail::load_file(task, name);
    return thaw::make_fault(thaw::FaultKind::not_found, thaw::detail::shown_path(name),
                            ": no such data set and no such file; expected ml-1m, ml-100k, book-crossing, lastfm, "
                            "generated, or the path of a ratings file");
  };
  const thaw::Result<thaw::Done> loaded = load();
  if (!loaded) return loaded.fault();
  const thaw::Result<thaw::Done> split = detail::order_and_split(task, options);
  if (!split) return split.fault();
  if (lastfm) {
    task.data.items.attributes.push_back(thaw::tag_attribute(*lastfm, task.split.training_users));
    task.text += "; tags of training users alone";
  }
  return task;
}

}  // namespace hyperrs
