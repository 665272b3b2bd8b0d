// Last.FM of HetRec 2011: who listened to which artist how often, and who gave which artist which tag.
//
//   thaw::Result<thaw::Lastfm> set = thaw::read_lastfm("lastfm");
//   data.items.attributes.push_back(thaw::tag_attribute(set.value(), split.training_users));
//
// A record is an interaction: its rating is 1, the play count is in `plays`. Tags are no attribute of the data set yet,
// because they were given by users: tag_attribute() counts only those of the users it is handed. The set has no
// listening times. Not for the splits that other projects made of it: read_ratings reads those.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/table.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct Lastfm {
  struct Tagging {
    std::int32_t user, item, tag;
  };
  Dataset data;                        // artists in the order of their file, users by first record
  std::vector<float> plays;            // how often, one a rating of `data`
  Vocabulary tags;                     // names, in the order of their file
  std::vector<Tagging> taggings;       // in the order of their file
  std::int64_t taggings_left_out = 0;  // of artists that are in no list
};

namespace detail {

class LastfmReader {
 public:
  explicit LastfmReader(std::string_view folder) : folder_(plain_folder(folder)) {}

  Result<Lastfm> read() {
    set_.data.name = "lastfm";
    set_.data.lowest = set_.data.highest = 1;
    for (const auto step : {&LastfmReader::read_artists, &LastfmReader::read_plays, &LastfmReader::read_tags,
                            &LastfmReader::read_taggings}) {
      const Result<Done> done = (this->*step)();
      if (!done) return done.fault();
    }
    return std::move(set_);
  }

 private:
  std::string file(std::string_view name) const { return plain_or_gzip(join_path(folder_, name)); }

  Result<Done> read_artists() {
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, set_.data.items.ids, "artist");
      if (!listed) return listed.fault();
      set_.data.items.titles.emplace_back(records.fields()[1]);
      return Done{};
    };
    return for_each_record_of_file(file("artists.dat"), false, {.separator = "\t"}, 4, "id", use);
  }

  Result<Done> read_plays() {
    RatingsOptions options;
    options.format = RatingsFormat::tab;
    options.lowest = 1;
    const std::string path = file("user_artists.dat");
    Result<Dataset> rated = read_ratings(path, options);
    if (!rated) return rated.fault();
    set_.data.users = rated.value().users;
    for (Rating& rating : rated.value().ratings) {
      set_.plays.push_back(rating.value);
      rating.value = 1;
    }
    return adopt_ratings(rated.value(), path, "artist", set_.data);
  }

  Result<Done> read_tags() {
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, tag_ids_, "tag");
      if (!listed) return listed.fault();
      const std::int32_t before = set_.tags.size();
      if (set_.tags.add(records.fields()[1]) != before)
        return records.column_fault(1, "tag", "expected each tag once, found ", Quoted{records.fields()[1]}, " again");
      return Done{};
    };
    return for_each_record_of_file(file("tags.dat"), true, {.separator = "\t"}, 2, "tagID", use);
  }

  Result<Done> read_taggings() {
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const std::vector<std::string_view>& fields = records.fields();
      const Lastfm::Tagging tagging = {set_.data.users.ids.find(fields[0]), set_.data.items.ids.find(fields[1]),
                                       tag_ids_.find(fields[2])};
      if (tagging.user == Vocabulary::kUnknown)
        return records.column_fault(0, "user", "expected a user of user_artists.dat, found ", Quoted{fields[0]});
      if (tagging.tag == Vocabulary::kUnknown)
        return records.column_fault(2, "tag", "expected a tag of tags.dat, found ", Quoted{fields[2]});
      // The set itself tags 390 artists that nobody listened to and that it does not list.
      if (tagging.item == Vocabulary::kUnknown)
        ++set_.taggings_left_out;
      else
        set_.taggings.push_back(tagging);
      return Done{};
    };
    return for_each_record_of_file(file("user_taggedartists-timestamps.dat"), false, {.separator = "\t"}, 4, "userID",
                                   use);
  }

  std::string folder_;
  Vocabulary tag_ids_;
  Lastfm set_;
};

}  // namespace detail

inline Result<Lastfm> read_lastfm(const std::string& folder) { return detail::LastfmReader(folder).read(); }

struct TagOptions {
  std::int32_t most = 20;  // tags of an artist, the most often given first; ties to the earlier tag
};

// The item attribute "tag" from the taggings of the given users and nobody else. Its values are the tags that it uses.
inline Attribute tag_attribute(const Lastfm& set, std::span<const std::int32_t> users, const TagOptions& options = {}) {
  require(options.most > 0, "tag_attribute: an item may have at least one tag");
  std::vector<std::uint8_t> counts(static_cast<std::size_t>(set.data.users.size()), 0);
  for (const std::int32_t user : users) counts[static_cast<std::size_t>(user)] = 1;
  std::vector<std::vector<std::int32_t>> given(static_cast<std::size_t>(set.data.items.size()));
  for (const Lastfm::Tagging& t : set.taggings)
    if (counts[static_cast<std::size_t>(t.user)] != 0) given[static_cast<std::size_t>(t.item)].push_back(t.tag);
  Attribute attribute;
  attribute.name = "tag";
  struct Often {
    std::int32_t tag, times;
  };
  std::vector<Often> often;
  std::vector<std::int32_t> numbers;
  for (std::vector<std::int32_t>& tags : given) {
    std::sort(tags.begin(), tags.end());
    often.clear();
    for (const std::int32_t tag : tags) {
      if (often.empty() || often.back().tag != tag) often.push_back({tag, 0});
      ++often.back().times;
    }
    std::stable_sort(often.begin(), often.end(), [](const Often& a, const Often& b) { return a.times > b.times; });
    often.resize((std::min)(often.size(), static_cast<std::size_t>(options.most)));
    numbers.clear();
    for (const Often& o : often) numbers.push_back(attribute.values.add(set.tags.text(o.tag)));
    attribute.append(numbers);
  }
  return attribute;
}

}  // namespace thaw::inline v0
