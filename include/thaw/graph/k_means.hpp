// K-means clustering: k-means++ start, Lloyd's iterations on matrix products, or mini-batches.
//
//   auto c = thaw::k_means(vectors.input, 64, {.clusters = 100, .seed = 7, .threads = 2});
//   if (c) std::int32_t cluster = c.value().cluster_of[node];
//
// Start: Arthur and Vassilvitskii (SODA 2007), one run. Mini-batches: Sculley (WWW 2010). Stops when the sum of squared
// distances falls by less than `tolerance` of itself. A cluster that loses all points takes the point farthest from its
// own centroid; ties go to the lower number. The result does not depend on threads. Clusters of raw vectors follow
// their lengths too: scale_to_unit_rows() makes them follow directions only.
//
// A point whose own centroid is nearer than a lower bound for all others is not compared again (Hamerly, SDM 2010): the
// same clusters, a fraction of the products once centroids move little.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "thaw/backend/threads.hpp"
#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/nearest_centroid.hpp"

namespace thaw::inline v0 {

struct KMeansOptions {
  Index clusters = 8;
  int iterations = 50;      // at most; steps when there are mini-batches
  double tolerance = 1e-4;  // 0: all iterations
  Index batch = 0;          // points of a mini-batch; 0: all points every time
  std::uint64_t seed = 1;
  int threads = 1;
};

struct Clusters {
  Index count = 0, width = 0;
  std::vector<float> centroids;          // (count, width)
  std::vector<std::int32_t> cluster_of;  // of each point
  std::vector<std::int64_t> sizes;       // (count) points of each cluster
  double inertia = 0;                    // sum of squared distances to the own centroid
  int iterations = 0;

  std::span<const float> centroid(Index k) const {
    return {centroids.data() + k * width, static_cast<std::size_t>(width)};
  }
};

// Every row of x (rows, width) divided by its length; rows of zeros stay.
inline void scale_to_unit_rows(std::span<float> x, Index width) {
  for (std::size_t begin = 0; begin + static_cast<std::size_t>(width) <= x.size();
       begin += static_cast<std::size_t>(width)) {
    double squares = 0;
    for (std::size_t j = begin; j < begin + static_cast<std::size_t>(width); ++j)
      squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    if (!(squares > 0)) continue;
    const auto scale = static_cast<float>(1 / std::sqrt(squares));
    for (std::size_t j = begin; j < begin + static_cast<std::size_t>(width); ++j) x[j] *= scale;
  }
}

namespace detail {

// One clustering under way. Work is cut into chunks that do not depend on threads; sums are added in their order.
class KMeans {
 public:
  KMeans(std::span<const float> points, Index width, const KMeansOptions& o)
      : x_(points.data()), n_(static_cast<Index>(points.size()) / width), o_(o), isa_(detect_isa()) {
    clusters_.count = o.clusters;
    clusters_.width = width;
    clusters_.centroids.resize(static_cast<std::size_t>(o.clusters * width));
    clusters_.cluster_of.assign(static_cast<std::size_t>(n_), 0);
    clusters_.sizes.assign(static_cast<std::size_t>(o.clusters), 0);
    chunk_ = (std::max)(Index{2048}, (n_ + 63) / 64);
    chunks_ = (n_ + chunk_ - 1) / chunk_;
    distances_.resize(static_cast<std::size_t>(n_));
    chunk_sums_.resize(static_cast<std::size_t>(chunks_));
    lower_.assign(static_cast<std::size_t>(n_), -std::numeric_limits<float>::infinity());
    for (int t = 0; t < o.threads; ++t) desks_.emplace_back(o.clusters, width);
  }

  Clusters run() {
    start();
    if (o_.batch > 0)
      mini_batches();
    else
      lloyd();
    std::fill(clusters_.sizes.begin(), clusters_.sizes.end(), std::int64_t{0});
    for (const std::int32_t k : clusters_.cluster_of) ++clusters_.sizes[static_cast<std::size_t>(k)];
    return std::move(clusters_);
  }

