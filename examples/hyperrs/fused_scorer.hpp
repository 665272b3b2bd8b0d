// FusedScorer: loss, gradient and curvature of one user's generated scorer as plain loops over flat weights.
//
//   hyperrs::FusedScorer<float> scorer(sizes);                        // the network of `paper`
//   float loss = scorer.gradient(scratch, theta, user, items, 1, {.theta = g});
//   scorer.curvature(scratch, theta, direction, user, items, 1, {.theta = product});
//
// Computes what HyperRS<T>::score records, with the same order of weights (scorer_plan), but keeps one user's weights
// and activations in cache and records nothing. Exact second order comes from `curvature`: the derivative of the
// gradient along a direction of the weights, by tangents carried beside the values. Not for the released variant of the
// network, nor for attention over transformed attributes.
#pragma once

#include <span>
#include <utility>

#include "hyperrs/hyperrs_model.hpp"
#include "thaw/backend/cpu_eigen.hpp"

namespace hyperrs {

// What the scorer reads of a list of items.
template <class R>
struct FusedItems {
  const R* raw[kMostContents] = {};  // (items, d) an attribute: sums of content rows
  const R* labels = nullptr;         // (items)
  Index count = 0;
};

// Where derivatives go; null: not wanted.
template <class R>
struct FusedGradients {
  R* theta = nullptr;          // overwritten
  R* user = nullptr;           // (d), added to
  R* raw[kMostContents] = {};  // (items, d) each, added to
  bool inputs = false;         // whether user and raw are wanted
};

template <class R>
class FusedScorer {
 public:
  explicit FusedScorer(const HyperSizes& sizes) : attributes_(sizes.attributes), width_(sizes.width) {
    thaw::require(sizes.raw_slots && sizes.item_layer_active && !sizes.first_kernel_linear,
                  "FusedScorer: only the network of the paper variant is fused");
    Index at = 0;
    const auto place = [&](Dense& layer, Index in, Index out, bool bias) {
      layer.in = in, layer.out = out, layer.weight = at;
      at += in * out;
      layer.bias = bias ? at : -1;
      at += bias ? out : 0;
    };
    for (int x = 0; x < attributes_; ++x) place(kernel_[x], width_, width_, true);
    place(item_, attributes_ * width_, width_, true);
    for (int l = 0; l < 3; ++l) place(layer_[l], l == 0 ? 2 * width_ : width_, width_, true);
    place(layer_[3], width_, 1, false);
    size_ = at;
  }
  Index size() const { return size_; }  // |Theta|
  Index width() const { return width_; }
  int attributes() const { return attributes_; }
  // The weights of one attribute's layer.
  std::span<const R> kernel(int x, const R* theta) const {
    return {theta + kernel_[x].weight, static_cast<std::size_t>(width_ * width_)};
  }

  // out (items)
  void score(thaw::Arena& arena, const R* theta, const R* user, const FusedItems<R>& items, R* out) const {
    thaw::ArenaScope scope(arena);
    const Values v = forward(arena, theta, user, items);
    for (Index i = 0; i < items.count; ++i) out[i] = v.score[i];
  }

  // share * mean squared error, and its derivatives.
  R gradient(thaw::Arena& arena, const R* theta, const R* user, const FusedItems<R>& items, R share,
             const FusedGradients<R>& to) const {
    thaw::ArenaScope scope(arena);
    const Values v = forward(arena, theta, user, items);
    const R unit = share / static_cast<R>(items.count);
    R* d = arena.take<R>(items.count);
    R loss = 0;
    for (Index i = 0; i < items.count; ++i) {
      const R off = v.score[i] - items.labels[i];
      loss += unit * off * off;
      d[i] = 2 * unit * off;
    }
    backward(arena, theta, user, items, v, d, to);
    return loss;
  }

