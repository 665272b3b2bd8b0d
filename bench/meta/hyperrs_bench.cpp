// HyperRS: users per second in training, and what a new user waits for, at one width.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench -I/usr/include/eigen3
//       bench/meta/hyperrs_bench.cpp -o hyperrs_bench
//   ./hyperrs_bench [threads] [seconds] [width] [wanted case]
//   ./hyperrs_bench dump start.safetensors [width]      # weights, users and losses for bench/peers/hyperrs_peer.py
//
// The published network: p = 2 d, q = d, every weight of the scorer generated; 32 users a meta-step, one inner step on
// ten records and ten negatives, the same number asked. Also prints the memory bandwidth that the floor stands on.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "hyperrs/hyperrs_fast.hpp"
#include "measure.hpp"
#include "meta/meta_problem.hpp"
#include "thaw/file/safetensors_write.hpp"

namespace {

using bench::MetaProblem;
using hyperrs::FloatArray;
using hyperrs::FusedHyperLearner;
using hyperrs::Index;

hyperrs::LearnerOptions options_of(std::int32_t width, int threads, bool first_order) {
  return {.width = width, .first_order = first_order, .inner_steps = 1, .threads = threads, .seed = 7};
}
// With `calm` below a start at which the scorer tells items apart, so that a check of the peer checks something.
hyperrs::HyperOptions hyper_of(const hyperrs::LearnerOptions& options) {
  hyperrs::HyperOptions hyper = hyperrs::hyper_options(options);
  hyper.start = thaw::HeadStart::fan_in;
  hyper.inner_rate = 0.01;
  hyper.rate = 1e-4;
  return hyper;
}

// The heads' activation makes generated weights positive on average, so that scores grow from layer to layer; at this
// scale of their biases they do not.
void calm(FusedHyperLearner& learner, std::int32_t width) {
  thaw::GrowingArena arena;
  hyperrs::Backend::Context context{&arena, 1};
  const auto model = learner.model(context);
  const float scale = 4 / std::sqrt(static_cast<float>(width));
  for (int h = 0; h < model.heads.heads.count; ++h)
    for (float& x : model.heads.heads[h].bias[0]) x *= scale;
  learner.load(model);
}

// Bytes per second of an update that reads and writes one array of 1 GB, far beyond any cache, by all threads.
double bandwidth(int threads) {
  const Index part_size = (Index(1) << 28) / threads, n = part_size * threads;
  const std::unique_ptr<float[]> x(new float[static_cast<std::size_t>(n)]);
  const auto pass = [&] {
#if defined(_OPENMP)
#pragma omp parallel for schedule(static, 1) num_threads(threads)
#endif
    for (int t = 0; t < threads; ++t) {
      float* part = x.get() + t * part_size;
      thaw::affine(thaw::detect_isa(), part_size, 0.5F, 1.0F, part, part);
    }
  };
  for (Index i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = 1;
  return 2.0 * sizeof(float) * static_cast<double>(n) / bench::times(9, 0.5, pass).median;
}

struct Run {
  int threads;
  double seconds;
  std::int32_t width;
  const char* wanted;

  template <class Call>
  void operator()(const char* name, double users, Call call) const {
    if (wanted != nullptr && std::strcmp(wanted, name) != 0) return;
    const bench::Times t = bench::times(7, seconds, call);
    std::printf(
        "{\"case\": \"%s\", \"side\": \"thaw\", \"width\": %d, \"threads\": %d, \"ms\": %.6g, \"ms_min\": %.6g, "
        "\"users_per_s\": %.6g, \"steps\": %d}\n",
        name, static_cast<int>(width), threads, 1e3 * t.median, 1e3 * t.fastest, users / t.median, t.count);
    std::fflush(stdout);
  }
};

void measure(const Run& run) {
  const MetaProblem problem(hyperrs::Objective::ranking);
  std::vector<float> scores(problem.candidates.size());
  for (const bool first_order : {true, false}) {
    const auto options = options_of(run.width, run.threads, first_order);
    FusedHyperLearner learner(problem.world, options, hyper_of(options));
    calm(learner, run.width);
    std::size_t step = 0;
    run(first_order ? "train first order" : "train exact", MetaProblem::kBatch,
        [&] { learner.train(problem.meta_batch(step++)); });
    if (!first_order) continue;
    const thaw::Episode::Part& support = problem.new_user().support;
    const auto adapt = [&](std::int32_t user) { learner.adapt(user, support, 1)->score(problem.candidates, scores); };
    learner.train(problem.meta_batch(0));
    run("adapt", 1, [&] { adapt(problem.new_user().user); });  // a code of her own: her scorer is generated
    run("adapt from kept start", 1, [&] { adapt(-1); });
  }
}

void add_part(thaw::SafetensorsWriter& writer, const std::string& name, const MetaProblem& problem,
              const std::vector<thaw::Episode::Part>& parts, std::vector<std::unique_ptr<thaw::GrowingArena>>& kept) {
  auto& arena = *kept.emplace_back(std::make_unique<thaw::GrowingArena>());
  std::vector<std::int32_t> items;
  for (const auto& part : parts) {
    items.insert(items.end(), part.items.begin(), part.items.end());
    items.insert(items.end(), part.negatives.begin(), part.negatives.end());
  }
  for (int x = 0; x < 3; ++x) {
    const thaw::Bags bags = hyperrs::attribute_bags(problem.data.items, x, items, false, arena);
    writer.add(name + "." + std::to_string(x) + ".ids", {bags.offsets[bags.count]}, bags.ids);
    writer.add(name + "." + std::to_string(x) + ".offsets", {bags.count + 1}, bags.offsets);
  }
}

void add_model(thaw::SafetensorsWriter& writer, const std::string& name, const FusedHyperLearner& learner,
               std::vector<std::unique_ptr<thaw::GrowingArena>>& kept) {
  hyperrs::Backend::Context context{kept.emplace_back(std::make_unique<thaw::GrowingArena>()).get(), 1};
  const auto add = [&](const std::string& what, const FloatArray& a) {
    writer.add(name + what, thaw::TensorTypeOf<float>::value, a.shape.dims, a.shape.rank, a.data);
  };
  const auto model = learner.model(context);
  thaw::for_each_tensor([&](const thaw::Path& path, const FloatArray& a) { add(path.text, a); }, model);
  const FloatArray rows = FloatArray::make(context, learner.user_rows().shape);
  std::copy(learner.user_rows().begin(), learner.user_rows().end(), rows.begin());
  add("users", rows);
}

// Weights at the start and after three meta-steps of either order, their losses, and the scores of a new user.
int dump(const char* path, std::int32_t width) {
  const MetaProblem problem(hyperrs::Objective::ranking);
  thaw::SafetensorsWriter writer;
  std::vector<std::unique_ptr<thaw::GrowingArena>> kept;
  std::vector<thaw::Episode::Part> support, query;
  std::vector<std::int32_t> users;
  for (const auto& episode : problem.episodes) {
    support.push_back(episode.support);
    query.push_back(episode.query);
    users.push_back(episode.user);
  }
  add_part(writer, "support", problem, support, kept);
  add_part(writer, "query", problem, query, kept);
  add_part(writer, "candidates", problem, {{problem.candidates, {}, {}}}, kept);
  writer.add("episodes", {static_cast<Index>(users.size())}, users.data());
  std::vector<std::vector<float>> results;
  results.reserve(8);
  for (const bool first_order : {true, false}) {
    const auto options = options_of(width, 1, first_order);
    FusedHyperLearner learner(problem.world, options, hyper_of(options));
    calm(learner, width);
    if (first_order) {
      add_model(writer, "start.", learner, kept);
      auto& scores = results.emplace_back(problem.candidates.size());
      learner.adapt(-1, problem.new_user().support, 1)->score(problem.candidates, scores);
      writer.add("scores", {static_cast<Index>(scores.size())}, scores.data());
    }
    auto& losses = results.emplace_back();
    for (std::size_t k = 0; k < 3; ++k) losses.push_back(static_cast<float>(learner.train(problem.meta_batch(k))));
    const std::string order = first_order ? "first" : "exact";
    writer.add("losses." + order, {3}, losses.data());
    add_model(writer, order + ".", learner, kept);
  }
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  return done ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 2 && std::strcmp(arguments[1], "dump") == 0)
    return dump(arguments[2], count > 3 ? std::atoi(arguments[3]) : 64);
  const Run run{count > 1 ? std::atoi(arguments[1]) : 2, count > 2 ? std::atof(arguments[2]) : 3,
                count > 3 ? std::atoi(arguments[3]) : 64, count > 4 ? arguments[4] : nullptr};
  if (run.wanted == nullptr || std::strcmp(run.wanted, "memory") == 0)
    std::printf("{\"case\": \"memory\", \"threads\": %d, \"gb_per_s\": %.4g}\n", run.threads,
                1e-9 * bandwidth(run.threads));
  measure(run);
  return 0;
}
