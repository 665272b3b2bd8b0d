// The fused transformer block along one axis of a tensor, forward and backward, in float32.
//
//   AxialBlockShape shape{.outer = 8, .tokens = 32, .inner = 32, .width = 144, .heads = 8, .hidden = 576};
//   AxialBlockOptions options{.scale = 1.0F / 12.0F};
//   axial_block_forward(shape, options, params, x, out, nullptr, scratch);
//
// For each group of tokens X (tokens, width):
//   Q = LayerNorm(X) Wq^T + bq;  K = X Wk^T + bk;  V = X Wv^T + bv
//   A = dropout(softmax(scale Q K^T)) for each head;  H = dropout(concat(A V) Wo^T + bo) + X Wr^T + br
//   out = H + dropout(W2 dropout(gelu(W1 LayerNorm(H) + b1)) + b2)
// Scratch and saved memory are the caller's, aligned to kAlignment; nothing is allocated.
//
// Not for other types, nor for gradients of gradients: those go through the composition of single operations.
#pragma once

#include "thaw/backend/kernels/axial_block_engines.hpp"
#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

namespace detail {

inline void check_axial_shape(const AxialBlockShape& s, const AxialBlockOptions* options) {
  require(s.outer >= 0 && s.inner >= 0 && s.tokens >= 1 && s.width >= 1 && s.hidden >= 1,
          "axial_block: a size is out of range: outer ", s.outer, ", tokens ", s.tokens, ", inner ", s.inner,
          ", width ", s.width, ", hidden ", s.hidden);
  require(s.heads >= 1 && s.width % s.heads == 0, "axial_block: width ", s.width, " is not a multiple of heads ",
          s.heads);
  if (options == nullptr) return;
  require(options->dropout >= 0.0F && options->dropout < 1.0F, "axial_block: dropout must be in [0, 1), it is ",
          static_cast<double>(options->dropout));
}
// Threads that get at least one block each.
inline Index axial_threads(const AxialPlan& plan, int wanted) {
  const Index blocks = plan.block_units == 0 ? 0 : (plan.units + plan.block_units - 1) / plan.block_units;
  if (wanted <= 1 || blocks <= 1) return 1;
  return wanted < blocks ? wanted : blocks;
}
// First unit of `part` of `parts`; whole blocks, so that no tile is shared.
inline Index axial_part(const AxialPlan& plan, Index part, Index parts) {
  const Index blocks = (plan.units + plan.block_units - 1) / plan.block_units;
  const Index unit = blocks * part / parts * plan.block_units;
  return unit < plan.units ? unit : plan.units;
}

// Sums the threads' gradients of one matrix, in the order of the threads, and adds them to `to` (rows, columns).
inline void add_matrix(const float* parts, Index stride, Index workers, Index rows, Index columns, Index padded,
                       bool transposed, float* to) {
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < columns; ++c) {
      const Index i = transposed ? c * padded + r : r * padded + c;
      float sum = parts[i];
      for (Index worker = 1; worker < workers; ++worker) sum += parts[worker * stride + i];
      to[r * columns + c] += sum;
    }
  }
}
// The same for a vector that has sixteen sums for each element.
inline void add_vector(const float* parts, Index stride, Index workers, Index size, float* to) {
  for (Index i = 0; i < size; ++i) {
    float sum = 0.0F;
    for (Index worker = 0; worker < workers; ++worker)
      for (Index lane = 0; lane < kAxialLanes; ++lane) sum += parts[worker * stride + i * kAxialLanes + lane];
    to[i] += sum;
  }
}
inline void add_axial_gradients(const AxialPlan& plan, const float* parts, Index workers,
                                const AxialBlockParams<float*>& to) {
  const AxialGradientLayout at(plan);
  const Index width = plan.shape.width, hidden = plan.shape.hidden, padded = plan.padded_width;
  const auto matrix = [&](Index from, Index rows, float* target) {
    add_matrix(parts + from, at.size, workers, rows, width, padded, false, target);
  };
  const auto vector = [&](Index from, Index size, float* target) {
    add_vector(parts + from, at.size, workers, size, target);
  };
  matrix(at.query, width, to.query_weight);
  matrix(at.key, width, to.key_weight);
  matrix(at.value, width, to.value_weight);
  matrix(at.output, width, to.output_weight);
  matrix(at.residual, width, to.residual_weight);
  matrix(at.expand, hidden, to.expand_weight);
  add_matrix(parts + at.contract, at.size, workers, width, hidden, padded, true, to.contract_weight);
  vector(at.norm_query_weight, width, to.norm_query_weight);
  vector(at.norm_query_bias, width, to.norm_query_bias);
  vector(at.query_bias, width, to.query_bias);
  vector(at.key_bias, width, to.key_bias);
  vector(at.value_bias, width, to.value_bias);
  vector(at.output_bias, width, to.output_bias);
  vector(at.residual_bias, width, to.residual_bias);
  vector(at.norm_hidden_weight, width, to.norm_hidden_weight);
  vector(at.norm_hidden_bias, width, to.norm_hidden_bias);
  vector(at.expand_bias, hidden, to.expand_bias);
  vector(at.contract_bias, width, to.contract_bias);
}

