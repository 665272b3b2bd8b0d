// What the program prints, and a generated ratings file to try it on.
#pragma once

#include <cstdio>
#include <string>

#include "recommend/answer.hpp"
#include "thaw/data/attribute_reader.hpp"
#include "thaw/train/text.hpp"
#include "zero_shot/sources.hpp"

namespace recommend {

// What each piece of evidence says, in a user's words.
inline constexpr const char* kSays[zero_shot::kEvidences] = {"a short walk away",
                                                             "like the history",
                                                             "like the history (busy users count less)",
                                                             "people alike have it",
                                                             "the most alike have it",
                                                             "alike in rare items",
                                                             "many ways lead there",
                                                             "many who share items have it",
                                                             "linear model",
                                                             "a short walk away (popular items count less)",
                                                             "those who have it are alike",
                                                             "popular"};

// Titles for the items of a file, from a table with a header: its first column holds the ids, one called title or name
// the titles. Items that the table leaves out keep their ids. Errors: no such file, no such column, no item in common.
inline thaw::Result<thaw::Done> read_titles(const std::string& path, thaw::Entities& items) {
  thaw::Entities table;
  if (thaw::Result<thaw::Done> read = thaw::read_attributes(path, table); !read) return read.fault();
  const thaw::detail::Quoted name{path};
  if (table.titles.empty())
    return thaw::make_fault(thaw::FaultKind::malformed, name,
                            ": expected a column called title or name in its header, found none");
  std::vector<std::string> titles;
  std::int32_t found = 0;
  for (std::int32_t item = 0; item < items.size(); ++item) {
    const std::int32_t row = table.ids.find(items.ids.text(item));
    if (row != thaw::Vocabulary::kUnknown) ++found;
    titles.push_back(row == thaw::Vocabulary::kUnknown ? items.title(item)
                                                       : table.titles[static_cast<std::size_t>(row)]);
  }
  if (found == 0)
    return thaw::make_fault(thaw::FaultKind::mismatch, name, ": none of its ", table.size(), " ids is one of the ",
                            items.size(), " items of the ratings file");
  items.titles = std::move(titles);
  return thaw::Done{};
}

// A file of two columns may begin with a header that nobody recognised; then it was read as an interaction. Empty where
// there is no sign of that: the first user and the first item occur again, or there are ratings.
inline std::string first_line_note(const Prepared& prepared) {
  const auto& x = prepared.statistics.interactions();
  const thaw::Dataset& data = prepared.data;
  if (data.lowest != data.highest || x.by_user.row(0).size() != 1 || x.by_item.row(0).size() != 1) return {};
  return "the first line was read as the item '" + std::string(data.items.ids.text(0)) + "' of the user '" +
         std::string(data.users.ids.text(0)) + "'; if it is a header, name its columns: --columns USER,ITEM";
}

// One line a suggestion: place, title, score, reasons, and which items of the history are near.
inline std::string listing(const Prepared& prepared, const Answer& answer) {
  std::string text;
  std::size_t place = 0;
  for (const Suggestion& s : answer.suggestions) {
    std::string line = std::to_string(++place) + ". " + prepared.data.items.title(s.item);
    if (line.size() < 44) line.append(44 - line.size(), ' ');
    line += "  " + thaw::fixed_text(static_cast<double>(s.score), 2) + "  ";
    for (std::size_t i = 0; i < s.reasons.size(); ++i)
      line += std::string(i > 0 ? ", " : "") + kSays[static_cast<int>(s.reasons[i].evidence)] + " +" +
              thaw::fixed_text(static_cast<double>(s.reasons[i].moved), 2);
    for (std::size_t i = 0; i < s.near.size(); ++i)
      line += (i == 0 ? "; near " : " and ") + prepared.data.items.title(s.near[i]);
    text += line + "\n";
  }
  return text;
}

// A CSV of about `rows` ratings with planted groups, for trying the program and measuring it.
inline void print_example(std::int64_t rows, std::FILE* to) {
  zero_shot::PlantedOptions o;
  o.mean_history = 100;
  o.users = static_cast<std::int32_t>((std::max)(std::int64_t{20}, rows / 84));  // repeats leave 84 of 100
  o.items = (std::min)(50'000, (std::max)(2000, o.users / 2));
  o.groups = (std::max)(4, o.items / 400);
  const thaw::Dataset data = zero_shot::planted(o);
  std::fputs("user,item,rating\n", to);
  for (const thaw::Rating& r : data.ratings)
    std::fprintf(to, "u%d,i%d,%d\n", r.user, r.item, 1 + static_cast<int>((r.user * 7 + r.item) % 5));
}

}  // namespace recommend
