// GridBackend: the skeletons of a backend (backend/cpu.hpp) on top of kernels over grids of threads.
//
//   struct Cuda : thaw::GridBackend<CudaDevice> {};             // a GPU; backend/cuda.hpp
//   struct HostGrid : thaw::GridBackend<HostDevice> {};         // loops of the host, for tests; host_device.hpp
//
// What a device supplies: each(n, kernel) and blocks(n, kernel), which run a kernel; upload and download, which copy
// between host and device; copy; and multiply(call, a, b, c, accumulate), a batch of products by a BLAS. Everything is
// in the order of one stream. Numbers live in context.memory, everything that the host reads in context.arena; lists of
// ids are the host's, and every call copies those that it needs.
#pragma once

#include "thaw/backend/cpu.hpp"
#include "thaw/backend/cuda/attention.hpp"
#include "thaw/backend/cuda/blas_call.hpp"
#include "thaw/backend/cuda/elementwise.hpp"
#include "thaw/backend/cuda/fields.hpp"
#include "thaw/backend/cuda/lookup.hpp"
#include "thaw/backend/cuda/normalize.hpp"
#include "thaw/backend/cuda/optimizer.hpp"
#include "thaw/backend/cuda/product.hpp"
#include "thaw/backend/cuda/softmax.hpp"
#include "thaw/backend/cuda/strided.hpp"

namespace thaw::inline v0 {

template <class Device>
struct GridBackend {
  struct Context {
    Arena* arena = nullptr;   // the host's
    Arena* memory = nullptr;  // the device's
    Device* device = nullptr;
  };

  // Copies between the host and the device; a download waits until the numbers are there.
  template <class R>
  static void upload(Context& c, Index n, const R* from, R* to) {
    if (n > 0) c.device->upload(to, from, bytes<R>(n));
  }
  template <class R>
  static void download(Context& c, Index n, const R* from, R* to) {
    if (n > 0) c.device->download(to, from, bytes<R>(n));
  }

  template <class F, class R>
  static void map(Context& c, Index n, const R* x, R* y) {
    c.device->each(n, grid::Map<F, R>{x, y});
  }
  template <class F, class R>
  static void zip(Context& c, Index n, const R* a, const R* b, R* y) {
    c.device->each(n, grid::Zip<F, R>{a, b, y});
  }
  template <class R>
  static void affine_map(Context& c, Index n, R scale, R shift, const R* x, R* y) {
    c.device->each(n, grid::Affine<R>{scale, shift, x, y});
  }
  template <class R>
  static void fill(Context& c, Index n, R value, R* y) {
    c.device->each(n, grid::Fill<R>{value, y});
  }
  template <class R>
  static void copy(Context& c, Index n, const R* x, R* y) {
    if (n > 0) c.device->copy(y, x, bytes<R>(n));
  }
  // x (rows, columns) into rows of y that are `stride` numbers apart.
  template <class R>
  static void copy_rows(Context& c, Index rows, Index columns, const R* x, Index stride, R* y) {
    c.device->each(rows * columns, grid::CopyRows<R>{columns, stride, x, y});
  }
  template <class R>
  static void clamp(Context& c, Index n, R most, const R* x, R* y) {
    c.device->each(n, grid::Clamp<R>{most, x, y});
  }
  template <class R>
  static void add_scaled(Context& c, Index n, R alpha, const R* a, R beta, const R* b, R* y) {
    c.device->each(n, grid::AddScaled<R>{alpha, beta, a, b, y});
  }
  // Waits for the device.
  template <class R>
  static double sum_of_squares(Context& c, Index n, const R* x) {
    if (n == 0) return 0;
    ContextScope scope(c);
    const Index blocks = n < kMostParts * kSumShare ? (n + kSumShare - 1) / kSumShare : kMostParts;
    double* const parts = c.memory->template take<double>(blocks);
    double* const host = c.arena->template take<double>(blocks);
    c.device->blocks(blocks, grid::SquareSums<R>{n, (n + blocks - 1) / blocks, x, parts});
    download(c, blocks, parts, host);
    double sum = 0;
    for (Index b = 0; b < blocks; ++b) sum += host[b];
    return sum;
  }

