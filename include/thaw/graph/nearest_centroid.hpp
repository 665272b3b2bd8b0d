// NearestCentroid: for many points the nearest of many centroids, by one matrix product.
//
//   thaw::NearestCentroid nearest(clusters, width);
//   nearest.set(centroids);                                  // (clusters, width)
//   nearest.assign(points, count, cluster_of, closeness);    // squared distance = |x|^2 - 2 closeness
//
// The nearest centroid c of x is the one with the largest <x, c> - |c|^2 / 2; ties go to the lower number. `set_scaled`
// multiplies the coordinates of every centroid first, without changing the norms: the points u * x for one u and many x
// then need no vector of their own. Not for one point, and not for very many centroids: there is no tree.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "thaw/backend/kernels/product.hpp"
#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/core/error.hpp"

#define THAW_KERNEL_FILE "thaw/graph/kernels/nearest_centroid_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

// Keeps its workspace: allocates when it is made and never again. One a thread.
class NearestCentroid {
 public:
  NearestCentroid(Index clusters, Index width)
      : clusters_(clusters), width_(width), columns_((clusters + 15) / 16 * 16), isa_(detect_isa()) {
    require(clusters > 0 && width > 0, "NearestCentroid: ", clusters, " centroids of width ", width);
    transposed_.assign(static_cast<std::size_t>(width * columns_), 0.0f);
    bias_.assign(static_cast<std::size_t>(columns_), -std::numeric_limits<float>::infinity());
    scores_.resize(static_cast<std::size_t>(kRows * columns_));
    values_.resize(static_cast<std::size_t>(kRows));
    scratch_.resize(product_scratch_bytes<float>(row_major_product(kRows, columns_, width)));
  }

  Index clusters() const { return clusters_; }
  Index width() const { return width_; }

  // centroids (clusters, width)
  void set(std::span<const float> centroids) { set_scaled(centroids, {}); }
  // Centroid k with coordinate j times scale[j], under the norm of the unscaled one. No scale: all ones.
  void set_scaled(std::span<const float> centroids, std::span<const float> scale) {
    require(centroids.size() == static_cast<std::size_t>(clusters_ * width_) &&
                (scale.empty() || scale.size() == static_cast<std::size_t>(width_)),
            "NearestCentroid: ", centroids.size(), " numbers for ", clusters_, " centroids of width ", width_);
    for (Index k = 0; k < clusters_; ++k) {
      const float* const c = centroids.data() + k * width_;
      float squares = 0;
      for (Index j = 0; j < width_; ++j) {
        squares += c[j] * c[j];
        at(transposed_, j * columns_ + k) = scale.empty() ? c[j] : c[j] * scale[static_cast<std::size_t>(j)];
      }
      at(bias_, k) = -0.5f * squares;
    }
  }
  // Adds shift[k] to the closeness of centroid k; after set(), which starts from none.
  void add_shift(std::span<const float> shift) {
    require(shift.size() == static_cast<std::size_t>(clusters_), "NearestCentroid: ", shift.size(), " shifts for ",
            clusters_, " centroids");
    for (Index k = 0; k < clusters_; ++k) at(bias_, k) += shift[static_cast<std::size_t>(k)];
  }

  // points (count, width) -> nearest (count), its closeness (count) unless null, and the closeness of the next one
  // (count) unless null: minus infinity where there is one centroid.
  void assign(const float* points, Index count, std::int32_t* nearest, float* closeness = nullptr,
              float* next = nullptr) {
    for (Index begin = 0; begin < count; begin += kRows) {
      const Index rows = count - begin < kRows ? count - begin : kRows;
      product(isa_, row_major_product(rows, columns_, width_), points + begin * width_, transposed_.data(),
              scores_.data(), bias_.data(), scratch_.data());
      float* const value = closeness == nullptr ? values_.data() : closeness + begin;
      if (next == nullptr)
        THAW_DISPATCH(isa_, best_columns<false>(rows, columns_, scores_.data(), nearest + begin, value, nullptr));
      else
        THAW_DISPATCH(isa_, best_columns<true>(rows, columns_, scores_.data(), nearest + begin, value, next + begin));
    }
  }

 private:
  static constexpr Index kRows = 480;  // scores of one product stay in the second-level cache

  static float& at(std::vector<float>& v, Index i) { return v[static_cast<std::size_t>(i)]; }

  Index clusters_, width_, columns_;
  Isa isa_;
  std::vector<float> transposed_;  // (width, columns): columns behind the clusters are never the best
  std::vector<float> bias_;        // (columns)
  std::vector<float> scores_;      // (kRows, columns)
  std::vector<float> values_;      // (kRows)
  std::vector<unsigned char> scratch_;
};

}  // namespace thaw::inline v0