 private:
  static constexpr Index kBlock = 480;  // points that stay in the second-level cache while they are looked at

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  Index width() const { return clusters_.width; }
  float* centroid(Index k) { return clusters_.centroids.data() + k * width(); }

  // work(begin, end, thread) for every chunk.
  template <class Work>
  void over_chunks(const Work& work) {
    in_parallel(o_.threads, [&](int part) {
      for (Index c = chunks_ * part / o_.threads; c < chunks_ * (part + 1) / o_.threads; ++c)
        work(c * chunk_, (std::min)(n_, (c + 1) * chunk_), part);
    });
  }
  double sum_of_chunks() const {
    double sum = 0;
    for (const double s : chunk_sums_) sum += s;
    return sum;
  }

  // k-means++: the first point at random, each other in proportion to its squared distance from those before.
  void start() {
    Philox rng(Key{o_.seed}.fold(0x6b6d6561));
    std::fill(distances_.begin(), distances_.end(), std::numeric_limits<float>::infinity());
    Index chosen = static_cast<Index>(rng.below(static_cast<std::uint32_t>(n_)));
    for (Index k = 0;; ++k) {
      std::copy_n(x_ + chosen * width(), width(), centroid(k));
      if (k + 1 == clusters_.count) return;
      over_chunks([&](Index begin, Index end, int) {
        THAW_DISPATCH(
            isa_, lower_distances(end - begin, width(), x_ + begin * width(), centroid(k), distances_.data() + begin));
        double sum = 0;
        for (Index i = begin; i < end; ++i) sum += static_cast<double>(distances_[at(i)]);
        chunk_sums_[at(begin / chunk_)] = sum;
      });
      chosen = draw_by_distance(rng.uniform() * sum_of_chunks());
    }
  }
  // The point at which the running sum of distances passes `goal`.
  Index draw_by_distance(double goal) const {
    Index c = 0;
    for (; c + 1 < chunks_ && goal >= chunk_sums_[at(c)]; ++c) goal -= chunk_sums_[at(c)];
    const Index end = (std::min)(n_, (c + 1) * chunk_);
    Index last = c * chunk_;
    for (Index i = c * chunk_; i < end; ++i) {
      const auto d = static_cast<double>(distances_[at(i)]);
      if (d > 0) last = i;
      if (goal < d) return i;
      goal -= d;
    }
    return last;
  }

  // What a thread needs for a block of points.
  struct Desk {
    Desk(Index clusters, Index width)
        : engine(clusters, width), rows(at(kBlock * width)), closeness(at(kBlock)), next(at(kBlock)) {
      nearest.resize(at(kBlock));
      pending.reserve(at(kBlock));
    }
    NearestCentroid engine;
    std::vector<float> rows, closeness, next;  // of points that must be compared: (kBlock, width), (kBlock) each
    std::vector<std::int32_t> nearest, pending;
  };