  template <class R>
  static void adam(Context& c, Index n, const AdamStep& step, const R* g, R* first, R* second, R* weight) {
    c.device->each(n, grid::AdamEach<R>{grid::AdamNumbers<R>(step), g, first, second, weight});
  }
  // All dense tensors of a model in one launch.
  template <class R>
  static void adam_all(Context& c, const AdamStep& step, const TensorStep<R>* tensors, int count) {
    ContextScope scope(c);
    const grid::TensorParts parts = grid::cut_tensors(tensors, count, *c.arena);
    if (parts.count == 0) return;
    c.device->blocks(parts.count, grid::AdamAll<R>{grid::AdamNumbers<R>(step), placed(c, tensors, Index(count)),
                                                   placed(c, parts.part, parts.count)});
  }
  // The squares of all arrays `gradient` of a list, in one launch; waits for the device.
  template <class R>
  static double sum_of_squares_all(Context& c, const TensorStep<R>* tensors, int count) {
    ContextScope scope(c);
    const grid::TensorParts parts = grid::cut_tensors(tensors, count, *c.arena);
    if (parts.count == 0) return 0;
    double* const squares = c.memory->template take<double>(parts.count);
    double* const host = c.arena->template take<double>(parts.count);
    c.device->blocks(parts.count, grid::SquareParts<R>{placed(c, tensors, Index(count)),
                                                       placed(c, parts.part, parts.count), squares});
    download(c, parts.count, squares, host);
    double sum = 0;
    for (Index p = 0; p < parts.count; ++p) sum += host[p];
    return sum;
  }
  // weight = factor * gradient in all arrays of a list, in one launch.
  template <class R>
  static void scale_all(Context& c, R factor, const TensorStep<R>* tensors, int count) {
    ContextScope scope(c);
    const grid::TensorParts parts = grid::cut_tensors(tensors, count, *c.arena);
    if (parts.count == 0) return;
    c.device->blocks(parts.count,
                     grid::ScaleParts<R>{factor, placed(c, tensors, Index(count)), placed(c, parts.part, parts.count)});
  }
  // Rows of a table whose moments fade first; `ids` and `fades` are the host's.
  template <class R>
  static void adam_rows(Context& c, const AdamStep& step, Index count, Index width, const std::int32_t* ids,
                        const R* fades, const R* g, R* first, R* second, R* weight) {
    if (count == 0) return;
    c.device->each(count * width, grid::AdamRowsEach<R>{grid::AdamNumbers<R>(step), width, placed(c, ids, count),
                                                        placed(c, fades, 2 * count), g, first, second, weight});
  }
  template <class R>
  static void add_to_rows(Context& c, Index count, Index width, const std::int32_t* ids, R factor, const R* rows,
                          R* table) {
    if (count == 0) return;
    c.device->each(count * width, grid::AddToRows<R>{width, placed(c, ids, count), factor, rows, table});
  }
  // The steps of LAMB on all dense tensors: three launches.
  template <class R>
  static void lamb_all(Context& c, const AdamStep& step, double most_norm, const TensorStep<R>* tensors, int count) {
    ContextScope scope(c);
    const grid::TensorParts parts = grid::cut_tensors(tensors, count, *c.arena);
    if (parts.count == 0) return;
    const TensorStep<R>* const table = placed(c, tensors, Index(count));
    const grid::TensorPart* const part = placed(c, parts.part, parts.count);
    R* const direction = c.memory->template take<R>(parts.count * grid::kTensorPart);
    double* const squares = c.memory->template take<double>(2 * parts.count);
    R* const factor = c.memory->template take<R>(count);
    const auto real = [](double x) { return static_cast<R>(x); };
    c.device->blocks(parts.count, grid::LambDirection<R>{real(step.beta1), real(step.beta2), real(step.correction1),
                                                         real(step.correction2), real(step.epsilon),
                                                         real(step.weight_decay), table, part, direction, squares});
    c.device->each(Index(count), grid::LambRatios<R>{step.learning_rate, most_norm,
                                                     placed(c, parts.first, Index(count) + 1), squares, factor});
    c.device->blocks(parts.count, grid::LambApply<R>{table, part, direction, factor});
  }

  template <class R>
  static void product(Context& c, const ProductShape& s, const R* a, const R* b, R* y, const R* bias) {
    if (s.batch * s.rows * s.columns == 0) return;
    grid::BlasCall call;
    if (s.batch * s.rows * s.columns * s.inner < kTinyProduct || s.inner == 0 || !grid::blas_call(s, call))
      return products(c, s, ProductGrid{}, a, b, y, bias);
    if (bias != nullptr && !s.accumulate)
      for (Index k = 0; k < s.batch; ++k)
        c.device->each(s.rows * s.columns,
                       grid::RepeatRow<R>{bias, s.columns, s.c_row_stride, y + k * s.c_batch_stride});
    c.device->multiply(call, a, b, y, s.accumulate || bias != nullptr);
  }
  template <class R>
  static void products(Context& c, const ProductShape& s, const ProductGrid& at, const R* a, const R* b, R* y,
                       const R* bias = nullptr) {
    const grid::GridPlaces<R> places{s, at, a, b, y, bias};
    c.device->blocks(places.blocks(), grid::TiledProduct<R, grid::GridPlaces<R>>{places});
  }