  // The derivative of `gradient` along `direction`, a change of theta: to.theta, to.user and to.raw as there.
  void curvature(thaw::Arena& arena, const R* theta, const R* direction, const R* user, const FusedItems<R>& items,
                 R share, const FusedGradients<R>& to) const {
    thaw::ArenaScope scope(arena);
    const Values v = forward(arena, theta, user, items);
    const Values t = tangent(arena, theta, direction, user, items, v);
    const R unit = 2 * share / static_cast<R>(items.count);
    R* d = arena.take<R>(items.count);
    R* e = arena.take<R>(items.count);
    for (Index i = 0; i < items.count; ++i) d[i] = unit * (v.score[i] - items.labels[i]), e[i] = unit * t.score[i];
    backward_tangent(arena, {theta, direction}, user, items, v, t, d, e, to);
  }

 private:
  struct Dense {
    Index in = 0, out = 0, weight = 0, bias = -1;
  };
  // Activations of a list of items, or their tangents.
  struct Values {
    R* kernels;  // (items, attributes d)
    R* item;     // (items, d), before attention is added
    R* mixed;    // (items, d), after
    R* hidden[3];
    R* score;
    R* shares;  // (items, attributes)
  };
  struct Pair {
    const R *theta, *direction;
  };

  static void product(thaw::Arena& arena, thaw::ProductShape s, const R* a, const R* b, R* c, const R* bias = nullptr) {
    thaw::ArenaScope scope(arena);
    thaw::product(thaw::detect_isa(), s, a, b, c, bias, arena.take_bytes(thaw::product_scratch_bytes<R>(s)));
  }
  // z (rows, out) (+)= x W + b, x's rows `stride` apart
  static void affine(thaw::Arena& arena, Index rows, Index in, Index out, const R* x, const R* w, const R* bias, R* z,
                     bool add = false) {
    thaw::ProductShape s = thaw::row_major_product(rows, out, in);
    s.accumulate = add;
    product(arena, s, x, w, z, bias);
  }
  // dx (rows, in), its rows `stride` apart, (+)= dz W^T
  static void back(thaw::Arena& arena, Index rows, Index in, Index out, const R* dz, const R* w, R* dx, Index stride,
                   bool add) {
    thaw::ProductShape s = thaw::row_major_product(rows, in, out);
    s.b_inner_stride = 1, s.b_column_stride = out, s.c_row_stride = stride, s.accumulate = add;
    product(arena, s, dz, w, dx);
  }
  // dw (in, out) (+)= x^T dz, the rows of dz `stride` apart
  static void outer(thaw::Arena& arena, Index rows, Index in, Index out, const R* x, const R* dz, Index stride, R* dw,
                    bool add = false) {
    thaw::ProductShape s = thaw::row_major_product(in, out, rows);
    s.a_row_stride = 1, s.a_inner_stride = in, s.b_inner_stride = stride, s.accumulate = add;
    product(arena, s, x, dz, dw);
  }
  static void sum_rows(Index rows, Index columns, const R* x, Index stride, R* out) {
    for (Index j = 0; j < columns; ++j) out[j] = 0;
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) out[j] += x[i * stride + j];
  }
  static void relu(Index n, R* x) { thaw::map<thaw::Relu>(thaw::detect_isa(), n, x, x); }
  // d stays where y, an output of relu, is positive
  static void mask(Index n, const R* y, R* d) {
    thaw::zip<thaw::op::ReluSlopeFunction>(thaw::detect_isa(), n, d, y, d);
  }
  static const R* bias_of(const Dense& layer, const R* theta) { return theta + layer.bias; }

  Values make(thaw::Arena& arena, Index n) const {
    Values v;
    v.kernels = arena.take<R>(n * attributes_ * width_);
    v.item = arena.take<R>(n * width_);
    v.mixed = arena.take<R>(n * width_);
    for (R*& hidden : v.hidden) hidden = arena.take<R>(n * width_);
    v.score = arena.take<R>(n);
    v.shares = arena.take<R>(n * attributes_);
    return v;
  }

