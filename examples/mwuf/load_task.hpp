// load_task: the public data sets as tasks of new items.
//
//   thaw::Result<mwuf::Task> task = mwuf::load_task("ml-1m", {.folder = "data"});
//
//   name            likes    N     K    order of impressions          fields of item; of user
//   ml-1m           from 4   200   20   times, or reconstructed ones  year, title, genre; gender, age, occupation
//   book-crossing   from 8   50    5    random, seeded                author, publisher, year; country, age
//   douban-book     from 4   100   10   random, seeded                author, publisher, year; location
//   taobao          clicks   2000  500  times                         all of ad_feature; all of user_profile; pid
//   cikm2019        buy      2000  500  times                         category, shop, brand; gender, age, power
//   generated       clicks   120   20   times                         three attributes of worlds.hpp
//
// and everywhere the user's id. generated-nothing and generated-user-sets are the other planted worlds. Histories
// follow the same order; on ml-1m without times of its own a published order of each user's ratings. What was taken is
// in the task's text.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mwuf/task.hpp"
#include "mwuf/worlds.hpp"
#include "thaw/data/book_crossing.hpp"
#include "thaw/data/cikm2019.hpp"
#include "thaw/data/douban_book.hpp"
#include "thaw/data/histories.hpp"
#include "thaw/data/movielens.hpp"
#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/taobao_clicks.hpp"
#include "thaw/data/text_file.hpp"

namespace mwuf {

// The words of titles as an attribute: lower case, without the year in brackets and without punctuation.
inline thaw::Attribute title_words(const thaw::Entities& items) {
  thaw::Attribute words;
  words.name = "title";
  std::vector<std::int32_t> numbers;
  for (std::int32_t item = 0; item < items.size(); ++item) {
    std::string_view title = items.title(item);
    if (thaw::detail::year_in_title(title) != 0) title = title.substr(0, title.rfind('('));
    numbers.clear();
    std::string word;
    const auto close = [&] {
      if (!word.empty()) numbers.push_back(words.values.add(word));
      word.clear();
    };
    for (const char c : title) {
      const bool upper = c >= 'A' && c <= 'Z';
      if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80)
        word.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
      else if (c != '\'')
        close();
    }
    close();
    words.append(numbers);
  }
  return words;
}

namespace detail {

inline std::string folder_of(std::string_view name, std::initializer_list<std::string_view> markers,
                             const std::string& given) {
  std::string base = given;
  const char* from_environment = std::getenv("THAW_DATA");
  if (base.empty()) base = from_environment != nullptr && *from_environment != '\0' ? from_environment : "data";
  for (const std::string_view marker : markers)
    if (thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(base, marker)))) return base;
  return thaw::join_path(base, name);
}

// Keeps the named attributes, in the order of the names.
inline void keep_attributes(thaw::Entities& entities, std::initializer_list<std::string_view> names) {
  std::vector<thaw::Attribute> kept;
  for (const std::string_view name : names)
    for (thaw::Attribute& attribute : entities.attributes)
      if (attribute.name == name) kept.push_back(std::move(attribute));
  entities.attributes = std::move(kept);
}

inline thaw::Result<TaskSource> source_of(thaw::Dataset& data, float like_from, const thaw::WarmUpSizes& sizes) {
  thaw::Result<thaw::Clicks> clicks = thaw::clicks_from_ratings(data, {.like_from = like_from});
  if (!clicks) return clicks.fault();
  TaskSource source;
  source.log = {data.name, std::move(data.users), std::move(data.items), std::move(clicks.value())};
  source.sizes = sizes;
  return source;
}

// Takes the times of a file that lists the same ratings in the same order, with the time in the fourth column.
inline thaw::Result<thaw::Done> take_times(const std::string& path, thaw::Dataset& data) {
  thaw::RatingsOptions options;
  options.format = thaw::RatingsFormat::double_colon;
  options.user_column = "1", options.item_column = "2", options.rating_column = "3", options.time_column = "4";
  thaw::Result<thaw::Dataset> timed = thaw::read_ratings(path, options);
  if (!timed) return timed.fault();
  const thaw::Dataset& from = timed.value();
  const auto differ = [&](std::size_t i) {
    const thaw::Rating &a = from.ratings[i], &b = data.ratings[i];
    return from.users.ids.text(a.user) != data.users.ids.text(b.user) ||
           from.items.ids.text(a.item) != data.items.ids.text(b.item) || a.value != b.value;
  };
  for (std::size_t i = 0; i < (std::max)(from.ratings.size(), data.ratings.size()); ++i)
    if (i >= from.ratings.size() || i >= data.ratings.size() || differ(i))
      return thaw::make_fault(thaw::FaultKind::mismatch, thaw::detail::shown_path(path), ", line ", i + 1,
                              ": expected the ratings of the ratings file in their order, found another one or none");
  data.times = std::move(timed.value().times);
  return thaw::Done{};
}

