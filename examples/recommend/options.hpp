// What the recommender is asked for; recommend.cpp reads it from the command line.
#pragma once

#include <cstdint>
#include <limits>
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
  bool quiet = false;
};

// What is wrong with options that were read; empty when nothing is.
inline std::string problem(const Options& o) {
  if (o.example_rows > 0) return {};
  if (o.path.empty()) return "the ratings file: expected a path; see --help";
  if (o.request.user.empty() && o.request.items.empty())
    return "--user: expected whom to recommend to, or --items; see --help";
  if (o.lowest && !(*o.lowest < *o.highest)) return "--scale: expected the lowest and the highest rating, as 1,5";
  return {};
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