  template <class R>
  static void strided_copy(Context& c, const Shape& dims, const R* x, const Index* strides, R* y) {
    c.device->each(dims.size(), grid::StridedCopy<R>{grid::Axes::of(dims, strides), x, y});
  }
  template <class R>
  static void strided_add(Context& c, const Shape& dims, const R* x, R* y, const Index* strides) {
    grid::Axes kept, summed;
    Index inside = dims.size();
    bool last_is_summed = false;
    for (int axis = 0; axis < dims.rank; ++axis) {
      if (dims[axis] == 0) return;
      inside /= dims[axis];
      if (strides[axis] != 0)
        kept.push(dims[axis], strides[axis], inside);
      else
        summed.push(dims[axis], 0, inside);
      if (dims[axis] != 1) last_is_summed = strides[axis] == 0;
    }
    if (summed.size == 1) return c.device->each(dims.size(), grid::StridedAdd<R>{grid::Axes::of(dims, strides), x, y});
    if (!last_is_summed) return sum_axes<R, 1>(c, kept, summed, x, y);
    if (summed.size <= grid::kWideRow) return sum_axes<R, 32>(c, kept, summed, x, y);
    return sum_axes<R, grid::kGridThreads>(c, kept, summed, x, y);
  }

  template <class R>
  static void gather(Context& c, const Bags& bags, const R* table, Index width, R* out) {
    if (bags.count == 0 || width == 0) return;
    ContextScope scope(c);
    const Index first = bags.begin(0), last = bags.end(bags.count - 1);
    const std::int32_t* const ids = placed(c, bags.ids + first, last - first);
    const std::int32_t* const offsets = bags.offsets == nullptr ? nullptr : placed(c, bags.offsets, bags.count + 1);
    c.device->each(bags.count * width, grid::Gather<R>{width, first, ids, offsets, bags.mean, table, out});
  }
  template <class R>
  static void scatter_add(Context& c, const Bags& bags, const R* rows, Index width, R* table) {
    if (bags.count == 0 || width == 0) return;
    ContextScope scope(c);
    const grid::SortedBags sorted = grid::sort_bags(bags, *c.arena);
    if (sorted.count == 0) return;
    const std::int32_t* const offsets = bags.offsets == nullptr ? nullptr : placed(c, bags.offsets, bags.count + 1);
    c.device->each(
        sorted.count * width,
        grid::ScatterSorted<R>{width, placed(c, sorted.ids, sorted.count), placed(c, sorted.starts, sorted.count + 1),
                               placed(c, sorted.bags, sorted.entries), offsets, bags.mean, rows, table});
  }
  // out (count, width): for each of `count` ids the weighted sum of its entries' rows. Lists are the host's.
  template <class R, class Entry>
  static void add_up_rows(Context& c, Index count, Index width, const std::int32_t* starts, const Entry* entries,
                          R* out) {
    if (count == 0) return;
    ContextScope scope(c);
    c.device->each(count * width, grid::AddUpRows<R, Entry>{width, placed(c, starts, count + 1),
                                                            placed(c, entries, Index(starts[count])), out});
  }
  template <class R>
  static void pick(Context& c, Index rows, Index columns, const std::int32_t* ids, const R* x, R* y) {
    if (rows == 0) return;
    ContextScope scope(c);
    c.device->each(rows, grid::Pick<R>{columns, placed(c, ids, rows), x, y});
  }
  template <class R>
  static void place(Context& c, Index rows, Index columns, const std::int32_t* ids, const R* x, R* y) {
    if (rows == 0) return;
    ContextScope scope(c);
    c.device->each(rows, grid::Place<R>{columns, placed(c, ids, rows), x, y});
  }
  // A product with D^-1/2 A D^-1/2 whose lists are on the device already.
  template <class R>
  static void neighbour_sums(Context& c, Index rows, Index width, const std::int64_t* offsets, const std::int32_t* ids,
                             const R* scale, const R* x, R* y) {
    c.device->each(rows * width, grid::NeighbourSums<R>{width, offsets, ids, scale, x, y});
  }

