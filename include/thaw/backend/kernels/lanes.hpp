// Vector registers and masked memory access, for the kernels of every instruction set.
//
//   using Vector = typename Lanes<float>::Vector;      // inside detail::avx512: 16 floats
//   load_part(v, from, 9);                             // the first nine, zeros behind
//
// Not an interface for operations: those use `map`, `zip` and the row kernels.
#pragma once

#define THAW_KERNEL_FILE "thaw/backend/kernels/lanes_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"
