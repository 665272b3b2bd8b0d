// Cpu: the portable backend. Plain loops, one thread, no libraries: what a device gets, and the reference for others.
//
// A backend is a type with a Context and about a dozen static skeletons over raw pointers; operations (ops/) are
// written once on top of them. To add a backend, supply the same functions. Not fast: see cpu_eigen.hpp for hosts.
#pragma once

#include "thaw/backend/kernels/vector_math.hpp"
#include "thaw/backend/optimizer_step.hpp"
#include "thaw/backend/product_shape.hpp"
#include "thaw/core/array.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

// Rows to be added up into one: segment s has the entries offsets[s] .. offsets[s+1) of `ids`.
// An id below zero stands for "nothing" and adds zero. `offsets` may be null: one id a segment.
struct Bags {
  const std::int32_t* ids = nullptr;
  const std::int32_t* offsets = nullptr;
  Index count = 0;
  bool mean = false;  // divide by the number of entries

  Index begin(Index s) const { return offsets == nullptr ? s : offsets[s]; }
  Index end(Index s) const { return offsets == nullptr ? s + 1 : offsets[s + 1]; }
};

struct Cpu {
  struct Context {
    Arena* arena = nullptr;
  };

  // y[i] = F(x[i])
  template <class F, class R>
  static void map(auto&, Index n, const R* x, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = F::value(x[i]);
  }
  // y[i] = F(a[i], b[i])
  template <class F, class R>
  static void zip(auto&, Index n, const R* a, const R* b, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = F::value(a[i], b[i]);
  }
  // y = scale * x + shift
  template <class R>
  static void affine_map(auto&, Index n, R scale, R shift, const R* x, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = scale * x[i] + shift;
  }
  template <class R>
  static void fill(auto&, Index n, R value, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = value;
  }
  template <class R>
  static void copy(auto&, Index n, const R* x, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = x[i];
  }

  // y = x, no further from zero than `most`.
  template <class R>
  static void clamp(auto&, Index n, R most, const R* x, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = x[i] > most ? most : x[i] < -most ? -most : x[i];
  }

