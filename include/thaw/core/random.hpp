// Counter-based random numbers (Philox4x32-10, Salmon et al., SC 2011): the same numbers on one thread, many, or a GPU.
//
//   thaw::Philox rng(seed, stream);            // streams of one seed are independent
//   float u = static_cast<float>(rng.uniform());
//   thaw::Key dropout = thaw::Key{seed}.fold(step).fold(layer);   // a name for one use, no state
//
// Not a cryptographic generator.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

struct Words4 {
  std::uint32_t word[4];
};

THAW_HOST_DEVICE constexpr Words4 philox4x32(Words4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * counter.word[0];
    const std::uint64_t p1 = 0xCD9E8D57ull * counter.word[2];
    counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(p1),
                static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// A 64-bit name of one stream of random decisions. `fold` derives the name of a part: fold(step), fold(layer), ...
struct Key {
  std::uint64_t bits = 0;

  THAW_HOST_DEVICE constexpr Key fold(std::uint64_t part) const {
    const Words4 w =
        philox4x32({{static_cast<std::uint32_t>(part), static_cast<std::uint32_t>(part >> 32), 0x666f6c64u, 0}},
                   static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32));
    return Key{(std::uint64_t(w.word[1]) << 32) | w.word[0]};
  }
};

// A generator with a position. Copy it to remember a position; `position()` and `seek()` save and restore one.
class Philox {
 public:
  constexpr explicit Philox(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  constexpr explicit Philox(Key key) : seed_(key.bits), stream_(0) {}

  // Uniform 32 bits.
  constexpr std::uint32_t next() {
    if (position_ % 4 == 0 || !filled_) refill();
    return block_.word[position_++ % 4];
  }
  constexpr std::uint64_t next64() {
    const std::uint64_t high = next();
    return (high << 32) | next();
  }
  // Uniform in [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(next64() >> 11) * 0x1.0p-53; }
  // Uniform in [low, high).
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Uniform in 0 .. n-1, exactly (rejects the biased remainder). n must be positive.
  constexpr std::uint32_t below(std::uint32_t n) {
    const std::uint32_t biased = (0u - n) % n;
    for (;;) {
      const std::uint64_t product = std::uint64_t(next()) * n;
      if (static_cast<std::uint32_t>(product) >= biased) return static_cast<std::uint32_t>(product >> 32);
    }
  }
  // Standard normal (Box-Muller; one of the pair is dropped so that the position stays a simple count).
  double normal() {
    const double u = 1.0 - uniform();  // (0, 1]
    const double angle = 6.283185307179586476925 * uniform();
    return __builtin_sqrt(-2.0 * __builtin_log(u)) * __builtin_cos(angle);
  }
  // Fisher-Yates over any random-access range.
  template <class Range>
  constexpr void shuffle(Range& range) {
    for (auto left = static_cast<std::uint32_t>(range.size()); left > 1; --left) {
      const std::uint32_t pick = below(left);
      auto held = range[left - 1];
      range[left - 1] = range[pick];
      range[pick] = held;
    }
  }

  constexpr std::uint64_t position() const { return position_; }
  constexpr void seek(std::uint64_t position) {
    position_ = position;
    filled_ = false;
  }

 private:
  constexpr void refill() {
    const std::uint64_t block = position_ / 4;
    block_ = philox4x32({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                          static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)}},
                        static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32));
    filled_ = true;
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_ = 0;
  Words4 block_{};
  bool filled_ = false;
};

// The dropout decision of element (row, column) of a logical matrix with `columns` columns, defined so that eight
// neighbours share one Philox call and no element depends on how the work was split.
// Dropped when the 16-bit value is below `threshold`; `site` tells several uses under one key apart.
struct DropoutRule {
  Key key;
  std::uint32_t site = 0;
  std::uint32_t threshold = 0;  // probability * 65536, rounded

  static constexpr DropoutRule make(double probability, Key key, std::uint32_t site) {
    return {key, site, static_cast<std::uint32_t>(probability * 65536.0 + 0.5)};
  }
  THAW_HOST_DEVICE constexpr bool active() const { return threshold != 0; }
  // What kept values are multiplied by.
  THAW_HOST_DEVICE constexpr double scale() const { return 65536.0 / (65536.0 - static_cast<double>(threshold)); }
  THAW_HOST_DEVICE constexpr Words4 words(std::uint64_t row, std::uint64_t column, std::uint64_t columns) const {
    const std::uint64_t call = row * ((columns + 7) / 8) + column / 8;
    return philox4x32({{static_cast<std::uint32_t>(call), static_cast<std::uint32_t>(call >> 32), site, 0}},
                      static_cast<std::uint32_t>(key.bits), static_cast<std::uint32_t>(key.bits >> 32));
  }
  THAW_HOST_DEVICE constexpr bool keeps(const Words4& words, std::uint64_t column) const {
    return ((words.word[(column % 8) / 2] >> (16 * (column % 2))) & 0xffffu) >= threshold;
  }
};

}  // namespace thaw::inline v0
