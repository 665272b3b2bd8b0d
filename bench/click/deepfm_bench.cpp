// DeepFM on clicks: training steps and scoring.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench bench/click/deepfm_bench.cpp -o deepfm_bench
//   ./deepfm_bench [threads] [seconds] [case]      # one JSON line a case; "score 1$" is that one, "score 1" all like
//   it
//   ./deepfm_bench dump click.safetensors          # weights, inputs and results for bench/peers/ctr_peer.py
//
// Eight fields of 12,500 values, vectors of 16, layers 64 and 64, a linear weight for each value: 1.7 million weights.
// Ids are drawn so that small ones are frequent; 16 batches in turn.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "measure.hpp"
#include "mwuf/fused_step.hpp"
#include "mwuf/models.hpp"
#include "mwuf/request_scorer.hpp"
#include "mwuf/trained_network.hpp"
#include "thaw/file/safetensors_write.hpp"

namespace {

using thaw::Index;
using Plan = mwuf::DeepFm<thaw::Spec>;

constexpr int kFields = 8, kBatches = 16;
constexpr Index kValues = 12500;

mwuf::FieldPlan field_plan() {
  static const char* const names[] = {"user", "a", "b", "c", "d", "e", "f"};
  mwuf::FieldPlan plan;
  plan.items = kValues;
  plan.user_id = 0;
  for (const char* name : names) plan.add({name, mwuf::Side::user, thaw::FieldKind::categorical, kValues});
  return plan;
}
Plan model_plan() {
  mwuf::BaseOptions options;
  options.bias_terms = true;  // the item has a linear weight as the other fields have
  return Plan::spec(field_plan(), options);
}

// Batches of `rows` impressions.
struct Clicks {
  std::vector<std::int32_t> ids[kFields];  // (kBatches * rows); the last is the item
  std::vector<float> labels;
  Index rows;

  explicit Clicks(Index rows_of_batch) : rows(rows_of_batch) {
    thaw::Philox rng(11);
    for (auto& column : ids)
      for (Index i = 0; i < kBatches * rows; ++i)
        column.push_back(static_cast<std::int32_t>(std::pow(rng.uniform(), 3) * static_cast<double>(kValues)));
    for (Index i = 0; i < kBatches * rows; ++i) labels.push_back(rng.below(2) == 0 ? 0.0F : 1.0F);
  }
  mwuf::ClickBatch<> batch(int which) const {
    const Index at = which % kBatches * rows;
    mwuf::ClickBatch<> out;
    out.rows = rows;
    out.item = ids[kFields - 1].data() + at;
    for (int f = 0; f + 1 < kFields; ++f) out.field[f].bags = {ids[f].data() + at, nullptr, rows, false};
    out.labels = labels.data() + at;
    return out;
  }
};

class Trainer {
 public:
  Trainer(int threads, thaw::Untouched untouched) : threads_(threads), network_(model_plan(), 7, threads, untouched) {}

  double step(const mwuf::ClickBatch<>& batch) {
    return network_.step_from(1e-3, [&](const auto& net, auto& context, auto& parameters, auto& list) {
      return mwuf::FusedStep<Plan>(net, context).gradient(batch, {}, parameters, list);
    });
  }
  // Through the tape, as models without a fused step are trained.
  double recorded_step(const mwuf::ClickBatch<>& batch) {
    return network_.step(1e-3, [&](const auto& net, auto&) {
      return mwuf::click_loss(net.logits(batch, net.tables.item_vectors(batch)), batch);
    });
  }
  // Probabilities (rows).
  void score(const mwuf::ClickBatch<>& batch, float* out) {
    network_.run([&](const auto& net, auto&) {
      const auto p = thaw::sigmoid(net.logits(batch, net.tables.item_vectors(batch)));
      for (Index i = 0; i < batch.rows; ++i) out[i] = p[i];
    });
  }
  // Probabilities of some items beside the user of the first row; the items' parts are kept from the first call on.
  void request(const mwuf::ClickBatch<>& batch, const std::int32_t* items, Index count, float* out) {
    if (!scorer_) prepare();
    scorer_->score(batch, items, count, out);
    thaw::map<thaw::Sigmoid>(serving_.isa, count, static_cast<const float*>(out), out);
  }
  auto& parameters() { return network_.parameters(); }

 private:
  void prepare() {
    serving_.threads = threads_;
    served_ = thaw::map_unnamed<mwuf::FloatArray>(parameters().values(),
                                                  [&](const auto& a) { return thaw::on<mwuf::Backend>(serving_, a); });
    for (Index i = 0; i < kValues; ++i) every_.push_back(static_cast<std::int32_t>(i));
    mwuf::ClickBatch<> items;
    items.rows = kValues;
    items.item = every_.data();
    scorer_.emplace(served_, serving_);
    scorer_->set_items(items);
  }

  int threads_;
  mwuf::TrainedNetwork<Plan> network_;
  std::vector<std::int32_t> every_;
  thaw::GrowingArena arena_;
  mwuf::Backend::Context serving_{&arena_, 1};
  mwuf::RequestScorer<Plan>::Model served_;
  std::optional<mwuf::RequestScorer<Plan>> scorer_;
};

struct Run {
  int threads;
  double seconds;
  const char* wanted;

