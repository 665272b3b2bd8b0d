// HyperOptions: sizes, start and rates of a HyperRS learner, and which parts of a user its inner loop moves.
//
//   hyperrs::HyperOptions hyper = hyperrs::hyper_options({.width = 64});   // p = 2 d and q = d, as published
//
// What all learners of this folder share is in LearnerOptions (learner.hpp).
#pragma once

#include <algorithm>

#include "hyperrs/hyperrs_model.hpp"
#include "hyperrs/learner.hpp"

namespace hyperrs {

struct HyperOptions {
  HyperSizes sizes;  // of the attributes: filled in from the data
  thaw::HeadStart start = thaw::HeadStart::glorot;
  InnerMoves moves;          // of the inner loop; {.scorer = false} is one without
  double inner_rate = 5e-3;  // alpha; both rates from the paper's grid
  double rate = 1e-3;        // beta
};

// `paper` takes its width from the options, p = 2 d and q = d as published.
inline HyperOptions hyper_options(const LearnerOptions& options) {
  HyperOptions hyper;
  hyper.sizes.width = hyper.sizes.codes = options.width;
  hyper.sizes.interest = 2 * options.width;
  return hyper;
}

// The sizes of the items' attributes filled in.
inline HyperOptions with_contents(HyperOptions hyper, const thaw::Dataset& data) {
  const auto& attributes = data.items.attributes;
  hyper.sizes.attributes = (std::min)(static_cast<int>(attributes.size()), kMostContents);
  thaw::require(hyper.sizes.attributes > 0, "HyperRS: items have no attributes; it knows them by nothing else");
  for (int i = 0; i < hyper.sizes.attributes; ++i)
    hyper.sizes.cardinality[i] = (std::max)(1, attributes[static_cast<std::size_t>(i)].cardinality());
  return hyper;
}

}  // namespace hyperrs
