// Command line of the recommender.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "recommend/answer.hpp"
#include "thaw/data/ratings_reader.hpp"

#if !defined(THAW_RECOMMEND_WEIGHTS)
#define THAW_RECOMMEND_WEIGHTS "examples/recommend/weights.safetensors"
#endif

namespace recommend {

struct Options {
  std::string path, titles, weights = THAW_RECOMMEND_WEIGHTS;
  Request request;
  std::vector<std::string> new_items;
  float like_from = -std::numeric_limits<float>::infinity();
  std::optional<float> lowest, highest;
  std::int64_t example_rows = 0;
  bool help = false, quiet = false;
};

inline constexpr const char* kHelp =
    "thaw_recommend FILE --user ID: a ranked list for one user of a ratings file, with reasons, no training\n"
    "  FILE              user, item and (if there are) rating and time: CSV, tab or blank separated, MovieLens .dat,\n"
    "                    RecBole .inter; plain or gzip\n"
    "  --user ID         whom to recommend to, as the file calls her\n"
    "  --items A,B,...   items of the history: of a stranger, or besides those of --user\n"
    "  --titles FILE     a table with a header: item ids in the first column, titles in one called title or name\n"
    "  --new A,B,...     items that were launched lately: few interactions do not count against them\n"
    "  --top N           length of the list (10)\n"
    "  --like-from R     ratings below R are no interactions (all count)\n"
    "  --scale LOW,HIGH  the rating scale; a rating outside it is an error\n"
    "  --weights FILE    other weights than those that came with the program\n"
    "  --example ROWS    print a generated ratings file of about that many rows instead\n"
    "  --quiet           no progress\n";

namespace detail {

inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  }
  std::erase_if(parts, [](const std::string& part) { return part.empty(); });
  return parts;
}
inline bool number(const std::string& text, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value);
}

inline thaw::Fault wrong(const std::string& what, const char* expected) {
  return thaw::make_fault(thaw::FaultKind::mismatch, what.c_str(), ": ", expected, "; see --help");
}

// One option with its value.
inline thaw::Result<thaw::Done> take(const std::string& name, const std::string& value, Options& o) {
  double x = 0;
  if (name == "--user") {
    o.request.user = value;
  } else if (name == "--items") {
    o.request.items = split(value, ',');
  } else if (name == "--new") {
    o.new_items = split(value, ',');
  } else if (name == "--titles") {
    o.titles = value;
  } else if (name == "--weights") {
    o.weights = value;
  } else if (name == "--scale") {
    const std::vector<std::string> ends = split(value, ',');
    double high = 0;
    if (ends.size() != 2 || !number(ends[0], x) || !number(ends[1], high) || !(x < high))
      return wrong(name + " " + value, "expected the lowest and the highest rating, as 1,5");
    o.lowest = static_cast<float>(x), o.highest = static_cast<float>(high);
  } else if (name == "--like-from" && number(value, x)) {
    o.like_from = static_cast<float>(x);
  } else if (name == "--top" && number(value, x) && x >= 1 && x <= 1000) {
    o.request.most = static_cast<int>(x);
  } else if (name == "--example" && number(value, x) && x >= 1 && x <= 1e8) {
    o.example_rows = static_cast<std::int64_t>(x);
  } else {
    return wrong(name + " " + value, "no such option, or not a number in range");
  }
  return thaw::Done{};
}

}  // namespace detail

// Errors: an option or value that is not known, no file, nobody to recommend to.
inline thaw::Result<Options> read_options(int count, const char* const* words) {
  Options o;
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--help" || name == "--quiet") {
      (name == "--help" ? o.help : o.quiet) = true;
    } else if (name.rfind("--", 0) != 0) {
      if (!o.path.empty()) return detail::wrong(name, "a second file; one at a time");
      o.path = name;
    } else {
      if (i + 1 >= count) return detail::wrong(name, "no such option, or its value is missing");
      if (thaw::Result<thaw::Done> taken = detail::take(name, words[++i], o); !taken) return taken.fault();
    }
  }
  if (o.help || o.example_rows > 0) return o;
  if (o.path.empty()) return detail::wrong("the ratings file", "expected a path");
  if (o.request.user.empty() && o.request.items.empty())
    return detail::wrong("--user", "expected whom to recommend to, or --items");
  return o;
}

inline thaw::RatingsOptions reader_options(const Options& o) {
  thaw::RatingsOptions reader;
  reader.duplicates = thaw::DuplicatePolicy::keep_last;
  reader.rating_when_absent = 1.0f;
  reader.read_times = false;
  reader.read_attributes = false;
  reader.lowest = o.lowest, reader.highest = o.highest;
  return reader;
}

}  // namespace recommend
