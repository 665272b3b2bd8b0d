// Ratings from the files people have: MovieLens `.dat`, CSV, tab- or blank-separated text, RecBole `.inter`; each
// plain or gzip. The format is found by looking at the file.
//
//   thaw::Result<thaw::Dataset> data = thaw::read_ratings("ratings.csv.gz");
//   if (!data) std::fputs(data.fault().text, stderr);    // "ratings.csv.gz, line 7, column 3 (rating): expected ..."
//
// Nothing is dropped in silence: the first record that cannot be used is a fault with its line and column. Not a
// general table reader: only user, item, rating and time are read, and attributes beside a RecBole file; those of a CSV
// come from read_attributes() of attribute_reader.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/attribute_reader.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

enum class RatingsFormat : std::uint8_t {
  detect,
  double_colon,  // 1::1193::5::978300760
  comma,         // RFC 4180
  semicolon,     // as comma
  tab,           // with or without a header; RecBole's typed header too
  blank,         // one or more blanks
};

enum class DuplicatePolicy : std::uint8_t {
  fault,      // a second rating of one user for one item is an error that names both lines
  keep_last,  // the later line replaces the earlier one
};

struct RatingsOptions {
  RatingsFormat format = RatingsFormat::detect;
  // Column names in the header or, for a file without one, positions from 1 ("2"). Empty: found by the usual names,
  // or user, item, rating and (where there are exactly four columns) time.
  std::string user_column, item_column, rating_column, time_column;
  bool read_times = true;
  DuplicatePolicy duplicates = DuplicatePolicy::fault;
  // The rating scale. Where given, a rating outside is a fault; otherwise the scale is what the file holds.
  std::optional<float> lowest, highest;
  // The value of every record of a file that has no ratings, only events. Without it such a file is a fault.
  std::optional<float> rating_when_absent;
  std::uint64_t largest_file = kLargestTextFile;
  // RecBole: read the .user and .item files beside the .inter file.
  bool read_attributes = true;
  AttributeOptions attributes;
};

namespace detail {

inline constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);

// Lower case, letters and digits only, without RecBole's ":type": "User-ID", "user_id:token" -> "userid".
inline std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name.substr(0, name.find(':'))) {
    if (c >= 'A' && c <= 'Z') plain.push_back(static_cast<char>(c - 'A' + 'a'));
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) plain.push_back(c);
  }
  return plain;
}

using Names = std::span<const std::string_view>;
// What columns are called, as plain_name() gives it.
inline constexpr std::string_view kUserNames[] = {"user", "userid", "uid", "reviewerid"};
inline constexpr std::string_view kItemNames[] = {"item", "itemid",   "iid",    "movie",     "movieid",   "isbn",
                                                  "asin", "artistid", "bookid", "productid", "businessid"};
inline constexpr std::string_view kRatingNames[] = {"rating", "ratings", "bookrating", "score",
                                                    "stars",  "overall", "weight"};
inline constexpr std::string_view kTimeNames[] = {"timestamp", "time", "unixtime", "unixreviewtime"};

inline std::size_t find_column(const std::vector<std::string_view>& header, Names names) {
  for (const std::string_view name : names)
    for (std::size_t i = 0; i < header.size(); ++i)
      if (plain_name(header[i]) == name) return i;
  return kNoColumn;
}

// Reads one ratings text into a Dataset. One object, one text.
class RatingsParser {
 public:
  RatingsParser(std::string_view name, const RatingsOptions& options) : name_(name), options_(options) {}

  Result<Dataset> parse(std::string_view raw) {
    const Result<std::string_view> checked = checked_utf8(raw, name_);
    if (!checked) return checked.fault();
    const std::string_view text = checked.value();
    if (text.find_first_not_of("\r\n") == std::string_view::npos)
      return make_fault(FaultKind::malformed, shown_path(name_), ": expected ratings, found an empty file");
    Result<DelimitedText::Options> layout = layout_of(text);
    if (!layout) return layout.fault();
    DelimitedText records(text, name_, layout.value());
    bool more = records.next();
    if (!more) return records.fault();
    if (!find_columns(records)) return fault_;
    if (has_header_) more = records.next();
    for (; more; more = records.next())
      if (!add(records)) return fault_;
    if (records.failed()) return records.fault();
    return finish();
  }

