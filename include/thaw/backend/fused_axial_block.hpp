// fused_axial_block: what a backend supplies to run a whole transformer block as one kernel.
//
//   template <>
//   struct thaw::FusedAxialBlock<MyBackend, float> {
//     static constexpr bool available = true;
//     // Returns what backward needs, in the arena, or null when nothing is recorded; backward finds it in
//     settings.saved. static void* forward(Context&, const AxialBlockSettings&, const A* in, const A& out, bool
//     record); static void backward(Context&, const AxialBlockSettings&, const A* in, const A& g, const A* gradients);
//   };
//
// `in` and `gradients` are in the order of AxialBlockInputs::Input. The block itself is defined, and composed for
// backends without such a kernel, by ops/axial_block.hpp.
#pragma once

#include "thaw/core/random.hpp"
#include "thaw/core/shape.hpp"

namespace thaw::inline v0 {

struct AxialBlockInputs {
  // x, then the parameters.
  enum Input {
    x,
    norm_query_weight,
    norm_query_bias,
    query_weight,
    query_bias,
    key_weight,
    key_bias,
    value_weight,
    value_bias,
    output_weight,
    output_bias,
    residual_weight,
    residual_bias,
    norm_hidden_weight,
    norm_hidden_bias,
    expand_weight,
    expand_bias,
    contract_weight,
    contract_bias,
    input_count
  };
};

struct AxialBlockSettings {
  Index heads;
  double scale;
  double epsilon;
  DropoutRule dropout;    // its site and the three after it are used
  void* saved = nullptr;  // what the fused forward leaves for its gradient
};

// Whether a backend has the fused kernels for a number type; a backend specialises this with its kernels.
template <class Backend, class Real>
struct FusedAxialBlock {
  static constexpr bool available = false;
};

}  // namespace thaw::inline v0