// prepare(worker) for all workers, then run(worker) for all, in one parallel region: were the weights packed by one
// thread, the others would wait.
template <class Prepare, class Run>
void each_axial_worker(Index workers, const Prepare& prepare, const Run& run) {
#if defined(_OPENMP)
#pragma omp parallel num_threads(static_cast <int>(workers)) if (workers > 1)
#endif
  {
#if defined(_OPENMP)
#pragma omp for schedule(static, 1)
#endif
    for (Index worker = 0; worker < workers; ++worker) prepare(worker);
#if defined(_OPENMP)
#pragma omp for schedule(static, 1)
#endif
    for (Index worker = 0; worker < workers; ++worker) run(worker);
  }
}

}  // namespace detail

// Bytes that the forward pass keeps for the backward pass.
inline std::size_t axial_block_saved_bytes(const AxialBlockShape& shape) {
  detail::check_axial_shape(shape, nullptr);
  const detail::AxialPlan plan(shape);
  return static_cast<std::size_t>(plan.tiles() * plan.saved_tile) * sizeof(float);
}

// Bytes of scratch for `threads` threads.
inline std::size_t axial_block_scratch_bytes(const AxialBlockShape& shape, int threads, bool backward) {
  detail::check_axial_shape(shape, nullptr);
  const detail::AxialPlan plan(shape);
  const Index workers = detail::axial_threads(plan, threads);
  Index floats = detail::AxialPacked(shape).size + workers * detail::AxialForwardLayout(plan).size;
  if (backward) floats = workers * (detail::AxialGradientLayout(plan).size + detail::AxialBackwardLayout(plan).size);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

namespace detail {

// Packs the weights and runs one of the engine's forward functions: run(engine, call, worker, workers, scratch).
template <class Run>
void axial_forward(const AxialPlan& plan, const AxialBlockOptions& options,
                   const AxialBlockParams<const float*>& params, const float* x, float* out, void* saved, void* scratch,
                   const Run& run) {
  if (plan.units == 0) return;
  const AxialEngine engine = axial_engine(options.instructions);
  float* const packed = static_cast<float*>(scratch);
  float* const rest = packed + AxialPacked(plan.shape).size;
  const AxialForwardCall call{plan, options, params, packed, x, out, static_cast<float*>(saved)};
  const Index workers = axial_threads(plan, options.threads), each = AxialForwardLayout(plan).size;
  each_axial_worker(
      workers,
      [&](Index worker) {
        engine.pack(plan.shape, params, packed, {worker, workers});
      },
      [&](Index worker) {
        run(engine, call, AxialShare{worker, workers}, rest + worker * each);
      });
}

}  // namespace detail

// x and out: (outer, tokens, inner, width). `saved` is null where no backward pass follows.
inline void axial_block_forward(const AxialBlockShape& shape, const AxialBlockOptions& options,
                                const AxialBlockParams<const float*>& params, const float* x, float* out, void* saved,
                                void* scratch) {
  detail::check_axial_shape(shape, &options);
  const detail::AxialPlan plan(shape);
  detail::axial_forward(plan, options, params, x, out, saved, scratch,
                        [&](const auto& engine, const auto& call, detail::AxialShare share, float* own) {
                          engine.forward(call, detail::axial_part(plan, share.worker, share.workers),
                                         detail::axial_part(plan, share.worker + 1, share.workers), own);
                        });
}

// Like axial_block_forward without `saved`, but only for query tokens query_begin .. query_end of each group; all
// tokens are keys. The other rows of `out` are left alone. Scratch: axial_block_scratch_bytes(shape, threads, false).
inline void axial_block_forward_rows(const AxialBlockShape& shape, const AxialBlockOptions& options,
                                     const AxialBlockParams<const float*>& params, const float* x, Index query_begin,
                                     Index query_end, float* out, void* scratch) {
  detail::check_axial_shape(shape, &options);
  const detail::AxialPlan plan(shape);
  require(query_begin >= 0 && query_begin <= query_end && query_end <= shape.tokens, "axial_block_forward_rows: rows ",
          query_begin, " to ", query_end, " of ", shape.tokens);
  require(options.dropout == 0.0F, "axial_block_forward_rows: dropout must be 0, the rows are for scoring");
  if (query_begin == query_end) return;
  detail::axial_forward(plan, options, params, x, out, nullptr, scratch,
                        [&](const auto& engine, const auto& call, detail::AxialShare share, float* own) {
                          engine.rows(call, query_begin, query_end, plan.groups * share.worker / share.workers,
                                      plan.groups * (share.worker + 1) / share.workers, own);
                        });
}

// d_x is overwritten; the gradients of the parameters are added to `gradients`. Options and `saved` are those of the
// forward pass. The sums depend on the number of threads (to rounding) and on nothing else.
inline void axial_block_backward(const AxialBlockShape& shape, const AxialBlockOptions& options,
                                 const AxialBlockParams<const float*>& params, const float* x, const float* d_out,
                                 const void* saved, float* d_x, const AxialBlockParams<float*>& gradients,
                                 void* scratch) {
  detail::check_axial_shape(shape, &options);
  const detail::AxialPlan plan(shape);
  if (plan.units == 0) return;
  const detail::AxialEngine engine = detail::axial_engine(options.instructions);
  const Index workers = detail::axial_threads(plan, options.threads), each = detail::AxialBackwardLayout(plan).size;
  const Index parts = detail::AxialGradientLayout(plan).size;
  float* const sums = static_cast<float*>(scratch);
  float* const rest = sums + workers * parts;
  const detail::AxialBackwardCall call{plan, options, params, x, d_out, static_cast<const float*>(saved), d_x};
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast <int>(workers)) schedule(static, 1) if (workers > 1)
#endif
  for (Index worker = 0; worker < workers; ++worker)
    engine.backward(call, detail::axial_part(plan, worker, workers), detail::axial_part(plan, worker + 1, workers),
                    sums + worker * parts, rest + worker * each);
  detail::add_axial_gradients(plan, sums, workers, gradients);
}

// Attention probabilities before dropout, (group_end - group_begin, heads, tokens, tokens); group o * inner + i.
// Scratch: axial_block_scratch_bytes(shape, 1, false).
inline void axial_block_attention(const AxialBlockShape& shape, const AxialBlockOptions& options,
                                  const AxialBlockParams<const float*>& params, const float* x, Index group_begin,
                                  Index group_end, float* probabilities, void* scratch) {
  detail::check_axial_shape(shape, &options);
  const detail::AxialPlan plan(shape);
  require(group_begin >= 0 && group_begin <= group_end && group_end <= plan.groups, "axial_block_attention: groups ",
          group_begin, " to ", group_end, " of ", plan.groups);
  const detail::AxialEngine engine = detail::axial_engine(options.instructions);
  float* const packed = static_cast<float*>(scratch);
  engine.pack(shape, params, packed, {0, 1});
  const detail::AxialForwardCall call{plan, options, params, packed, x, nullptr, nullptr};
  engine.attention(call, group_begin, group_end, probabilities, packed + detail::AxialPacked(shape).size);
}

}  // namespace thaw::inline v0
