// Everything that must hold on a GPU, in one program: each operation with its gradients to second order beside Cpu in
// double, optimisers, exact equality of random numbers, HIRE's golden values and training.
//
//   thaw_cuda_suite [--quiet]      prints one line a check and a summary
//
// Exit status: 0 passed, 1 failed, 77 skipped because this machine has no device (ctest knows it as skipped).
#include <cstdio>
#include <cstring>

#include "tests/cuda/device_suite.hpp"
#include "thaw/ops/product.hpp"

namespace {

constexpr int kSkipped = 77;

// The modes that are not exact must be near, and must not be what runs when nobody asked.
void check_math(thaw::CudaSession& session, device_checks::Report& report) {
  using A = thaw::Array<float, thaw::Cuda>;
  thaw::ContextScope memory(session.context());
  const device_checks::Arrays<thaw::Cuda, float> arrays{session.context()};
  const device_checks::Input input{256, 256};
  const A a = arrays.make(input.shape, device_checks::draw<float>(input, 1));
  const A b = arrays.make(input.shape, device_checks::draw<float>(input, 2));
  const auto product = [&](thaw::CudaMath math) {
    session.device().set_math(math);
    const device_checks::Numbers out = arrays.read(thaw::matmul(a, b));
    session.device().set_math(thaw::CudaMath::fp32);
    return out;
  };
  const device_checks::Numbers exact = product(thaw::CudaMath::fp32);
  report.add("product in TF32 beside FP32", device_checks::error_of(product(thaw::CudaMath::tf32), exact), 3e-3);
  report.add("product in BF16 beside FP32", device_checks::error_of(product(thaw::CudaMath::bf16), exact), 2e-2);
}

// Steps whose launches are one graph: the same checks, and one graph for all steps of a curve.
void check_graphs(thaw::CudaSession& session, device_checks::Report& report) {
  report.prefix = "one graph: ";
  const bool is_on = session.device().set_graphs(true).ok();
  report.add("memory for it", is_on ? 0 : 1, 0);
  if (is_on) device_checks::hire_in_float(session.context(), report);
  const auto built = static_cast<double>(session.device().graph().built());
  report.add("built once for 30 steps", built - 1, 0);
  report.add("built at all", built > 0 ? 0 : 1, 0);
  (void)session.device().set_graphs(false);
  report.prefix.clear();
}

}  // namespace

int main(int argc, char** argv) {
  const bool quiet = argc > 1 && std::strcmp(argv[1], "--quiet") == 0;
  auto session = thaw::CudaSession::open();
  if (!session) {
    const thaw::Fault fault = session.fault();
    std::printf("skipped: %s\n", fault.text);
    return fault.kind == thaw::FaultKind::out_of_memory ? 1 : kSkipped;
  }
  auto& context = session.value().context();
  std::printf("device: %s, %d multiprocessors\n", session.value().device().properties().name,
              session.value().device().properties().multiProcessorCount);
  device_checks::Report report;
  report.aloud = !quiet;
  device_checks::elementwise_in_float(context, report);
  device_checks::elementwise_in_double(context, report);
  device_checks::operations_in_float(context, report);
  device_checks::operations_in_double(context, report);
  device_checks::training_in_float(context, report);
  device_checks::training_in_double(context, report);
  device_checks::hire_in_float(context, report);
  device_checks::hire_in_double(context, report);
  check_math(session.value(), report);
  check_graphs(session.value(), report);
  session.value().device().synchronize();
  const int failed = report.failed();
  std::printf("device suite: %d checks passed, %d failed\n", static_cast<int>(report.results.size()) - failed, failed);
  return failed == 0 ? 0 : 1;
}
