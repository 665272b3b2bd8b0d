// The published cold-start split of MovieLens-1M: four states, {warm, cold} users x {warm, cold} films.
//
//   thaw::Result<thaw::ColdStartStates> states = thaw::read_cold_start_states("ml-1m-melu", data);
//   thaw::ColdStartSplit split = thaw::split_from_states(states.value(), data, {});   // cold_start_split.hpp
//
// Each state is two JSON files, {"user": ["film", ...]} and {"user": [rating, ...]} in the same order; .gz is fine. The
// order of users in the file is part of the protocol: every eighth user validates. Two films that MovieLens lists twice
// count as one, so four (user, film) pairs occur twice. Not a general JSON reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct ColdStartState {
  std::vector<std::int32_t> users;  // dense ids in the order of the file
  std::vector<Rating> ratings;      // user after user, in the order of the file; as published, repeats included
};

struct ColdStartStates {
  ColdStartState warm;       // warm users x warm items
  ColdStartState user_cold;  // cold users x warm items
  ColdStartState item_cold;  // warm users x cold items
  ColdStartState both_cold;  // cold users x cold items
};

namespace detail {

// Films that MovieLens-1M lists twice and the published split counts as one: {listed as, counted as}.
inline constexpr std::string_view kMergedFilms[][2] = {{"860", "811"}, {"1795", "1741"}};

inline std::string_view merged_film(std::string_view id) {
  for (const auto& [listed, counted] : kMergedFilms)
    if (id == listed) return counted;
  return id;
}

// {"key": [value, ...], ...} where a value is a text without escapes or a number: all that these files hold.
class ListsReader {
 public:
  struct List {
    std::string_view key;
    std::vector<std::string_view> values;
  };

  ListsReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Result<std::vector<List>> read() {
    std::vector<List> lists;
    if (!take('{')) return expected("'{'");
    if (!take('}')) {
      do {
        List& list = lists.emplace_back();
        if (!quoted(list.key)) return expected("a text in double quotes without escapes");
        if (!take(':')) return expected("':'");
        if (!take('[')) return expected("'['");
        if (!take(']')) {
          do {
            std::string_view& value = list.values.emplace_back();
            if (!quoted(value) && !number(value)) return expected("a text or a number");
          } while (take(','));
          if (!take(']')) return expected("',' or ']'");
        }
      } while (take(','));
      if (!take('}')) return expected("',' or '}'");
    }
    skip_blanks();
    if (at_ != text_.size()) return expected("the end of the file");
    return lists;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool quoted(std::string_view& value) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != '"') return false;
    const std::size_t end = text_.find_first_of("\"\\\n", at_ + 1);
    if (end == std::string_view::npos || text_[end] != '"') return false;
    value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return true;
  }
  bool number(std::string_view& value) {
    skip_blanks();
    const std::size_t end = (std::min)(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    value = text_.substr(at_, end - at_);
    double parsed = 0;
    if (!parse_number(value, parsed)) return false;
    at_ = end;
    return true;
  }
  Fault expected(std::string_view what) {
    skip_blanks();
    return make_fault(FaultKind::malformed, shown_path(name_), ", line ", line_of(text_, at_), ", byte ", at_ + 1,
                      ": expected ", view_of(what), ", found ",
                      at_ < text_.size() ? Quoted{text_.substr(at_, 12)} : Quoted{"the end of the file"});
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
};

// Joins the films and the ratings of one state.
inline Result<ColdStartState> parse_state(std::string_view films, std::string_view films_name, std::string_view values,
                                          std::string_view values_name, const Dataset& data) {
  const Result<std::vector<ListsReader::List>> film_lists = ListsReader(films, films_name).read();
  if (!film_lists) return film_lists.fault();
  const Result<std::vector<ListsReader::List>> value_lists = ListsReader(values, values_name).read();
  if (!value_lists) return value_lists.fault();
  if (film_lists.value().size() != value_lists.value().size())
    return make_fault(FaultKind::mismatch, shown_path(values_name), ": expected ", film_lists.value().size(),
                      " users as in the list of films, found ", value_lists.value().size());
  // The two files may list their users in different orders; the films' order counts.
  Vocabulary value_row;
  for (const ListsReader::List& list : value_lists.value()) value_row.add(list.key);
  ColdStartState state;
  for (const ListsReader::List& list : film_lists.value()) {
    const std::int32_t user = data.users.ids.find(list.key);
    const std::int32_t row = value_row.find(list.key);
    if (user == Vocabulary::kUnknown || row == Vocabulary::kUnknown)
      return make_fault(FaultKind::mismatch, shown_path(films_name), ": user ", Quoted{list.key},
                        row == Vocabulary::kUnknown ? " has no ratings in " : " is not in the data set ",
                        row == Vocabulary::kUnknown ? shown_path(values_name) : view_of(data.name));
    const std::vector<std::string_view>& ratings = value_lists.value()[static_cast<std::size_t>(row)].values;
    if (ratings.size() != list.values.size())
      return make_fault(FaultKind::mismatch, shown_path(values_name), ": user ", Quoted{list.key}, ": expected ",
                        list.values.size(), " ratings, one a film, found ", ratings.size());
    state.users.push_back(user);
    for (std::size_t i = 0; i < ratings.size(); ++i) {
      const std::int32_t film = data.items.ids.find(merged_film(list.values[i]));
      double rating = 0;
      if (film == Vocabulary::kUnknown)
        return make_fault(FaultKind::mismatch, shown_path(films_name), ": user ", Quoted{list.key}, ": film ",
                          Quoted{list.values[i]}, " is not in the data set ", view_of(data.name));
      const bool is_number = parse_number(ratings[i], rating);
      if (!is_number || !(rating >= static_cast<double>(data.lowest) && rating <= static_cast<double>(data.highest)))
        return make_fault(FaultKind::malformed, shown_path(values_name), ": user ", Quoted{list.key},
                          ": expected a rating between ", static_cast<double>(data.lowest), " and ",
                          static_cast<double>(data.highest), ", found ", Quoted{ratings[i]});
      state.ratings.push_back({user, film, static_cast<float>(rating)});
    }
  }
  return state;
}

inline Result<Done> read_state(std::string_view folder, const std::string& films_file, const std::string& values_file,
                               const Dataset& data, ColdStartState& state) {
  const std::string films_path = plain_or_gzip(join_path(folder, films_file));
  const std::string values_path = plain_or_gzip(join_path(folder, values_file));
  const Result<std::string> films = read_text_file(films_path);
  if (!films) return films.fault();
  const Result<std::string> values = read_text_file(values_path);
  if (!values) return values.fault();
  Result<ColdStartState> parsed = parse_state(films.value(), films_path, values.value(), values_path, data);
  if (!parsed) return parsed.fault();
  state = std::move(parsed).value();
  return Done{};
}

}  // namespace detail

// Reads the four states of a folder: <state>.json and <state>_y.json, plain or gzip; the warm films may be in
// warm_state.rebuilt.json instead.
inline Result<ColdStartStates> read_cold_start_states(const std::string& folder, const Dataset& data) {
  ColdStartStates states;
  const std::string rebuilt = "warm_state.rebuilt.json";
  const bool has_rebuilt = file_exists(plain_or_gzip(join_path(folder, rebuilt)));
  const std::pair<const char*, ColdStartState*> parts[] = {{"warm_state", &states.warm},
                                                           {"user_cold_state", &states.user_cold},
                                                           {"item_cold_state", &states.item_cold},
                                                           {"user_and_item_cold_state", &states.both_cold}};
  for (const auto& [name, state] : parts) {
    const std::string stem = name;
    const std::string films = state == &states.warm && has_rebuilt ? rebuilt : stem + ".json";
    const Result<Done> read = detail::read_state(folder, films, stem + "_y.json", data, *state);
    if (!read) return read.fault();
  }
  return states;
}

}  // namespace thaw::inline v0