 private:
  bool fail(const Fault& fault) {
    fault_ = fault;
    return false;
  }

  // Which separator the first line uses. A name that ends in .csv settles ids that hold "::" or tabs.
  Result<DelimitedText::Options> layout_of(std::string_view text) const {
    RatingsFormat format = options_.format;
    std::string_view name = name_;
    if (ends_with(name, ".gz")) name.remove_suffix(3);
    const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    const auto has = [line](std::string_view part) { return line.find(part) != std::string_view::npos; };
    if (format == RatingsFormat::detect) {
      // Where semicolons separate, commas are decimal points or part of a title, so the more frequent one counts.
      const bool semicolons = std::count(line.begin(), line.end(), ';') > std::count(line.begin(), line.end(), ',');
      const RatingsFormat csv = semicolons ? RatingsFormat::semicolon : RatingsFormat::comma;
      if (ends_with(name, ".csv") && (has(",") || has(";")))
        format = csv;
      else if (has("\t"))
        format = RatingsFormat::tab;
      else if (has("::"))
        format = RatingsFormat::double_colon;
      else if (has(",") || has(";"))
        format = csv;
      else if (has(" "))
        format = RatingsFormat::blank;
      else
        return make_fault(FaultKind::malformed, shown_path(name_),
                          ", line 1: expected columns separated by \"::\", comma, semicolon, tab or blank, found ",
                          Quoted{line});
    }
    DelimitedText::Options layout;
    layout.quotes = format == RatingsFormat::comma || format == RatingsFormat::semicolon;
    layout.collapse = format == RatingsFormat::blank;
    layout.separator = format == RatingsFormat::double_colon ? "::"
                       : format == RatingsFormat::comma      ? ","
                       : format == RatingsFormat::semicolon  ? ";"
                       : format == RatingsFormat::tab        ? "\t"
                                                             : " ";
    return layout;
  }

  bool find_columns(const DelimitedText& records) {
    const std::vector<std::string_view>& first = records.fields();
    columns_ = first.size();
    const bool by_name = !options_.user_column.empty() || !options_.item_column.empty();
    std::int64_t position = 0;
    const bool by_position = by_name && parse_integer(options_.user_column, position);
    has_header_ = by_name ? !by_position
                          : find_column(first, kUserNames) != kNoColumn && find_column(first, kItemNames) != kNoColumn;
    if (!has_header_ && !by_name && columns_ < 2)
      return fail(records.record_fault("expected at least user and item columns, found one column"));
    const std::size_t rating_position = columns_ > 2 ? 2 : kNoColumn;
    const std::size_t time_position = columns_ == 4 ? 3 : kNoColumn;
    if (!choose(records, options_.user_column, kUserNames, 0, "user", true, user_)) return false;
    if (!choose(records, options_.item_column, kItemNames, 1, "item", true, item_)) return false;
    const bool rating_needed = !options_.rating_when_absent;
    if (!choose(records, options_.rating_column, kRatingNames, rating_position, "rating", rating_needed, rating_))
      return false;
    if (options_.read_times && !choose(records, options_.time_column, kTimeNames, time_position, "time", false, time_))
      return false;
    if (has_header_ || rating_ == kNoColumn) return true;
    double number = 0;
    if (parse_number(first[rating_], number)) return true;
    return fail(records.column_fault(
        rating_, "rating", "expected a number, or a header that names the user, item and rating columns, found ",
        Quoted{first[rating_]}));
  }

