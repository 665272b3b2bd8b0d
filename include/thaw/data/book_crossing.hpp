// Book-Crossing, the subset whose books all have attributes: ratings 1 to 10, books and users.
//
//   thaw::Result<thaw::Dataset> data = thaw::read_book_crossing("book-crossing");
//
// Reads BX-Ratings.csv, BX-Books.csv and BX-Users.csv from the folder or its folder `subset`; `new_books` adds the
// three BX-NewBooks files. Books carry author, publisher and year, users country and age group. Names that differ only
// in case are one value, under the spelling seen first. Quotes and blanks around a user's place are stripped, `n/a` and
// ages outside 5 to 100 are unknown. The set has no times. Not for the full set: its books have no attributes here, and
// read_ratings reads its ratings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/table.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct BookCrossingOptions {
  bool new_books = false;  // the 8,924 books of the second part, too
};

namespace detail {

// `" usa"""` read as CSV is ` usa"`: what is left of a place or an age when stray marks go.
inline std::string_view without_stray_marks(std::string_view text) {
  constexpr std::string_view kMarks = " \t\"\\`";
  const std::size_t begin = text.find_first_not_of(kMarks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kMarks) - begin + 1);
}

// Numbers names without regard to the case of ASCII letters.
class FoldedNames {
 public:
  std::int32_t add(Vocabulary& values, std::string_view name) {
    std::string folded(name);
    for (char& c : folded)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto [at, is_new] = number_of_.try_emplace(std::move(folded), 0);
    if (is_new) at->second = values.add(name);
    return at->second;
  }

 private:
  std::unordered_map<std::string, std::int32_t> number_of_;
};

class BookCrossingReader {
 public:
  BookCrossingReader(std::string_view folder, const BookCrossingOptions& options)
      : folder_(plain_folder(folder)), options_(options) {
    const std::string subset = join_path(folder_, "subset");
    if (!file_exists(file("BX-Ratings.csv")) && file_exists(plain_or_gzip(join_path(subset, "BX-Ratings.csv"))))
      folder_ = subset;
  }

  Result<Dataset> read() {
    data_.name = options_.new_books ? "book-crossing with new books" : "book-crossing";
    data_.lowest = 1;
    data_.highest = 10;
    start();
    for (const std::string_view part : {std::string_view("BX-"), std::string_view("BX-NewBooks")}) {
      if (part != "BX-" && !options_.new_books) continue;
      const Result<Done> done = read_part(std::string(part));
      if (!done) return done.fault();
    }
    return std::move(data_);
  }

 private:
  std::string file(const std::string& name) const { return plain_or_gzip(join_path(folder_, name)); }

  void start() {
    data_.items.attributes.resize(3);
    data_.items.attributes[0].name = "author";
    data_.items.attributes[1].name = "publisher";
    data_.items.attributes[2].name = "year";
    data_.users.attributes.resize(2);
    data_.users.attributes[0].name = "country";
    data_.users.attributes[1] = age_attribute();
  }

  Result<Done> read_part(const std::string& part) {
    const bool is_new = part != "BX-";
    const Result<Done> books = read_books(file(is_new ? part + ".csv" : part + "Books.csv"));
    if (!books) return books.fault();
    const Result<Done> users = read_users(file(part + "Users.csv"), is_new);
    if (!users) return users.fault();
    RatingsOptions options;
    options.format = RatingsFormat::comma;
    options.lowest = 1;
    options.highest = 10;
    const std::string path = file(part + "Ratings.csv");
    Result<Dataset> rated = read_ratings(path, options);
    if (!rated) return rated.fault();
    // Readers of new books may be in neither list of users: they have no attributes.
    if (is_new)
      for (const std::string& id : rated.value().users.ids.texts())
        if (data_.users.ids.find(id) == Vocabulary::kUnknown) add_user(id, {}, Vocabulary::kUnknown);
    return adopt_ratings(rated.value(), path, "book", data_);
  }

  Result<Done> read_books(const std::string& path) {
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, data_.items.ids, "book");
      if (!listed) return listed.fault();
      const std::vector<std::string_view>& fields = records.fields();
      std::int64_t year = 0;
      if (!parse_integer(fields[3], year))
        return records.column_fault(3, "year", "expected a year or 0, found ", Quoted{fields[3]});
      if (year < 1000 || year > 2100) year = 0;
      data_.items.titles.emplace_back(trimmed(fields[1]));
      data_.items.years.push_back(static_cast<std::int32_t>(year));
      std::vector<Attribute>& attributes = data_.items.attributes;
      append_value(attributes[0], named(authors_, attributes[0], fields[2]));
      append_value(attributes[1], named(publishers_, attributes[1], fields[4]));
      append_value(attributes[2], year == 0 ? Vocabulary::kUnknown : attributes[2].values.add(std::to_string(year)));
      return Done{};
    };
    return for_each_record_of_file(path, true, {.separator = ",", .quotes = true}, 5, "ISBN", use);
  }

  static std::int32_t named(FoldedNames& names, Attribute& attribute, std::string_view text) {
    const std::string_view name = without_stray_marks(text);
    return name.empty() ? Vocabulary::kUnknown : names.add(attribute.values, name);
  }

  Result<Done> read_users(const std::string& path, bool again) {
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const std::vector<std::string_view>& fields = records.fields();
      const std::string_view id = trimmed(fields[0]);
      if (again && data_.users.ids.find(id) != Vocabulary::kUnknown) return Done{};
      if (id.empty() || data_.users.ids.find(id) != Vocabulary::kUnknown)
        return records.column_fault(0, "user", "expected an id that is not listed above, found ", Quoted{id});
      const std::string_view age = without_stray_marks(fields[4]);
      std::int64_t years = 0;
      if (!age.empty() && !parse_integer(age, years))
        return records.column_fault(4, "age", "expected a whole number or nothing, found ", Quoted{fields[4]});
      add_user(id, without_stray_marks(fields[3]), age.empty() ? Vocabulary::kUnknown : age_group(years));
      return Done{};
    };
    return for_each_record_of_file(path, true, {.separator = ",", .quotes = true}, 5, "User-ID", use);
  }

  void add_user(std::string_view id, std::string_view country, std::int32_t group) {
    data_.users.ids.add(id);
    const bool is_known = !country.empty() && country != "n/a";
    append_value(data_.users.attributes[0],
                 is_known ? countries_.add(data_.users.attributes[0].values, country) : Vocabulary::kUnknown);
    append_value(data_.users.attributes[1], group);
  }

  std::string folder_;
  BookCrossingOptions options_;
  FoldedNames authors_, publishers_, countries_;
  Dataset data_;
};

}  // namespace detail

inline Result<Dataset> read_book_crossing(const std::string& folder, const BookCrossingOptions& options = {}) {
  return detail::BookCrossingReader(folder, options).read();
}

}  // namespace thaw::inline v0