  template <class R>
  static void softmax(Context& c, Index rows, Index columns, const R* x, R* y) {
    softmax_biased(c, rows, columns, x, static_cast<const R*>(nullptr), Index(0), y);
  }
  template <class R>
  static void softmax_biased(Context& c, Index rows, Index columns, const R* x, const R* bias, Index stride, R* y) {
    for_rows(c, rows, columns, [&]<int T>(Width<T>) { return grid::Softmax<R, T>{rows, columns, x, bias, stride, y}; });
  }
  template <class R>
  static void softmax_backward(Context& c, Index rows, Index columns, const R* y, const R* g, R* d) {
    for_rows(c, rows, columns, [&]<int T>(Width<T>) { return grid::SoftmaxBackward<R, T>{rows, columns, y, g, d}; });
  }
  template <class R>
  static void log_sum_exp(Context& c, Index rows, Index columns, const R* x, R* y) {
    for_rows(c, rows, columns, [&]<int T>(Width<T>) { return grid::LogSumExp<R, T>{rows, columns, x, y}; });
  }
  template <class R>
  static void shifted_exp(Context& c, Index rows, Index columns, R scale, const R* x, const R* shift, R* y) {
    c.device->each(rows * columns, grid::ShiftedExp<R>{columns, scale, x, shift, y});
  }
  // The mean of log_sum_exp(row) - row[class] over the `counted` rows with a class, and its gradient.
  template <class R>
  static void token_loss(Context& c, Index rows, Index columns, Index counted, const std::int32_t* classes, const R* x,
                         const R* totals, R* out) {
    ContextScope scope(c);
    c.device->blocks(Index(1), grid::TokenLoss<R>{rows, columns, counted, placed(c, classes, rows), x, totals, out});
  }
  template <class R>
  static void token_loss_backward(Context& c, Index rows, Index columns, Index counted, const std::int32_t* classes,
                                  const R* g, const R* x, const R* totals, R* d) {
    ContextScope scope(c);
    c.device->each(rows * columns,
                   grid::TokenLossBackward<R>{columns, counted, placed(c, classes, rows), g, x, totals, d});
  }

  // Of a factorisation machine: x (rows, fields, width) -> y (rows), and its gradient.
  template <class R>
  static void pairwise_sum(Context& c, Index rows, Index fields, Index width, const R* x, R* y) {
    c.device->blocks(grid::blocks_of_rows<32>(rows), grid::PairwiseSum<R>{rows, fields, width, x, y});
  }
  template <class R>
  static void pairwise_slope(Context& c, Index rows, Index fields, Index width, const R* g, const R* x, R* d) {
    c.device->each(rows * width, grid::PairwiseSlope<R>{fields, width, g, x, d});
  }
  // The column of the largest number of each row, the first of equal ones; y is the host's. Waits for the device.
  template <class R>
  static void largest_columns(Context& c, Index rows, Index columns, const R* x, std::int32_t* y) {
    require(columns > 0, "largest_columns: rows without columns");
    ContextScope scope(c);
    std::int32_t* const found = c.memory->template take<std::int32_t>(rows);
    c.device->blocks(rows, grid::LargestColumn<R>{columns, x, found});
    download(c, rows, static_cast<const std::int32_t*>(found), y);
  }

  template <class R>
  static void layer_norm(Context& c, Index rows, Index columns, R epsilon, const R* x, const R* weight, const R* bias,
                         R* y) {
    for_rows(c, rows, columns,
             [&]<int T>(Width<T>) { return grid::Normalize<R, T, true>{rows, columns, epsilon, x, weight, bias, y}; });
  }
  template <class R>
  static void layer_norm_backward(Context& c, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                                  const R* g, R* d_x, R* d_weight, R* d_bias) {
    normalize_backward<true>(c, rows, columns, epsilon, x, weight, g, d_x, d_weight, d_bias);
  }
  template <class R>
  static void rms_norm(Context& c, Index rows, Index columns, R epsilon, const R* x, const R* weight, R* y) {
    const R* const none = nullptr;
    for_rows(c, rows, columns,
             [&]<int T>(Width<T>) { return grid::Normalize<R, T, false>{rows, columns, epsilon, x, weight, none, y}; });
  }
  template <class R>
  static void rms_norm_backward(Context& c, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                                const R* g, R* d_x, R* d_weight) {
    normalize_backward<false>(c, rows, columns, epsilon, x, weight, g, d_x, d_weight, static_cast<R*>(nullptr));
  }
  template <class R>
  static void dropout(Context& c, const DropoutRule& rule, Index rows, Index columns, const R* x, R* y) {
    c.device->each(rows * ((columns + 7) / 8), grid::Dropout<R>{rule, columns, x, y});
  }

