// MovieLens-1M from GroupLens' files: ratings, user attributes, films with titles, years and genres.
//
//   thaw::Result<thaw::Dataset> data = thaw::read_movielens_1m("ml-1m");
//
// Users carry gender, age, occupation and zip; films carry genre and year. Where a folder with film metadata and fixed
// vocabularies exists (options.extra_folder, or `ml-1m-melu` beside the first), films carry rate, genre, director
// and actor instead and every value has its number in those vocabularies. All listed users and films get dense ids in
// file order, rated or not. Not for other MovieLens releases: read_ratings reads their ratings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct MovielensOptions {
  std::string extra_folder;        // film metadata and vocabularies; empty: the folder's name + "-melu" when it exists
  bool use_extra = true;           // false: GroupLens' attributes even where the extra folder exists
  std::int32_t actor_rows = 8030;  // rows of published actor tables; the vocabulary file names 7,978 of them
};

namespace detail {

inline constexpr std::string_view kAgeCodes[] = {"1", "18", "25", "35", "45", "50", "56"};
inline constexpr std::string_view kAgeNames[] = {"under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+"};
inline constexpr std::string_view kOccupationNames[] = {"other",         "academic or educator",
                                                        "artist",        "clerical or admin",
                                                        "student",       "customer service",
                                                        "doctor",        "executive",
                                                        "farmer",        "homemaker",
                                                        "pupil",         "lawyer",
                                                        "programmer",    "retired",
                                                        "sales",         "scientist",
                                                        "self-employed", "engineer",
                                                        "craftsman",     "unemployed",
                                                        "writer"};

// The lines of a vocabulary file; the number of an entry is its line from 0.
inline Result<std::vector<std::string>> read_lines(const std::string& path) {
  const Result<std::string> text = read_text_file(path);
  if (!text) return text.fault();
  const Result<std::string_view> checked = checked_utf8(text.value(), path);
  if (!checked) return checked.fault();
  std::vector<std::string> lines;
  for (std::string_view rest = checked.value(); !rest.empty();) {
    const std::size_t end = (std::min)(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (ends_with(line, "\r")) line.remove_suffix(1);
    lines.emplace_back(line);
    rest.remove_prefix((std::min)(end + 1, rest.size()));
  }
  return lines;
}

// "John Smith (co-director)" -> "John Smith": vocabularies hold names without what stands in round brackets.
inline std::string without_brackets(std::string_view text) {
  std::string plain;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) plain.push_back(c);
    if (c == ')' && depth > 0) --depth;
  }
  return std::string(trimmed(plain));
}

// The year in "Title (1995)", 0 when there is none.
inline std::int32_t year_in_title(std::string_view title) {
  std::int64_t year = 0;
  title = trimmed(title);
  const bool has_year = title.size() > 6 && title.back() == ')' && title[title.size() - 6] == '(' &&
                        parse_integer(title.substr(title.size() - 5, 4), year);
  return has_year ? static_cast<std::int32_t>(year) : 0;
}

class MovielensReader {
 public:
  MovielensReader(std::string_view folder, const MovielensOptions& options) : folder_(folder), options_(options) {
    while (folder_.size() > 1 && folder_.back() == '/') folder_.remove_suffix(1);
    if (!options.use_extra) return;
    extra_ = options.extra_folder.empty() ? std::string(folder_) + "-melu" : options.extra_folder;
    if (options.extra_folder.empty() && !file_exists(extra_file("movies_extrainfos.dat"))) extra_.clear();
  }

  Result<Dataset> read() {
    data_.name = extra_.empty() ? "ml-1m" : "ml-1m with film metadata";
    data_.lowest = 1;
    data_.highest = 5;
    if (!read_users() || !read_films() || !read_ratings()) return fault_;
    return std::move(data_);
  }

 private:
  bool fail(const Fault& fault) {
    fault_ = fault;
    return false;
  }
  std::string file(std::string_view name) const { return plain_or_gzip(join_path(folder_, name)); }
  std::string extra_file(std::string_view name) const { return plain_or_gzip(join_path(extra_, name)); }

  // Calls `use(records)` for each record of a "::" file with the given number of columns.
  template <class Use>
  bool for_each_record(const std::string& path, std::string_view text, std::size_t columns, const Use& use) {
    const Result<std::string_view> checked = checked_utf8(text, path);
    if (!checked) return fail(checked.fault());
    DelimitedText records(checked.value(), path, {.separator = "::"});
    while (records.next()) {
      if (records.fields().size() != columns)
        return fail(records.record_fault("expected ", columns, " columns separated by \"::\", found ",
                                         records.fields().size()));
      if (!use(records)) return false;
    }
    return records.failed() ? fail(records.fault()) : true;
  }

