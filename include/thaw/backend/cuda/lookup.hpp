// Kernels of look-ups by id: gather, scatter, pick, place; and the host's part of a scatter, sorting.
//
//   const grid::SortedBags sorted = grid::sort_bags(bags, arena);     // on the host, where the ids are
//   device.each(sorted.count * width, grid::ScatterSorted<float>{...});
//
// One thread adds up all that goes into one number, in the order of the bags: the same sum as on a host, and from run
// to run. A backend for devices reads ids on the host and copies them as it goes.
#pragma once

#include "thaw/backend/cpu.hpp"
#include "thaw/backend/cuda/grid.hpp"

namespace thaw::inline v0::grid {

// out (bags, width); ids and offsets in the memory of the device, `first` the number of the first id there.
template <class R>
struct Gather {
  Index width, first;
  const std::int32_t *ids, *offsets;
  bool mean;
  const R* table;
  R* out;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index s = quotient(i, width), j = i - s * width;
    const Index begin = offsets == nullptr ? s : offsets[s] - first,
                end = offsets == nullptr ? s + 1 : offsets[s + 1] - first;
    R sum = 0;
    for (Index e = begin; e < end; ++e)
      if (ids[e] >= 0) sum += table[ids[e] * width + j];
    if (mean && end - begin > 1) sum = R(1) / static_cast<R>(end - begin) * sum;
    out[i] = sum;
  }
};

// The entries of bags by id: entry e of starts[k] .. starts[k + 1] brings bag bags[e] to row ids[k].
struct SortedBags {
  Index count = 0, entries = 0;
  std::int32_t *ids = nullptr, *starts = nullptr, *bags = nullptr;
};

// Entries of one id keep the order of their bags; ids below zero are left out. A byte a pass, linear in the entries.
inline SortedBags sort_bags(const Bags& bags, Arena& arena) {
  const Index total = bags.count == 0 ? 0 : bags.end(bags.count - 1) - bags.begin(0);
  SortedBags out;
  std::int32_t* ids = arena.template take<std::int32_t>(total + 1);
  std::int32_t* from = arena.template take<std::int32_t>(total + 1);
  std::int32_t* other_ids = arena.template take<std::int32_t>(total + 1);
  std::int32_t* other_from = arena.template take<std::int32_t>(total + 1);
  std::uint32_t bits = 0;
  for (Index s = 0; s < bags.count; ++s)
    for (Index e = bags.begin(s); e < bags.end(s); ++e) {
      if (bags.ids[e] < 0) continue;
      ids[out.entries] = bags.ids[e];
      from[out.entries++] = static_cast<std::int32_t>(s);
      bits |= static_cast<std::uint32_t>(bags.ids[e]);
    }
  for (int shift = 0; shift < 32 && bits >> shift != 0; shift += 8) {
    Index start[257] = {};
    const auto digit = [&](Index i) { return (static_cast<std::uint32_t>(ids[i]) >> shift) & 0xffu; };
    for (Index i = 0; i < out.entries; ++i) ++start[digit(i) + 1];
    for (int d = 0; d < 256; ++d) start[d + 1] += start[d];
    for (Index i = 0; i < out.entries; ++i) {
      const Index to = start[digit(i)]++;
      other_ids[to] = ids[i];
      other_from[to] = from[i];
    }
    std::swap(ids, other_ids);
    std::swap(from, other_from);
  }
  out.ids = other_ids;
  out.starts = arena.template take<std::int32_t>(out.entries + 1);
  out.bags = from;
  for (Index i = 0; i < out.entries; ++i) {
    if (i > 0 && ids[i] == ids[i - 1]) continue;
    out.ids[out.count] = ids[i];
    out.starts[out.count++] = static_cast<std::int32_t>(i);
  }
  out.starts[out.count] = static_cast<std::int32_t>(out.entries);
  return out;
}

// table[ids[k]] += the rows of its entries, each with the weight of its bag.
template <class R>
struct ScatterSorted {
  Index width;
  const std::int32_t *ids, *starts, *bags, *offsets;
  bool mean;
  const R* rows;
  R* table;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index k = quotient(i, width), j = i - k * width;
    R& to = table[ids[k] * width + j];
    R sum = to;
    for (Index e = starts[k]; e < starts[k + 1]; ++e) {
      const Index s = bags[e], size = offsets == nullptr ? 1 : offsets[s + 1] - offsets[s];
      const R weight = mean && size > 1 ? R(1) / static_cast<R>(size) : R(1);
      sum += weight * rows[s * width + j];
    }
    to = sum;
  }
};

// out (count, width) = the weighted sum of the rows that the entries of each id point to.
template <class R, class Entry>
struct AddUpRows {
  Index width;
  const std::int32_t* starts;
  const Entry* entries;
  R* out;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index k = quotient(i, width), j = i - k * width;
    R sum = 0;
    for (Index e = starts[k]; e < starts[k + 1]; ++e) sum += entries[e].weight * entries[e].from[j];
    out[i] = sum;
  }
};

template <class R>
struct Pick {
  Index columns;
  const std::int32_t* ids;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = x[i * columns + ids[i]]; }
};
template <class R>
struct Place {
  Index columns;
  const std::int32_t* ids;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i * columns + ids[i]] = x[i]; }
};

// y[r] = scale[r] * sum over the neighbours c of row r of scale[c] * x[c]: a product with a symmetric sparse matrix.
template <class R>
struct NeighbourSums {
  Index width;
  const std::int64_t* offsets;
  const std::int32_t* ids;
  const R *scale, *x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index r = quotient(i, width), j = i - r * width;
    R sum = 0;
    for (std::int64_t e = offsets[r]; e < offsets[r + 1]; ++e) sum += scale[ids[e]] * x[ids[e] * width + j];
    y[i] = scale[r] * sum;
  }
};

}  // namespace thaw::inline v0::grid
