// A training step of LightGCN at Gowalla's size: 29858 users, 40981 items, 810128 interactions, 64 numbers, 3 layers,
// 2048 triples, Adam on the whole table. The graph is drawn; its degrees are not Gowalla's.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#if __has_include(<cusparse.h>)
#include <cusparse.h>
#endif

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/graph/placed_graph.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

namespace {

constexpr thaw::Index kUsers = 29858, kItems = 40981, kNodes = kUsers + kItems, kInteractions = 810128;
constexpr thaw::Index kWidth = 64, kTriples = 2048;
constexpr int kLayers = 3;

// Neighbours of each node; items are drawn with a long tail.
struct DrawnGraph {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> ids;

  explicit DrawnGraph(std::uint64_t seed) : offsets(kNodes + 1, 0) {
    std::vector<std::int32_t> user, item;
    thaw::Philox rng(seed);
    for (thaw::Index e = 0; e < kInteractions; ++e) {
      const double u = rng.uniform();
      user.push_back(static_cast<std::int32_t>(rng.below(kUsers)));
      item.push_back(static_cast<std::int32_t>(kUsers + static_cast<thaw::Index>(u * u * u * kItems)));
      ++offsets[static_cast<std::size_t>(user.back()) + 1];
      ++offsets[static_cast<std::size_t>(item.back()) + 1];
    }
    for (std::size_t v = 0; v < kNodes; ++v) offsets[v + 1] += offsets[v];
    std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
    ids.resize(2 * kInteractions);
    for (std::size_t e = 0; e < kInteractions; ++e) {
      ids[static_cast<std::size_t>(next[static_cast<std::size_t>(user[e])]++)] = item[e];
      ids[static_cast<std::size_t>(next[static_cast<std::size_t>(item[e])]++)] = user[e];
    }
  }
};

#if __has_include(<cusparse.h>)
// The same product by cuSPARSE: CSR with its numbers, on the stream of the session. `x` and `expected`: (nodes, width).
class SparseProduct {
 public:
  using A = thaw::Array<float, thaw::Cuda>;

