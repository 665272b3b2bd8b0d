// MovieLens-100K from GroupLens' files: ratings with times, user attributes, films with titles, years and genres.
//
//   thaw::Result<thaw::Movielens100k> set = thaw::read_movielens_100k("ml-100k");
//   set.value().data;            // thaw::Dataset
//   set.value().films_joined;    // of its films, how many were found in the film metadata
//
// Users carry age, gender, occupation and zip; films carry genre and year. Film metadata of MovieLens-1M
// (options.extra_folder, or `ml-1m-melu` beside the folder) gives films director and actor: films are matched by title
// without article, brackets and punctuation, and by year, one year apart at most; through MovieLens-1M's own titles
// first, where `movies.dat` is at hand. A film that is not found has neither. Not for MovieLens-1M: movielens.hpp.
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
#include "thaw/data/movielens.hpp"
#include "thaw/data/ratings_reader.hpp"
#include "thaw/data/table.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct Movielens100kOptions {
  std::string extra_folder;   // film metadata; empty: `ml-1m-melu` beside the folder when it exists
  std::string titles_folder;  // MovieLens-1M's movies.dat; empty: the metadata's folder without "-melu"
  bool use_extra = true;      // false: GroupLens' attributes even where the metadata exist
};

struct Movielens100k {
  Dataset data;
  std::int32_t films_joined = 0;
};

namespace detail {

inline constexpr std::string_view kGenresOf100k[] = {"unknown",   "Action",   "Adventure",   "Animation", "Children's",
                                                     "Comedy",    "Crime",    "Documentary", "Drama",     "Fantasy",
                                                     "Film-Noir", "Horror",   "Musical",     "Mystery",   "Romance",
                                                     "Sci-Fi",    "Thriller", "War",         "Western"};

// "Usual Suspects, The (1995)" and "The Usual Suspects" -> "theusualsuspects": what two lists of films have in common.
inline std::string title_key(std::string_view title) {
  std::string plain = without_brackets(title);
  static constexpr std::string_view kArticles[] = {"The", "A",   "An",  "Il",  "La", "Le",
                                                   "Les", "Der", "Das", "Die", "El", "L'"};
  for (const std::string_view article : kArticles) {
    const std::string behind = ", " + std::string(article);
    if (!ends_with(plain, behind)) continue;
    plain = std::string(article) + plain.substr(0, plain.size() - behind.size());
    break;
  }
  std::string key;
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (c >= 'A' && c <= 'Z') key.push_back(static_cast<char>(c - 'A' + 'a'));
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || byte >= 0x80) key.push_back(c);
  }
  return key;
}

// Films by title and year.
class TitleIndex {
 public:
  void add(std::string_view title, std::int32_t year, std::int32_t number) {
    films_[title_key(title)].push_back({year, number});
  }
  // The number of the film with this title whose year is nearest, one year apart at most; kUnknown without one.
  std::int32_t find(std::string_view title, std::int32_t year) const {
    const auto at = films_.find(title_key(title));
    std::int32_t best = Vocabulary::kUnknown, distance = 2;
    if (at == films_.end()) return best;
    for (const Film& film : at->second) {
      const std::int32_t apart = film.year > year ? film.year - year : year - film.year;
      if (apart < distance) best = film.number, distance = apart;
    }
    return best;
  }

 private:
  struct Film {
    std::int32_t year, number;
  };
  std::unordered_map<std::string, std::vector<Film>> films_;
};

class Movielens100kReader {
 public:
  Movielens100kReader(std::string_view folder, const Movielens100kOptions& options) : folder_(plain_folder(folder)) {
    if (!options.use_extra) return;
    extra_ = plain_folder(options.extra_folder);
    if (extra_.empty()) {
      extra_ = folder_.substr(0, folder_.rfind('/') + 1) + "ml-1m-melu";  // npos + 1 is 0: a folder without a parent
      if (!file_exists(extra_file())) extra_.clear();
    }
    titles_ = plain_folder(options.titles_folder);
    if (titles_.empty() && ends_with(extra_, "-melu")) titles_ = extra_.substr(0, extra_.size() - 5);
  }

  Result<Movielens100k> read() {
    set_.data.name = extra_.empty() ? "ml-100k" : "ml-100k with film metadata";
    set_.data.lowest = 1;
    set_.data.highest = 5;
    for (const auto step : {&Movielens100kReader::read_users, &Movielens100kReader::read_films,
                            &Movielens100kReader::read_ratings, &Movielens100kReader::read_extra}) {
      const Result<Done> done = (this->*step)();
      if (!done) return done.fault();
    }
    return std::move(set_);
  }

 private:
  std::string file(std::string_view name) const { return plain_or_gzip(join_path(folder_, name)); }
  std::string extra_file() const { return plain_or_gzip(join_path(extra_, "movies_extrainfos.dat")); }

