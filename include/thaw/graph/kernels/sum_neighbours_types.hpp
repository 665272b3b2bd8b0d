// What the kernels of propagate.hpp are handed, whatever the instruction set.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {
namespace detail {

// The row that is asked for while another is added lies this many edges ahead; lists of ids have as many spare ones.
inline constexpr Index kNeighboursAhead = 12;

// out[r - begin] = factor[r] * sum over the neighbours c of r of scale[c] * table[c], for begin <= r < end.
template <class Real>
struct NeighbourSums {
  const std::int64_t* offsets;
  const std::int32_t* ids;
  Index begin, end;
  const Real* table;
  Index width;         // columns that are summed
  Index stride;        // from row to row, of the table and of `out`
  const Real* scale;   // of each node, or null for ones
  const Real* factor;  // of each node
  Real* out;
};

}  // namespace detail
}  // namespace thaw::inline v0