  // Finds one column by the caller's wish, by usual names, or by position.
  bool choose(const DelimitedText& records, const std::string& wish, Names names, std::size_t position,
              std::string_view what, bool needed, std::size_t& column) {
    const std::vector<std::string_view>& first = records.fields();
    std::int64_t wished = 0;
    if (!wish.empty() && has_header_) {
      column = kNoColumn;
      for (std::size_t i = 0; i < first.size(); ++i)
        if (first[i] == wish || first[i].substr(0, first[i].find(':')) == wish) column = i;
      needed = true;
    } else if (!wish.empty()) {
      if (!parse_integer(wish, wished) || wished < 1) wished = 0;
      column = static_cast<std::size_t>(wished - 1);
      needed = true;
    } else {
      column = has_header_ ? find_column(first, names) : position;
    }
    if (column < columns_) return true;
    column = kNoColumn;
    if (!needed) return true;
    return fail(records.record_fault("expected a column for the ", view_of(what),
                                     wish.empty() ? "" : " named or numbered ", view_of(wish), ", found ", columns_,
                                     " columns starting with ", Quoted{first[0]}, "; name the columns in the options"));
  }

  bool add(const DelimitedText& records) {
    const std::vector<std::string_view>& fields = records.fields();
    if (fields.size() != columns_)
      return fail(records.record_fault("expected ", columns_, " columns as in line 1, found ", fields.size()));
    Rating rating;
    if (!id(records, user_, "user", data_.users.ids, rating.user)) return false;
    if (!id(records, item_, "item", data_.items.ids, rating.item)) return false;
    if (rating_ == kNoColumn)
      rating.value = *options_.rating_when_absent;
    else if (!value(records, rating.value))
      return false;
    if (time_ != kNoColumn) {
      std::int64_t time = 0;
      if (!parse_time(records, time)) return false;
      data_.times.push_back(time);
    }
    data_.ratings.push_back(rating);
    lines_.push_back(records.line());
    return true;
  }

  bool id(const DelimitedText& records, std::size_t column, std::string_view what, Vocabulary& ids,
          std::int32_t& number) {
    const std::string_view text = trimmed(records.fields()[column]);
    if (text.empty()) return fail(records.column_fault(column, what, "expected an id, found nothing"));
    if (ids.size() == (std::numeric_limits<std::int32_t>::max)())
      return fail(records.column_fault(column, what, "more than 2147483647 different ids"));
    number = ids.add(text);
    return true;
  }

  bool value(const DelimitedText& records, float& rating) {
    const std::string_view text = records.fields()[rating_];
    double number = 0;
    if (!parse_number(text, number))
      return fail(records.column_fault(rating_, "rating", "expected a number, found ", Quoted{text}));
    rating = static_cast<float>(std::abs(number) <= (std::numeric_limits<float>::max)() ? number : INFINITY);
    if (!std::isfinite(rating))
      return fail(records.column_fault(rating_, "rating", "expected a finite number, found ", Quoted{text}));
    if ((options_.lowest && rating < *options_.lowest) || (options_.highest && rating > *options_.highest))
      return fail(records.column_fault(
          rating_, "rating", "expected a rating inside the scale given in the options, found ", Quoted{text}));
    return true;
  }

  // Whole seconds or milliseconds; RecBole writes them as floats.
  bool parse_time(const DelimitedText& records, std::int64_t& time) {
    constexpr double kLatest = 253402300799999.0;  // the end of year 9999 in milliseconds
    const std::string_view text = records.fields()[time_];
    double number = 0;
    const bool is_number = parse_integer(text, time) || parse_number(text, number);
    if (is_number && number != 0) time = number >= 0 && number <= kLatest ? static_cast<std::int64_t>(number) : -1;
    if (is_number && !std::isnan(number) && time >= 0 && static_cast<double>(time) <= kLatest) return true;
    return fail(records.column_fault(time_, "time", "expected a Unix time, found ", Quoted{text},
                                     "; if this column is no time, set read_times to false"));
  }

