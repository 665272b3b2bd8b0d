// What the program prints, and a generated ratings file to try it on.
#pragma once

#include <cstdio>
#include <string>

#include "recommend/answer.hpp"
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
                                                             "popular"};

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
