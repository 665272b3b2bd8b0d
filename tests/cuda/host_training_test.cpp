// The checks of tests/cuda/checks_training.hpp on the host's loops: the kernels of a GPU, without one.
#include "tests/cuda/checks_training.hpp"
#include "tests/cuda/host_session.hpp"

TEST_CASE("grid kernels: training, float") {
  device_checks::hold_on_host<float>([](auto side) { device_checks::check_training(side); });
}
TEST_CASE("grid kernels: training, double") {
  device_checks::hold_on_host<double>([](auto side) { device_checks::check_training(side); });
}