  SparseProduct(thaw::CudaSession& session, const DrawnGraph& graph, const A& x) : context_(session.context()) {
    const auto edges = static_cast<thaw::Index>(graph.ids.size());
    std::vector<std::int32_t> offsets(graph.offsets.begin(), graph.offsets.end());
    std::vector<float> numbers;
    const auto degree = [&](thaw::Index v) { return static_cast<double>(offsets[v + 1] - offsets[v]); };
    for (thaw::Index v = 0; v < kNodes; ++v)
      for (std::int32_t e = offsets[v]; e < offsets[v + 1]; ++e)
        numbers.push_back(static_cast<float>(1 / std::sqrt(degree(v) * degree(graph.ids[e]))));
    out_ = A::make(context_, x.shape);
    thaw::Arena& memory = *context_.memory;
    auto* const offsets_there = memory.take<std::int32_t>(kNodes + 1);
    auto* const ids_there = memory.take<std::int32_t>(edges);
    auto* const numbers_there = memory.take<float>(edges);
    thaw::Cuda::upload(context_, kNodes + 1, offsets.data(), offsets_there);
    thaw::Cuda::upload(context_, edges, graph.ids.data(), ids_there);
    thaw::Cuda::upload(context_, edges, numbers.data(), numbers_there);
    note(cusparseCreate(&handle_));
    note(cusparseSetStream(handle_, session.device().stream()));
    note(cusparseCreateCsr(&matrix_, kNodes, kNodes, edges, offsets_there, ids_there, numbers_there, CUSPARSE_INDEX_32I,
                           CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F));
    note(cusparseCreateDnMat(&x_, kNodes, kWidth, kWidth, x.data, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    note(cusparseCreateDnMat(&y_, kNodes, kWidth, kWidth, out_.data, CUDA_R_32F, CUSPARSE_ORDER_ROW));
    std::size_t bytes = 0;
    note(cusparseSpMM_bufferSize(handle_, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one_,
                                 matrix_, x_, &zero_, y_, CUDA_R_32F, CUSPARSE_SPMM_CSR_ALG2, &bytes));
    buffer_ = memory.take_bytes(bytes + 1);
    note(cusparseSpMM_preprocess(handle_, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one_,
                                 matrix_, x_, &zero_, y_, CUDA_R_32F, CUSPARSE_SPMM_CSR_ALG2, buffer_));
  }
  SparseProduct(const SparseProduct&) = delete;
  SparseProduct& operator=(const SparseProduct&) = delete;
  ~SparseProduct() {
    cusparseDestroyDnMat(y_);
    cusparseDestroyDnMat(x_);
    cusparseDestroySpMat(matrix_);
    cusparseDestroy(handle_);
  }
  void run() {
    note(cusparseSpMM(handle_, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE, &one_, matrix_, x_,
                      &zero_, y_, CUDA_R_32F, CUSPARSE_SPMM_CSR_ALG2, buffer_));
  }
  bool is_ok() const { return status_ == CUSPARSE_STATUS_SUCCESS; }
  const A& out() const { return out_; }

 private:
  void note(cusparseStatus_t status) {
    if (status_ == CUSPARSE_STATUS_SUCCESS) status_ = status;
  }

  thaw::Cuda::Context& context_;
  A out_;
  cusparseHandle_t handle_ = nullptr;
  cusparseSpMatDescr_t matrix_ = nullptr;
  cusparseDnMatDescr_t x_ = nullptr, y_ = nullptr;
  void* buffer_ = nullptr;
  float one_ = 1, zero_ = 0;
  cusparseStatus_t status_ = CUSPARSE_STATUS_SUCCESS;
};

// Beside our own kernel, once both are seen to give the same.
void time_cusparse(thaw::CudaSession& session, const CudaTimer& timer, const DrawnGraph& graph,
                   const thaw::Array<float, thaw::Cuda>& x, const thaw::Array<float, thaw::Cuda>& ours, double bytes) {
  SparseProduct product(session, graph, x);
  product.run();
  const auto apart = thaw::sub(product.out(), ours);
  auto& context = session.context();
  const double off = thaw::Cuda::sum_of_squares(context, apart.size(), apart.data),
               size = thaw::Cuda::sum_of_squares(context, ours.size(), ours.data);
  if (!product.is_ok() || !(off <= 1e-10 * size)) {
    std::printf("{\"case\": \"propagation, Gowalla's size, cuSPARSE\", \"side\": \"thaw\", \"skipped\": \"failed\"}\n");
    return;
  }
  print_cuda("propagation, Gowalla's size, cuSPARSE", timer.median([&] { product.run(); }), bytes);
}
#endif

}  // namespace

void time_propagation(thaw::CudaSession& session) {
  using B = thaw::Cuda;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  const DrawnGraph drawn(3);
  const auto graph = thaw::place_graph<float, B>(context, kNodes, drawn.offsets.data(), drawn.ids.data());
  thaw::Parameters<thaw::Embedding<thaw::Spec>, float, B> parameters(thaw::embedding_spec(kNodes, kWidth), context, 1);
  thaw::Adam<float, B> adam(parameters);
  thaw::Tape<float, B> tape(context);
  std::vector<std::int32_t> users, liked, others;
  thaw::Philox rng(2);
  for (thaw::Index i = 0; i < kTriples; ++i) {
    users.push_back(static_cast<std::int32_t>(rng.below(kUsers)));
    liked.push_back(static_cast<std::int32_t>(kUsers + rng.below(kItems)));
    others.push_back(static_cast<std::int32_t>(kUsers + rng.below(kItems)));
  }
  const CudaTimer timer(session.device().stream());
  const double step = timer.median([&] {
    thaw::Scope scope(tape);
    const auto table = parameters.on(tape).table;
    auto sum = table, layer = table;
    for (int k = 0; k < kLayers; ++k) {
      layer = thaw::propagate(graph, layer);
      sum = thaw::add(sum, layer);
    }
    sum = thaw::scale(sum, 1.0 / (kLayers + 1));
    const auto rows = [&](const std::vector<std::int32_t>& ids) {
      return thaw::gather(sum, thaw::Bags{ids.data(), nullptr, kTriples, false});
    };
    const auto u = rows(users);
    const auto score = [&](const auto& items) { return thaw::sum_to(thaw::mul(u, items), {kTriples, 1}); };
    const auto loss = thaw::bpr(score(rows(liked)), score(rows(others)));
    adam.step(parameters, parameters.gradient(loss), 1e-3);
  });
  print_cuda("LightGCN training step, Gowalla's size", step);
  const double once = timer.median([&] {
    thaw::ContextScope scope(context);
    (void)thaw::propagate(graph, parameters.values().table);
  });
  // Every neighbour's row is read once, every row written once; ids and offsets besides.
  const double bytes = 4.0 * kWidth * (2.0 * kInteractions + kNodes) + 4.0 * 2.0 * kInteractions + 8.0 * kNodes;
  print_cuda("propagation, Gowalla's size", once, bytes);
#if __has_include(<cusparse.h>)
  const auto& table = parameters.values().table;
  time_cusparse(session, timer, drawn, table, thaw::propagate(graph, table), bytes);
#endif
}

}  // namespace bench
