// SplitLists: who touched what, split into training, validation and test lists; the form in which implicit-feedback
// recommenders are published and compared.
//
//   thaw::Result<thaw::SplitLists> gowalla = thaw::read_split_lists("gowalla");                 // train.txt, test.txt
//   thaw::Result<thaw::SplitLists> sports = thaw::read_split_lists("sports", {.form = thaw::ListForm::pairs});
//   thaw::Result<thaw::SplitLists> beauty = thaw::read_last_out("beauty/sequential.txt");       // last item of each
//   thaw::RatingGraph visible = sports.value().train_graph();
//
// Rows are users, ids are the file's own numbers less the lowest allowed one. Files may be plain or gzip; what is not
// a number, an item listed for training and for test at once, and a user with two rows are faults with line and column.
// An item twice in one row counts once (`repeats`). Not for ratings: ratings_reader.hpp reads those.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/graph/interactions.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw::inline v0 {

enum class ListForm : std::uint8_t {
  rows,   // "user item item ..."; a user without items may have a row or none
  pairs,  // "user item" or "user item weight", one interaction a line
};

struct SplitLists {
  std::string name;
  std::string split;       // how the lists came about, for a results table
  std::int32_t items = 0;  // item ids are 0 .. items - 1
  IdLists train, valid, test;
  std::int64_t repeats = 0;  // interactions left out because the row had the item already

  std::int32_t users() const { return train.rows(); }
  // What a recommender may see: training alone, or with validation for the final fit.
  RatingGraph train_graph() const { return graph_of({&train}); }
  RatingGraph train_and_valid_graph() const { return graph_of({&train, &valid}); }

 private:
  RatingGraph graph_of(std::initializer_list<const IdLists*> parts) const {
    std::vector<Rating> ratings;
    for (const IdLists* part : parts)
      for (std::int32_t user = 0; user < part->rows(); ++user)
        for (const std::int32_t item : part->row(user)) ratings.push_back({user, item, 1.0f});
    return RatingGraph::from_ratings(ratings, users(), items);
  }
};

struct ListOptions {
  ListForm form = ListForm::rows;
  std::int32_t first_id = 0;  // the lowest id of users and items; becomes 0
};

namespace detail {

// Ids of a text in which every line is a list of numbers between blanks.
class ListParser {
 public:
  struct Lists {
    std::vector<std::vector<std::int32_t>> rows;  // in the order of the file
    std::int32_t items = 0;
    std::int64_t repeats = 0;
  };

  ListParser(std::string_view name, const ListOptions& options) : name_(name), options_(options) {}

  Result<Lists> parse(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = (std::min)(text.find('\n'), text.size());
      ++line_;
      if (const Result<Done> done = parse_line(text.substr(0, end)); !done) return done.fault();
      text.remove_prefix((std::min)(end + 1, text.size()));
    }
    if (lists_.rows.empty())
      return make_fault(FaultKind::malformed, shown_path(name_), ": expected lists of ids, found none");
    return std::move(lists_);
  }

