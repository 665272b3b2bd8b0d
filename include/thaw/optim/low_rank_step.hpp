// Low-rank steps: an optimiser step on a large matrix whose gradient is a product U^T G of thin ones, without forming
// the gradient.
//
//   thaw::LowRankGradient<float> factors(context, shape_of_h, /*most terms*/ 16);
//   thaw::low_rank_sweep(loss, wanted, {&h, 1, &factors});       // h: an Array that the tape holds as a constant
//   thaw::LowRankAdam<float> adam(context, h.shape);
//   adam.step(context, factors, h, /*rate*/ 1e-3);               // a tile of the gradient at a time, in cache
//   factors.clear();
//
// A recorded product u H with a constant H adds the term (u, gradient of u H). A product g H^T, which the inner loop's
// own gradient makes, adds (gradient of g H^T, g): exact second order needs both. Not for a matrix that is read by
// anything but matmul, nor for products that are not recorded because u is a constant too.
#pragma once

#include <string_view>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/backend/optimizer_step.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

// The gradient of one matrix (rows, columns) as left^T right, collected over the users of a meta-batch.
template <class R, class B = Cpu>
class LowRankGradient {
 public:
  using A = Array<R, B>;
  using Context = typename B::Context;

  LowRankGradient() = default;
  // Memory for `most` terms from the context's arena.
  LowRankGradient(Context& context, const Shape& matrix, Index most)
      : left_(A::make(context, {most, matrix[0]})), right_(A::make(context, {most, matrix[1]})), most_(most) {}

  // weight * left^T right, left (terms, rows), right (terms, columns).
  void add(const A& left, const A& right, double weight = 1) {
    const Index terms = left.shape[0], rows = left_.shape[1], columns = right_.shape[1];
    require(left.shape.rank == 2 && right.shape.rank == 2 && right.shape[0] == terms && left.shape[1] == rows &&
                right.shape[1] == columns,
            "LowRankGradient: factors of shapes ", left.shape, " and ", right.shape, " for a matrix of ", rows, " rows",
            " and ", columns, " columns");
    require(rank_ + terms <= most_, "LowRankGradient: more than ", most_, " terms; clear it after each step, or make ",
            "room for more");
    auto& context = *left_.context;
    B::affine_map(context, terms * rows, static_cast<R>(weight), R(0), left.data, left_.data + rank_ * rows);
    B::copy(context, terms * columns, right.data, right_.data + rank_ * columns);
    rank_ += terms;
  }
  void clear() { rank_ = 0; }

  Index rank() const { return rank_; }
  Shape matrix_shape() const { return {left_.shape[1], right_.shape[1]}; }
  A left() const { return A::view(*left_.context, left_.data, {rank_, left_.shape[1]}); }
  A right() const { return A::view(*right_.context, right_.data, {rank_, right_.shape[1]}); }

 private:
  A left_, right_;
  Index most_ = 0;
  Index rank_ = 0;
};

// The matrices that a tape holds as constants, and where their factors go.
template <class R, class B>
struct LowRankTargets {
  const Array<R, B>* matrices = nullptr;
  int count = 0;
  LowRankGradient<R, B>* factors = nullptr;
  double weight = 1;  // of this loss in the meta-batch
};

namespace detail {

// The matrix that a node multiplies by, as a position in the targets, or -1.
template <class R, class B>
int matrix_of(const Node<R, B>& node, const LowRankTargets<R, B>& targets) {
  if (node.rule == nullptr) return -1;
  int found = -1;
  for (int i = 0; i < node.count; ++i)
    for (int m = 0; m < targets.count; ++m)
      if (node.parents[i] == nullptr && node.in[i].data == targets.matrices[m].data) {
        require(std::string_view(node.rule->name) == op::MatMul::name && i == 1, "low_rank_sweep: a matrix is read by ",
                node.rule->name, ", only the second operand of matmul is supported");
        found = m;
      }
  return found;
}

template <class R, class B>
void add_term(const Node<R, B>& node, const Array<R, B>& g, LowRankGradient<R, B>& to, double weight) {
  const auto t = static_cast<const op::MatMul::Attr*>(node.attr)->transpose;
  require(!op::has(t, Transpose::first) && node.out.shape.rank == 2,
          "low_rank_sweep: the first operand of a product is transposed or batched");
  if (op::has(t, Transpose::second))
    to.add(g, node.in[0], weight);
  else
    to.add(node.in[0], g, weight);
}

}  // namespace detail

