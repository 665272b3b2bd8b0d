// Episode: one user as a learning task: what is seen of her, what is asked, and items she has no record of.
//
//   thaw::Episode e;
//   e.support = {.items = {3, 8}, .labels = {5, 2}, .negatives = {11, 40}};
//   e.query = {.items = {5}, .labels = {4}, .negatives = {90}};
//
// Labels are ratings in the data's own units, or 1 for an interaction; a negative's label is 0. Not a split: who is in
// training and which items are held out is decided before episodes are drawn (data/history_split.hpp).
#pragma once

#include <cstdint>
#include <vector>

namespace thaw::inline v0 {

struct Episode {
  struct Part {
    std::vector<std::int32_t> items;      // the user's records, oldest first where the data have times
    std::vector<float> labels;            // one an item
    std::vector<std::int32_t> negatives;  // no record of the user, in neither part
  };

  std::int32_t user = 0;
  Part support;
  Part query;
};

}  // namespace thaw::inline v0