  // Every point to its nearest centroid; with `sums`, what each chunk adds to each cluster.
  void assign(bool with_sums) {
    for (Desk& desk : desks_) desk.engine.set(clusters_.centroids);
    const Index block = clusters_.count * width();
    if (with_sums) sums_.assign(at(chunks_ * block), 0.0f);
    longest_ = 0;
    for (Index k = 0; k < clusters_.count; ++k) {
      double squares = 0;
      for (Index j = 0; j < width(); ++j) squares += static_cast<double>(centroid(k)[j] * centroid(k)[j]);
      longest_ = (std::max)(longest_, static_cast<float>(squares));
    }
    over_chunks([&](Index begin, Index end, int thread) {
      float* const to = with_sums ? sums_.data() + begin / chunk_ * block : nullptr;
      for (Index b = begin; b < end; b += kBlock) assign_block(b, (std::min)(end, b + kBlock), to, desks_[at(thread)]);
      double sum = 0;
      for (Index i = begin; i < end; ++i) sum += static_cast<double>(distances_[at(i)]);
      chunk_sums_[at(begin / chunk_)] = sum;
    });
    clusters_.inertia = sum_of_chunks();
  }
  void assign_block(Index begin, Index end, float* sums, Desk& desk) {
    const float* const x = x_ + begin * width();
    std::int32_t* const own = clusters_.cluster_of.data() + begin;
    float* const distance = distances_.data() + begin;
    THAW_DISPATCH(isa_, own_distances(end - begin, width(), x, own, centroid(0), distance));
    desk.pending.clear();
    for (Index i = 0; i < end - begin; ++i) {
      float& lower = lower_[at(begin + i)];
      lower = (lower - (own[i] == fastest_ ? second_move_ : largest_move_)) * (1 - 1e-6f);
      if (lower > 0 && distance[i] < lower * lower) continue;
      std::copy_n(x + i * width(), width(), desk.rows.data() + static_cast<Index>(desk.pending.size()) * width());
      desk.pending.push_back(static_cast<std::int32_t>(i));
    }
    const auto count = static_cast<Index>(desk.pending.size());
    desk.engine.assign(desk.rows.data(), count, desk.nearest.data(), desk.closeness.data(), desk.next.data());
    for (Index p = 0; p < count; ++p) own[desk.pending[at(p)]] = desk.nearest[at(p)];
    for (Index p = 0; p < count; ++p) {
      const Index i = desk.pending[at(p)];
      THAW_DISPATCH(isa_, own_distances(1, width(), x + i * width(), own + i, centroid(0), distance + i));
      lower_[at(begin + i)] = bound(distance[i], desk.closeness[at(p)], desk.next[at(p)]);
    }
    if (sums != nullptr) THAW_DISPATCH(isa_, add_rows(end - begin, width(), x, own, sums));
  }
  // No other centroid is nearer than this: the distance of the next one, less what the products may have been rounded
  // by.
  float bound(float distance, float closeness, float next) const {
    const float length = distance + 2 * std::fabs(closeness) + longest_;
    const float rounding = 2.4e-7f * static_cast<float>(width() + 8) * length;
    return std::sqrt((std::max)(0.0f, distance + 2 * (closeness - next) - rounding)) * (1 - 1e-6f);
  }
  // How far centroids have moved since `before_`, rounded up.
  void measure_moves() {
    largest_move_ = second_move_ = 0;
    fastest_ = 0;
    for (Index k = 0; k < clusters_.count; ++k) {
      double squares = 0;
      for (Index j = 0; j < width(); ++j) {
        const double d = static_cast<double>(centroid(k)[j]) - static_cast<double>(before_[at(k * width() + j)]);
        squares += d * d;
      }
      const auto move = static_cast<float>(std::sqrt(squares) * (1 + 1e-6));
      if (move > largest_move_) {
        second_move_ = largest_move_;
        largest_move_ = move;
        fastest_ = static_cast<std::int32_t>(k);
      } else {
        second_move_ = (std::max)(second_move_, move);
      }
    }
  }
  // Centroids become means.
  void move_centroids() {
    before_ = clusters_.centroids;
    std::vector<std::int64_t>& sizes = clusters_.sizes;
    std::fill(sizes.begin(), sizes.end(), std::int64_t{0});
    for (const std::int32_t k : clusters_.cluster_of) ++sizes[static_cast<std::size_t>(k)];
    total_.assign(at(clusters_.count * width()), 0.0);
    for (Index c = 0; c < chunks_; ++c) {
      const float* const part = sums_.data() + c * clusters_.count * width();
      for (std::size_t j = 0; j < total_.size(); ++j) total_[j] += static_cast<double>(part[j]);
    }
    for (Index k = 0; k < clusters_.count; ++k) {
      const double scale = 1.0 / static_cast<double>((std::max)(std::int64_t{1}, sizes[at(k)]));
      for (Index j = 0; j < width(); ++j) centroid(k)[j] = static_cast<float>(total_[at(k * width() + j)] * scale);
    }
    for (Index k = 0; k < clusters_.count; ++k)
      if (sizes[at(k)] == 0) take_farthest(k);
    measure_moves();
  }
  void take_farthest(Index k) {
    const auto farthest = std::max_element(distances_.begin(), distances_.end());
    std::copy_n(x_ + (farthest - distances_.begin()) * width(), width(), centroid(k));
    *farthest = 0;  // the next empty cluster takes another
  }

