// CpuEigen: the host backend. Vector instructions picked at run time, own product kernels, Eigen for large products,
// OpenMP threads when asked for.
//
//   thaw::CpuEigen::Context context{&arena, /*threads*/ 2};
//
// One thread unless the context says more; without OpenMP in the build the count is taken as one. Works on the same
// host memory as Cpu: `thaw::on(context, array)` moves an array between them without a copy.
#pragma once

#include "thaw/backend/cpu.hpp"
#include "thaw/backend/fused_axial_block.hpp"
#include "thaw/backend/kernels/axial_block.hpp"
#include "thaw/backend/kernels/product.hpp"
#include "thaw/backend/kernels/sequence_rows.hpp"
#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/backend/kernels/vector_math_optimizer.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"

namespace thaw::inline v0 {

struct CpuEigen : Cpu {
  struct Context {
    Arena* arena = nullptr;
    int threads = 1;
    Isa isa = detect_isa();
  };

  template <class F, class R>
  static void map(Context& context, Index n, const R* x, R* y) {
    split(context, n, kElementCost,
          [&](Index begin, Index end) { thaw::map<F>(context.isa, end - begin, x + begin, y + begin); });
  }
  template <class F, class R>
  static void zip(Context& context, Index n, const R* a, const R* b, R* y) {
    split(context, n, kElementCost,
          [&](Index begin, Index end) { thaw::zip<F>(context.isa, end - begin, a + begin, b + begin, y + begin); });
  }
  template <class R>
  static void affine_map(Context& context, Index n, R scale, R shift, const R* x, R* y) {
    thaw::affine(context.isa, n, scale, shift, x, y);
  }
  template <class R>
  static void fill(Context& context, Index n, R value, R* y) {
    split(context, n, kLongFill,
          [&](Index begin, Index end) { thaw::fill(context.isa, end - begin, value, y + begin); });
  }
  template <class R>
  static void copy(Context& context, Index n, const R* x, R* y) {
    split(context, n, kLongFill, [&](Index begin, Index end) { thaw::copy(end - begin, x + begin, y + begin); });
  }
  template <class R>
  static void add_scaled(Context& context, Index n, R alpha, const R* a, R beta, const R* b, R* y) {
    split(context, n, kElementCost / 2, [&](Index begin, Index end) {
      thaw::zip(context.isa, end - begin, a + begin, b + begin, y + begin, ScaledSum<R>{alpha, beta});
    });
  }
  template <class R>
  static double sum_of_squares(Context& context, Index n, const R* x) {
    return static_cast<double>(thaw::sum_of_squares(context.isa, n, x));
  }
  template <class R>
  static void adam(Context& context, Index n, const AdamStep& step, const R* g, R* first, R* second, R* weight) {
    split(context, n, kElementCost, [&](Index begin, Index end) {
      thaw::adam_update(context.isa, end - begin, step, g + begin, weight + begin, first + begin, second + begin);
    });
  }
  template <class R>
  static LambNorms lamb_direction(Context& context, Index n, const AdamStep& step, const R* g, const R* weight,
                                  R* first, R* second, R* direction) {
    // The norms are summed over parts of one size, so that they do not depend on the number of threads.
    const Index count = (n + kOptimizerPart - 1) / kOptimizerPart;
    ArenaScope scope(*context.arena);
    LambNorms* const parts = context.arena->template take<LambNorms>(count);
    split(context, count, 3, 1, [&](Index begin, Index end) {
      for (Index part = begin; part < end; ++part) {
        const Index at = part * kOptimizerPart, left = n - at;
        parts[part] = thaw::lamb_direction(context.isa, left < kOptimizerPart ? left : kOptimizerPart, step, g + at,
                                           weight + at, first + at, second + at, direction + at);
      }
    });
    LambNorms sum;
    for (Index part = 0; part < count; ++part) {
      sum.parameters += parts[part].parameters;
      sum.update += parts[part].update;
    }
    return sum;
  }
  template <class R>
  static void softmax(Context& context, Index rows, Index columns, const R* x, R* y) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      thaw::softmax_rows(context.isa, end - begin, columns, x + begin * columns, static_cast<const R*>(nullptr),
                         Index(0), y + begin * columns);
    });
  }
  template <class R>
  static void softmax_backward(Context& context, Index rows, Index columns, const R* y, const R* g, R* d) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      const Index at = begin * columns;
      thaw::softmax_rows_backward(context.isa, end - begin, columns, y + at, g + at, d + at);
    });
  }
  template <class R>
  static void layer_norm(Context& context, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                         const R* bias, R* y) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      thaw::layer_norm_rows(context.isa, end - begin, columns, epsilon, x + begin * columns, weight, bias,
                            y + begin * columns, static_cast<R*>(nullptr), static_cast<R*>(nullptr));
    });
  }
  template <class R>
  static void layer_norm_backward(Context& context, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                                  const R* g, R* d_x, R* d_weight, R* d_bias) {
    thaw::layer_norm_rows_backward(context.isa, rows, columns, epsilon, x, weight, g, static_cast<const R*>(nullptr),
                                   static_cast<const R*>(nullptr), d_x, d_weight, d_bias);
  }
  template <class R>
  static void softmax_biased(Context& context, Index rows, Index columns, const R* x, const R* bias, Index bias_stride,
                             R* y) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      thaw::softmax_rows(context.isa, end - begin, columns, x + begin * columns, bias + begin * bias_stride,
                         bias_stride, y + begin * columns);
    });
  }
  template <class R>
  static void rms_norm(Context& context, Index rows, Index columns, R epsilon, const R* x, const R* weight, R* y) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      thaw::rms_norm_rows(context.isa, end - begin, columns, epsilon, x + begin * columns, weight, y + begin * columns);
    });
  }
  template <class R>
  static void rms_norm_backward(Context& context, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                                const R* g, R* d_x, R* d_weight) {
    if (context.threads < 2 || rows * columns < kElementCost)
      return thaw::rms_norm_rows_backward(context.isa, rows, columns, epsilon, x, weight, g, d_x, d_weight);
    ArenaScope scope(*context.arena);
    R* const parts = context.arena->template take<R>(context.threads * columns);
    thaw::fill(context.isa, context.threads * columns, R(0), parts);
    split(context, context.threads, 1, 1, [&](Index first, Index last) {
      const Index begin = rows * first / context.threads, end = rows * last / context.threads;
      thaw::rms_norm_rows_backward(context.isa, end - begin, columns, epsilon, x + begin * columns, weight,
                                   g + begin * columns, d_x + begin * columns, parts + first * columns);
    });
    thaw::sum_over_rows(context.isa, Index(context.threads), columns, parts, true, d_weight);
  }
  template <class R>
  static void log_sum_exp(Context& context, Index rows, Index columns, const R* x, R* y) {
    split(context, rows, kElementCost / 4 / (columns > 0 ? columns : 1) + 1, 1, [&](Index begin, Index end) {
      thaw::log_sum_exp_rows(context.isa, end - begin, columns, x + begin * columns, y + begin);
    });
  }
  template <class R>
  static void shifted_exp(Context& context, Index rows, Index columns, R scale, const R* x, const R* shift, R* y) {
    split(context, rows, kElementCost / 4 / (columns > 0 ? columns : 1) + 1, 1, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        thaw::map(context.isa, columns, x + i * columns, y + i * columns, ShiftedExp<R>{scale, shift[i]});
    });
  }
  template <class R>
  static void dropout(Context& context, const DropoutRule& rule, Index rows, Index columns, const R* x, R* y) {
    split_rows(context, rows, columns, [&](Index begin, Index end) {
      thaw::dropout_rows(context.isa, rule, begin, end - begin, columns, x + begin * columns, y + begin * columns);
    });
  }

  template <class R>
  static void product(Context& context, const ProductShape& s, const R* a, const R* b, R* c, const R* bias) {
    ArenaScope scope(*context.arena);
    if (context.threads < 2 || s.batch * s.rows * s.columns * s.inner < kTinyProduct) {
      void* scratch = context.arena->take_bytes(detail::product_thread_bytes<R>(s) + kAlignment);
      return thaw::product(context.isa, s, a, b, c, bias, scratch);
    }
    void* scratch = context.arena->take_bytes(product_scratch_bytes<R>(s, context.threads));
    product_threads(context.isa, s, a, b, c, bias, context.threads, scratch);
  }

 private:
  // Elements below which a second thread costs more than it brings, for work of a few operations each.
  static constexpr Index kElementCost = 1 << 17;
  static constexpr Index kLongFill = 1 << 20;
  static constexpr Index kTinyProduct = 1 << 18;    // multiply-adds for which nobody asks how to split them
  static constexpr Index kOptimizerPart = 1 << 13;  // weights of a part: ten operations and six streams each

  template <class R>
  struct ScaledSum {
    R alpha, beta;
    template <class V>
    THAW_ALWAYS_INLINE V value(V a, V b) const {
      return V(alpha) * a + V(beta) * b;
    }
  };

  template <class R>
  struct ShiftedExp {
    R scale, shift;
    THAW_ALWAYS_INLINE R value(R x) const { return scale * Exp::value(x - shift); }
  };

  // work(begin, end) over 0 .. n, in as many equal parts as there are threads when n is at least `least`.
  template <class Work>
  static void split(const Context& context, Index n, Index least, const Work& work) {
    // Parts end on whole cache lines, so that no line is written by two threads.
    split(context, n, least, 16, work);
  }
  // The same; parts end on multiples of `step`.
  template <class Work>
  static void split(const Context& context, Index n, Index least, Index step, const Work& work) {
#if defined(_OPENMP)
    if (context.threads > 1 && n >= least) {
#pragma omp parallel for schedule(static, 1) num_threads(context.threads)
      for (int t = 0; t < context.threads; ++t) {
        const Index steps = (n + step - 1) / step;
        const Index begin = steps * t / context.threads * step, end = steps * (t + 1) / context.threads * step;
        work(begin, end < n ? end : n);
      }
      return;
    }
#endif
    (void)context;
    (void)least;
    (void)step;
    work(Index(0), n);
  }
  template <class Work>
  static void split_rows(const Context& context, Index rows, Index columns, const Work& work) {
    split(context, rows, kElementCost / (columns > 0 ? columns : 1) + 1, work);
  }
};

namespace detail {

// The parameter pointers of the fused block from the inputs of its operation; the gradients go by the same order.
template <class Pointer, class A>
AxialBlockParams<Pointer> axial_params(const A* in) {
  using I = AxialBlockInputs::Input;
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
  using Attr = AxialBlockSettings;

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
    for (int i = 1; i < AxialBlockInputs::input_count; ++i)
      CpuEigen::fill(context, gradients[i].size(), 0.0F, gradients[i].data);
    ArenaScope scope(*context.arena);
    void* scratch = context.arena->take_bytes(axial_block_scratch_bytes(s, context.threads, true));
    axial_block_backward(s, options_of(context, attr), detail::axial_params<const float*>(in), in[0].data, g.data,
                         attr.saved, gradients[0].data, detail::axial_params<float*>(gradients), scratch);
  }

 private:
  static AxialBlockShape shape_of(const Attr& attr, const A* in) {
    const Shape& x = in[0].shape;
    return {x[0], x[1], x[2], x[3], attr.heads, in[AxialBlockInputs::expand_weight].shape[0]};
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
