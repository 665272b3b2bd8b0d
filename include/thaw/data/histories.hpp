// Histories: each user's records in the order in which they happened, as far as the data can tell.
//
//   thaw::Result<thaw::Histories> histories = thaw::make_histories(data, {.seed = 1});
//   for (std::int32_t item : histories.value().of(user).items) use(item);
//
// With times: oldest first, records of the same second in a seeded random order (a file's own order may follow item
// numbers). Without: a seeded random order, and `chronological` is false. An item that a user has twice counts once,
// the first time. Not a split: history_split.hpp says whose history may be learnt from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

struct Histories {
  struct View {
    std::span<const std::int32_t> items;
    std::span<const float> ratings;
  };

  std::vector<std::int64_t> offsets{0};  // (users + 1)
  std::vector<std::int32_t> items;       // (records)
  std::vector<float> ratings;            // (records)
  bool chronological = false;
  std::string order;         // the order in words, for a results table
  std::int64_t repeats = 0;  // records left out because the user had the item already

  std::int32_t users() const { return static_cast<std::int32_t>(offsets.size() - 1); }
  View of(std::int32_t user) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user) + 1]);
    return {{items.data() + begin, end - begin}, {ratings.data() + begin, end - begin}};
  }
};

struct HistoryOptions {
  std::uint64_t seed = 1;
  bool use_times = true;  // false: random order even where the data have times
};

namespace detail {

// What a hand-made data set may get wrong; readers never do.
inline Result<Done> check_records(const Dataset& data) {
  if (!data.times.empty() && data.times.size() != data.ratings.size())
    return make_fault(FaultKind::mismatch, view_of(data.name), ": expected a time for each of ", data.ratings.size(),
                      " ratings or no times at all, found ", data.times.size());
  for (std::size_t i = 0; i < data.ratings.size(); ++i) {
    const Rating& r = data.ratings[i];
    if (r.user < 0 || r.user >= data.users.size() || r.item < 0 || r.item >= data.items.size())
      return make_fault(FaultKind::out_of_range, view_of(data.name), ", rating ", i, ": user ", r.user, " and item ",
                        r.item, " are not among ", data.users.size(), " users and ", data.items.size(),
                        " items; ids are dense, from 0");
    if (!std::isfinite(r.value))
      return make_fault(FaultKind::out_of_range, view_of(data.name), ", rating ", i, ": the rating of user ", r.user,
                        " for item ", r.item, " is not a finite number; leave the record out");
  }
  return Done{};
}

// The numbers of all ratings, user after user, each user's in the order wanted.
inline std::vector<std::size_t> ordered_records(const Dataset& data, const HistoryOptions& options, bool timed) {
  struct Record {
    std::int32_t user;
    std::int64_t time;
    std::uint64_t tie;
    std::size_t at;
  };
  const Key key = Key{options.seed}.fold(0x686973746f7279u);
  std::vector<Record> records(data.ratings.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Rating& r = data.ratings[i];
    // Named by user and item, so that the order does not depend on the order of the file.
    const std::uint64_t tie =
        key.fold((static_cast<std::uint64_t>(r.user) << 32) | static_cast<std::uint32_t>(r.item)).bits;
    records[i] = {r.user, timed ? data.times[i] : 0, tie, i};
  }
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    if (a.user != b.user) return a.user < b.user;
    if (a.time != b.time) return a.time < b.time;
    return a.tie != b.tie ? a.tie < b.tie : a.at < b.at;
  });
  std::vector<std::size_t> order;
  order.reserve(records.size());
  for (const Record& record : records) order.push_back(record.at);
  return order;
}

}  // namespace detail

