// T5-small's training step and forward pass: 16 prompts of 64 tokens, answers of 16, beside this machine's peak.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench -I/usr/include/eigen3 bench/t5/t5_bench.cpp -o t5_bench
//   ./t5_bench [threads] [seconds] [wanted case]
//   ./t5_bench dump step.safetensors        # weights, inputs and results for bench/peers/t5_peer.py
#include <cstdlib>
#include <cstring>

#include "elmrec/t5_file.hpp"
#include "measure.hpp"
#include "t5/t5_problem.hpp"

namespace {

using bench::T5Problem;
using thaw::Index;

// Weights under their published names, ids, every logit of the first answer, and the losses of steps.
int dump(const char* path) {
  T5Problem problem(1);
  thaw::SafetensorsWriter writer;
  std::vector<std::vector<float>> kept;  // the weights before the steps
  thaw::for_each_tensor(
      [&](const thaw::Path& name, const auto& tensor) {
        kept.emplace_back(tensor.begin(), tensor.end());
        writer.add("weights." + elmrec::t5_tensor_name(name), thaw::TensorType::f32, tensor.shape.dims,
                   tensor.shape.rank, kept.back().data());
      },
      problem.parameters().values());
  const auto ids = [&](const char* name, const std::vector<std::int32_t>& list) {
    writer.add(name, {T5Problem::kBatch, static_cast<Index>(list.size()) / T5Problem::kBatch}, list.data());
  };
  ids("input.read", problem.read);
  ids("input.previous", problem.previous);
  ids("input.answer", problem.answer);
  const Index vocabulary = elmrec::kT5Small.vocab_size;
  std::vector<float> logits;
  {
    thaw::ArenaScope scope(problem.arena());
    const auto all = problem.logits(problem.net());
    logits.assign(all.begin(), all.begin() + T5Problem::kWritten * vocabulary);
  }
  writer.add("output.logits", {T5Problem::kWritten, vocabulary}, logits.data());
  std::vector<double> losses;
  for (int step = 0; step < 4; ++step) losses.push_back(problem.train());
  writer.add("output.losses", {static_cast<Index>(losses.size())}, losses.data());
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  return done ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "dump") == 0) return dump(argv[2]);
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  const char* wanted = argc > 3 ? argv[3] : "";
  const double peak = bench::peak() * threads;
  T5Problem problem(threads);
  const auto run = [&](const char* name, double flop, const auto& call) {
    if (*wanted != '\0' && std::strcmp(wanted, name) != 0) return;
    bench::print(name, "thaw", threads, bench::times(3, seconds, call), flop, peak);
  };
  run("t5 forward", problem.forward_flop(), [&] { problem.forward(); });
  run("t5 train", 3 * problem.forward_flop(), [&] { problem.train(); });
  std::fprintf(stderr, "peak memory %.0f MB\n", 1e-6 * static_cast<double>(problem.peak_bytes()));
}
