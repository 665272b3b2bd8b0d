// What the recommender is asked for; recommend.cpp reads it from the command line.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
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
  std::vector<std::string> columns;  // of user, item and, if there are, ratings; names or positions; empty: usual ones
  float like_from = -std::numeric_limits<float>::infinity();
  std::optional<float> lowest, highest;
  std::int64_t example_rows = 0;
  bool quiet = false;
};

// What is wrong with options that were read; empty when nothing is.
inline std::string problem(const Options& o) {
  if (o.example_rows > 0) return {};
  if (o.path.empty()) return "the ratings file: expected a path; see --help";
  if (o.request.user.empty() && o.request.items.empty())
    return "--user: expected whom to recommend to, or --items; see --help";
  if (o.lowest && !(*o.lowest < *o.highest)) return "--scale: expected the lowest and the highest rating, as 1,5";
  if (o.columns.size() == 1) return "--columns: expected two or three, of user, item and rating, found one";
  return {};
}

// What to try after a fault of the reader: its first line is where columns are told apart.
inline const char* hint(const Options& o, std::string_view fault) {
  const bool about_columns = fault.find("line 1,") != fault.npos || fault.find("line 1:") != fault.npos;
  return o.columns.empty() && about_columns ? "if the columns are called otherwise, say which they are: --columns "
                                              "USER,ITEM,RATING, by name or position"
                                            : "";
}

inline thaw::RatingsOptions reader_options(const Options& o) {
  thaw::RatingsOptions reader;
  reader.duplicates = thaw::DuplicatePolicy::keep_last;
  reader.rating_when_absent = 1.0f;
  reader.read_times = false;
  reader.read_attributes = false;
  reader.lowest = o.lowest, reader.highest = o.highest;
  if (o.columns.size() >= 2) reader.user_column = o.columns[0], reader.item_column = o.columns[1];
  if (o.columns.size() >= 3) reader.rating_column = o.columns[2];
  return reader;
}

}  // namespace recommend