  Result<Done> read_users() {
    std::vector<Attribute>& attributes = set_.data.users.attributes;
    attributes.resize(4);
    attributes[0] = age_attribute();
    attributes[1].name = "gender";
    attributes[2].name = "occupation";
    attributes[3].name = "zip";
    for (const char* gender : {"M", "F"}) attributes[1].values.add(gender);
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, set_.data.users.ids, "user");
      if (!listed) return listed.fault();
      const std::vector<std::string_view>& fields = records.fields();
      std::int64_t age = 0;
      if (!parse_integer(fields[1], age) || age < 0)
        return records.column_fault(1, "age", "expected a whole number, found ", Quoted{fields[1]});
      append_value(attributes[0], age_group(age));
      const std::int32_t gender = attributes[1].values.find(fields[2]);
      if (gender == Vocabulary::kUnknown)
        return records.column_fault(2, "gender", "expected M or F, found ", Quoted{fields[2]});
      append_value(attributes[1], gender);
      append_value(attributes[2], attributes[2].values.add(fields[3]));
      append_value(attributes[3], attributes[3].values.add(fields[4].substr(0, 5)));
      return Done{};
    };
    return for_each_record_of_file(file("u.user"), true, {.separator = "|"}, 5, "", use);
  }

  Result<Done> read_films() {
    constexpr std::size_t kFirstGenre = 5;
    std::vector<Attribute>& attributes = set_.data.items.attributes;
    attributes.resize(2);
    attributes[0].name = "genre";
    attributes[1].name = "year";
    for (const std::string_view genre : kGenresOf100k) attributes[0].values.add(genre);
    std::vector<std::int32_t> genres;
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, set_.data.items.ids, "film");
      if (!listed) return listed.fault();
      const std::vector<std::string_view>& fields = records.fields();
      const std::int32_t year = year_in_title(fields[1]);
      set_.data.items.titles.emplace_back(fields[1]);
      set_.data.items.years.push_back(year);
      genres.clear();
      for (std::size_t g = 0; g < std::size(kGenresOf100k); ++g) {
        const std::string_view flag = fields[kFirstGenre + g];
        if (flag != "0" && flag != "1")
          return records.column_fault(kFirstGenre + g, kGenresOf100k[g], "expected 0 or 1, found ", Quoted{flag});
        if (flag == "1") genres.push_back(static_cast<std::int32_t>(g));
      }
      attributes[0].append(genres);
      append_value(attributes[1], year == 0 ? Vocabulary::kUnknown : attributes[1].values.add(std::to_string(year)));
      return Done{};
    };
    return for_each_record_of_file(file("u.item"), true, {.separator = "|"}, kFirstGenre + std::size(kGenresOf100k), "",
                                   use);
  }

  Result<Done> read_ratings() {
    RatingsOptions options;
    options.format = RatingsFormat::tab;
    options.lowest = 1;
    options.highest = 5;
    const std::string path = file("u.data");
    Result<Dataset> rated = thaw::read_ratings(path, options);
    if (!rated) return rated.fault();
    return adopt_ratings(rated.value(), path, "film", set_.data);
  }

  // One film of the metadata.
  struct Extra {
    std::string id, directors, actors;
  };

  Result<Done> read_extra() {
    if (extra_.empty()) return Done{};
    std::vector<Extra> extras;
    TitleIndex by_title, by_grouplens_title;
    std::unordered_map<std::string, std::int32_t> by_id;
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const std::vector<std::string_view>& fields = records.fields();
      std::int64_t year = 0;
      if (!parse_integer(fields[2], year) || year < 1800 || year > 9999)
        return records.column_fault(2, "year", "expected a year, found ", Quoted{fields[2]});
      const auto number = static_cast<std::int32_t>(extras.size());
      by_title.add(fields[1], static_cast<std::int32_t>(year), number);
      by_id.emplace(fields[0], number);
      extras.push_back({std::string(fields[0]), std::string(fields[6]), std::string(fields[8])});
      return Done{};
    };
    const Result<Done> read = for_each_record_of_file(extra_file(), false, {.separator = "::"}, 11, "", use);
    if (!read) return read.fault();
    const std::string list = plain_or_gzip(join_path(titles_, "movies.dat"));
    if (!titles_.empty() && file_exists(list)) {
      const auto use_title = [&](const DelimitedText& records) -> Result<Done> {
        const auto at = by_id.find(std::string(records.fields()[0]));
        const std::string_view title = records.fields()[1];
        if (at != by_id.end()) by_grouplens_title.add(title, year_in_title(title), at->second);
        return Done{};
      };
      const Result<Done> titles = for_each_record_of_file(list, true, {.separator = "::"}, 3, "", use_title);
      if (!titles) return titles.fault();
    }
    join(extras, by_grouplens_title, by_title);
    return Done{};
  }

  void join(const std::vector<Extra>& extras, const TitleIndex& by_grouplens_title, const TitleIndex& by_title) {
    Attribute director, actor;
    director.name = "director";
    actor.name = "actor";
    const Entities& films = set_.data.items;
    for (std::size_t f = 0; f < films.titles.size(); ++f) {
      std::int32_t number = by_grouplens_title.find(films.titles[f], films.years[f]);
      if (number == Vocabulary::kUnknown) number = by_title.find(films.titles[f], films.years[f]);
      const bool found = number != Vocabulary::kUnknown;
      set_.films_joined += found ? 1 : 0;
      append_names(director, found ? extras[static_cast<std::size_t>(number)].directors : std::string());
      append_names(actor, found ? extras[static_cast<std::size_t>(number)].actors : std::string());
    }
    set_.data.items.attributes.push_back(std::move(director));
    set_.data.items.attributes.push_back(std::move(actor));
  }

  static void append_names(Attribute& attribute, std::string_view list) {
    std::vector<std::int32_t> numbers;
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = (std::min)(list.find(", ", at), list.size());
      const std::string name = without_brackets(list.substr(at, end - at));
      if (!name.empty() && name != "N/A") numbers.push_back(attribute.values.add(name));
      at = end + 2;
    }
    attribute.append(numbers);
  }

  std::string folder_, extra_, titles_;
  Movielens100k set_;
};

}  // namespace detail

inline Result<Movielens100k> read_movielens_100k(const std::string& folder, const Movielens100kOptions& options = {}) {
  return detail::Movielens100kReader(folder, options).read();
}

}  // namespace thaw::inline v0
