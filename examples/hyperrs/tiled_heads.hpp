// TiledHeads: the heads of a hypernetwork as one matrix in narrow tiles, for a whole meta-batch at a time.
//
//   hyperrs::TiledHeads<float> heads(arena, /*code*/ 256, scorer.size(), /*slope*/ 0.3, /*threads*/ 2);
//   heads.load(model.heads);
//   heads.generate(arena, users, codes, theta);                  // (users, stride): one product for all
//   heads.step(users, codes, gradients, adam, d_codes);          // gradient of a tile, its codes' and Adam in cache
//
// A tile is 32 columns of all rows, contiguous, so that weights and both moments are read and written once a meta-step
// in long runs, and the gradient of the matrix never exists outside the cache. The same numbers for any number of
// threads. What the activation does is left to the caller, who has a user's weights in cache: see LeakyHead.
#pragma once

#include <algorithm>
#include <memory>

#include "hyperrs/head_adam.hpp"
#include "hyperrs/large_pages.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/hypernetwork.hpp"

namespace hyperrs {

using thaw::Index;

// LeakyReLU of a slope from 0 to 1; its output has the sign of its input.
template <class R>
struct LeakyHead {
  R slope;
  template <class V>
  THAW_ALWAYS_INLINE V value(V x) const {
    const V low = V(slope) * x;
    return low < x ? x : low;  // a maximum, of which compilers make no jump
  }
};

template <class R>
class TiledHeads {
 public:
  static constexpr Index kTile = 32, kTilesOfChunk = 64;

  TiledHeads(thaw::Arena& arena, Index code, Index size, int threads)
      : code_(code), size_(size), tiles_((size + kTile - 1) / kTile), threads_(threads) {
    const Index all = tiles_ * kTile * code;
    for (R** x : {&matrix_, &first_, &second_}) *x = zeros(arena, all);
    for (R** x : {&bias_, &bias_first_, &bias_second_}) *x = zeros(arena, tiles_ * kTile);
    workers_ = std::make_unique<thaw::GrowingArena[]>(static_cast<std::size_t>(threads));
  }
  // Columns with those that fill the last tile; theirs are zero, and must be in a gradient.
  Index padded() const { return tiles_ * kTile; }
  // Between the rows of theta and of its gradient: whole tiles, and rows do not share the sets of a cache.
  Index stride() const { return padded() + 64; }

  template <class A>
  void load(const thaw::Hypernetwork<A>& heads) {
    each_column(heads, [&](Index at, const auto& head, Index j) {
      for (Index r = 0; r < code_; ++r) *element(r, at) = head.matrix.data[r * head.matrix.shape[1] + j];
      if (head.bias.count > 0) bias_[at] = head.bias[0].data[j];
    });
  }
  template <class A>
  void store(const thaw::Hypernetwork<A>& heads) const {
    each_column(heads, [&](Index at, const auto& head, Index j) {
      for (Index r = 0; r < code_; ++r) head.matrix.data[r * head.matrix.shape[1] + j] = *element(r, at);
      if (head.bias.count > 0) head.bias[0].data[j] = bias_[at];
    });
  }

  // codes (users, code) -> theta (users, stride), before the activation. Touches nothing but theta and the arena, so
  // that several callers may run at once.
  void generate(thaw::Arena& arena, Index users, const R* codes, R* theta) const {
    thaw::ProductShape s = thaw::row_major_product(users, kTile, code_);
    s.c_row_stride = stride();
    thaw::ArenaScope scope(arena);
    const auto bytes = (thaw::product_scratch_bytes<R>(s) + 63) / 64 * 64;
    auto* scratch = static_cast<std::byte*>(arena.take_bytes(bytes * static_cast<std::size_t>(threads_)));
    for_each_chunk([&](int thread, Index, Index begin, Index end) {
      for (Index t = begin; t < end; ++t)
        thaw::product(isa_, s, codes, matrix_ + t * kTile * code_, theta + t * kTile, bias_ + t * kTile,
                      scratch + bytes * static_cast<std::size_t>(thread));
    });
  }

  // gradients (users, stride) of theta before the activation: d_codes (users, code) becomes those of the codes, and the
  // heads take a step of Adam.
  void step(Index users, const R* codes, const R* gradients, const thaw::AdamStep& adam, R* d_codes) {
    const Index chunks = (tiles_ + kTilesOfChunk - 1) / kTilesOfChunk, part = users * code_;
    thaw::ArenaScope scope(sums_);
    R* parts = sums_.take<R>(chunks * part);
    for_each_chunk([&](int thread, Index chunk, Index begin, Index end) {
      thaw::Arena& arena = workers_[static_cast<std::size_t>(thread)];
      thaw::ArenaScope own(arena);
      Tile work(*this, arena, users);
      for (Index j = 0; j < part; ++j) parts[chunk * part + j] = 0;
      for (Index t = begin; t < end; ++t) work.step(t, codes, gradients + t * kTile, adam, parts + chunk * part);
    });
    // (code, users) in the order of the columns, whoever added them up
    for (Index c = 1; c < chunks; ++c)
      for (Index j = 0; j < part; ++j) parts[j] += parts[c * part + j];
    for (Index u = 0; u < users; ++u)
      for (Index r = 0; r < code_; ++r) d_codes[u * code_ + r] = parts[r * users + u];
  }