  // Shares of the attributes and, onto the item, the mix of what is attended.
  void attend(const R* user, const FusedItems<R>& items, const Values& v) const {
    for (Index i = 0; i < items.count; ++i) {
      R* share = v.shares + i * attributes_;
      R most = 0, sum = 0;
      for (int x = 0; x < attributes_; ++x) {
        const R* raw = items.raw[x] + i * width_;
        share[x] = 0;
        for (Index j = 0; j < width_; ++j) share[x] += user[j] * raw[j];
        most = x == 0 || share[x] > most ? share[x] : most;
      }
      for (int x = 0; x < attributes_; ++x) sum += share[x] = thaw::Exp::value(share[x] - most);
      for (Index j = 0; j < width_; ++j) v.mixed[i * width_ + j] = v.item[i * width_ + j];
      for (int x = 0; x < attributes_; ++x) {
        share[x] /= sum;
        const R* raw = items.raw[x] + i * width_;
        for (Index j = 0; j < width_; ++j) v.mixed[i * width_ + j] += share[x] * raw[j];
      }
    }
  }
  // The gradient of attend with respect to user and raw, linear in d (items, d).
  void attend_back(const R* user, const FusedItems<R>& items, const Values& v, const R* d,
                   const FusedGradients<R>& to) const {
    for (Index i = 0; i < items.count; ++i) {
      const R *share = v.shares + i * attributes_, *row = d + i * width_;
      R slope[kMostContents], mean = 0;
      for (int x = 0; x < attributes_; ++x) {
        const R* raw = items.raw[x] + i * width_;
        slope[x] = 0;
        for (Index j = 0; j < width_; ++j) slope[x] += row[j] * raw[j];
        mean += share[x] * slope[x];
      }
      for (int x = 0; x < attributes_; ++x) {
        const R of_score = share[x] * (slope[x] - mean);
        const R* raw = items.raw[x] + i * width_;
        R* d_raw = to.raw[x] + i * width_;
        for (Index j = 0; j < width_; ++j) {
          d_raw[j] += share[x] * row[j] + of_score * user[j];
          to.user[j] += of_score * raw[j];
        }
      }
    }
  }

  Values forward(thaw::Arena& arena, const R* theta, const R* user, const FusedItems<R>& items) const {
    const Index n = items.count, d = width_, wide = attributes_ * d;
    const Values v = make(arena, n);
    thaw::ArenaScope scope(arena);
    for (int x = 0; x < attributes_; ++x) {
      thaw::ProductShape s = thaw::row_major_product(n, d, d);
      s.c_row_stride = wide;
      product(arena, s, items.raw[x], theta + kernel_[x].weight, v.kernels + x * d, bias_of(kernel_[x], theta));
    }
    relu(n * wide, v.kernels);
    affine(arena, n, wide, d, v.kernels, theta + item_.weight, bias_of(item_, theta), v.item);
    relu(n * d, v.item);
    attend(user, items, v);
    // The user's half of the first layer is one row for all items: a bias.
    R* start = arena.take<R>(d);
    affine(arena, 1, d, d, user, theta + layer_[0].weight, bias_of(layer_[0], theta), start);
    affine(arena, n, d, d, v.mixed, theta + layer_[0].weight + d * d, start, v.hidden[0]);
    relu(n * d, v.hidden[0]);
    for (int l = 1; l < 3; ++l) {
      affine(arena, n, d, d, v.hidden[l - 1], theta + layer_[l].weight, bias_of(layer_[l], theta), v.hidden[l]);
      relu(n * d, v.hidden[l]);
    }
    affine(arena, n, d, 1, v.hidden[2], theta + layer_[3].weight, nullptr, v.score);
    return v;
  }

