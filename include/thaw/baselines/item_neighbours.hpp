// ItemNeighbours: a sparse item-to-item matrix W that scores a history by the sum of its rows; the common part of
// neighbourhood and random-walk recommenders.
//
//   thaw::ItemNeighbours w = thaw::ItemNeighbours::build(items, {.most = 100}, row);   // `row` computes a row of W
//   w.score_from(history, candidates, out);                  // out[j] = sum over i in history of W(i, j)
//
// Rows are computed one at a time, so that no dense items x items matrix exists. Not a similarity: see item_knn.hpp
// and random_walk.hpp for what W holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/baselines/history_scorer.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/csr.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

// Whose best entries are kept: the best targets that a history item leads to (rows of W), or the best sources that
// lead to a candidate (columns of W).
enum class KeepBest : std::uint8_t { of_each_source, of_each_target };

// One row of W while it is computed: dense sums, and which of them were touched.
struct NeighbourRow {
  std::vector<double> sums;           // (items), zero where not touched
  std::vector<std::int32_t> touched;  // each once

  void add(std::int32_t item, double value) {
    double& sum = sums[static_cast<std::size_t>(item)];
    if (sum == 0) touched.push_back(item);
    sum += value;
  }
  // Adds weight[u] for every user u of the item to every item of u. Weights must be positive.
  void add_two_steps(const Interactions& x, std::int32_t item, std::span<const double> weight) {
    for (const std::int32_t user : x.by_item.row(item)) {
      const double step = weight[static_cast<std::size_t>(user)];
      for (const std::int32_t other : x.by_user.row(user)) add(other, step);
    }
  }
};

class ItemNeighbours {
 public:
  struct Options {
    std::int32_t most = 100;  // entries kept, of each source or each target
    KeepBest keep = KeepBest::of_each_source;
    int threads = 1;
  };

  // `row(item, NeighbourRow&)` fills the sums: W(item, .) when the best of each source are kept, W(., item) when the
  // best of each target are. The entry of the item itself and zeros are dropped; of equal entries at the limit those
  // with the lower ids stay. `row` is called from several threads when there are several.
  template <class Row>
  static ItemNeighbours build(std::int32_t items, const Options& options, const Row& row) {
    require(items >= 0 && options.most > 0 && options.threads > 0, "ItemNeighbours: ", items, " items, keep ",
            options.most, ", ", options.threads, " threads: all must be positive");
    const std::int32_t parts = (items + kPart - 1) / kPart;
    std::vector<Part> found(static_cast<std::size_t>(parts));
    const auto compute = [&](std::int32_t part) {
      compute_part(part * kPart, (std::min)(items, (part + 1) * kPart), items, options.most, row,
                   found[static_cast<std::size_t>(part)]);
    };
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 1) num_threads(options.threads) if (options.threads > 1)
#endif
    for (std::int32_t part = 0; part < parts; ++part) compute(part);
    ItemNeighbours result;
    result.join(found);
    if (options.keep == KeepBest::of_each_target) result.transpose(items);
    return result;
  }

  std::int32_t item_count() const { return by_source_.rows(); }
  // W(source, .), sorted by target.
  std::span<const Csr::Edge> row(std::int32_t source) const { return by_source_.row(source); }

  // Safe from many threads. Time: the rows of the history, plus one pass over all items.
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    detail::check_history("ItemNeighbours", item_count(), history, items, out);
    std::vector<float> sums(static_cast<std::size_t>(item_count()), 0.0f);
    for (const std::int32_t source : history)
      for (const Csr::Edge& edge : by_source_.row(source)) sums[static_cast<std::size_t>(edge.column)] += edge.value;
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = sums[static_cast<std::size_t>(items[i])];
  }

 private:
  static constexpr std::int32_t kPart = 64;  // rows that share one dense buffer

  struct Part {
    std::vector<Csr::Edge> edges;
    std::vector<std::size_t> sizes;  // edges of each row
  };

  template <class Row>
  static void compute_part(std::int32_t begin, std::int32_t end, std::int32_t items, std::int32_t most, const Row& row,
                           Part& part) {
    NeighbourRow work;
    work.sums.assign(static_cast<std::size_t>(items), 0.0);
    std::vector<Csr::Edge> entries;
    for (std::int32_t item = begin; item < end; ++item) {
      row(item, work);
      entries.clear();
      for (const std::int32_t other : work.touched) {
        const auto value = static_cast<float>(work.sums[static_cast<std::size_t>(other)]);
        work.sums[static_cast<std::size_t>(other)] = 0;
        if (other != item && value != 0) entries.push_back({other, value});
      }
      work.touched.clear();
      if (entries.size() > static_cast<std::size_t>(most)) {
        std::nth_element(entries.begin(), entries.begin() + most, entries.end(),
                         [](const Csr::Edge& a, const Csr::Edge& b) {
                           return a.value != b.value ? a.value > b.value : a.column < b.column;
                         });
        entries.resize(static_cast<std::size_t>(most));
      }
      std::sort(entries.begin(), entries.end(),
                [](const Csr::Edge& a, const Csr::Edge& b) { return a.column < b.column; });
      part.edges.insert(part.edges.end(), entries.begin(), entries.end());
      part.sizes.push_back(entries.size());
    }
  }
  void join(const std::vector<Part>& parts) {
    by_source_.offsets.assign(1, 0);
    std::size_t total = 0;
    for (const Part& part : parts) total += part.edges.size();
    by_source_.edges.reserve(total);
    for (const Part& part : parts) {
      by_source_.edges.insert(by_source_.edges.end(), part.edges.begin(), part.edges.end());
      for (const std::size_t size : part.sizes)
        by_source_.offsets.push_back(by_source_.offsets.back() + static_cast<std::int64_t>(size));
    }
  }
  void transpose(std::int32_t items) {
    Csr flipped;
    flipped.offsets.assign(static_cast<std::size_t>(items) + 1, 0);
    for (const Csr::Edge& edge : by_source_.edges) ++flipped.offsets[static_cast<std::size_t>(edge.column) + 1];
    for (std::size_t i = 1; i < flipped.offsets.size(); ++i) flipped.offsets[i] += flipped.offsets[i - 1];
    flipped.edges.resize(by_source_.edges.size());
    std::vector<std::int64_t> next(flipped.offsets.begin(), flipped.offsets.end() - 1);
    for (std::int32_t row = 0; row < items; ++row)
      for (const Csr::Edge& edge : by_source_.row(row))
        flipped.edges[static_cast<std::size_t>(next[static_cast<std::size_t>(edge.column)]++)] = {row, edge.value};
    by_source_ = std::move(flipped);
  }

  Csr by_source_;
};

namespace detail {

// Settings that every neighbourhood method shares; null when they are good.
inline const char* neighbour_settings_fault(std::int32_t neighbours, int threads) {
  if (neighbours < 1) return "neighbours must be at least 1";
  if (threads < 1) return "threads must be at least 1";
  return nullptr;
}

}  // namespace detail

}  // namespace thaw::inline v0
