// DotScorer: scores as dot products of a user's and an item's vector.
//
//   const thaw::DotScorer scorer(vectors, user_count, width);    // vectors (users + items, width), users first
//   scorer.score(user, items, out);
//
// Keeps a view: the vectors must outlive it. Safe from many threads, allocates nothing. Only for users who have a
// vector.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

class DotScorer {
 public:
  static constexpr bool kPredictsRatings = false;

  DotScorer(std::span<const float> vectors, std::int32_t users, Index width)
      : vectors_(vectors), users_(users), width_(width), isa_(detect_isa()) {
    require(width > 0 && users >= 0 && vectors.size() % static_cast<std::size_t>(width) == 0 &&
                vectors.size() >= static_cast<std::size_t>(users * width),
            "DotScorer: ", vectors.size(), " numbers are no vectors of width ", width, " of ", users,
            " users and more");
  }
  std::int32_t user_count() const { return users_; }
  std::int32_t item_count() const {
    return static_cast<std::int32_t>(static_cast<Index>(vectors_.size()) / width_) - users_;
  }
  std::span<const float> user(std::int32_t u) const { return row(u); }
  std::span<const float> item(std::int32_t i) const { return row(users_ + i); }

  void score(std::int32_t u, std::span<const std::int32_t> items, std::span<float> out) const {
    require(u >= 0 && u < users_ && items.size() == out.size(), "DotScorer: user ", u, " of ", users_, ", room for ",
            out.size(), " of ", items.size(), " items");
    const float* const left = user(u).data();
    for (std::size_t i = 0; i < items.size(); ++i) {
      require(items[i] >= 0 && items[i] < item_count(), "DotScorer: item ", items[i], " of ", item_count());
      out[i] = dot(isa_, width_, left, item(items[i]).data());
    }
  }

 private:
  std::span<const float> row(std::int32_t r) const {
    return vectors_.subspan(static_cast<std::size_t>(r) * static_cast<std::size_t>(width_),
                            static_cast<std::size_t>(width_));
  }

  std::span<const float> vectors_;
  std::int32_t users_;
  Index width_;
  Isa isa_;
};

}  // namespace thaw::inline v0
