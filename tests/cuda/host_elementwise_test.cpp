// The checks of tests/cuda/checks_elementwise.hpp on the host's loops: the kernels of a GPU, without one.
#include "tests/cuda/checks_elementwise.hpp"
#include "tests/cuda/host_session.hpp"

TEST_CASE("grid kernels: elementwise, float") {
  device_checks::hold_on_host<float>([](auto side) { device_checks::check_elementwise(side); });
}
TEST_CASE("grid kernels: elementwise, double") {
  device_checks::hold_on_host<double>([](auto side) { device_checks::check_elementwise(side); });
}
