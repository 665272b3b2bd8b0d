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

// The same batch of products at outer x inner places; the strides say how far apart the places are.
struct ProductGrid {
  Index outer = 1, inner = 1;
  Index a_outer = 0, a_inner = 0, b_outer = 0, b_inner = 0, c_outer = 0, c_inner = 0;
};

// All of them: in one go where the backend can, else one after another.
template <class Backend, class R>
void product_grid(auto& context, const ProductShape& s, const ProductGrid& grid, const R* a, const R* b, R* c) {
  if constexpr (requires { Backend::products(context, s, grid, a, b, c); }) {
    Backend::products(context, s, grid, a, b, c);
  } else {
    for (Index o = 0; o < grid.outer; ++o)
      for (Index i = 0; i < grid.inner; ++i)
        Backend::product(context, s, a + o * grid.a_outer + i * grid.a_inner, b + o * grid.b_outer + i * grid.b_inner,
                         c + o * grid.c_outer + i * grid.c_inner, static_cast<const R*>(nullptr));
  }
}

}  // namespace thaw::inline v0