  void lloyd() {
    double before = std::numeric_limits<double>::infinity();
    for (int i = 0; i < o_.iterations; ++i) {
      assign(true);
      if (i > 0 && before - clusters_.inertia < o_.tolerance * before) return;
      before = clusters_.inertia;
      move_centroids();
      clusters_.iterations = i + 1;
    }
    assign(false);
  }
  void mini_batches() {
    const Index size = (std::min)(o_.batch, n_);
    std::vector<float> rows(at(size * width()));
    std::vector<std::int32_t> nearest(at(size));
    std::vector<double> seen(at(clusters_.count), 0.0);
    for (int step = 0; step < o_.iterations; ++step) {
      Philox rng(Key{o_.seed}.fold(0x62617463).fold(static_cast<std::uint64_t>(step)));
      for (Index i = 0; i < size; ++i)
        std::copy_n(x_ + static_cast<Index>(rng.below(static_cast<std::uint32_t>(n_))) * width(), width(),
                    rows.data() + i * width());
      desks_[0].engine.set(clusters_.centroids);
      desks_[0].engine.assign(rows.data(), size, nearest.data());
      for (Index i = 0; i < size; ++i) {
        const Index k = nearest[at(i)];
        const auto share = static_cast<float>(1 / ++seen[at(k)]);
        for (Index j = 0; j < width(); ++j) centroid(k)[j] += share * (rows[at(i * width() + j)] - centroid(k)[j]);
      }
      clusters_.iterations = step + 1;
    }
    assign(false);
  }

  const float* x_;
  Index n_;
  const KMeansOptions& o_;
  Isa isa_;
  Clusters clusters_;
  Index chunk_ = 0, chunks_ = 0;
  std::vector<float> distances_;  // (n) squared, to the nearest centroid
  std::vector<float> sums_;       // (chunks, count, width)
  std::vector<double> total_, chunk_sums_;
  std::vector<Desk> desks_;
  std::vector<float> lower_;   // (n) no centroid but the own one is nearer; minus infinity: not known
  std::vector<float> before_;  // (count, width) centroids of the last assignment
  float largest_move_ = 0, second_move_ = 0, longest_ = 0;  // longest_: squared length of the longest centroid
  std::int32_t fastest_ = 0;                                // the centroid that moved the most
};

}  // namespace detail

// Clusters the rows of points (n, width). Errors: fewer points than clusters, a setting out of range, a number that is
// not finite.
inline Result<Clusters> k_means(std::span<const float> points, Index width, const KMeansOptions& options = {}) {
  require(width > 0 && points.size() % static_cast<std::size_t>(width) == 0, "k_means: ", points.size(),
          " numbers are no rows of width ", width);
  const auto n = static_cast<Index>(points.size()) / width;
  if (options.clusters < 1 || options.clusters > n || options.iterations < 1 || !(options.tolerance >= 0) ||
      options.batch < 0 || options.threads < 1 || n > 0x7fffffff) {
    return make_fault(FaultKind::out_of_range, "k-means: ", options.clusters, " clusters of ", n, " points, ",
                      options.iterations, " iterations, tolerance ", options.tolerance, ", batch ", options.batch, ", ",
                      options.threads,
                      " threads; clusters lie between 1 and the number of points, the others from 1 on");
  }
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!(std::fabs(points[i]) < 1e18f))
      return make_fault(FaultKind::out_of_range, "k-means: point ", static_cast<Index>(i) / width, ", coordinate ",
                        static_cast<Index>(i) % width, " is not a finite number below 1e18");
  return detail::KMeans(points, width, options).run();
}

}  // namespace thaw::inline v0
