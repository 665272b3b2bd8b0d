// The kernels that ials.hpp and bpr_mf.hpp share, for every instruction set.
#pragma once

#include "thaw/backend/kernels/vector_math_rows.hpp"

#define THAW_KERNEL_FILE "thaw/baselines/kernels/factor_rows_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"
