// CpuEigen: the host backend. Vector instructions picked at run time, own product kernels, Eigen for large products,
// OpenMP threads when asked for.
//
//   thaw::CpuEigen::Context context{&arena, /*threads*/ 2};
//
// One thread unless the context says more; without OpenMP in the build the count is taken as one. Works on the same
// host memory as Cpu: `thaw::on(context, array)` moves an array between them without a copy.
#pragma once

#include "thaw/backend/cpu.hpp"
#include "thaw/backend/kernels/axial_block.hpp"
#include "thaw/backend/kernels/product.hpp"
#include "thaw/ops/axial_block.hpp"

namespace thaw::inline v0 {

struct CpuEigen : Cpu {
  struct Context {
    Arena* arena = nullptr;
    int threads = 1;
    Isa isa = detect_isa();
  };

  template <class R>
  static void product(Context& context, const ProductShape& s, const R* a, const R* b, R* c, const R* bias) {
    ArenaScope scope(*context.arena);
    void* scratch = context.arena->take_bytes(product_scratch_bytes<R>(s, context.threads));
    product_threads(context.isa, s, a, b, c, bias, context.threads, scratch);
  }
};

namespace detail {

// The parameter pointers of the fused block from the inputs of its operation; the gradients go by the same order.
template <class Pointer, class A>
AxialBlockParams<Pointer> axial_params(const A* in) {
  using I = op::AxialBlock::Input;
  return {in[I::norm_query_weight].data,  in[I::norm_query_bias].data,  in[I::query_weight].data,
          in[I::query_bias].data,         in[I::key_weight].data,       in[I::key_bias].data,
          in[I::value_weight].data,       in[I::value_bias].data,       in[I::output_weight].data,
          in[I::output_bias].data,        in[I::residual_weight].data,  in[I::residual_bias].data,
          in[I::norm_hidden_weight].data, in[I::norm_hidden_bias].data, in[I::expand_weight].data,
          in[I::expand_bias].data,        in[I::contract_weight].data,  in[I::contract_bias].data};
}

}  // namespace detail

template <>
struct FusedAxialBlock<CpuEigen, float> {
  static constexpr bool available = true;
  using A = Array<float, CpuEigen>;
  using Context = CpuEigen::Context;
  using Attr = op::AxialBlock::Attr;

  static void* forward(Context& context, const Attr& attr, const A* in, const A& out, bool record) {
    const AxialBlockShape s = shape_of(attr, in);
    void* saved = record ? context.arena->take_bytes(axial_block_saved_bytes(s)) : nullptr;
    ArenaScope scope(*context.arena);
    void* scratch = context.arena->take_bytes(axial_block_scratch_bytes(s, context.threads, false));
    axial_block_forward(s, options_of(context, attr), detail::axial_params<const float*>(in), in[0].data, out.data,
                        saved, scratch);
    return saved;
  }
  static void backward(Context& context, const Attr& attr, const A* in, const A& g, const A* gradients) {
    const AxialBlockShape s = shape_of(attr, in);
    for (int i = 1; i < op::AxialBlock::input_count; ++i)
      CpuEigen::fill(context, gradients[i].size(), 0.0F, gradients[i].data);
    ArenaScope scope(*context.arena);
    void* scratch = context.arena->take_bytes(axial_block_scratch_bytes(s, context.threads, true));
    axial_block_backward(s, options_of(context, attr), detail::axial_params<const float*>(in), in[0].data, g.data,
                         attr.saved, gradients[0].data, detail::axial_params<float*>(gradients), scratch);
  }

 private:
  static AxialBlockShape shape_of(const Attr& attr, const A* in) {
    const Shape& x = in[0].shape;
    return {x[0], x[1], x[2], x[3], attr.heads, in[op::AxialBlock::expand_weight].shape[0]};
  }
  static AxialBlockOptions options_of(const Context& context, const Attr& attr) {
    AxialBlockOptions options;
    options.scale = static_cast<float>(attr.scale);
    options.epsilon = static_cast<float>(attr.epsilon);
    options.dropout = static_cast<float>(attr.dropout.threshold) / 65536.0F;
    options.key = attr.dropout.key.bits;
    options.site = attr.dropout.site;
    options.threads = context.threads;
    return options;
  }
};

// The same memory seen by another context, possibly of another host backend.
template <class Backend, class R, class B>
Array<R, Backend> on(typename Backend::Context& context, const Array<R, B>& array) {
  return {array.data, &context, array.shape};
}

}  // namespace thaw::inline v0
