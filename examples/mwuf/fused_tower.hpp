// FusedTower: the deep part of a click model on a block of rows, forward and back, while the block is in cache.
//
//   FusedTower tower(model.deep);
//   float* space = arena.take<float>(tower.space());
//   tower.forward(isa, rows, x, space, logits);                     // x (rows, in) -> adds to logits (rows)
//   tower.backward(isa, rows, slopes, x, space, d_x, sums);         // right after; sums += gradients of all weights
//
// Computes what Mlp does with ReLU between its layers and one output. At most kBlock rows at a time; one thread. A
// tower without layers adds nothing and has no slope.
#pragma once

#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/backend/kernels/field_rows.hpp"
#include "thaw/nn/mlp.hpp"

namespace mwuf {

using thaw::Index;

class FusedTower {
 public:
  static constexpr Index kBlock = 128;
  static constexpr Index kLanes = 16;  // a fixed number, which the compiler turns into vectors

  FusedTower() = default;
  explicit FusedTower(const thaw::Mlp<thaw::Array<float, thaw::CpuEigen>>& deep) : count_(deep.layers.count) {
    thaw::require(deep.activation == thaw::Activation::relu, "FusedTower: layers with ReLU between are needed");
    for (int l = 0; l < count_; ++l) {
      const auto& weight = deep.layers[l].weight;
      layers_[l] = {weight.data, deep.layers[l].bias.data, weight.shape[1], weight.shape[0], size_};
      size_ += weight.shape.size() + weight.shape[0];
      if (layers_[l].in > widest_) widest_ = layers_[l].in;
      if (l + 1 < count_) hidden_ += layers_[l].out;
    }
    thaw::require(count_ == 0 || layers_[count_ - 1].out == 1, "FusedTower: the last layer must have one output");
    for (int l = 0; l < count_; ++l)
      for (const thaw::ProductShape& s : {forward_shape(l, kBlock), input_shape(l, kBlock), weight_shape(l, kBlock)}) {
        const Index needed = static_cast<Index>(thaw::product_scratch_bytes<float>(s) / sizeof(float)) + 1;
        if (needed > packing_) packing_ = needed;
      }
  }

  // Numbers of all weights: of each layer its weight (out, in), then its bias.
  Index size() const { return size_; }
  Index weight_at(int l) const { return layers_[l].at; }
  Index bias_at(int l) const { return layers_[l].at + layers_[l].in * layers_[l].out; }
  // Numbers of working memory: hidden activations, two slopes, packed operands.
  Index space() const { return kBlock * (hidden_ + 2 * widest_) + packing_; }

  // Inputs, and outputs of the first layer; a tower without layers has none.
  Index in() const { return layers_[0].in; }
  int layers() const { return count_; }
  Index first_out() const { return count_ == 0 ? 0 : layers_[0].out; }

  // logits (rows) += the tower of x (rows, in). The hidden activations stay in `space`.
  void forward(thaw::Isa isa, Index rows, const float* x, float* space, float* logits) const {
    if (count_ > 1) {
      first_layer_alone(isa, rows, x, true, space, space);
      thaw::map<thaw::Relu>(isa, rows * first_out(), space, space);
    }
    after_first(isa, rows, count_ > 1 ? space : x, space, logits);
  }
  // y (rows, first_out) = what the first layer makes of x (rows, in), before its ReLU and with its bias or without.
  void first_layer_alone(thaw::Isa isa, Index rows, const float* x, bool biased, float* space, float* y) const {
    const float* bias = biased ? layers_[0].bias : kNoBias;
    thaw::product(isa, forward_shape(0, rows), x, layers_[0].weight, y, bias, packing(space));
  }
  // logits (rows) += the layers behind the first one of its activations (rows, first_out) at the start of `space`; of a
  // tower with one layer: of its input.
  void after_first(thaw::Isa isa, Index rows, const float* from, float* space, float* logits) const {
    if (count_ == 0) return;
    float* to = space + kBlock * first_out();
    for (int l = 1; l + 1 < count_; ++l) {
      thaw::product(isa, forward_shape(l, rows), from, layers_[l].weight, to, layers_[l].bias, packing(space));
      thaw::map<thaw::Relu>(isa, rows * layers_[l].out, to, to);
      from = to;
      to += kBlock * layers_[l].out;
    }
    const Layer& last = layers_[count_ - 1];
    for (Index r = 0; r < rows; ++r) logits[r] += last.bias[0] + dot(from + r * last.in, last.weight, last.in);
  }