 private:
  // What one thread does with one tile.
  struct Tile {
    TiledHeads& heads;
    thaw::ProductShape to_codes, to_matrix;
    void* scratch;
    R* gradient;
    Index users;

    Tile(TiledHeads& of, thaw::Arena& arena, Index count) : heads(of), users(count) {
      to_codes = thaw::row_major_product(of.code_, users, kTile);  // tile x G^T
      to_codes.b_inner_stride = 1, to_codes.b_column_stride = of.stride(), to_codes.accumulate = true;
      to_matrix = thaw::row_major_product(of.code_, kTile, users);  // codes^T x G
      to_matrix.a_row_stride = 1, to_matrix.a_inner_stride = of.code_, to_matrix.b_inner_stride = of.stride();
      scratch = arena.take_bytes(
          (std::max)(thaw::product_scratch_bytes<R>(to_codes), thaw::product_scratch_bytes<R>(to_matrix)));
      gradient = arena.take<R>(kTile * of.code_);
    }
    void step(Index t, const R* codes, const R* g, const thaw::AdamStep& adam, R* d_codes) const {
      const Index at = t * kTile * heads.code_, n = kTile * heads.code_;
      thaw::product(heads.isa_, to_codes, heads.matrix_ + at, g, d_codes, static_cast<const R*>(nullptr), scratch);
      thaw::product(heads.isa_, to_matrix, codes, g, gradient, static_cast<const R*>(nullptr), scratch);
      head_adam(heads.isa_, n, adam, gradient, heads.matrix_ + at, heads.first_ + at, heads.second_ + at);
      R sums[kTile] = {};
      for (Index u = 0; u < users; ++u)
        for (Index j = 0; j < kTile; ++j) sums[j] += g[u * heads.stride() + j];
      const Index b = t * kTile;
      thaw::adam_update(heads.isa_, kTile, adam, sums, heads.bias_ + b, heads.bias_first_ + b, heads.bias_second_ + b);
    }
  };

  static R* zeros(thaw::Arena& arena, Index n) {
    R* x = arena.take<R>(n);
    ask_for_large_pages(x, static_cast<std::size_t>(n) * sizeof(R));
    std::fill(x, x + n, R(0));
    return x;
  }
  R* element(Index row, Index column) const {
    return matrix_ + (column / kTile * code_ + row) * kTile + column % kTile;
  }
  // fn(column of all heads, the head, its own column)
  template <class A, class Fn>
  void each_column(const thaw::Hypernetwork<A>& heads, const Fn& fn) const {
    Index at = 0;
    for (int h = 0; h < heads.heads.count; ++h) {
      thaw::require(heads.heads[h].matrix.shape[0] == code_, "TiledHeads: a head of shape ",
                    heads.heads[h].matrix.shape, " for codes of ", code_, " numbers");
      for (Index j = 0; j < heads.heads[h].matrix.shape[1]; ++j) fn(at++, heads.heads[h], j);
    }
    thaw::require(at == size_, "TiledHeads: heads of ", at, " numbers, expected ", size_);
  }
  // work(thread, chunk, its first tile, the tile after its last)
  template <class Work>
  void for_each_chunk(const Work& work) const {
    const Index chunks = (tiles_ + kTilesOfChunk - 1) / kTilesOfChunk;
    const auto run = [&](int t) {
      for (Index c = chunks * t / threads_; c < chunks * (t + 1) / threads_; ++c)
        work(t, c, c * kTilesOfChunk, (std::min)(tiles_, (c + 1) * kTilesOfChunk));
    };
#if defined(_OPENMP)
    if (threads_ > 1) {
#pragma omp parallel for schedule(static, 1) num_threads(threads_)
      for (int t = 0; t < threads_; ++t) run(t);
      return;
    }
#endif
    for (int t = 0; t < threads_; ++t) run(t);
  }

  Index code_, size_, tiles_;
  int threads_;
  thaw::Isa isa_ = thaw::detect_isa();
  R *matrix_, *first_, *second_, *bias_, *bias_first_, *bias_second_;  // (tiles, code, kTile); (tiles, kTile)
  std::unique_ptr<thaw::GrowingArena[]> workers_;
  thaw::GrowingArena sums_;
};

}  // namespace hyperrs
