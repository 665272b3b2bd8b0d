// The axial block compiled for each instruction set, whatever the flags of the program, and the choice among them.
//
//   const AxialEngine& engine = axial_engine(AxialInstructions::automatic);
//   engine.forward(call, 0, plan.units, scratch);
//
// Not for direct use: axial_block.hpp adds threads and the layout of the scratch memory.
#pragma once

#include "thaw/backend/kernels/axial_block_layout.hpp"

#define THAW_AXIAL_X86 0
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#undef THAW_AXIAL_X86
#define THAW_AXIAL_X86 1
#endif

// Vectors never cross a call that is not inlined, so what changes in the calling convention does not matter.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#if THAW_AXIAL_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
#define THAW_AXIAL_WIDTH 16
namespace thaw::inline v0::detail::axial_avx512 {
#include "thaw/backend/kernels/axial_block_all.inc"
}  // namespace thaw::inline v0::detail::axial_avx512
#undef THAW_AXIAL_WIDTH
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define THAW_AXIAL_WIDTH 8
namespace thaw::inline v0::detail::axial_avx2 {
#include "thaw/backend/kernels/axial_block_all.inc"
}  // namespace thaw::inline v0::detail::axial_avx2
#undef THAW_AXIAL_WIDTH
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif  // THAW_AXIAL_X86

#define THAW_AXIAL_WIDTH 4
namespace thaw::inline v0::detail::axial_portable {
#include "thaw/backend/kernels/axial_block_all.inc"
}  // namespace thaw::inline v0::detail::axial_portable
#undef THAW_AXIAL_WIDTH

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace thaw::inline v0::detail {

// The serial functions of one instruction set.
struct AxialEngine {
  void (*pack)(const AxialBlockShape&, const AxialBlockParams<const float*>&, float* packed, AxialShare share);
  void (*forward)(const AxialForwardCall&, Index first_unit, Index last_unit, float* scratch);
  void (*attention)(const AxialForwardCall&, Index group_begin, Index group_end, float* probabilities, float* scratch);
  void (*rows)(const AxialForwardCall&, Index query_begin, Index query_end, Index first_group, Index last_group,
               float* scratch);
  void (*backward)(const AxialBackwardCall&, Index first_unit, Index last_unit, float* gradients, float* scratch);
};

// Asking for instructions that the processor lacks gives the best that it has.
inline AxialEngine axial_engine(AxialInstructions wanted) {
#if THAW_AXIAL_X86
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && (wanted == AxialInstructions::automatic || wanted == AxialInstructions::avx512))
    return {axial_avx512::pack_weights, axial_avx512::forward_units, axial_avx512::attention_groups,
            axial_avx512::forward_rows, axial_avx512::backward_units};
  if (avx2 && wanted != AxialInstructions::portable)
    return {axial_avx2::pack_weights, axial_avx2::forward_units, axial_avx2::attention_groups, axial_avx2::forward_rows,
            axial_avx2::backward_units};
#endif
  static_cast<void>(wanted);
  return {axial_portable::pack_weights, axial_portable::forward_units, axial_portable::attention_groups,
          axial_portable::forward_rows, axial_portable::backward_units};
}

}  // namespace thaw::inline v0::detail