inline thaw::Result<TaskSource> load_movielens_1m(const TaskOptions& options) {
  const std::string folder = folder_of("ml-1m", {"users.dat"}, options.folder);
  thaw::MovielensOptions plain;
  plain.use_extra = false;
  thaw::Result<thaw::Dataset> read = thaw::read_movielens_1m(folder, plain);
  if (!read) return read.fault();
  thaw::Dataset& data = read.value();
  data.items.attributes.push_back(title_words(data.items));
  keep_attributes(data.items, {"year", "title", "genre"});
  keep_attributes(data.users, {"gender", "age", "occupation"});
  std::string times;
  const std::string reconstructed = thaw::plain_or_gzip(thaw::join_path(folder, "ratings_time_reconstructed.dat"));
  if (data.times.empty() && thaw::file_exists(reconstructed)) {
    const thaw::Result<thaw::Done> taken = take_times(reconstructed, data);
    if (!taken) return taken.fault();
    times = "times reconstructed (most are their user's median time)";
  }
  std::vector<double> places;
  std::string history_order;
  const std::string sequences = thaw::plain_or_gzip(thaw::join_path(folder, "seq_ge3_chrono.txt"));
  const bool exact = !data.times.empty() && times.empty();
  std::optional<thaw::Histories> published;
  if (!exact && thaw::file_exists(sequences)) {
    thaw::Result<thaw::Histories> histories = thaw::read_sequences(sequences, data);
    if (!histories) return histories.fault();
    published.emplace(std::move(histories.value()));
    history_order = "the order of a published sequences file (ratings below 3, which it lacks, at random places)";
  }
  thaw::Result<TaskSource> source = source_of(data, 4, thaw::WarmUpSizes::of(200, 20));
  if (!source) return source;
  if (published) source.value().places = thaw::places_by_sequence(source.value().log.clicks, *published, options.seed);
  source.value().times = std::move(times);
  source.value().history_order = std::move(history_order);
  return source;
}

inline thaw::Result<TaskSource> load_book_crossing(const TaskOptions& options) {
  thaw::Result<thaw::Dataset> data =
      thaw::read_book_crossing(folder_of("book-crossing", {"BX-Ratings.csv", "subset/BX-Ratings.csv"}, options.folder));
  if (!data) return data.fault();
  return source_of(data.value(), 8, thaw::WarmUpSizes::of(50, 5));
}

inline thaw::Result<TaskSource> load_douban_book(const TaskOptions& options) {
  thaw::Result<thaw::DoubanBook> set =
      thaw::read_douban_book(folder_of("douban-book", {"user_book.tsv"}, options.folder));
  if (!set) return set.fault();
  thaw::Result<TaskSource> source = source_of(set.value().data, 4, thaw::WarmUpSizes::of(100, 10));
  if (source)
    source.value().left_out = std::to_string(set.value().unknown_ratings) + " pairs of unknown rating left out";
  return source;
}

inline const char* name_of_world(WorldKind kind) {
  return kind == WorldKind::features  ? "generated"
         : kind == WorldKind::nothing ? "generated-nothing"
                                      : "generated-user-sets";
}

// Click logs come as they are.
template <class Set>
thaw::Result<TaskSource> source_of_log(thaw::Result<Set> set) {
  if (!set) return set.fault();
  TaskSource source;
  source.log = std::move(set.value().log);
  source.sizes = thaw::WarmUpSizes::of(2000, 500);
  return source;
}

}  // namespace detail

inline thaw::Result<Task> load_task(const std::string& name, const TaskOptions& options = {}) {
  const auto load = [&]() -> thaw::Result<TaskSource> {
    if (name == "ml-1m") return detail::load_movielens_1m(options);
    if (name == "book-crossing") return detail::load_book_crossing(options);
    if (name == "douban-book") return detail::load_douban_book(options);
    if (name == "taobao")
      return detail::source_of_log(
          thaw::read_taobao_clicks(detail::folder_of("taobao", {"raw_sample.csv"}, options.folder)));
    if (name == "cikm2019")
      return detail::source_of_log(
          thaw::read_cikm2019(detail::folder_of("cikm2019", {"user_behavior.csv"}, options.folder)));
    for (const WorldKind kind : {WorldKind::features, WorldKind::nothing, WorldKind::user_sets})
      if (name == detail::name_of_world(kind)) return World({.kind = kind, .seed = options.seed}).source();
    return thaw::make_fault(thaw::FaultKind::not_found, thaw::detail::shown_path(name),
                            ": no such data set; expected ml-1m, book-crossing, douban-book, taobao, cikm2019, "
                            "generated, generated-nothing, generated-user-sets");
  };
  thaw::Result<TaskSource> source = load();
  if (!source) return source.fault();
  return make_task(std::move(source.value()), options);
}

}  // namespace mwuf