  Result<Dataset> finish() {
    if (data_.ratings.empty())
      return make_fault(FaultKind::malformed, shown_path(name_), ": expected ratings, found only a header");
    if (!settle_duplicates()) return fault_;
    const auto less = [](const Rating& a, const Rating& b) { return a.value < b.value; };
    const auto [low, high] = std::minmax_element(data_.ratings.begin(), data_.ratings.end(), less);
    data_.lowest = options_.lowest.value_or(low->value);
    data_.highest = options_.highest.value_or(high->value);
    const std::size_t slash = name_.rfind('/');
    std::string_view short_name = slash == std::string_view::npos ? name_ : name_.substr(slash + 1);
    data_.name = std::string(short_name.substr(0, short_name.find('.')));
    return std::move(data_);
  }

  // Sorting finds the pairs that occur twice; the message is about the first repetition in the file.
  bool settle_duplicates() {
    std::vector<std::size_t> order(data_.ratings.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto key = [this](std::size_t i) {
      const Rating& r = data_.ratings[i];
      return (static_cast<std::uint64_t>(r.user) << 32) | static_cast<std::uint32_t>(r.item);
    };
    std::sort(order.begin(), order.end(),
              [&key](std::size_t a, std::size_t b) { return key(a) != key(b) ? key(a) < key(b) : a < b; });
    std::vector<std::uint8_t> replaced(order.size(), 0);
    std::size_t first = order.size(), second = order.size();
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (key(order[i]) != key(order[i - 1])) continue;
      replaced[order[i - 1]] = 1;
      if (order[i] < second) first = order[i - 1], second = order[i];
    }
    if (second == order.size()) return true;
    if (options_.duplicates == DuplicatePolicy::keep_last) return remove(replaced);
    const Rating& again = data_.ratings[second];
    return fail(make_fault(FaultKind::malformed, shown_path(name_), ", line ", lines_[second],
                           ": expected one rating of user ", Quoted{data_.users.ids.text(again.user)}, " for item ",
                           Quoted{data_.items.ids.text(again.item)}, ", found a second one; the first is in line ",
                           lines_[first], ". Set duplicates to keep_last to let the later line win"));
  }

  bool remove(const std::vector<std::uint8_t>& replaced) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < replaced.size(); ++i) {
      if (replaced[i] != 0) continue;
      data_.ratings[kept] = data_.ratings[i];
      if (!data_.times.empty()) data_.times[kept] = data_.times[i];
      ++kept;
    }
    data_.replaced = static_cast<std::int64_t>(replaced.size() - kept);
    data_.ratings.resize(kept);
    if (!data_.times.empty()) data_.times.resize(kept);
    return true;
  }

  std::string_view name_;
  const RatingsOptions& options_;
  Dataset data_;
  std::vector<std::int64_t> lines_;  // of each rating, for messages
  std::size_t columns_ = 0;
  std::size_t user_ = kNoColumn, item_ = kNoColumn, rating_ = kNoColumn, time_ = kNoColumn;
  bool has_header_ = false;
  Fault fault_;
};

}  // namespace detail

// Parses ratings that are already in memory. `name` is what messages call the text; its ending helps detection.
inline Result<Dataset> parse_ratings(std::string_view text, std::string_view name, const RatingsOptions& options = {}) {
  return detail::RatingsParser(name, options).parse(text);
}

// Reads a ratings file, and the attribute files that RecBole keeps beside an .inter file.
inline Result<Dataset> read_ratings(const std::string& path, const RatingsOptions& options = {}) {
  Result<std::string> text = read_text_file(path, options.largest_file);
  if (!text) return text.fault();
  Result<Dataset> data = parse_ratings(text.value(), path, options);
  std::string_view stem = path;
  if (detail::ends_with(stem, ".gz")) stem.remove_suffix(3);
  if (!data || !options.read_attributes || !detail::ends_with(stem, ".inter")) return data;
  stem.remove_suffix(6);
  for (const bool of_users : {true, false}) {
    const std::string beside = plain_or_gzip(std::string(stem) + (of_users ? ".user" : ".item"));
    if (!file_exists(beside)) continue;
    Entities& entities = of_users ? data.value().users : data.value().items;
    const Result<Done> read = read_attributes(beside, entities, options.attributes);
    if (!read) return read.fault();
  }
  return data;
}

}  // namespace thaw::inline v0
