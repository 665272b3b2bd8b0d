// The checks of tests/cuda/checks_products.hpp on a GPU, in float. A file each, because device code is slow to compile.
#include "tests/cuda/checks_products.hpp"
#include "tests/cuda/device_suite.hpp"

namespace device_checks {

void operations_in_float(thaw::Cuda::Context& context, Report& report) { check_operations(Side<thaw::Cuda, float>{context, report}); }

}  // namespace device_checks
