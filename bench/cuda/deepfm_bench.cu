// A training step of DeepFM: 2048 impressions of eight fields of 12,500 values each, vectors of 16, layers 64 and 64, a
// linear weight for each value; Adam on all rows, and on those that the batch names. Sixteen batches in turn.
#include <cmath>
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/factorization_machine.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

namespace {

using thaw::Index;

constexpr Index kFields = 8, kValues = 12500, kWidth = 16, kRows = 2048;
constexpr int kBatches = 16;

// Fields share one table; a field's values are a run of its rows.
template <thaw::Value T>
struct DeepFm {
  thaw::Embedding<T> vectors, linear;
  thaw::Mlp<T> deep;
  T bias;

  // Logits (rows, 1) of rows * kFields ids.
  T operator()(const thaw::Bags& ids) const {
    const Index rows = ids.count / kFields;
    const T x = vectors(ids);
    const T first = thaw::sum_to(thaw::reshape(linear(ids), {rows, kFields}), {rows, 1});
    const T second = thaw::pairwise_sum(thaw::reshape(x, {rows, kFields, kWidth}));
    return thaw::add(thaw::add(thaw::add(first, second), deep(thaw::reshape(x, {rows, kFields * kWidth}))), bias);
  }
  static void each(auto&& visit, auto&... m) {
    visit("vectors", m.vectors...);
    visit("linear", m.linear...);
    visit("deep", m.deep...);
    visit("bias", m.bias...);
  }
};

DeepFm<thaw::Spec> plan(bool by_rows) {
  DeepFm<thaw::Spec> plan{thaw::embedding_spec(kFields * kValues, kWidth), thaw::embedding_spec(kFields * kValues, 1),
                          thaw::mlp_spec({kFields * kWidth, 64, 64, 1}, thaw::Activation::relu),
                          thaw::Spec{{1, 1}, {}}};
  plan.vectors.table.row_table = plan.linear.table.row_table = by_rows;
  return plan;
}

void time_step(thaw::CudaSession& session, bool by_rows, const char* name) {
  using B = thaw::Cuda;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  std::vector<std::int32_t> ids;
  std::vector<float> clicks;
  thaw::Philox rng(11);
  for (Index i = 0; i < kBatches * kRows * kFields; ++i)
    ids.push_back(static_cast<std::int32_t>(i % kFields * kValues) +
                  static_cast<std::int32_t>(std::pow(rng.uniform(), 3) * static_cast<double>(kValues)));
  for (Index i = 0; i < kBatches * kRows; ++i) clicks.push_back(rng.below(2) == 0 ? 0.0F : 1.0F);
  thaw::Parameters<DeepFm<thaw::Spec>, float, B> parameters(plan(by_rows), context, 1);
  thaw::Adam<float, B> adam(parameters);
  thaw::Tape<float, B> tape(context);
  const CudaTimer timer(session.device().stream());
  Index k = 0;
  const double seconds = timer.median([&] {
    thaw::Scope scope(tape);
    const Index at = ++k % kBatches * kRows;
    const auto labels = thaw::Array<float, B>::of_host(context, clicks.data() + at, {kRows, 1});
    const auto logits = parameters.on(tape)(thaw::Bags{ids.data() + at * kFields, nullptr, kRows * kFields, false});
    adam.step(parameters, parameters.gradient(thaw::bce_with_logits(logits, labels)), 1e-3);
  });
  const double layers = 2.0 * (kFields * kWidth * 64 + 64 * 64 + 64) + 4.0 * kFields * kWidth;
  print_rate(name, seconds, kRows, 3 * layers * kRows);
}

}  // namespace

void time_deepfm(thaw::CudaSession& session) {
  time_step(session, false, "DeepFM training step, 2048 samples");
  time_step(session, true, "DeepFM training step, 2048 samples, touched rows");
}

}  // namespace bench