inline Result<Histories> make_histories(const Dataset& data, const HistoryOptions& options = {}) {
  const Result<Done> checked = detail::check_records(data);
  if (!checked) return checked.fault();
  Histories histories;
  histories.chronological = options.use_times && !data.times.empty();
  histories.order = histories.chronological ? "time order, ties at random" : "random order";
  const std::vector<std::size_t> order = detail::ordered_records(data, options, histories.chronological);
  std::vector<std::int32_t> last_owner(static_cast<std::size_t>(data.items.size()), -1);
  std::size_t at = 0;
  for (std::int32_t user = 0; user < data.users.size(); ++user) {
    for (; at < order.size() && data.ratings[order[at]].user == user; ++at) {
      const Rating& r = data.ratings[order[at]];
      std::int32_t& owner = last_owner[static_cast<std::size_t>(r.item)];
      if (owner == user) {
        ++histories.repeats;
        continue;
      }
      owner = user;
      histories.items.push_back(r.item);
      histories.ratings.push_back(r.value);
    }
    histories.offsets.push_back(static_cast<std::int64_t>(histories.items.size()));
  }
  return histories;
}

namespace detail {

// One line of a sequences file into `list`, or why it cannot be used.
inline Result<Done> parse_sequence(const DelimitedText& records, const Dataset& data, const Csr& rated,
                                   std::vector<std::vector<Csr::Edge>>& lists) {
  const std::vector<std::string_view>& fields = records.fields();
  const std::int32_t user = data.users.ids.find(fields[0]);
  if (user == Vocabulary::kUnknown)
    return records.column_fault(0, "user", "expected a user of the data set, found ", Quoted{fields[0]});
  std::vector<Csr::Edge>& list = lists[static_cast<std::size_t>(user)];
  if (!list.empty())
    return records.column_fault(0, "user", "expected each user once, found ", Quoted{fields[0]}, " again");
  std::vector<std::int32_t> seen;
  for (std::size_t i = 1; i < fields.size(); ++i) {
    const std::int32_t item = data.items.ids.find(fields[i]);
    const float* value = item == Vocabulary::kUnknown ? nullptr : rated.find(user, item);
    if (value == nullptr)
      return records.column_fault(i, "item", "expected an item that user ", Quoted{fields[0]}, " rated, found ",
                                  Quoted{fields[i]});
    list.push_back({item, *value});
    seen.push_back(item);
  }
  std::sort(seen.begin(), seen.end());
  const auto twice = std::adjacent_find(seen.begin(), seen.end());
  if (twice != seen.end())
    return records.record_fault("expected each item once, found ", Quoted{data.items.ids.text(*twice)}, " twice");
  return Done{};
}

}  // namespace detail

// Histories from lines "user item item ...", raw ids, oldest first, a line a user. Ratings come from `data`; records
// that the text leaves out are in no history, and users without a line have an empty one.
inline Result<Histories> parse_sequences(std::string_view text, std::string_view name, const Dataset& data) {
  const Result<Done> checked_data = detail::check_records(data);
  if (!checked_data) return checked_data.fault();
  const Result<std::string_view> checked = detail::checked_utf8(text, name);
  if (!checked) return checked.fault();
  const Csr rated = Csr::from_ratings(data.ratings, data.users.size(), Csr::Side::user);
  std::vector<std::vector<Csr::Edge>> lists(static_cast<std::size_t>(data.users.size()));
  DelimitedText records(checked.value(), name, {.separator = " ", .collapse = true});
  bool any = false;
  while (records.next()) {
    const Result<Done> parsed = detail::parse_sequence(records, data, rated, lists);
    if (!parsed) return parsed.fault();
    any = true;
  }
  if (records.failed()) return records.fault();
  if (!any)
    return make_fault(FaultKind::malformed, detail::shown_path(name),
                      ": expected lines \"user item item ...\", found an empty file");
  Histories histories;
  histories.chronological = true;
  histories.order = "order of the sequences file";
  for (const std::vector<Csr::Edge>& list : lists) {
    for (const Csr::Edge& edge : list) {
      histories.items.push_back(edge.column);
      histories.ratings.push_back(edge.value);
    }
    histories.offsets.push_back(static_cast<std::int64_t>(histories.items.size()));
  }
  return histories;
}

inline Result<Histories> read_sequences(const std::string& path, const Dataset& data) {
  const Result<std::string> text = read_text_file(path);
  if (!text) return text.fault();
  return parse_sequences(text.value(), path, data);
}

}  // namespace thaw::inline v0
