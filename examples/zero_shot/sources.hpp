// The public data sets of the zero-shot experiments, by name.
//
//   thaw::Result<thaw::SplitLists> set = zero_shot::load_source("gowalla", folder);   // folder/gowalla/...
//
//   name                       split                          weights may be shipped
//   lastfm-lightgcnpp          as published                   yes
//   amazon-sports-lightgcnpp   as published                   yes
//   amazon-beauty              last item out, in time order   yes
//   epinions-cmn               as published, no validation    yes
//   douban-book                random 80/10/10 by user        yes
//   gowalla                    as published, no validation    yes
//   citeulike-a                random 80/10/10 by user        yes
//   ml-1m-mulsetrank           as published, no validation    no: GroupLens terms
//   yelp-s3rec                 last item out, in time order   no: Yelp terms
//   taobao-nfa                 as published, no validation    no: Tianchi terms
//   amazon-video-sasrec        last item out, in time order   not used: a target only, as all below
//   amazon-beauty-bert4rec     last item out, in time order
//   amazon-book-kgat           as published, no validation
//   yelp2018-part              as published, no validation; users without a training row are not asked
//   douban-monti, epinions     random 80/10/10 by user
//   book-crossing              random 80/10/10 by user; books that were looked at and not rated count too
//   ml-100k, ml-latest-small   random 80/10/10 by user
//   generated                  random 80/10/10 by user        yes: planted groups, for tests and first steps
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/split_lists.hpp"

namespace zero_shot {

struct SourceEntry {
  enum class Form { rows, pairs, sequence, ordered, triples, counted, generated };
  const char* name;
  const char* file;  // inside the folder of the set, where it is one file
  Form form;
  bool may_ship;
};

inline constexpr SourceEntry kSources[] = {
    {"lastfm-lightgcnpp", "", SourceEntry::Form::rows, true},
    {"amazon-sports-lightgcnpp", "", SourceEntry::Form::pairs, true},
    {"amazon-beauty", "sequential.txt", SourceEntry::Form::sequence, true},
    {"epinions-cmn", "", SourceEntry::Form::rows, true},
    {"douban-book", "user_book.tsv", SourceEntry::Form::triples, true},
    {"gowalla", "", SourceEntry::Form::rows, true},
    {"citeulike-a", "users.dat", SourceEntry::Form::counted, true},
    {"ml-1m-mulsetrank", "", SourceEntry::Form::rows, false},
    {"yelp-s3rec", "Yelp.txt", SourceEntry::Form::sequence, false},
    {"taobao-nfa", "", SourceEntry::Form::rows, false},
    {"amazon-video-sasrec", "Video.txt", SourceEntry::Form::ordered, false},
    {"amazon-beauty-bert4rec", "beauty.txt", SourceEntry::Form::ordered, false},
    {"amazon-book-kgat", "", SourceEntry::Form::rows, false},
    {"yelp2018-part", "train_users_0_13454.txt", SourceEntry::Form::rows, false},
    {"douban-monti", "ratings.tsv", SourceEntry::Form::triples, false},
    {"epinions", "ratings.tsv", SourceEntry::Form::triples, false},
    {"book-crossing", "ratings_all.tsv", SourceEntry::Form::triples, false},
    {"ml-100k", "u.data", SourceEntry::Form::triples, false},
    {"ml-latest-small", "ratings.csv", SourceEntry::Form::triples, false},
    {"generated", "", SourceEntry::Form::generated, true},
};

inline const SourceEntry* find_source(std::string_view name) {
  for (const SourceEntry& entry : kSources)
    if (name == entry.name) return &entry;
  return nullptr;
}

// Users and items in hidden groups: a user takes most items from her own groups, items within a group by a power law.
struct PlantedOptions {
  std::int32_t users = 600, items = 400, groups = 8;
  double mean_history = 20;
  double loyalty = 0.8;  // share of items from the own group; 0: degrees alone decide
  std::uint64_t seed = 1;
};
inline thaw::Dataset planted(const PlantedOptions& o) {
  thaw::Dataset data;
  data.name = "generated";
  thaw::Philox rng(o.seed, 0x706c616e74);
  for (std::int32_t i = 0; i < o.items; ++i) data.items.ids.add("i" + std::to_string(i));
  const std::int32_t in_group = o.items / o.groups;
  const auto draw = [&](std::int32_t n) {  // small numbers more often
    const double u = rng.uniform();
    return static_cast<std::int32_t>(u * u * static_cast<double>(n));
  };
  for (std::int32_t user = 0; user < o.users; ++user) {
    data.users.ids.add("u" + std::to_string(user));
    const auto group = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(o.groups)));
    const auto length = static_cast<std::int32_t>(3 + rng.uniform() * 2 * (o.mean_history - 3));
    std::vector<char> has(static_cast<std::size_t>(o.items), 0);
    for (std::int32_t k = 0; k < length; ++k) {
      // Ids run through the groups in turn, so that degree does not tell the group.
      const bool own = rng.uniform() < o.loyalty;
      const std::int32_t item = own ? draw(in_group) * o.groups + group : draw(in_group * o.groups);
      if (std::exchange(has[static_cast<std::size_t>(item)], 1) == 0) data.ratings.push_back({user, item, 1});
    }
  }
  return data;
}