  void backward(thaw::Arena& arena, const R* theta, const R* user, const FusedItems<R>& items, const Values& v,
                const R* d_score, const FusedGradients<R>& to) const {
    const Index n = items.count, d = width_, wide = attributes_ * d;
    R *dz = arena.take<R>(n * d), *dx = arena.take<R>(n * d), *d_kernels = arena.take<R>(n * wide);
    outer(arena, n, d, 1, v.hidden[2], d_score, 1, to.theta + layer_[3].weight);
    affine(arena, n, 1, d, d_score, theta + layer_[3].weight, nullptr, dz);
    mask(n * d, v.hidden[2], dz);
    for (int l = 2; l > 0; --l) {
      outer(arena, n, d, d, v.hidden[l - 1], dz, d, to.theta + layer_[l].weight);
      sum_rows(n, d, dz, d, to.theta + layer_[l].bias);
      back(arena, n, d, d, dz, theta + layer_[l].weight, dx, d, false);
      mask(n * d, v.hidden[l - 1], dx);
      std::swap(dx, dz);
    }
    R* column = to.theta + layer_[0].bias;
    sum_rows(n, d, dz, d, column);
    outer(arena, 1, d, d, user, column, d, to.theta + layer_[0].weight);
    outer(arena, n, d, d, v.mixed, dz, d, to.theta + layer_[0].weight + d * d);
    back(arena, n, d, d, dz, theta + layer_[0].weight + d * d, dx, d, false);
    if (to.inputs) {
      back(arena, 1, d, d, column, theta + layer_[0].weight, to.user, d, true);
      attend_back(user, items, v, dx, to);
    }
    mask(n * d, v.item, dx);
    outer(arena, n, wide, d, v.kernels, dx, d, to.theta + item_.weight);
    sum_rows(n, d, dx, d, to.theta + item_.bias);
    back(arena, n, wide, d, dx, theta + item_.weight, d_kernels, wide, false);
    mask(n * wide, v.kernels, d_kernels);
    for (int x = 0; x < attributes_; ++x) {
      outer(arena, n, d, d, items.raw[x], d_kernels + x * d, wide, to.theta + kernel_[x].weight);
      sum_rows(n, d, d_kernels + x * d, wide, to.theta + kernel_[x].bias);
      if (to.inputs) back_strided(arena, n, d_kernels + x * d, theta + kernel_[x].weight, to.raw[x]);
    }
  }
  // raw's gradient: dx (rows, d) += dz W^T, the rows of dz as wide as all attributes
  void back_strided(thaw::Arena& arena, Index rows, const R* dz, const R* w, R* dx) const {
    thaw::ProductShape s = thaw::row_major_product(rows, width_, width_);
    s.a_row_stride = attributes_ * width_, s.b_inner_stride = 1, s.b_column_stride = width_, s.accumulate = true;
    product(arena, s, dz, w, dx);
  }

  // Tangents of the activations: every layer is x' W + x W' + b' on the side where relu is open. What is attended has
  // no tangent.
  Values tangent(thaw::Arena& arena, const R* theta, const R* direction, const R* user, const FusedItems<R>& items,
                 const Values& v) const {
    const Index n = items.count, d = width_, wide = attributes_ * d;
    const Values t = make(arena, n);
    thaw::ArenaScope scope(arena);
    for (int x = 0; x < attributes_; ++x) {
      thaw::ProductShape s = thaw::row_major_product(n, d, d);
      s.c_row_stride = wide;
      product(arena, s, items.raw[x], direction + kernel_[x].weight, t.kernels + x * d, bias_of(kernel_[x], direction));
    }
    mask(n * wide, v.kernels, t.kernels);
    affine(arena, n, wide, d, v.kernels, direction + item_.weight, bias_of(item_, direction), t.item);
    affine(arena, n, wide, d, t.kernels, theta + item_.weight, nullptr, t.item, true);
    mask(n * d, v.item, t.item);
    R* start = arena.take<R>(d);
    affine(arena, 1, d, d, user, direction + layer_[0].weight, bias_of(layer_[0], direction), start);
    affine(arena, n, d, d, v.mixed, direction + layer_[0].weight + d * d, start, t.hidden[0]);
    affine(arena, n, d, d, t.item, theta + layer_[0].weight + d * d, nullptr, t.hidden[0], true);
    mask(n * d, v.hidden[0], t.hidden[0]);
    for (int l = 1; l < 3; ++l) {
      const Dense& layer = layer_[l];
      affine(arena, n, d, d, v.hidden[l - 1], direction + layer.weight, bias_of(layer, direction), t.hidden[l]);
      affine(arena, n, d, d, t.hidden[l - 1], theta + layer.weight, nullptr, t.hidden[l], true);
      mask(n * d, v.hidden[l], t.hidden[l]);
    }
    affine(arena, n, d, 1, v.hidden[2], direction + layer_[3].weight, nullptr, t.score);
    affine(arena, n, d, 1, t.hidden[2], theta + layer_[3].weight, nullptr, t.score, true);
    return t;
  }

