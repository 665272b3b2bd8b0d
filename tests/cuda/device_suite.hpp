// The parts of the device suite; device_suite.cu runs them.
#pragma once

#include "tests/cuda/report.hpp"
#include "thaw/backend/cuda.hpp"

namespace device_checks {

void check_elementwise_on_device(thaw::Cuda::Context& context, Report& report);
void check_operations_on_device(thaw::Cuda::Context& context, Report& report);
void check_training_on_device(thaw::Cuda::Context& context, Report& report);
void check_hire_on_device(thaw::Cuda::Context& context, Report& report);

}  // namespace device_checks
