// Counter-based random words in bulk: what Philox of core/random.hpp gives, many streams or many positions at a time.
//
//   std::uint32_t words[4 * 16];
//   thaw::random_words(isa, 16, seed, blocks, streams_low, streams_high, words);   // words[k * 16 + i]
//
//   thaw::WordBlock words(isa, seed);
//   words.fill(stream, 2400);                     // words.at(0) .. words.at(2399): any order is as random as another
//
// The numbers do not depend on the instruction set. Not a generator with a position: that is Philox.
#pragma once

#include <vector>

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/core/random.hpp"

#define THAW_KERNEL_FILE "thaw/graph/kernels/random_words_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

// out (4, n): word k of counter i is word 4 * block[i] + k of Philox(seed, high[i] << 32 | low[i]).
inline void random_words(Isa isa, Index n, std::uint64_t seed, const std::uint32_t* block, const std::uint32_t* low,
                         const std::uint32_t* high, std::uint32_t* out) {
  THAW_DISPATCH(isa, philox_words(n, seed, block, low, high, out));
}

// A stretch of one stream's words, kept for reading at random. Allocates only when more are asked for than ever before.
class WordBlock {
 public:
  WordBlock(Isa isa, std::uint64_t seed) : isa_(isa), seed_(seed) {}

  // The first `count` words of a stream, in an order of their own.
  void fill(std::uint64_t stream, Index count) {
    const Index blocks = (count + 3) / 4;
    if (static_cast<Index>(block_.size()) < blocks) {
      const auto had = static_cast<Index>(block_.size());
      block_.resize(static_cast<std::size_t>(blocks));
      low_.resize(block_.size());
      high_.resize(block_.size());
      words_.resize(4 * block_.size());
      for (Index i = had; i < blocks; ++i) block_[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(i);
    }
    for (Index i = 0; i < blocks; ++i) {
      low_[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(stream);
      high_[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(stream >> 32);
    }
    random_words(isa_, blocks, seed_, block_.data(), low_.data(), high_.data(), words_.data());
  }
  std::uint32_t at(Index i) const { return words_[static_cast<std::size_t>(i)]; }
  const std::uint32_t* data() const { return words_.data(); }

 private:
  Isa isa_;
  std::uint64_t seed_;
  std::vector<std::uint32_t> block_, low_, high_, words_;
};

// Uniform in 0 .. n-1 from one word; off from exact by at most n / 2^32.
constexpr std::uint32_t word_below(std::uint32_t word, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * n) >> 32);
}

}  // namespace thaw::inline v0
