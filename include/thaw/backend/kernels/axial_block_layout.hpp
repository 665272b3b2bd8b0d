// Where the parts of the scratch memory of the axial block lie, in floats from its start.
//
//   const AxialForwardLayout layout(plan);  // layout.norm ... layout.size
//
// Not an allocator: sizes and offsets only, so that a caller may place the scratch anywhere.
#pragma once

#include "thaw/backend/kernels/axial_block_types.hpp"

namespace thaw::inline v0::detail {

// Hands out offsets one after another, each on a cache line.
struct AxialCarver {
  Index size = 0;
  constexpr Index take(Index floats) {
    const Index at = size;
    size += axial_round_up(floats, 16);
    return at;
  }
};

// Weights in the order in which the products read them; shared by all threads.
struct AxialPacked {
  Index query, key, value, output, residual, expand, contract, size;
  explicit constexpr AxialPacked(const AxialBlockShape& s) {
    AxialCarver carver;
    query = carver.take(s.width * s.width);
    key = carver.take(s.width * s.width);
    value = carver.take(s.width * s.width);
    output = carver.take(s.width * s.width);
    residual = carver.take(s.width * s.width);
    expand = carver.take(s.hidden * s.width);
    contract = carver.take(s.width * s.hidden);
    size = carver.size;
  }
};

// Scratch of one thread in the forward pass. A plane of n features takes n * 16 floats a tile.
struct AxialForwardLayout {
  Index x, norm, query, key, value, attended, sum, hidden, map, map_bits, bits, zeros, dump, size;
  explicit constexpr AxialForwardLayout(const AxialPlan& plan) {
    const Index lanes = plan.block_tiles * kAxialLanes;
    const Index width = plan.shape.width, padded_tokens = axial_round_up(plan.shape.tokens, kAxialLanes);
    AxialCarver carver;
    x = carver.take(lanes * width);
    norm = carver.take(lanes * width);
    query = carver.take(lanes * width);
    key = carver.take(lanes * width);
    value = carver.take(lanes * width);
    attended = carver.take(lanes * width);
    sum = carver.take(lanes * width);
    hidden = carver.take(lanes * plan.shape.hidden);
    map = carver.take(2 * padded_tokens * kAxialLanes);
    map_bits = carver.take(plan.block_tiles * plan.shape.heads * AxialPlan::bit_words(plan.shape.tokens));
    const Index widest = plan.shape.width > plan.shape.hidden ? plan.shape.width : plan.shape.hidden;
    bits = carver.take(plan.block_tiles * AxialPlan::bit_words(widest));
    zeros = carver.take(width);
    dump = carver.take(width);
    size = carver.size;
  }
};

// Gradients of the parameters as one thread sums them: matrices with rows padded to 16 columns, vectors with one
// sum for each of the 16 lanes. The contraction is held transposed, (hidden, padded width).
struct AxialGradientLayout {
  Index query, key, value, output, residual, expand, contract;
  Index norm_query_weight, norm_query_bias, query_bias, key_bias, value_bias, output_bias, residual_bias;
  Index norm_hidden_weight, norm_hidden_bias, expand_bias, contract_bias, size;
  explicit constexpr AxialGradientLayout(const AxialPlan& plan) {
    const Index width = plan.shape.width, hidden = plan.shape.hidden, padded = plan.padded_width;
    AxialCarver carver;
    query = carver.take(width * padded);
    key = carver.take(width * padded);
    value = carver.take(width * padded);
    output = carver.take(width * padded);
    residual = carver.take(width * padded);
    expand = carver.take(hidden * padded);
    contract = carver.take(hidden * padded);
    norm_query_weight = carver.take(width * kAxialLanes);
    norm_query_bias = carver.take(width * kAxialLanes);
    query_bias = carver.take(width * kAxialLanes);
    key_bias = carver.take(width * kAxialLanes);
    value_bias = carver.take(width * kAxialLanes);
    output_bias = carver.take(width * kAxialLanes);
    residual_bias = carver.take(width * kAxialLanes);
    norm_hidden_weight = carver.take(width * kAxialLanes);
    norm_hidden_bias = carver.take(width * kAxialLanes);
    expand_bias = carver.take(hidden * kAxialLanes);
    contract_bias = carver.take(width * kAxialLanes);
    size = carver.size;
  }
};

// Scratch of one thread in the backward pass, its gradients apart.
struct AxialBackwardLayout {
  Index x, norm, d_out, d_sum, d_branch, hidden, d_hidden, d_attended, d_query, d_key, d_value, d_x;
  Index turned, turned_x, map, d_map, kept_map, turned_map, turned_d_map, zeros, dump, size;
  explicit constexpr AxialBackwardLayout(const AxialPlan& plan) {
    const Index lanes = plan.block_tiles * kAxialLanes, width = plan.shape.width;
    const Index map_size = 2 * axial_round_up(plan.shape.tokens, kAxialLanes) * kAxialLanes;
    AxialCarver carver;
    x = carver.take(lanes * width);
    norm = carver.take(lanes * width);
    d_out = carver.take(lanes * width);
    d_sum = carver.take(lanes * width);
    d_branch = carver.take(lanes * width);
    hidden = carver.take(lanes * plan.shape.hidden);
    d_hidden = carver.take(lanes * plan.shape.hidden);
    d_attended = carver.take(lanes * width);
    d_query = carver.take(lanes * width);
    d_key = carver.take(lanes * width);
    d_value = carver.take(lanes * width);
    d_x = carver.take(lanes * width);
    turned = carver.take(lanes * plan.padded_width);
    turned_x = carver.take(lanes * plan.padded_width);
    map = carver.take(map_size);
    d_map = carver.take(map_size);
    kept_map = carver.take(map_size);
    turned_map = carver.take(map_size);
    turned_d_map = carver.take(map_size);
    zeros = carver.take(width);
    dump = carver.take(width);
    size = carver.size;
  }
};

// One of several threads that divide work.
struct AxialShare {
  Index worker, workers;
};

// What the serial functions of one instruction set are given. Scratch is the thread's own.
struct AxialForwardCall {
  const AxialPlan& plan;
  const AxialBlockOptions& options;
  const AxialBlockParams<const float*>& params;
  const float* packed;
  const float* x;
  float* out;
  float* saved;  // null: nothing is saved
};
struct AxialBackwardCall {
  const AxialPlan& plan;
  const AxialBlockOptions& options;
  const AxialBlockParams<const float*>& params;
  const float* x;
  const float* d_out;
  const float* saved;
  float* d_x;
};

}  // namespace thaw::inline v0::detail
