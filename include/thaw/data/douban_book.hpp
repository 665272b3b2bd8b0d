// Douban Book: ratings 1 to 5 of books, with authors, publishers and years, and where users live.
//
//   thaw::Result<thaw::DoubanBook> set = thaw::read_douban_book("douban-book");
//   use(set.value().data, set.value().unknown_ratings);
//
// Reads user_book.tsv (user, book, rating; tab-separated, no header) and book_author, book_publisher, book_year and
// user_location .dat (id, id), each plain or gzip. A rating of 0 says that the user has the book and that the rating is
// not known: such pairs are counted and left out, because they are neither likes nor dislikes. All users and books of
// user_book.tsv get dense ids, rated or not. Attribute values are numbers without names. The set has no times. Not
// read: who knows whom, and the splits that were published with it.
#pragma once

#include <algorithm>
#include <cstdint>
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

struct DoubanBook {
  Dataset data;
  std::int64_t unknown_ratings = 0;  // pairs with rating 0
};

namespace detail {

// One value an entity from lines "entity <tab> value"; an entity has at most one.
inline Result<Attribute> parse_pairs(std::string_view text, std::string_view name, std::string_view what,
                                     const Entities& entities) {
  std::vector<std::int32_t> value_of(static_cast<std::size_t>(entities.size()), Vocabulary::kUnknown);
  Attribute attribute;
  attribute.name = std::string(what);
  const auto use = [&](const DelimitedText& records) -> Result<Done> {
    const std::string_view id = trimmed(records.fields()[0]), value = trimmed(records.fields()[1]);
    const std::int32_t entity = entities.ids.find(id);
    if (entity == Vocabulary::kUnknown)
      return records.column_fault(0, "id", "expected an id of user_book.tsv, found ", Quoted{id});
    if (value.empty()) return records.column_fault(1, what, "expected an id, found nothing");
    std::int32_t& number = value_of[static_cast<std::size_t>(entity)];
    if (number != Vocabulary::kUnknown)
      return records.column_fault(0, "id", "expected each id once, found ", Quoted{id}, " again");
    number = attribute.values.add(value);
    return Done{};
  };
  const Result<Done> read = for_each_record(name, text, {.separator = "\t"}, 2, "", use);
  if (!read) return read.fault();
  for (const std::int32_t number : value_of) append_value(attribute, number);
  return attribute;
}

}  // namespace detail

// The pairs of user_book.tsv, already in memory.
inline Result<DoubanBook> parse_douban_ratings(std::string_view text, std::string_view name = "user_book.tsv") {
  RatingsOptions options;
  options.format = RatingsFormat::tab;
  options.lowest = 0;
  options.highest = 5;
  Result<Dataset> read = parse_ratings(text, name, options);
  if (!read) return read.fault();
  DoubanBook set;
  set.data = std::move(read.value());
  set.data.name = "douban-book";
  set.data.lowest = 1;
  const auto end = std::remove_if(set.data.ratings.begin(), set.data.ratings.end(),
                                  [](const Rating& rating) { return rating.value == 0.0f; });
  set.unknown_ratings = set.data.ratings.end() - end;
  set.data.ratings.erase(end, set.data.ratings.end());
  for (const Rating& rating : set.data.ratings)
    if (rating.value < 1.0f)
      return make_fault(FaultKind::malformed, detail::shown_path(name), ": expected a rating from 1 to 5, or 0 for ",
                        "unknown, found ", static_cast<double>(rating.value), " of user ",
                        detail::Quoted{set.data.users.ids.text(rating.user)});
  return set;
}

inline Result<DoubanBook> read_douban_book(const std::string& folder) {
  const std::string plain = detail::plain_folder(folder);
  const std::string path = plain_or_gzip(join_path(plain, "user_book.tsv"));
  const Result<std::string> text = read_text_file(path);
  if (!text) return text.fault();
  Result<DoubanBook> set = parse_douban_ratings(text.value(), path);
  if (!set) return set;
  constexpr std::string_view kFiles[][2] = {{"book_author.dat", "author"},
                                            {"book_publisher.dat", "publisher"},
                                            {"book_year.dat", "year"},
                                            {"user_location.dat", "location"}};
  for (const auto& [file, what] : kFiles) {
    const std::string pairs_path = plain_or_gzip(join_path(plain, file));
    const Result<std::string> pairs = read_text_file(pairs_path);
    if (!pairs) return pairs.fault();
    Entities& entities = what == "location" ? set.value().data.users : set.value().data.items;
    Result<Attribute> attribute = detail::parse_pairs(pairs.value(), pairs_path, what, entities);
    if (!attribute) return attribute.fault();
    entities.attributes.push_back(std::move(attribute.value()));
  }
  return set;
}

}  // namespace thaw::inline v0