  // Attention over a ragged batch (ops/segment_attention.hpp); returns the weights that the gradient needs.
  template <class Attr, class A>
  static void* segment_attention(Context& c, const Attr& attr, const A* in, int n, const A& out, bool record) {
    using R = typename A::Real;
    const Index count = segment_weights(attr);
    R* const kept = record ? c.memory->template take<R>(count) : nullptr;
    ContextScope scope(c);
    R* const weights = record ? kept : c.memory->template take<R>(count);
    R* const used = attr.dropout.active() ? c.memory->template take<R>(count) : weights;
    const grid::SegmentTables tables = segment_tables(c, attr, in[0].shape.last());
    const R* const bias = n == 4 ? in[3].data + attr.before : nullptr;
    segment_product<grid::SegmentProduct::scores>(c, attr, tables, in[0].data, in[1].data, weights,
                                                  static_cast<R>(attr.scale), bias, n == 4 ? in[3].shape[1] : 0);
    const Index rows = tables.query_rows * tables.heads;
    c.device->blocks(grid::blocks_of_rows<32>(rows),
                     grid::SegmentSoftmax<R, 32>{tables, attr.causal, attr.dropout, weights, used});
    segment_product<grid::SegmentProduct::mix>(c, attr, tables, static_cast<const R*>(used), in[2].data, out.data);
    return kept;
  }
  // d: of queries, keys, values and, with four inputs, the bias; all overwritten.
  template <class Attr, class A>
  static void segment_attention_backward(Context& c, const Attr& attr, const A* in, int n, const A& g, const A* d) {
    using R = typename A::Real;
    using Kind = grid::SegmentProduct;
    ContextScope scope(c);
    const Index count = segment_weights(attr);
    const R* const kept = static_cast<const R*>(attr.saved);
    R* const slope = c.memory->template take<R>(count);
    const grid::SegmentTables tables = segment_tables(c, attr, in[0].shape.last());
    const Index rows = tables.query_rows * tables.heads;
    const R* used = kept;
    if (attr.dropout.active()) {
      R* const dropped = c.memory->template take<R>(count);
      c.device->blocks(grid::blocks_of_rows<32>(rows), grid::SegmentDrop<R, 32>{tables, attr.dropout, kept, dropped});
      used = dropped;
    }
    segment_product<Kind::mix_back>(c, attr, tables, used, g.data, d[2].data);
    segment_product<Kind::scores>(c, attr, tables, g.data, in[2].data, slope);
    c.device->blocks(grid::blocks_of_rows<32>(rows),
                     grid::SegmentSoftmaxBackward<R, 32>{tables, attr.dropout, kept, slope});
    if (n == 4) {
      const Index distances = in[3].shape[1];
      c.device->each(tables.heads * distances,
                     grid::SegmentBiasSlope<R>{tables, distances, attr.before, slope, d[3].data});
    }
    const R scale = static_cast<R>(attr.scale);
    segment_product<Kind::mix>(c, attr, tables, static_cast<const R*>(slope), in[1].data, d[0].data, scale);
    segment_product<Kind::mix_back>(c, attr, tables, static_cast<const R*>(slope), in[0].data, d[1].data, scale);
  }

 private:
  static constexpr Index kTinyProduct = 1 << 15;  // multiply-adds below which a library's call is not worth its launch
  static constexpr Index kSumShare = 1 << 14, kMostParts = 512;
  static constexpr Index kSumThreads = 1 << 16;  // threads that a sum over axes should have

  template <int T>
  struct Width {};

  template <class R>
  static std::size_t bytes(Index n) {
    return static_cast<std::size_t>(n) * sizeof(R);
  }
  // A list of the host in the memory of the device, until the surrounding scope ends.
  template <class X>
  static const X* placed(Context& c, const X* list, Index n) {
    X* const to = c.memory->template take<X>(n);
    upload(c, n, list, to);
    return to;
  }
  // A kernel for rows with the team that suits them.
  template <class Make>
  static void for_rows(Context& c, Index rows, Index columns, const Make& make) {
    if (columns == 0) return;
    if (columns <= grid::kWideRow)
      c.device->blocks(grid::blocks_of_rows<32>(rows), make(Width<32>{}));
    else
      c.device->blocks(grid::blocks_of_rows<grid::kGridThreads>(rows), make(Width<grid::kGridThreads>{}));
  }

