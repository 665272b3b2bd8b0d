// Philox words of many counters at once, for one instruction set. Included by random_words.hpp; empty otherwise.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/isa.hpp"
#include "thaw/core/config.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// The same rounds as philox4x32 of core/random.hpp, one counter a lane.
THAW_KERNEL_TARGET THAW_VECTORIZED inline void philox_words(Index n, std::uint64_t seed, const std::uint32_t* block,
                                                            const std::uint32_t* low, const std::uint32_t* high,
                                                            std::uint32_t* out) {
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) {
    std::uint32_t a = block[i], b = 0, c = low[i], d = high[i];
    std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    THAW_UNROLL
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p = std::uint64_t{0xD2511F53u} * a, q = std::uint64_t{0xCD9E8D57u} * c;
      a = static_cast<std::uint32_t>(q >> 32) ^ b ^ key0;
      c = static_cast<std::uint32_t>(p >> 32) ^ d ^ key1;
      b = static_cast<std::uint32_t>(q);
      d = static_cast<std::uint32_t>(p);
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    out[i] = a;
    out[n + i] = b;
    out[2 * n + i] = c;
    out[3 * n + i] = d;
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
