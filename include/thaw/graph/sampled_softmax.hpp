// SampledSoftmax: cross-entropy of each pair's own item among the items that a batch shares, with its gradient.
//
//   thaw::SampledSoftmax softmax({.pairs = 2048, .items = 4096, .width = 64}, {.temperature = 0.2});
//   double loss = softmax.run(batch, 1.0, hide, gradient);     // mean over pairs; gradient (users + items, width)
//
//   loss of a pair = log(exp(s(u, v_own) / t) + sum over c of weight[c] exp(s(u, v_c) / t)) - s(u, v_own) / t
//
// s is the cosine of the two vectors or their inner product, t the temperature. The sum goes over the columns, the
// first items of the batch, but for the own one and what `hide` takes out: other items that the user touched. With
// the liked items of a batch as columns, weighted by how often they occur, this is the in-batch loss; with items drawn
// uniformly the sampled softmax of Wu et al. (arXiv 2201.02327). Three matrix products a batch, in blocks that stay in
// the cache. The same bits for any number of
// threads; allocates when it is made and never again. Not an unbiased estimate of the softmax over all items: draws
// are not corrected for their probability unless the weights do so.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "thaw/backend/kernels/product.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

struct SampledSoftmaxSize {
  Index pairs = 0, items = 0;  // at most
  Index width = 0;             // of a vector
};

struct SampledSoftmaxOptions {
  double temperature = 1;
  bool cosine = false;  // of vectors scaled to unit length; else inner products
  int threads = 1;
};

// Vectors of the users first, those of the items behind them; every pair names a user and an item of hers.
struct SampledSoftmaxBatch {
  Index pairs = 0, users = 0, items = 0;
  Index columns = 0;                   // the first so many items are what an own one is told from
  const Index* user_of = nullptr;      // (pairs) below users
  const Index* item_of = nullptr;      // (pairs) below items
  const float* rows = nullptr;         // (users + items, width)
  const float* log_weights = nullptr;  // (columns)
};

class SampledSoftmax {
 public:
  SampledSoftmax(const SampledSoftmaxSize& size, const SampledSoftmaxOptions& o)
      : size_(size), o_(o), isa_(detect_isa()), inverse_(static_cast<float>(1 / o.temperature)) {
    require(size.pairs > 0 && size.items > 0 && size.width > 0 && o.temperature > 0 && o.threads > 0,
            "SampledSoftmax: ", size.pairs, " pairs, ", size.items, " items, width ", size.width, ", temperature ",
            o.temperature, ", threads ", o.threads);
    const Index vectors = size.pairs + size.items;
    if (o.cosine) unit_.resize(at(vectors * size.width));
    lengths_.resize(at(vectors));
    pair_gradient_.resize(at(size.pairs * size.width));
    item_parts_.resize(at(kParts * size.items * size.width));
    losses_.resize(at(size.pairs));
    own_slopes_.resize(at(size.pairs));
    for (int t = 0; t < (std::min)(o.threads, kParts); ++t) desks_.emplace_back(size);
  }

  // The mean loss; gradient (users + items, width) = `scale` times its gradient by the rows. hide(pair, logits) sets
  // the logits (columns) of what does not count to -infinity.
  template <class Hide>
  double run(const SampledSoftmaxBatch& b, double scale, const Hide& hide, float* gradient) {
    require(b.pairs > 0 && b.pairs <= size_.pairs && b.users <= size_.pairs && b.items <= size_.items &&
                b.columns > 0 && b.columns <= b.items,
            "SampledSoftmax: ", b.pairs, " pairs, ", b.users, " users, ", b.items, " items, ", b.columns,
            " columns; made for ", size_.pairs, " pairs and ", size_.items, " items");
    const float* const rows = scale_rows_to_unit(b);
    const int threads = static_cast<int>(desks_.size());
    in_parallel(threads, [&](int t) {
      for (int part = t; part < kParts; part += threads) run_part(b, rows, part, hide, desks_[at(t)]);
    });
    collect(b, rows, static_cast<float>(scale / static_cast<double>(b.pairs)), gradient);
    if (o_.cosine) through_lengths(b, gradient);
    double loss = 0;
    for (Index i = 0; i < b.pairs; ++i) loss += losses_[at(i)];
    return loss / static_cast<double>(b.pairs);
  }

