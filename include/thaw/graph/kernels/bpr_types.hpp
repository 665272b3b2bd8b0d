// What the kernels of a BPR batch are handed, whatever the instruction set.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {
namespace detail {

// Triples as places in a table of the rows that the batch touches.
struct BprBatch {
  Index triples;
  const Index* slots;  // (triples, 3): user, liked, other
  const float* rows;   // (slots, stride)
  Index stride;
};

}  // namespace detail
}  // namespace thaw::inline v0