  // Starts an attribute. With extra data its values are the lines of a vocabulary file, under readable names where
  // there are any; otherwise the given names.
  bool start(Attribute& attribute, std::string_view name, std::string_view vocabulary, std::vector<std::string> names) {
    attribute.name = std::string(name);
    if (!extra_.empty() && !vocabulary.empty()) {
      Result<std::vector<std::string>> lines = read_lines(extra_file(vocabulary));
      if (!lines) return fail(lines.fault());
      names = std::move(lines.value());
    }
    for (const std::string& text : names) {
      const std::int32_t before = attribute.values.size();
      if (attribute.values.add(readable(name, text)) != before)
        return fail(make_fault(FaultKind::malformed, shown_path(extra_file(vocabulary)), ", line ", before + 1,
                               ": expected each value once, found ", Quoted{text}, " again"));
    }
    return true;
  }

  // Codes of the data set's README in words.
  static std::string readable(std::string_view attribute, std::string_view code) {
    if (attribute == "age")
      for (std::size_t i = 0; i < std::size(kAgeCodes); ++i)
        if (code == kAgeCodes[i]) return std::string(kAgeNames[i]);
    std::int64_t number = -1;
    if (attribute == "occupation" && parse_integer(code, number) && number >= 0 &&
        number < static_cast<std::int64_t>(std::size(kOccupationNames)))
      return std::string(kOccupationNames[static_cast<std::size_t>(number)]);
    return std::string(code);
  }

  bool read_users() {
    std::vector<std::string> occupations;
    for (std::size_t i = 0; i < std::size(kOccupationNames); ++i) occupations.push_back(std::to_string(i));
    std::vector<Attribute> attributes(4);
    if (!start(attributes[0], "gender", "m_gender.txt", {"M", "F"}) ||
        !start(attributes[1], "age", "m_age.txt", {std::begin(kAgeCodes), std::end(kAgeCodes)}) ||
        !start(attributes[2], "occupation", "m_occupation.txt", occupations) ||
        !start(attributes[3], "zip", "m_zipcode.txt", {}))
      return false;
    const std::string path = file("users.dat");
    const Result<std::string> text = read_text_file(path);
    if (!text) return fail(text.fault());
    const bool read = for_each_record(path, text.value(), 5, [&](const DelimitedText& records) {
      if (!new_id(records, data_.users.ids, "user")) return false;
      for (std::size_t i = 0; i < 4; ++i) {
        std::string_view value = records.fields()[i + 1];
        if (i == 3) value = value.substr(0, 5);
        const std::string shown = readable(attributes[i].name, value);
        const std::int32_t number =
            i == 3 && extra_.empty() ? attributes[i].values.add(shown) : attributes[i].values.find(shown);
        if (number == Vocabulary::kUnknown && i < 3)
          return fail(records.column_fault(i + 1, attributes[i].name,
                                           "expected a code of the data set's README, found ", Quoted{value}));
        append(attributes[i], number);
      }
      return true;
    });
    data_.users.attributes = std::move(attributes);
    return read;
  }

  bool new_id(const DelimitedText& records, Vocabulary& ids, std::string_view what) {
    const std::int32_t before = ids.size();
    const std::string_view id = records.fields()[0];
    if (!id.empty() && ids.add(id) == before) return true;
    return fail(records.column_fault(0, what, "expected an id that is not listed above, found ", Quoted{id}));
  }

  // A value that the vocabulary does not know is left out: published tables have no row for it.
  static void append(Attribute& attribute, std::int32_t number) {
    if (number == Vocabulary::kUnknown)
      attribute.append({});
    else
      attribute.append({&number, 1});
  }

  bool read_films() {
    const std::string path = file("movies.dat");
    Result<std::string> text = read_text_file(path);
    if (!text) return fail(text.fault());
    // GroupLens wrote this one file in Latin-1; a copy converted to UTF-8 is taken as it is.
    const std::string utf8 =
        find_invalid_utf8(text.value()) == std::string_view::npos ? text.value() : latin1_to_utf8(text.value());
    Attribute genre, year;
    genre.name = "genre";
    year.name = "year";
    const bool read = for_each_record(path, utf8, 3, [&](const DelimitedText& records) {
      if (!new_id(records, data_.items.ids, "film")) return false;
      const std::string_view title = records.fields()[1];
      data_.items.titles.emplace_back(title);
      data_.items.years.push_back(year_in_title(title));
      append_list(genre, records.fields()[2], "|", true, false);
      append(year, data_.items.years.back() == 0 ? Vocabulary::kUnknown
                                                 : year.values.add(std::to_string(data_.items.years.back())));
      return true;
    });
    if (!read) return false;
    if (!extra_.empty()) return read_extra();
    data_.items.attributes.push_back(std::move(genre));
    data_.items.attributes.push_back(std::move(year));
    return true;
  }