// One sweep: the gradients of a one-element loss with respect to `wanted` variables (out[i]), and the factors of the
// gradient of every constant matrix.
template <class R, class B>
void low_rank_sweep(const Var<R, B>& loss, const SweepTargets<Array<R, B>, R, B>& wanted,
                    const LowRankTargets<R, B>& low_rank) {
  using V = Var<R, B>;
  using A = Array<R, B>;
  Arena& arena = loss.tape->arena();
  int products = 0;
  const auto for_each_product = [&](auto&& fn) {
    for (Node<R, B>* node = loss.node; node != nullptr; node = node->previous) {
      const int m = detail::matrix_of(*node, low_rank);
      if (m >= 0) fn(node, m);
    }
  };
  for_each_product([&](Node<R, B>*, int) { ++products; });
  const int count = wanted.count + products;
  V* variables = arena.template take<V>(count);
  A* out = arena.template take<A>(count);
  auto*** lists = arena.template take<RowGradient<R, B>**>(count);
  for (int i = 0; i < count; ++i) lists[i] = nullptr;
  for (int i = 0; i < wanted.count; ++i) {
    variables[i] = wanted.wanted[i];
    if (wanted.lists != nullptr) lists[i] = wanted.lists[i];
  }
  int at = wanted.count;
  for_each_product([&](Node<R, B>* node, int) { variables[at++] = V{node->out, node, loss.tape, node->stamp}; });
  pull_back<A, R, B>(loss, detail::one_for(loss), {variables, count, out, lists});
  for (int i = 0; i < wanted.count; ++i)
    if (lists[i] == nullptr) wanted.out[i] = out[i];
  at = wanted.count;
  for_each_product(
      [&](Node<R, B>* node, int m) { detail::add_term(*node, out[at++], low_rank.factors[m], low_rank.weight); });
}

namespace detail {

// fn(tile of the gradient, first element in the matrix, columns) for tiles that together cover the matrix; a tile lies
// in one row.
template <class R, class B, class Fn>
void for_each_gradient_tile(typename B::Context& context, const LowRankGradient<R, B>& gradient, Fn&& fn) {
  // Long runs, because six streams with the row's stride fight for the same cache sets; 256 KiB of floats stay in L2.
  constexpr Index kColumns = 16384, kRows = 4;
  ArenaScope scope(*context.arena);
  R* tile = context.arena->template take<R>(kColumns * kRows);
  const Shape matrix = gradient.matrix_shape();
  const auto left = gradient.left(), right = gradient.right();
  for (Index column = 0; column < matrix[1]; column += kColumns) {
    const Index columns = matrix[1] - column < kColumns ? matrix[1] - column : kColumns;
    for (Index row = 0; row < matrix[0]; row += kRows) {
      ProductShape s;
      s.rows = matrix[0] - row < kRows ? matrix[0] - row : kRows;
      s.columns = columns;
      s.inner = gradient.rank();
      s.a_row_stride = 1;
      s.a_inner_stride = matrix[0];
      s.b_inner_stride = matrix[1];
      s.b_column_stride = 1;
      s.c_row_stride = columns;
      if (s.inner == 0)
        B::fill(context, s.rows * columns, R(0), tile);
      else
        B::product(context, s, left.data + row, right.data + column, tile, static_cast<const R*>(nullptr));
      for (Index r = 0; r < s.rows; ++r) fn(tile + r * columns, (row + r) * matrix[1] + column, columns);
    }
  }
}

template <class R, class B>
void check_step(const LowRankGradient<R, B>& gradient, const Array<R, B>& matrix) {
  require(gradient.matrix_shape() == matrix.shape, "low-rank step: a gradient of shape ", gradient.matrix_shape(),
          " for a matrix of shape ", matrix.shape);
}

}  // namespace detail

// matrix -= rate * left^T right.
template <class R, class B>
void low_rank_sgd(typename B::Context& context, const LowRankGradient<R, B>& gradient, const Array<R, B>& matrix,
                  double rate) {
  detail::check_step(gradient, matrix);
  if (gradient.rank() == 0) return;
  detail::for_each_gradient_tile(context, gradient, [&](const R* g, Index at, Index n) {
    B::add_scaled(context, n, R(1), matrix.data + at, static_cast<R>(-rate), g, matrix.data + at);
  });
}

struct LowRankAdamOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double decay = 0;  // decoupled
  double clip = 0;   // every element of the gradient into [-clip, clip]; 0: as it is
};

// Adam on one matrix: what thaw::Adam does, to rounding, with a gradient that is never whole.
template <class R, class B = Cpu>
class LowRankAdam {
 public:
  LowRankAdam() = default;
  LowRankAdam(typename B::Context& context, const Shape& matrix, LowRankAdamOptions options = {})
      : options_(options), first_(Array<R, B>::make(context, matrix)), second_(Array<R, B>::make(context, matrix)) {
    B::fill(context, first_.size(), R(0), first_.data);
    B::fill(context, second_.size(), R(0), second_.data);
  }

  void step(typename B::Context& context, const LowRankGradient<R, B>& gradient, const Array<R, B>& matrix,
            double rate) {
    detail::check_step(gradient, matrix);
    ++steps_;
    const AdamStep step = AdamStep::at(steps_, rate, options_.beta1, options_.beta2, options_.epsilon, options_.decay);
    const R limit = static_cast<R>(options_.clip);
    detail::for_each_gradient_tile(context, gradient, [&](R* g, Index at, Index n) {
      for (Index i = 0; limit > R(0) && i < n; ++i) g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
      B::adam(context, n, step, g, first_.data + at, second_.data + at, matrix.data + at);
    });
  }
  // fn(name, array) for what a checkpoint must hold beside steps().
  void each_state(auto&& fn) {
    fn("first_moment", first_);
    fn("second_moment", second_);
  }
  std::int64_t& steps() { return steps_; }

 private:
  LowRankAdamOptions options_;
  Array<R, B> first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
