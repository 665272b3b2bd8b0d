// One SGD step of a 64-64-64-1 ReLU network at batch 1: forward, squared error, gradient, update, through the tape.
//
//   g++ -std=c++20 -O2 -Iinclude -Ibench bench/train_step/mlp_bench.cpp -o mlp_bench && ./mlp_bench [seconds]
//
// What is measured is the price of an operation, not arithmetic: 26,000 multiply-adds take half a microsecond. The
// same step against libtorch: bench/peers/mlp_libtorch.cpp.
#include <cstdlib>

#include "measure.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/sgd.hpp"

namespace {

constexpr int kStepsOfCall = 1000;
constexpr double kRate = 1e-7;  // so slow that after millions of steps no number has become zero or denormal

template <class B>
void measure(const char* side, double seconds) {
  thaw::GrowingArena weight_arena, arena;
  typename B::Context weights{&weight_arena}, context{&arena};
  const auto plan = thaw::mlp_spec({64, 64, 64, 1}, thaw::Activation::relu);
  thaw::Parameters<thaw::Mlp<thaw::Spec>, float, B> parameters(plan, weights, 7);
  thaw::Sgd<float, B> sgd(parameters);
  thaw::Tape<float, B> tape(context);
  float input[64], wanted[1] = {1};
  for (int i = 0; i < 64; ++i) input[i] = static_cast<float>(i % 7 - 3) * 0.3F;
  const auto x = thaw::Array<float, B>::view(context, input, {1, 64});
  const auto y = thaw::Array<float, B>::view(context, wanted, {1, 1});

  float loss = 0;
  const auto step = [&] {
    thaw::Scope scope(tape);
    const auto net = parameters.on(tape);
    const auto error = thaw::mse(net(x), y);
    sgd.step(parameters, parameters.gradient(error), kRate);
    loss = error.item();
  };
  bench::Times t = bench::times(9, seconds, [&] {
    for (int i = 0; i < kStepsOfCall; ++i) step();
  });
  t.count *= kStepsOfCall;
  t.median /= kStepsOfCall;
  t.fastest /= kStepsOfCall;
  bench::print("mlp sgd step", side, 1, t);
  std::fprintf(stderr, "%s: %.2f us a step, last loss %g\n", side, 1e6 * t.median, static_cast<double>(loss));
}

}  // namespace

int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 2;
  measure<thaw::CpuEigen>("thaw", seconds);
  measure<thaw::Cpu>("thaw portable", seconds);
  return 0;
}