 private:
  Result<Done> parse_line(std::string_view line) {
    std::size_t at = 0;
    std::int32_t column = 0, user = -1;
    while (true) {
      while (at < line.size() && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r')) ++at;
      if (at == line.size()) break;
      std::size_t end = at;
      while (end < line.size() && line[end] != ' ' && line[end] != '\t' && line[end] != '\r') ++end;
      const std::string_view word = line.substr(at, end - at);
      at = end;
      ++column;
      if (options_.form == ListForm::pairs && column == 3) return Done{};  // a weight, not used
      std::int32_t id = 0;
      const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
      if (error != std::errc() || stop != word.data() + word.size() || id < options_.first_id || id > kLargestId)
        return make_fault(FaultKind::malformed, shown_path(name_), ", line ", line_, ", column ", column,
                          ": expected an id from ", options_.first_id, " to ", kLargestId, ", found ", Quoted{word});
      id -= options_.first_id;
      if (column > 1) {
        add(user, id);
        continue;
      }
      user = id;
      if (Result<Done> begun = begin_row(user); !begun) return begun;
    }
    if (options_.form == ListForm::pairs && column == 1)
      return make_fault(FaultKind::malformed, shown_path(name_), ", line ", line_, ": expected user and item");
    return Done{};
  }
  Result<Done> begin_row(std::int32_t user) {
    const auto place = static_cast<std::size_t>(user);
    if (place >= lists_.rows.size()) lists_.rows.resize(place + 1), seen_.resize(place + 1, 0);
    if (options_.form == ListForm::rows && seen_[place] != 0)
      return make_fault(FaultKind::malformed, shown_path(name_), ", line ", line_, ": user ", user + options_.first_id,
                        " has a row above already");
    seen_[place] = 1;
    return Done{};
  }
  void add(std::int32_t user, std::int32_t item) {
    lists_.rows[static_cast<std::size_t>(user)].push_back(item);
    lists_.items = (std::max)(lists_.items, item + 1);
  }

  static constexpr std::int32_t kLargestId = 1 << 24;  // a longer number is a typing error, not a catalogue

  std::string_view name_;
  ListOptions options_;
  Lists lists_;
  std::vector<char> seen_;
  std::int64_t line_ = 0;
};

// First visits only, in order. Returns how many were left out.
inline std::int64_t drop_repeats(std::vector<std::int32_t>& row, std::vector<std::int32_t>& last_row,
                                 std::int32_t mark) {
  const auto before = row.size();
  row.erase(std::remove_if(row.begin(), row.end(),
                           [&](std::int32_t item) {
                             return std::exchange(last_row[static_cast<std::size_t>(item)], mark) == mark;
                           }),
            row.end());
  return static_cast<std::int64_t>(before - row.size());
}

// Sorted rows, one after another; `users` rows at least.
inline IdLists id_lists(std::vector<std::vector<std::int32_t>>& rows, std::size_t users) {
  IdLists lists;
  lists.offsets.assign(1, 0);
  rows.resize((std::max)(rows.size(), users));
  for (std::vector<std::int32_t>& row : rows) {
    std::sort(row.begin(), row.end());
    lists.ids.insert(lists.ids.end(), row.begin(), row.end());
    lists.offsets.push_back(static_cast<std::int64_t>(lists.ids.size()));
  }
  return lists;
}

}  // namespace detail

// Lists that are already in memory, one for each file of the split; `valid` may be empty.
inline Result<SplitLists> parse_split_lists(std::string_view train, std::string_view valid, std::string_view test,
                                            std::string_view name, const ListOptions& options = {}) {
  SplitLists split;
  split.name = std::string(name);
  split.split = "as published";
  std::vector<std::vector<std::int32_t>> parts[3];
  const std::string_view texts[3] = {train, valid, test};
  const char* const kinds[3] = {"train", "valid", "test"};
  std::size_t users = 0;
  for (std::size_t p = 0; p < 3; ++p) {
    if (p == 1 && texts[p].empty()) continue;
    const std::string shown = std::string(name) + " (" + kinds[p] + ")";
    Result<detail::ListParser::Lists> lists = detail::ListParser(shown, options).parse(texts[p]);
    if (!lists) return lists.fault();
    parts[p] = std::move(lists.value().rows);
    split.items = (std::max)(split.items, lists.value().items);
    users = (std::max)(users, parts[p].size());
  }
  std::vector<std::int32_t> last_row(static_cast<std::size_t>(split.items), -1);
  std::vector<std::size_t> kept(users);
  for (std::size_t user = 0; user < users; ++user) {
    const auto mark = static_cast<std::int32_t>(user);
    for (std::size_t p = 0; p < 3; ++p) {
      if (user >= parts[p].size()) continue;
      // Repeats inside one part are harmless; the same pair in two parts would put the answer into the input.
      std::vector<std::int32_t>& row = parts[p][user];
      std::sort(row.begin(), row.end());
      const auto end = std::unique(row.begin(), row.end());
      split.repeats += row.end() - end;
      row.erase(end, row.end());
      for (const std::int32_t item : row)
        if (std::exchange(last_row[static_cast<std::size_t>(item)], mark) == mark)
          return make_fault(FaultKind::malformed, detail::view_of(name), ": user ", mark + options.first_id,
                            " has item ", item + options.first_id, " in two parts of the split, one of them ",
                            kinds[p]);
    }
  }
  split.train = detail::id_lists(parts[0], users);
  split.valid = detail::id_lists(parts[1], users);
  split.test = detail::id_lists(parts[2], users);
  return split;
}