  // One affine layer inside the scorer: from (dz, its tangent ez) the tangent of the weight's gradient, and dx, ex. The
  // relu below it is open where `below` is positive.
  void layer_tangent(thaw::Arena& arena, const Pair& w, const Dense& layer, Index skip, Index n, const R* x,
                     const R* x_tangent, const R* dz, const R* ez, R* dx, R* ex, R* to) const {
    const Index in = layer.in - skip, out = layer.out, at = layer.weight + skip * out;
    outer(arena, n, in, out, x, ez, out, to + at);
    outer(arena, n, in, out, x_tangent, dz, out, to + at, true);
    if (layer.bias >= 0) sum_rows(n, out, ez, out, to + layer.bias);
    back(arena, n, in, out, dz, w.theta + at, dx, in, false);
    back(arena, n, in, out, ez, w.theta + at, ex, in, false);
    back(arena, n, in, out, dz, w.direction + at, ex, in, true);
  }

  void backward_tangent(thaw::Arena& arena, const Pair& w, const R* user, const FusedItems<R>& items, const Values& v,
                        const Values& t, const R* d_score, const R* e_score, const FusedGradients<R>& to) const {
    const Index n = items.count, d = width_, wide = attributes_ * d;
    R *dz = arena.take<R>(n * wide), *ez = arena.take<R>(n * wide);
    R *dx = arena.take<R>(n * wide), *ex = arena.take<R>(n * wide);
    layer_tangent(arena, w, layer_[3], 0, n, v.hidden[2], t.hidden[2], d_score, e_score, dz, ez, to.theta);
    for (int l = 2; l >= 0; --l) {
      mask(n * d, v.hidden[l], dz), mask(n * d, v.hidden[l], ez);
      const R *x = l > 0 ? v.hidden[l - 1] : v.mixed, *x_tangent = l > 0 ? t.hidden[l - 1] : t.item;
      layer_tangent(arena, w, layer_[l], l > 0 ? 0 : d, n, x, x_tangent, dz, ez, dx, ex, to.theta);
      if (l > 0) std::swap(dx, dz), std::swap(ex, ez);
    }
    // The user's half of the first layer.
    R *column = arena.take<R>(d), *e_column = to.theta + layer_[0].bias;
    sum_rows(n, d, dz, d, column);
    outer(arena, 1, d, d, user, e_column, d, to.theta + layer_[0].weight);
    if (to.inputs) {
      back(arena, 1, d, d, e_column, w.theta + layer_[0].weight, to.user, d, true);
      back(arena, 1, d, d, column, w.direction + layer_[0].weight, to.user, d, true);
      attend_back(user, items, v, ex, to);
    }
    mask(n * d, v.item, dx), mask(n * d, v.item, ex);
    layer_tangent(arena, w, item_, 0, n, v.kernels, t.kernels, dx, ex, dz, ez, to.theta);
    mask(n * wide, v.kernels, dz), mask(n * wide, v.kernels, ez);
    for (int x = 0; x < attributes_; ++x) {
      outer(arena, n, d, d, items.raw[x], ez + x * d, wide, to.theta + kernel_[x].weight);
      sum_rows(n, d, ez + x * d, wide, to.theta + kernel_[x].bias);
      if (!to.inputs) continue;
      back_strided(arena, n, ez + x * d, w.theta + kernel_[x].weight, to.raw[x]);
      back_strided(arena, n, dz + x * d, w.direction + kernel_[x].weight, to.raw[x]);
    }
  }

  int attributes_;
  Index width_, size_ = 0;
  Dense kernel_[kMostContents], item_, layer_[4];
};

}  // namespace hyperrs
