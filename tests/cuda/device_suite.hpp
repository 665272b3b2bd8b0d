// The parts of the device suite; device_suite.cu runs them.
#pragma once

#include "tests/cuda/report.hpp"
#include "thaw/backend/cuda.hpp"

namespace device_checks {

void elementwise_in_float(thaw::Cuda::Context& context, Report& report);
void elementwise_in_double(thaw::Cuda::Context& context, Report& report);
void operations_in_float(thaw::Cuda::Context& context, Report& report);
void operations_in_double(thaw::Cuda::Context& context, Report& report);
void training_in_float(thaw::Cuda::Context& context, Report& report);
void training_in_double(thaw::Cuda::Context& context, Report& report);
void hire_in_float(thaw::Cuda::Context& context, Report& report);
void hire_in_double(thaw::Cuda::Context& context, Report& report);

}  // namespace device_checks