// train.txt, valid.txt (if there is one) and test.txt of a folder, each plain or gzip.
inline Result<SplitLists> read_split_lists(const std::string& folder, const ListOptions& options = {}) {
  std::string texts[3];
  const char* const files[3] = {"train.txt", "valid.txt", "test.txt"};
  for (std::size_t p = 0; p < 3; ++p) {
    const std::string path = plain_or_gzip(join_path(folder, files[p]));
    if (p == 1 && !file_exists(path)) continue;
    Result<std::string> text = read_text_file(path);
    if (!text) return text.fault();
    texts[p] = std::move(text.value());
  }
  std::string_view name = folder;
  while (name.size() > 1 && name.back() == '/') name.remove_suffix(1);
  return parse_split_lists(texts[0], texts[1], texts[2], name.substr(name.rfind('/') + 1), options);
}

// Rows in time order: the last item of each user is the test, the last but one validation. Only the first visit of an
// item counts; users with fewer than three items keep all of them for training.
inline Result<SplitLists> parse_last_out(std::string_view text, std::string_view name,
                                         const ListOptions& options = {.first_id = 1}) {
  Result<detail::ListParser::Lists> lists = detail::ListParser(name, options).parse(text);
  if (!lists) return lists.fault();
  SplitLists split;
  split.name = std::string(name);
  split.split = "last item out";
  split.items = lists.value().items;
  std::vector<std::vector<std::int32_t>>& rows = lists.value().rows;
  std::vector<std::vector<std::int32_t>> valid(rows.size()), test(rows.size());
  std::vector<std::int32_t> last_row(static_cast<std::size_t>(split.items), -1);
  for (std::size_t user = 0; user < rows.size(); ++user) {
    split.repeats += detail::drop_repeats(rows[user], last_row, static_cast<std::int32_t>(user));
    if (rows[user].size() < 3) continue;
    test[user].push_back(rows[user].back());
    rows[user].pop_back();
    valid[user].push_back(rows[user].back());
    rows[user].pop_back();
  }
  const std::size_t users = rows.size();
  split.train = detail::id_lists(rows, users);
  split.valid = detail::id_lists(valid, users);
  split.test = detail::id_lists(test, users);
  return split;
}

inline Result<SplitLists> read_last_out(const std::string& path, std::string_view name,
                                        const ListOptions& options = {.first_id = 1}) {
  const Result<std::string> text = read_text_file(plain_or_gzip(path));
  if (!text) return text.fault();
  return parse_last_out(text.value(), name, options);
}

struct RandomSplitOptions {
  double valid_share = 0.1, test_share = 0.1;
  std::uint64_t seed = 1;
};

// A random share of each user's items for validation and test, rounded down but at least one for test where the user
// has three or more. Every rating counts as an interaction, whatever its value. Depends on seed and user alone.
inline SplitLists split_at_random(const Dataset& data, const RandomSplitOptions& options = {}) {
  SplitLists split;
  split.name = data.name;
  split.split = "random by user";
  split.items = data.items.size();
  const auto users = static_cast<std::size_t>(data.users.size());
  std::vector<std::vector<std::int32_t>> rows(users), valid(users), test(users);
  for (const Rating& rating : data.ratings) rows[static_cast<std::size_t>(rating.user)].push_back(rating.item);
  for (std::size_t user = 0; user < users; ++user) {
    std::vector<std::int32_t>& row = rows[user];
    if (row.size() < 3) continue;
    std::sort(row.begin(), row.end());
    Philox(options.seed, user).shuffle(row);
    const auto share = [&](double part) { return static_cast<std::size_t>(part * static_cast<double>(row.size())); };
    const std::size_t for_test = (std::max)(std::size_t{1}, share(options.test_share));
    const std::size_t for_valid = share(options.valid_share);
    const auto move_to = [&row](std::vector<std::int32_t>& other, std::size_t count) {
      other.assign(row.end() - static_cast<std::ptrdiff_t>(count), row.end());
      row.resize(row.size() - count);
    };
    move_to(test[user], for_test);
    move_to(valid[user], for_valid);
  }
  split.train = detail::id_lists(rows, users);
  split.valid = detail::id_lists(valid, users);
  split.test = detail::id_lists(test, users);
  return split;
}

}  // namespace thaw::inline v0