  // g (rows): the loss's slopes of the logits -> d_x (rows, in). `sums` (size()) takes the gradients of the weights.
  void backward(thaw::Isa isa, Index rows, const float* g, const float* x, float* space, float* d_x,
                float* sums) const {
    if (count_ == 0) return;
    float* const packed = packing(space);
    float* d = space + kBlock * hidden_;
    float* below = d + kBlock * widest_;
    const float* from = count_ > 1 ? space + kBlock * (hidden_ - layers_[count_ - 2].out) : x;
    const Layer& last = layers_[count_ - 1];
    float* const last_sums = sums + last.at;
    thaw::one_output_slopes(isa, rows, last.in, g, from, last.weight, count_ > 1, count_ > 1 ? d : d_x, last_sums);
    for (Index r = 0; r < rows; ++r) last_sums[last.in] += g[r];
    for (int l = count_ - 2; l >= 0; --l) {
      const Layer& layer = layers_[l];
      from = l > 0 ? from - kBlock * layers_[l - 1].out : x;
      thaw::product(isa, weight_shape(l, rows), static_cast<const float*>(d), from, sums + layer.at, kNoBias, packed);
      thaw::add_rows(isa, rows, layer.out, static_cast<const float*>(d), sums + bias_at(l));
      float* const to = l > 0 ? below : d_x;
      thaw::product(isa, input_shape(l, rows), static_cast<const float*>(d), layer.weight, to, kNoBias, packed);
      if (l == 0) break;
      thaw::zip<thaw::op::ReluSlopeFunction>(isa, rows * layer.in, static_cast<const float*>(to), from, to);
      below = d;
      d = to;
    }
  }

  // The sum of a[j] b[j].
  static float dot(const float* a, const float* b, Index n) {
    float sum[kLanes] = {}, total = 0;
    Index j = 0;
    for (; j + kLanes <= n; j += kLanes)
      for (Index l = 0; l < kLanes; ++l) sum[l] += a[j + l] * b[j + l];
    for (; j < n; ++j) total += a[j] * b[j];
    for (Index step = kLanes / 2; step > 0; step /= 2)
      for (Index l = 0; l < step; ++l) sum[l] += sum[l + step];
    return total + sum[0];
  }

 private:
  float* packing(float* space) const { return space + kBlock * (hidden_ + 2 * widest_); }
  static constexpr const float* kNoBias = nullptr;
  struct Layer {
    const float *weight, *bias;  // (out, in), (out)
    Index in, out;
    Index at;  // of its gradient among those of all weights
  };

  // y (rows, out) = x (rows, in) W^T
  thaw::ProductShape forward_shape(int l, Index rows) const {
    thaw::ProductShape s = thaw::row_major_product(rows, layers_[l].out, layers_[l].in);
    s.b_inner_stride = 1, s.b_column_stride = layers_[l].in;
    return s;
  }
  // d_x (rows, in) = d_y (rows, out) W
  thaw::ProductShape input_shape(int l, Index rows) const {
    return thaw::row_major_product(rows, layers_[l].in, layers_[l].out);
  }
  // d_W (out, in) += d_y^T x
  thaw::ProductShape weight_shape(int l, Index rows) const {
    thaw::ProductShape s = thaw::row_major_product(layers_[l].out, layers_[l].in, rows);
    s.a_row_stride = 1, s.a_inner_stride = layers_[l].out, s.accumulate = true;
    return s;
  }

  Layer layers_[8];
  int count_ = 0;
  Index size_ = 0, hidden_ = 0, widest_ = 0, packing_ = 0;
};

}  // namespace mwuf