  // Gives the next entity the values of a list; new ones are added to the vocabulary when `grow` is set.
  static void append_list(Attribute& attribute, std::string_view list, std::string_view separator, bool grow,
                          bool strip) {
    std::vector<std::int32_t> numbers;
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = (std::min)(list.find(separator, at), list.size());
      const std::string_view raw = list.substr(at, end - at);
      const std::string text = strip ? without_brackets(raw) : std::string(trimmed(raw));
      const std::int32_t number =
          grow ? attribute.values.add(text) : attribute.values.find(text == "N/A" ? "nan" : text);
      if (number != Vocabulary::kUnknown) numbers.push_back(number);
      at = end + separator.size();
    }
    attribute.append(numbers);
  }

  // Film metadata has its own order and lacks some films, so that attributes are built by film afterwards.
  bool read_extra() {
    std::vector<Attribute> attributes(4);
    if (!start(attributes[0], "rate", "m_rate.txt", {}) || !start(attributes[1], "genre", "m_genre.txt", {}) ||
        !start(attributes[2], "director", "m_director.txt", {}) || !start(attributes[3], "actor", "m_actor.txt", {}))
      return false;
    attributes[3].declared_size = options_.actor_rows;
    constexpr std::size_t kColumns[] = {3, 5, 6, 8};
    std::vector<std::string> lists(static_cast<std::size_t>(data_.items.size()) * 4);
    const std::string path = extra_file("movies_extrainfos.dat");
    const Result<std::string> text = read_text_file(path);
    if (!text) return fail(text.fault());
    const bool read = for_each_record(path, text.value(), 11, [&](const DelimitedText& records) {
      const std::int32_t film = data_.items.ids.find(records.fields()[0]);
      if (film == Vocabulary::kUnknown)
        return fail(records.column_fault(0, "film", "expected an id listed in movies.dat, found ",
                                         Quoted{records.fields()[0]}));
      std::int64_t year = 0;
      if (!parse_integer(records.fields()[2], year) || year < 1800 || year > 9999)
        return fail(records.column_fault(2, "year", "expected a year, found ", Quoted{records.fields()[2]}));
      data_.items.years[static_cast<std::size_t>(film)] = static_cast<std::int32_t>(year);
      for (std::size_t i = 0; i < 4; ++i)
        lists[static_cast<std::size_t>(film) * 4 + i] = std::string(records.fields()[kColumns[i]]);
      return true;
    });
    if (!read) return false;
    for (std::size_t film = 0; film < static_cast<std::size_t>(data_.items.size()); ++film)
      for (std::size_t i = 0; i < 4; ++i) append_list(attributes[i], lists[film * 4 + i], ", ", false, i == 2);
    data_.items.attributes = std::move(attributes);
    return true;
  }

  bool read_ratings() {
    std::string path = file("ratings.dat");
    if (!file_exists(path)) path = file("ratings_notime.dat");
    if (!file_exists(path))
      return fail(make_fault(FaultKind::not_found, shown_path(file("ratings.dat")),
                             ": no such file; expected the folder of the MovieLens 1M data set from GroupLens"));
    RatingsOptions options;
    options.format = RatingsFormat::double_colon;
    options.lowest = 1;
    options.highest = 5;
    Result<Dataset> rated = thaw::read_ratings(path, options);
    if (!rated) return fail(rated.fault());
    Dataset& from = rated.value();
    const auto listed = [&](const Vocabulary& ids, const Vocabulary& list, std::string_view what,
                            std::vector<std::int32_t>& number) {
      for (const std::string& id : ids.texts()) {
        number.push_back(list.find(id));
        if (number.back() == Vocabulary::kUnknown)
          return fail(make_fault(FaultKind::mismatch, shown_path(path), ": ", view_of(what), " ", Quoted{id},
                                 " is not in the list of ", view_of(what), "s beside this file"));
      }
      return true;
    };
    std::vector<std::int32_t> user, film;
    if (!listed(from.users.ids, data_.users.ids, "user", user)) return false;
    if (!listed(from.items.ids, data_.items.ids, "film", film)) return false;
    for (Rating& rating : from.ratings) {
      rating.user = user[static_cast<std::size_t>(rating.user)];
      rating.item = film[static_cast<std::size_t>(rating.item)];
    }
    data_.ratings = std::move(from.ratings);
    data_.times = std::move(from.times);
    return true;
  }

  std::string_view folder_;
  const MovielensOptions& options_;
  std::string extra_;
  Dataset data_;
  Fault fault_;
};

}  // namespace detail

inline Result<Dataset> read_movielens_1m(const std::string& folder, const MovielensOptions& options = {}) {
  return detail::MovielensReader(folder, options).read();
}

}  // namespace thaw::inline v0