namespace detail {

// Lines "n item item ...", one a user.
inline thaw::Result<thaw::SplitLists> read_counted(const std::string& path) {
  const thaw::Result<std::string> text = thaw::read_text_file(path);
  if (!text) return text.fault();
  // Numbering the lines makes rows of the common form; the count becomes the first item and is dropped.
  std::string rows;
  std::size_t at = 0;
  for (std::int32_t user = 0; at < text.value().size(); ++user) {
    const std::size_t end = (std::min)(text.value().find('\n', at), text.value().size());
    const std::size_t blank = (std::min)(text.value().find(' ', at), end);
    rows += std::to_string(user) + text.value().substr(blank, end - blank) + "\n";
    at = end + 1;
  }
  thaw::Result<thaw::SplitLists> lists = thaw::parse_split_lists(rows, "", "0\n", path);
  if (!lists) return lists.fault();
  thaw::Dataset data;
  for (std::int32_t item = 0; item < lists.value().items; ++item) data.items.ids.add(std::to_string(item));
  for (std::int32_t user = 0; user < lists.value().users(); ++user) {
    data.users.ids.add(std::to_string(user));
    for (const std::int32_t item : lists.value().train.row(user)) data.ratings.push_back({user, item, 1});
  }
  return thaw::split_at_random(data);
}

// Rows "user item item ..." where the training file has a name of its own.
inline thaw::Result<thaw::SplitLists> read_two(const std::string& train, const std::string& folder,
                                               const std::string& name) {
  const thaw::Result<std::string> first = thaw::read_text_file(train);
  if (!first) return first.fault();
  const thaw::Result<std::string> second =
      thaw::read_text_file(thaw::plain_or_gzip(thaw::join_path(folder, "test.txt")));
  if (!second) return second.fault();
  return thaw::parse_split_lists(first.value(), "", second.value(), name);
}

// Lines "user item" in time order within a user: made into the common form, a row a user.
inline thaw::Result<thaw::SplitLists> read_ordered(const std::string& path, const std::string& name) {
  const thaw::Result<std::string> text = thaw::read_text_file(path);
  if (!text) return text.fault();
  std::string rows, user;
  for (std::size_t at = 0; at < text.value().size();) {
    const std::size_t end = (std::min)(text.value().find('\n', at), text.value().size());
    const std::size_t blank = (std::min)(text.value().find(' ', at), end);
    if (text.value().compare(at, blank - at, user) != 0) {
      user = text.value().substr(at, blank - at);
      rows += (rows.empty() ? "" : "\n") + user;
    }
    rows += text.value().substr(blank, end - blank);
    at = end + 1;
  }
  return thaw::parse_last_out(rows + "\n", name, {.first_id = 1});
}

// Any file of ratings; of two ratings of an item the last one counts.
inline thaw::Result<thaw::SplitLists> read_triples(const std::string& path) {
  thaw::RatingsOptions options;
  options.duplicates = thaw::DuplicatePolicy::keep_last;
  options.read_times = false;
  const thaw::Result<thaw::Dataset> data = thaw::read_ratings(path, options);
  if (!data) return data.fault();
  return thaw::split_at_random(data.value());
}

}  // namespace detail

// `folder` holds one folder a set; empty: the environment's THAW_DATA, else "data".
inline thaw::Result<thaw::SplitLists> load_source(const std::string& name, std::string folder = {}) {
  const SourceEntry* entry = find_source(name);
  if (entry == nullptr) {
    thaw::Fault fault = thaw::make_fault(thaw::FaultKind::not_found, name.c_str(), ": no such data set; there are");
    for (const SourceEntry& known : kSources) fault.add(" ").add(known.name);
    return fault;
  }
  if (folder.empty()) {
    const char* from_environment = std::getenv("THAW_DATA");
    folder = from_environment != nullptr && *from_environment != '\0' ? from_environment : "data";
  }
  const std::string place = thaw::join_path(folder, name);
  const std::string path = thaw::plain_or_gzip(thaw::join_path(place, entry->file));
  const auto load = [&]() -> thaw::Result<thaw::SplitLists> {
    switch (entry->form) {
      case SourceEntry::Form::rows:
        return *entry->file == '\0' ? thaw::read_split_lists(place) : detail::read_two(path, place, name);
      case SourceEntry::Form::pairs:
        return thaw::read_split_lists(place, {.form = thaw::ListForm::pairs});
      case SourceEntry::Form::sequence:
        return thaw::read_last_out(path, name);
      case SourceEntry::Form::ordered:
        return detail::read_ordered(path, name);
      case SourceEntry::Form::triples:
        return detail::read_triples(path);
      case SourceEntry::Form::counted:
        return detail::read_counted(path);
      case SourceEntry::Form::generated:
        break;
    }
    return thaw::split_at_random(planted({}));
  };
  thaw::Result<thaw::SplitLists> split = load();
  if (split) split.value().name = name;
  return split;
}

// Training and validation lists together: what a source may teach and what a target may show.
inline thaw::IdLists visible_lists(const thaw::SplitLists& split) {
  thaw::IdLists lists;
  lists.offsets.assign(1, 0);
  for (std::int32_t user = 0; user < split.users(); ++user) {
    const auto begin = static_cast<std::ptrdiff_t>(lists.ids.size());
    for (const thaw::IdLists* part : {&split.train, &split.valid})
      lists.ids.insert(lists.ids.end(), part->row(user).begin(), part->row(user).end());
    std::sort(lists.ids.begin() + begin, lists.ids.end());
    lists.offsets.push_back(static_cast<std::int64_t>(lists.ids.size()));
  }
  return lists;
}

}  // namespace zero_shot