 private:
  static constexpr int kParts = 8;     // of the pairs, whatever the threads: their sums are added in order
  static constexpr Index kBlock = 64;  // pairs whose logits are in the cache together

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

  // What a thread needs for a block of pairs.
  struct Desk {
    explicit Desk(const SampledSoftmaxSize& size)
        : logits(at(kBlock * (size.items + 1))), queries(at(kBlock * size.width)) {
      const Index rows = (std::min)(kBlock, size.pairs);
      const auto bytes = (std::max)({product_scratch_bytes<float>(to_logits(rows, size.items, size.width)),
                                     product_scratch_bytes<float>(to_queries(rows, size.items, size.width)),
                                     product_scratch_bytes<float>(to_items(rows, size.items, size.width))});
      scratch.resize(bytes);
    }
    std::vector<float> logits, queries;  // (kBlock, columns + 1) the own one last, (kBlock, width)
    std::vector<unsigned char> scratch;
  };

  static ProductShape to_logits(Index pairs, Index columns, Index width) {
    ProductShape s = row_major_product(pairs, columns, width);
    s.b_inner_stride = 1;
    s.b_column_stride = width;
    s.c_row_stride = columns + 1;
    return s;
  }
  static ProductShape to_queries(Index pairs, Index columns, Index width) {
    ProductShape s = row_major_product(pairs, width, columns);
    s.a_row_stride = columns + 1;
    return s;
  }
  static ProductShape to_items(Index pairs, Index columns, Index width) {
    ProductShape s = row_major_product(columns, width, pairs);
    s.a_row_stride = 1;
    s.a_inner_stride = columns + 1;
    s.accumulate = true;
    return s;
  }

  // The rows that products take: of unit length with cosines.
  const float* scale_rows_to_unit(const SampledSoftmaxBatch& b) {
    if (!o_.cosine) return b.rows;
    const Index vectors = b.users + b.items, width = size_.width;
    in_parallel(o_.threads, [&](int t) {
      for (Index v = vectors * t / o_.threads; v < vectors * (t + 1) / o_.threads; ++v) {
        const float length = std::sqrt(sum_of_squares(isa_, width, b.rows + v * width));
        lengths_[at(v)] = length;
        affine(isa_, width, length > 0 ? 1 / length : 0.0f, 0.0f, b.rows + v * width, unit_.data() + v * width);
      }
    });
    return unit_.data();
  }

  template <class Hide>
  void run_part(const SampledSoftmaxBatch& b, const float* rows, int part, const Hide& hide, Desk& desk) {
    float* const items = item_parts_.data() + part * b.columns * size_.width;
    fill(isa_, b.columns * size_.width, 0.0f, items);
    const Index end = b.pairs * (part + 1) / kParts;
    for (Index first = b.pairs * part / kParts; first < end; first += kBlock)
      run_block(b, rows, first, (std::min)(end, first + kBlock), hide, desk, items);
  }
  template <class Hide>
  void run_block(const SampledSoftmaxBatch& b, const float* rows, Index begin, Index end, const Hide& hide, Desk& desk,
                 float* item_gradient) {
    const Index width = size_.width, columns = b.columns, pairs = end - begin;
    const float* const items = rows + b.users * width;
    for (Index i = 0; i < pairs; ++i)
      affine(isa_, width, inverse_, 0.0f, rows + b.user_of[begin + i] * width, desk.queries.data() + i * width);
    product(isa_, to_logits(pairs, columns, width), desk.queries.data(), items, desk.logits.data(), b.log_weights,
            desk.scratch.data());
    for (Index i = 0; i < pairs; ++i) {
      float* const logits = desk.logits.data() + i * (columns + 1);
      const float* const query = desk.queries.data() + i * width;
      const Index own = b.item_of[begin + i];
      hide(begin + i, logits);
      if (own < columns) logits[own] = -std::numeric_limits<float>::infinity();
      const float own_logit = logits[columns] = dot(isa_, width, query, items + own * width);
      softmax_rows(isa_, 1, columns + 1, logits, static_cast<const float*>(nullptr), 0, logits);
      losses_[at(begin + i)] = surprise(b, logits, own_logit, query, items);
      own_slopes_[at(begin + i)] = logits[columns] - 1;
    }
    product(isa_, to_queries(pairs, columns, width), desk.logits.data(), items, pair_gradient_.data() + begin * width,
            static_cast<const float*>(nullptr), desk.scratch.data());
    product(isa_, to_items(pairs, columns, width), desk.logits.data(), desk.queries.data(), item_gradient,
            static_cast<const float*>(nullptr), desk.scratch.data());
  }
  // -log of the own share; where that is too small for its logarithm, by the column that has the largest.
  double surprise(const SampledSoftmaxBatch& b, const float* shares, float own_logit, const float* query,
                  const float* items) const {
    if (shares[b.columns] > 1e-30f) return -std::log(static_cast<double>(shares[b.columns]));
    const Index top = std::max_element(shares, shares + b.columns) - shares;
    const float logit = dot(isa_, size_.width, query, items + top * size_.width) + b.log_weights[top];
    return static_cast<double>(logit) - std::log(static_cast<double>(shares[top])) - static_cast<double>(own_logit);
  }

