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

// x and out: (outer, tokens, inner, width). `saved` is null where no backward pass follows.
inline void axial_block_forward(const AxialBlockShape& shape, const AxialBlockOptions& options,
                                const AxialBlockParams<const float*>& params, const float* x, float* out, void* saved,
                                void* scratch) {
  detail::check_axial_shape(shape, &options);
  const detail::AxialPlan plan(shape);
  if (plan.units == 0) return;
  const detail::AxialEngine engine = detail::axial_engine(options.instructions);
  float* const packed = static_cast<float*>(scratch);
  float* const rest = packed + detail::AxialPacked(shape).size;
  engine.pack(shape, params, packed);
  const detail::AxialForwardCall call{plan, options, params, packed, x, out, static_cast<float*>(saved)};
  const Index workers = detail::axial_threads(plan, options.threads), each = detail::AxialForwardLayout(plan).size;
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast <int>(workers)) schedule(static, 1) if (workers > 1)
#endif
  for (Index worker = 0; worker < workers; ++worker)
    engine.forward(call, detail::axial_part(plan, worker, workers), detail::axial_part(plan, worker + 1, workers),
                   rest + worker * each);
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
  engine.pack(shape, params, packed);
  const detail::AxialForwardCall call{plan, options, params, packed, x, nullptr, nullptr};
  engine.attention(call, group_begin, group_end, probabilities, packed + detail::AxialPacked(shape).size);
}

}  // namespace thaw::inline v0