  template <class Call>
  void operator()(const std::string& name, double flop, Call call) const {
    if (wanted != nullptr && (name + "$").find(wanted) == std::string::npos) return;
    bench::print(name.c_str(), "thaw", threads, bench::times(5, seconds, call), flop, 0);
  }
};

double forward_flop(Index rows) {
  const double layers = 2.0 * (128 * 64 + 64 * 64 + 64) + 4.0 * kFields * 16;
  return static_cast<double>(rows) * layers;
}

// What streaming through more than any cache holds reaches, with all threads.
void measure_memory(const Run& run) {
  if (run.wanted != nullptr && std::strcmp(run.wanted, "memory") != 0) return;
  constexpr Index kCount = Index(1) << 26;
  const std::vector<float> data(static_cast<std::size_t>(kCount), 0.5F);
  std::vector<double> sums(static_cast<std::size_t>(run.threads));
  const thaw::Isa isa = thaw::detect_isa();
  const bench::Times t = bench::times(5, run.seconds, [&] {
    thaw::in_parallel(run.threads, [&](int part) {
      const Index begin = kCount * part / run.threads, end = kCount * (part + 1) / run.threads;
      sums[static_cast<std::size_t>(part)] =
          static_cast<double>(thaw::sum_of_squares(isa, end - begin, &data[static_cast<std::size_t>(begin)]));
    });
  });
  std::printf(
      "{\"case\": \"memory\", \"side\": \"thaw\", \"threads\": %d, \"gb_per_s\": %.4g, \"peak_gflop_per_s\": %.4g, "
      "\"checksum\": %.0f}\n",
      run.threads, 4e-9 * static_cast<double>(kCount) / t.median, 1e-9 * bench::peak(), sums[0]);
}

void measure(const Run& run) {
  for (const Index rows : {Index(2048), Index(128)}) {
    const Clicks clicks(rows);
    const std::string size = " batch " + std::to_string(rows);
    for (const bool dense : {true, false}) {
      Trainer trainer(run.threads, dense ? thaw::Untouched::move : thaw::Untouched::rest);
      int k = 0;
      run((dense ? "deepfm train dense" : "deepfm train sparse") + size, 3 * forward_flop(rows),
          [&] { trainer.step(clicks.batch(++k)); });
      run((dense ? "deepfm recorded dense" : "deepfm recorded sparse") + size, 3 * forward_flop(rows),
          [&] { trainer.recorded_step(clicks.batch(++k)); });
    }
  }
  Trainer trainer(run.threads, thaw::Untouched::rest);
  for (const Index rows : {Index(2048), Index(500), Index(1)}) {
    const Clicks clicks(rows);
    std::vector<float> out(static_cast<std::size_t>(rows));
    int k = 0;
    run("deepfm score " + std::to_string(rows), forward_flop(rows),
        [&] { trainer.score(clicks.batch(++k), out.data()); });
    run("deepfm request " + std::to_string(rows), forward_flop(rows), [&] {
      const auto batch = clicks.batch(++k);
      trainer.request(batch, batch.item, rows, out.data());
    });
  }
  measure_memory(run);
}

// Ten dense steps and ten sparse ones on one batch each from the same start, and the scores of that start.
int dump(const char* path) {
  const Clicks clicks(256);
  Trainer trainer(1, thaw::Untouched::move), sparse(1, thaw::Untouched::rest);
  thaw::SafetensorsWriter writer;
  std::vector<std::vector<float>> kept;
  thaw::for_each_tensor(
      [&](const thaw::Path& name, auto& tensor) {
        // Larger than the start, so that every part of the model shows.
        for (float& x : tensor) x *= 20;
        kept.emplace_back(tensor.begin(), tensor.end());
        writer.add(std::string("weights.") + name.text, thaw::TensorTypeOf<float>::value, tensor.shape.dims,
                   tensor.shape.rank, kept.back().data());
      },
      trainer.parameters().values());
  int at = 0;
  thaw::for_each_tensor(
      [&](const thaw::Path&, auto& tensor) {
        std::memcpy(tensor.data, kept[static_cast<std::size_t>(at++)].data(),
                    static_cast<std::size_t>(tensor.size()) * sizeof(float));
      },
      sparse.parameters().values());
  for (int f = 0; f < kFields; ++f) writer.add("input.ids." + std::to_string(f), {256}, clicks.ids[f].data());
  writer.add("input.labels", {256}, clicks.labels.data());
  std::vector<float> scores(256);
  trainer.score(clicks.batch(0), scores.data());
  writer.add("output.scores", {256}, scores.data());
  // The items of the batch beside its first user.
  std::vector<float> requested(256);
  trainer.request(clicks.batch(0), clicks.ids[kFields - 1].data(), 256, requested.data());
  writer.add("output.request", {256}, requested.data());
  std::vector<double> losses, sparse_losses;
  for (int t = 0; t < 10; ++t) losses.push_back(trainer.step(clicks.batch(0)));
  for (int t = 0; t < 10; ++t) sparse_losses.push_back(sparse.step(clicks.batch(0)));
  writer.add("output.losses", {10}, losses.data());
  writer.add("output.sparse_losses", {10}, sparse_losses.data());
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  return done ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 2 && std::strcmp(arguments[1], "dump") == 0) return dump(arguments[2]);
  measure({count > 1 ? std::atoi(arguments[1]) : 2, count > 2 ? std::atof(arguments[2]) : 5,
           count > 3 ? arguments[3] : nullptr});
  return 0;
}