  // Sums over pairs and parts in their order; every thread has its own coordinates of all vectors.
  void collect(const SampledSoftmaxBatch& b, const float* rows, float scale, float* gradient) {
    const Index width = size_.width;
    const float slope_scale = scale * inverse_;
    in_parallel(o_.threads, [&](int t) {
      const Index begin = width * t / o_.threads, count = width * (t + 1) / o_.threads - begin;
      for (Index v = 0; v < b.users + b.items; ++v) fill(isa_, count, 0.0f, gradient + v * width + begin);
      for (int part = 0; part < kParts; ++part)
        for (Index c = 0; c < b.columns; ++c)
          axpy(isa_, count, scale, item_parts_.data() + (part * b.columns + c) * width + begin,
               gradient + (b.users + c) * width + begin);
      for (Index i = 0; i < b.pairs; ++i) {
        const Index user = b.user_of[i] * width + begin, item = (b.users + b.item_of[i]) * width + begin;
        const float slope = slope_scale * own_slopes_[at(i)];
        axpy(isa_, count, slope_scale, pair_gradient_.data() + i * width + begin, gradient + user);
        axpy(isa_, count, slope, rows + item, gradient + user);
        axpy(isa_, count, slope, rows + user, gradient + item);
      }
    });
  }
  // From the gradient g by unit vectors x / |x| to that by x: (g - <g, unit> unit) / |x|.
  void through_lengths(const SampledSoftmaxBatch& b, float* gradient) {
    const Index vectors = b.users + b.items, width = size_.width;
    in_parallel(o_.threads, [&](int t) {
      for (Index v = vectors * t / o_.threads; v < vectors * (t + 1) / o_.threads; ++v) {
        const float* const unit = unit_.data() + v * width;
        float* const g = gradient + v * width;
        axpy(isa_, width, -dot(isa_, width, g, unit), unit, g);
        affine(isa_, width, lengths_[at(v)] > 0 ? 1 / lengths_[at(v)] : 0.0f, 0.0f, g, g);
      }
    });
  }

  SampledSoftmaxSize size_;
  SampledSoftmaxOptions o_;
  Isa isa_;
  float inverse_;
  std::vector<float> unit_, lengths_;  // (pairs + items, width), (pairs + items)
  std::vector<float> pair_gradient_;   // (pairs, width) by the scaled user vector of each pair, but for the own item
  std::vector<float> own_slopes_;      // (pairs) by the own logit
  std::vector<float> item_parts_;      // (kParts, columns, width)
  std::vector<double> losses_;         // (pairs)
  std::vector<Desk> desks_;            // one a thread
};

}  // namespace thaw::inline v0
