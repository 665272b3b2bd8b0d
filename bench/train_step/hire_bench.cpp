// HIRE's training step and scoring, on contexts of MovieLens-1M's shape, beside this machine's peak.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench -I/usr/include/eigen3
//       bench/train_step/hire_bench.cpp -o hire_bench
//   ./hire_bench [threads] [seconds] [wanted case]
//   ./hire_bench dump step.safetensors        # weights, inputs and results for bench/peers/hire_peer.py
//
// The published recipe: 3 blocks, width 16 in 9 slots, dropout 0.1, LAMB inside Lookahead, 1,859,537 weights.
#include <cstdlib>
#include <cstring>

#include "hire/scoring.hpp"
#include "measure.hpp"
#include "thaw/file/safetensors_write.hpp"
#include "train_step/hire_problem.hpp"

namespace {

using bench::HireProblem;
using thaw::Index;

struct Run {
  int threads;
  double seconds;
  const char* wanted;
  double peak;  // of all threads

  template <class Call>
  void operator()(const char* name, double flop, Call call) const {
    if (wanted != nullptr && std::strcmp(wanted, name) != 0) return;
    bench::print(name, "thaw", threads, bench::times(5, seconds, call), flop, peak);
  }
};

void measure(const Run& run) {
  const hire::Recipe recipe = hire::paper_recipe();
  for (const std::size_t contexts : {std::size_t(8), std::size_t(1)}) {
    HireProblem problem(contexts);
    hire::Trainer trainer(problem.plan(recipe), recipe, run.threads);
    const double flop = problem.forward_flop();
    run(contexts == 8 ? "train batch 8" : "train batch 1", 3 * flop, [&] { trainer.step(problem.packer); });
    if (contexts != 1) continue;
    const auto model = trainer.scoring_model();
    const auto batch = problem.packer.batch();
    run("score one context", flop, [&] {
      thaw::ArenaScope scope(trainer.arena());
      model(batch);
    });
    run("score one user", problem.target_flop(), [&] {
      thaw::ArenaScope scope(trainer.arena());
      hire::score_target(model, batch);
    });
  }
}

void add_bags(thaw::SafetensorsWriter& writer, const std::string& name, const thaw::Bags& bags) {
  const Index ids = bags.offsets == nullptr ? bags.count : bags.offsets[bags.count];
  writer.add(name + ".ids", {ids}, bags.ids);
  if (bags.offsets != nullptr) writer.add(name + ".offsets", {bags.count + 1}, bags.offsets);
}

// Weights, two contexts, what the network says of them, and the losses of steps without dropout.
int dump(const char* path) {
  hire::Recipe recipe = hire::paper_recipe();
  recipe.dropout = 0;
  HireProblem problem(2);
  hire::Trainer trainer(problem.plan(recipe), recipe, 1);
  thaw::SafetensorsWriter writer;
  std::vector<std::vector<float>> kept;  // the weights before the steps
  thaw::for_each_tensor(
      [&](const thaw::Path& name, const auto& tensor) {
        kept.emplace_back(tensor.begin(), tensor.end());
        writer.add(std::string("weights.") + name.text, thaw::TensorTypeOf<float>::value, tensor.shape.dims,
                   tensor.shape.rank, kept.back().data());
      },
      trainer.parameters().values());
  const auto batch = problem.packer.batch();
  for (int i = 0; i < 4; ++i) {
    add_bags(writer, "input.user." + std::to_string(i), batch.user[i]);
    add_bags(writer, "input.item." + std::to_string(i), batch.item[i]);
  }
  const Index cells = batch.contexts * batch.users * batch.items;
  add_bags(writer, "input.rating", batch.rating);
  writer.add("input.truth", {batch.contexts, batch.users, batch.items}, problem.packer.truth());
  writer.add("input.weight", {batch.contexts, batch.users, batch.items}, problem.packer.weight());
  std::vector<float> predicted;
  trainer.predict(problem.packer, predicted);
  writer.add("output.ratings", {batch.contexts, batch.users, batch.items}, predicted.data());
  std::vector<float> target;
  {
    thaw::ArenaScope scope(trainer.arena());
    const auto scores = hire::score_target(trainer.scoring_model(), batch);
    target.assign(scores.begin(), scores.end());
  }
  writer.add("output.first_user", {batch.contexts, batch.items}, target.data());
  std::vector<double> losses;
  for (int step = 0; step < 15; ++step) losses.push_back(trainer.step(problem.packer));
  writer.add("output.losses", {static_cast<Index>(losses.size())}, losses.data());
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  std::printf("%s: %lld cells\n", path, static_cast<long long>(cells));
  return done ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 2 && std::strcmp(arguments[1], "dump") == 0) return dump(arguments[2]);
  Run run{count > 1 ? std::atoi(arguments[1]) : 2, count > 2 ? std::atof(arguments[2]) : 5,
          count > 3 ? arguments[3] : nullptr, bench::peak()};
  std::printf("{\"case\": \"peak\", \"gflop_per_s_of_a_thread\": %.4g}\n", 1e-9 * run.peak);
  run.peak *= run.threads;
  measure(run);
  return 0;
}
