// ProductShape: the sizes and strides of a batch of matrix products, C (+)= A B + bias.
//
//   A is (batch, rows, inner), B is (batch, inner, columns), C is (batch, rows, columns) with contiguous columns;
//   strides count elements and may be anything, so transposes and heads need no copy.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

struct ProductShape {
  Index batch = 1, rows = 0, columns = 0, inner = 0;
  Index a_row_stride = 0, a_inner_stride = 1, a_batch_stride = 0;
  Index b_inner_stride = 0, b_column_stride = 1, b_batch_stride = 0;
  Index c_row_stride = 0, c_batch_stride = 0;
  bool accumulate = false;
};

}  // namespace thaw::inline v0
