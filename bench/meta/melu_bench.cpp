// MeLU: users per second in training, and what a new user waits for, at its published size.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench -I/usr/include/eigen3
//       bench/meta/melu_bench.cpp -o melu_bench
//   ./melu_bench [threads] [seconds] [wanted case]
//   ./melu_bench dump start.safetensors                  # weights, users and losses for bench/peers/melu_peer.py
//
// Four fields of the item and four of the user, 32 numbers each; tower 256-64-64-1, of which every number is local; 32
// users a meta-step, one inner step on ten ratings, ten asked. Rates at which the inner step does something.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "hyperrs/melu_fast.hpp"
#include "measure.hpp"
#include "meta/meta_problem.hpp"
#include "thaw/file/safetensors_write.hpp"

namespace {

using bench::MetaProblem;
using hyperrs::FusedMeluLearner;

hyperrs::MeluOptions options_of(int threads, bool first_order) {
  hyperrs::MeluOptions options;
  options.local_rate = 0.01;
  options.rate = 1e-3;
  options.first_order = first_order;
  options.threads = threads;
  options.seed = 7;
  return options;
}

struct Run {
  int threads;
  double seconds;
  const char* wanted;

  template <class Call>
  void operator()(const char* name, double users, Call call) const {
    if (wanted != nullptr && std::strcmp(wanted, name) != 0) return;
    const bench::Times t = bench::times(7, seconds, call);
    std::printf(
        "{\"case\": \"%s\", \"side\": \"thaw\", \"threads\": %d, \"ms\": %.6g, \"ms_min\": %.6g, \"users_per_s\": "
        "%.6g, \"steps\": %d}\n",
        name, threads, 1e3 * t.median, 1e3 * t.fastest, users / t.median, t.count);
    std::fflush(stdout);
  }
};

void measure(const Run& run) {
  const MetaProblem problem(hyperrs::Objective::rating);
  std::vector<float> scores(problem.candidates.size());
  for (const bool first_order : {true, false}) {
    FusedMeluLearner learner(problem.data, options_of(run.threads, first_order));
    std::size_t step = 0;
    run(first_order ? "melu first order" : "melu exact", MetaProblem::kBatch,
        [&] { learner.train(problem.meta_batch(step++)); });
    if (first_order) continue;
    const thaw::Episode& user = problem.new_user();
    run("melu adapt", 1, [&] { learner.adapt(user.user, user.support, 1)->score(problem.candidates, scores); });
  }
}

// The values of one side's fields, for a list of entities.
void add_bags(thaw::SafetensorsWriter& writer, const std::string& name, const thaw::Entities& side,
              const std::vector<std::int32_t>& of, thaw::Arena& arena) {
  const hyperrs::MeluFields fields(side, false);
  for (int f = 0; f < fields.count(); ++f) {
    const thaw::Bags bags = fields.bags(f, of, arena);
    writer.add(name + "." + std::to_string(f) + ".ids", {bags.offsets[bags.count]}, bags.ids);
    writer.add(name + "." + std::to_string(f) + ".offsets", {bags.count + 1}, bags.offsets);
  }
}

void add_weights(thaw::SafetensorsWriter& writer, const std::string& name, FusedMeluLearner& learner,
                 std::vector<std::vector<float>>& kept) {
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const auto& a) {
        kept.emplace_back(a.begin(), a.end());
        writer.add(name + path.text, thaw::TensorTypeOf<float>::value, a.shape.dims, a.shape.rank, kept.back().data());
      },
      learner.parameters().values());
}

// Weights at the start and after three meta-steps of either order, their losses, and the scores of a new user.
int dump(const char* path) {
  const MetaProblem problem(hyperrs::Objective::rating);
  thaw::SafetensorsWriter writer;
  thaw::GrowingArena arena;
  std::vector<std::vector<float>> kept;
  kept.reserve(1000);
  std::vector<std::int32_t> users, support, query;
  auto &support_labels = kept.emplace_back(), &query_labels = kept.emplace_back();
  for (const auto& e : problem.episodes) {
    users.push_back(e.user);
    support.insert(support.end(), e.support.items.begin(), e.support.items.end());
    query.insert(query.end(), e.query.items.begin(), e.query.items.end());
    support_labels.insert(support_labels.end(), e.support.labels.begin(), e.support.labels.end());
    query_labels.insert(query_labels.end(), e.query.labels.begin(), e.query.labels.end());
  }
  add_bags(writer, "user", problem.data.users, users, arena);
  add_bags(writer, "support", problem.data.items, support, arena);
  add_bags(writer, "query", problem.data.items, query, arena);
  add_bags(writer, "candidates", problem.data.items, problem.candidates, arena);
  writer.add("support.labels", {static_cast<thaw::Index>(support_labels.size())}, support_labels.data());
  writer.add("query.labels", {static_cast<thaw::Index>(query_labels.size())}, query_labels.data());
  for (const bool first_order : {true, false}) {
    FusedMeluLearner learner(problem.data, options_of(1, first_order));
    const std::string order = first_order ? "first" : "exact";
    if (first_order) {
      add_weights(writer, "start.", learner, kept);
      auto& scores = kept.emplace_back(problem.candidates.size());
      learner.adapt(problem.new_user().user, problem.new_user().support, 1)->score(problem.candidates, scores);
      writer.add("scores", {static_cast<thaw::Index>(scores.size())}, scores.data());
    }
    auto& losses = kept.emplace_back();
    for (std::size_t k = 0; k < 3; ++k) losses.push_back(static_cast<float>(learner.train(problem.meta_batch(k))));
    writer.add("losses." + order, {3}, losses.data());
    add_weights(writer, order + ".", learner, kept);
  }
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  return done ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 2 && std::strcmp(arguments[1], "dump") == 0) return dump(arguments[2]);
  measure({count > 1 ? std::atoi(arguments[1]) : 2, count > 2 ? std::atof(arguments[2]) : 3,
           count > 3 ? arguments[3] : nullptr});
  return 0;
}
