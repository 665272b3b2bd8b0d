// The step of bench/train_step/mlp_bench.cpp in libtorch: one SGD step of a 64-64-64-1 ReLU network at batch 1.
//
//   apt-get install libtorch-dev
//   g++ -std=c++17 -O2 -I/usr/include/torch/csrc/api/include bench/peers/mlp_libtorch.cpp -o mlp_libtorch \
//       -ltorch -ltorch_cpu -lc10 && ./mlp_libtorch [seconds]
//
// One thread, gradients set to null rather than to zero, nothing printed between steps: its best form.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

constexpr int kStepsOfCall = 200;
constexpr double kRate = 1e-7;

}  // namespace

int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 2;
  torch::set_num_threads(1);
  torch::manual_seed(7);
  torch::nn::Sequential net(torch::nn::Linear(64, 64), torch::nn::ReLU(), torch::nn::Linear(64, 64), torch::nn::ReLU(),
                            torch::nn::Linear(64, 1));
  torch::optim::SGD sgd(net->parameters(), torch::optim::SGDOptions(kRate));
  torch::Tensor x = torch::zeros({1, 64});
  for (int i = 0; i < 64; ++i) x[0][i] = static_cast<float>(i % 7 - 3) * 0.3F;
  const torch::Tensor y = torch::ones({1, 1});

  float loss = 0;
  const auto step = [&] {
    sgd.zero_grad();
    const torch::Tensor error = torch::mse_loss(net->forward(x), y);
    error.backward();
    sgd.step();
    loss = error.item<float>();
  };
  std::vector<double> all;
  for (int i = 0; i < kStepsOfCall; ++i) step();
  for (const double end = now() + seconds; all.size() < 9 || now() < end;) {
    const double start = now();
    for (int i = 0; i < kStepsOfCall; ++i) step();
    all.push_back((now() - start) / kStepsOfCall);
  }
  std::sort(all.begin(), all.end());
  const double median = all[all.size() / 2];
  std::printf(
      "{\"case\": \"mlp sgd step\", \"side\": \"libtorch\", \"threads\": 1, \"ms\": %.6g, \"ms_min\": %.6g, \"steps\": "
      "%zu}\n",
      1e3 * median, 1e3 * all.front(), all.size() * kStepsOfCall);
  std::fprintf(stderr, "libtorch: %.2f us a step, last loss %g\n", 1e6 * median, static_cast<double>(loss));
  return 0;
}