  // y = alpha * a + beta * b
  template <class R>
  static void add_scaled(auto&, Index n, R alpha, const R* a, R beta, const R* b, R* y) {
    for (Index i = 0; i < n; ++i) y[i] = alpha * a[i] + beta * b[i];
  }
  template <class R>
  static double sum_of_squares(auto&, Index n, const R* x) {
    double sum = 0;
    for (Index i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return sum;
  }
  // One pass of Adam over n weights.
  template <class R>
  static void adam(auto&, Index n, const AdamStep& step, const R* g, R* first, R* second, R* weight) {
    const R keep = static_cast<R>(step.decoupled ? 1 - step.learning_rate * step.weight_decay : 1);
    const R added = static_cast<R>(step.decoupled ? 0 : step.weight_decay);
    const R beta1 = static_cast<R>(step.beta1), beta2 = static_cast<R>(step.beta2);
    const R rate = static_cast<R>(step.learning_rate * step.correction1);
    for (Index i = 0; i < n; ++i) {
      const R slope = g[i] + added * weight[i];
      first[i] = beta1 * first[i] + (R(1) - beta1) * slope;
      second[i] = beta2 * second[i] + (R(1) - beta2) * slope * slope;
      const R root = Sqrt::value(second[i]) * static_cast<R>(step.correction2) + static_cast<R>(step.epsilon);
      weight[i] = keep * weight[i] - rate * first[i] / root;
    }
  }
  // The direction m / (sqrt(v) + epsilon) + decay * weight of Lamb, and the squares that its trust ratio needs.
  template <class R>
  static LambNorms lamb_direction(auto&, Index n, const AdamStep& step, const R* g, const R* weight, R* first,
                                  R* second, R* direction) {
    LambNorms norms;
    const R beta1 = static_cast<R>(step.beta1), beta2 = static_cast<R>(step.beta2);
    for (Index i = 0; i < n; ++i) {
      first[i] = beta1 * first[i] + (R(1) - beta1) * g[i];
      second[i] = beta2 * second[i] + (R(1) - beta2) * g[i] * g[i];
      const R root = Sqrt::value(second[i]) * static_cast<R>(step.correction2) + static_cast<R>(step.epsilon);
      direction[i] = first[i] * static_cast<R>(step.correction1) / root + static_cast<R>(step.weight_decay) * weight[i];
      norms.parameters += static_cast<double>(weight[i]) * static_cast<double>(weight[i]);
      norms.update += static_cast<double>(direction[i]) * static_cast<double>(direction[i]);
    }
    return norms;
  }

  // C (+)= A B + bias, batched, any strides.
  template <class R>
  static void product(auto&, ProductShape s, const R* a, const R* b, R* c, const R* bias) {
    // Factors without elements may be null pointers, which nothing may be added to.
    if (s.inner == 0) s.a_row_stride = s.a_batch_stride = s.b_batch_stride = 0;
    for (Index k = 0; k < s.batch; ++k, a += s.a_batch_stride, b += s.b_batch_stride, c += s.c_batch_stride)
      for (Index i = 0; i < s.rows; ++i) product_row(s, a + i * s.a_row_stride, b, c + i * s.c_row_stride, bias);
  }

  // y (contiguous, of shape dims) = x seen with the given strides; a stride of 0 repeats.
  template <class R>
  static void strided_copy(auto&, const Shape& dims, const R* x, const Index* strides, R* y) {
    walk(dims, strides, [&](Index offset, Index at, Index n, Index stride) {
      for (Index i = 0; i < n; ++i) y[at + i] = x[offset + i * stride];
    });
  }
  // y seen with the given strides += x (contiguous, of shape dims); a stride of 0 sums.
  template <class R>
  static void strided_add(auto&, const Shape& dims, const R* x, R* y, const Index* strides) {
    walk(dims, strides, [&](Index offset, Index at, Index n, Index stride) {
      if (stride == 0) {
        R sum = 0;
        for (Index i = 0; i < n; ++i) sum += x[at + i];
        y[offset] += sum;
      } else {
        for (Index i = 0; i < n; ++i) y[offset + i * stride] += x[at + i];
      }
    });
  }

  // out (segments, width): the sum or mean of the table rows of each segment.
  template <class R>
  static void gather(auto&, const Bags& bags, const R* table, Index width, R* out) {
    for (Index s = 0; s < bags.count; ++s) {
      R* row = out + s * width;
      for (Index j = 0; j < width; ++j) row[j] = 0;
      for (Index e = bags.begin(s); e < bags.end(s); ++e) {
        if (bags.ids[e] < 0) continue;
        const R* from = table + bags.ids[e] * width;
        for (Index j = 0; j < width; ++j) row[j] += from[j];
      }
      scale_row(bags, s, width, row, row);
    }
  }
  // table (rows, width) += the transpose of gather, in the order of the segments.
  template <class R>
  static void scatter_add(auto&, const Bags& bags, const R* rows, Index width, R* table) {
    for (Index s = 0; s < bags.count; ++s) {
      const R weight = bag_weight<R>(bags, s);
      for (Index e = bags.begin(s); e < bags.end(s); ++e) {
        if (bags.ids[e] < 0) continue;
        R* to = table + bags.ids[e] * width;
        for (Index j = 0; j < width; ++j) to[j] += weight * rows[s * width + j];
      }
    }
  }

  // y[i] = x[i, ids[i]], and its transpose; x and y of the other one are (rows, columns).
  template <class R>
  static void pick(auto&, Index rows, Index columns, const std::int32_t* ids, const R* x, R* y) {
    for (Index i = 0; i < rows; ++i) y[i] = x[i * columns + ids[i]];
  }
  template <class R>
  static void place(auto&, Index rows, Index columns, const std::int32_t* ids, const R* x, R* y) {
    for (Index i = 0; i < rows; ++i) y[i * columns + ids[i]] = x[i];
  }

  // Each row of y is the softmax of the row of x.
  template <class R>
  static void softmax(auto&, Index rows, Index columns, const R* x, R* y) {
    for (Index i = 0; i < rows; ++i, x += columns, y += columns) {
      R most = x[0];
      for (Index j = 1; j < columns; ++j) most = x[j] > most ? x[j] : most;
      R sum = 0;
      for (Index j = 0; j < columns; ++j) sum += (y[j] = Exp::value(x[j] - most));
      const R inverse = R(1) / sum;
      for (Index j = 0; j < columns; ++j) y[j] *= inverse;
    }
  }
  // d = y * (g - sum(g * y)), the gradient of softmax.
  template <class R>
  static void softmax_backward(auto&, Index rows, Index columns, const R* y, const R* g, R* d) {
    for (Index i = 0; i < rows; ++i, y += columns, g += columns, d += columns) {
      R dot = 0;
      for (Index j = 0; j < columns; ++j) dot += g[j] * y[j];
      for (Index j = 0; j < columns; ++j) d[j] = y[j] * (g[j] - dot);
    }
  }

  // y = (x - mean) / sqrt(variance + epsilon) * weight + bias, for each row.
  template <class R>
  static void layer_norm(auto&, Index rows, Index columns, R epsilon, const R* x, const R* weight, const R* bias,
                         R* y) {
    for (Index i = 0; i < rows; ++i, x += columns, y += columns) {
      const RowMoments<R> m = moments(columns, epsilon, x);
      for (Index j = 0; j < columns; ++j) y[j] = (x[j] - m.mean) * m.inverse_deviation * weight[j] + bias[j];
    }
  }
  // d_x is overwritten; d_weight and d_bias are added to.
  template <class R>
  static void layer_norm_backward(auto&, Index rows, Index columns, R epsilon, const R* x, const R* weight, const R* g,
                                  R* d_x, R* d_weight, R* d_bias) {
    for (Index i = 0; i < rows; ++i, x += columns, g += columns, d_x += columns) {
      const RowMoments<R> m = moments(columns, epsilon, x);
      R sum = 0, dot = 0;
      for (Index j = 0; j < columns; ++j) {
        const R normal = (x[j] - m.mean) * m.inverse_deviation;
        d_weight[j] += g[j] * normal;
        d_bias[j] += g[j];
        sum += g[j] * weight[j];
        dot += g[j] * weight[j] * normal;
      }
      const R n = static_cast<R>(columns);
      for (Index j = 0; j < columns; ++j) {
        const R normal = (x[j] - m.mean) * m.inverse_deviation;
        d_x[j] = m.inverse_deviation * (g[j] * weight[j] - sum / n - normal * dot / n);
      }
    }
  }

  // Each row of y is the softmax of the row of x plus the `columns` numbers at bias + row * bias_stride.
  template <class R>
  static void softmax_biased(auto&, Index rows, Index columns, const R* x, const R* bias, Index bias_stride, R* y) {
    Cpu nothing;
    for (Index i = 0; i < rows; ++i, x += columns, y += columns) {
      for (Index j = 0; j < columns; ++j) y[j] = x[j] + bias[i * bias_stride + j];
      softmax(nothing, 1, columns, y, y);
    }
  }
  // y = x / sqrt(mean(x^2) + epsilon) * weight, for each row.
  template <class R>
  static void rms_norm(auto&, Index rows, Index columns, R epsilon, const R* x, const R* weight, R* y) {
    for (Index i = 0; i < rows; ++i, x += columns, y += columns) {
      const R inverse = inverse_root_mean_square(columns, epsilon, x);
      for (Index j = 0; j < columns; ++j) y[j] = x[j] * inverse * weight[j];
    }
  }
  // d_x is overwritten; d_weight is added to.
  template <class R>
  static void rms_norm_backward(auto&, Index rows, Index columns, R epsilon, const R* x, const R* weight, const R* g,
                                R* d_x, R* d_weight) {
    for (Index i = 0; i < rows; ++i, x += columns, g += columns, d_x += columns) {
      const R inverse = inverse_root_mean_square(columns, epsilon, x);
      R dot = 0;
      for (Index j = 0; j < columns; ++j) {
        d_weight[j] += g[j] * x[j] * inverse;
        dot += g[j] * weight[j] * x[j] * inverse;
      }
      const R slope = dot / static_cast<R>(columns);
      for (Index j = 0; j < columns; ++j) d_x[j] = inverse * (g[j] * weight[j] - x[j] * inverse * slope);
    }
  }
  // y[i] = log(sum(exp(row i of x))).
  template <class R>
  static void log_sum_exp(auto&, Index rows, Index columns, const R* x, R* y) {
    for (Index i = 0; i < rows; ++i, x += columns) {
      R most = x[0], sum = 0;
      for (Index j = 1; j < columns; ++j) most = x[j] > most ? x[j] : most;
      for (Index j = 0; j < columns; ++j) sum += Exp::value(x[j] - most);
      y[i] = most + Log::value(sum);
    }
  }
  // y (rows, columns) = scale * exp(x - shift[row]).
  template <class R>
  static void shifted_exp(auto&, Index rows, Index columns, R scale, const R* x, const R* shift, R* y) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) y[i * columns + j] = scale * Exp::value(x[i * columns + j] - shift[i]);
  }

  // y = x with dropped elements zero and the others scaled up.
  template <class R>
  static void dropout(auto&, const DropoutRule& rule, Index rows, Index columns, const R* x, R* y) {
    const R scale = static_cast<R>(rule.scale());
    for (Index i = 0; i < rows; ++i)
      for (Index begin = 0; begin < columns; begin += 8) {
        const Words4 words = rule.words(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(begin),
                                        static_cast<std::uint64_t>(columns));
        for (Index j = begin; j < begin + 8 && j < columns; ++j)
          y[i * columns + j] = rule.keeps(words, static_cast<std::uint64_t>(j)) ? x[i * columns + j] * scale : R(0);
      }
  }

 protected:
  template <class R>
  struct RowMoments {
    R mean, inverse_deviation;
  };
  template <class R>
  static RowMoments<R> moments(Index n, R epsilon, const R* x) {
    R sum = 0, squares = 0;
    for (Index j = 0; j < n; ++j) sum += x[j];
    const R mean = sum / static_cast<R>(n);
    for (Index j = 0; j < n; ++j) squares += (x[j] - mean) * (x[j] - mean);
    return {mean, R(1) / Sqrt::value(squares / static_cast<R>(n) + epsilon)};
  }

  template <class R>
  static R inverse_root_mean_square(Index n, R epsilon, const R* x) {
    R squares = 0;
    for (Index j = 0; j < n; ++j) squares += x[j] * x[j];
    return R(1) / Sqrt::value(squares / static_cast<R>(n) + epsilon);
  }

  template <class R>
  static R bag_weight(const Bags& bags, Index s) {
    const Index n = bags.end(s) - bags.begin(s);
    return bags.mean && n > 1 ? R(1) / static_cast<R>(n) : R(1);
  }
  template <class R>
  static void scale_row(const Bags& bags, Index s, Index width, const R* x, R* y) {
    const R weight = bag_weight<R>(bags, s);
    if (weight == R(1)) return;
    for (Index j = 0; j < width; ++j) y[j] = weight * x[j];
  }

  template <class R>
  static void product_row(const ProductShape& s, const R* a, const R* b, R* c, const R* bias) {
    if (!s.accumulate)
      for (Index j = 0; j < s.columns; ++j) c[j] = bias == nullptr ? R(0) : bias[j];
    if (s.b_inner_stride == 1) {  // dot products: B is stored by column
      for (Index j = 0; j < s.columns; ++j) {
        R sum = 0;
        for (Index k = 0; k < s.inner; ++k) sum += a[k * s.a_inner_stride] * b[j * s.b_column_stride + k];
        c[j] += sum;
      }
    } else {
      for (Index k = 0; k < s.inner; ++k) {
        const R x = a[k * s.a_inner_stride];
        for (Index j = 0; j < s.columns; ++j) c[j] += x * b[k * s.b_inner_stride + j * s.b_column_stride];
      }
    }
  }

  // Calls run(offset, at, n, stride) for every innermost line: `offset` into the strided side, `at` into the
  // contiguous one.
  template <class Run>
  static void walk(const Shape& dims, const Index* strides, Run run) {
    if (dims.size() == 0) return;
    if (dims.rank == 0) return run(Index(0), Index(0), Index(1), Index(1));
    const int last = dims.rank - 1;
    Index at = 0, offset = 0;
    Index position[Shape::kMaxRank] = {};
    for (;;) {
      run(offset, at, dims[last], strides[last]);
      at += dims[last];
      int axis = last - 1;
      for (; axis >= 0; --axis) {
        offset += strides[axis];
        if (++position[axis] < dims[axis]) break;
        offset -= strides[axis] * dims[axis];
        position[axis] = 0;
      }
      if (axis < 0) return;
    }
  }
};

}  // namespace thaw::inline v0