  template <class R, int T>
  static void sum_axes(Context& c, const grid::Axes& kept, const grid::Axes& summed, const R* x, R* y) {
    constexpr Index kLeast = 64;  // numbers that a thread of a chunk adds
    const Index wanted = kSumThreads / (kept.size * T) + 1, most = (summed.size + kLeast * T - 1) / (kLeast * T);
    const Index chunks = wanted < most ? wanted : most, chunk = (summed.size + chunks - 1) / chunks;
    ContextScope scope(c);
    R* const to = chunks > 1 ? c.memory->template take<R>(chunks * kept.size) : y;
    c.device->blocks(grid::blocks_of_rows<T>(kept.size * chunks),
                     grid::StridedSum<R, T>{kept, summed, chunk, chunks, x, to});
    if (chunks > 1) c.device->each(kept.size, grid::AddChunks<R>{kept, chunks, to, y});
  }

  template <bool kCentred, class R>
  static void normalize_backward(Context& c, Index rows, Index columns, R epsilon, const R* x, const R* weight,
                                 const R* g, R* d_x, R* d_weight, R* d_bias) {
    if (rows * columns == 0) return;
    ContextScope scope(c);
    R* const numbers = c.memory->template take<R>(2 * rows);
    for_rows(c, rows, columns, [&]<int T>(Width<T>) {
      return grid::NormalizeBackward<R, T, kCentred>{rows, columns, epsilon, x, weight, g, d_x, numbers};
    });
    constexpr Index kRowsOfChunk = 32;
    const Index chunks = (rows + kRowsOfChunk - 1) / kRowsOfChunk;
    R* const parts = c.memory->template take<R>((kCentred ? 2 : 1) * chunks * columns);
    c.device->each(chunks * columns,
                   grid::NormalizeColumns<R>{rows, columns, kRowsOfChunk, chunks, x, g, numbers, parts, kCentred});
    c.device->each(columns, grid::AddColumns<R>{columns, chunks, parts, d_weight, d_bias});
  }

  template <class Attr>
  static Index segment_weights(const Attr& attr) {
    Index count = 0;
    for (Index s = 0; s < attr.queries.count; ++s) count += attr.queries.size(s) * attr.keys.size(s);
    return count * attr.heads;
  }
  template <class Attr>
  static grid::SegmentTables segment_tables(Context& c, const Attr& attr, Index width) {
    const Index segments = attr.queries.count, rows = attr.queries.rows();
    auto* const weights = c.arena->template take<Index>(segments);
    auto* const segment_of = c.arena->template take<std::int32_t>(rows);
    Index at = 0;
    for (Index s = 0; s < segments; ++s) {
      weights[s] = at;
      at += attr.queries.size(s) * attr.keys.size(s);
      for (Index q = attr.queries.begin(s); q < attr.queries.begin(s + 1); ++q)
        segment_of[q] = static_cast<std::int32_t>(s);
    }
    return {placed(c, attr.queries.offsets, segments + 1),
            placed(c, attr.keys.offsets, segments + 1),
            placed(c, weights, segments),
            placed(c, segment_of, rows),
            rows,
            at,
            attr.heads,
            width,
            segments};
  }
  template <grid::SegmentProduct kKind, class Attr, class R>
  static void segment_product(Context& c, const Attr& attr, const grid::SegmentTables& tables, const R* a, const R* b,
                              R* y, R alpha = 1, const R* bias = nullptr, Index distances = 0) {
    const auto cut = [&](grid::SegmentTile* out) {
      return grid::cut_segments(kKind, attr.queries.offsets, attr.keys.offsets, attr.queries.count,
                                tables.width / tables.heads, out);
    };
    const Index count = cut(nullptr);
    if (count == 0) return;
    ContextScope scope(c);
    auto* const tiles = c.arena->template take<grid::SegmentTile>(count);
    cut(tiles);
    const grid::SegmentPlaces<R, kKind> places{tables, placed(c, tiles, count), a, b, y, alpha, bias, distances};
    c.device->blocks(count * tables.heads, grid::TiledProduct<R, grid::SegmentPlaces<R, kKind>>{places});
  }
};

}  // namespace thaw::inline v0
