// The checks of tests/cuda/checks_hire.hpp on the host's loops: the kernels of a GPU, without one.
#include "tests/cuda/checks_hire.hpp"
#include "tests/cuda/host_session.hpp"

TEST_CASE("grid kernels: hire, float") {
  device_checks::hold_on_host<float>([](auto side) { device_checks::check_hire(side); });
}
TEST_CASE("grid kernels: hire, double") {
  device_checks::hold_on_host<double>([](auto side) { device_checks::check_hire(side); });
}
