// Agreement: whether all ranks have the same settings, and the same weights.
//
//   ranks.need(thaw::require_same_text(ranks, "settings", {text.data(), text.size()}));  // at the start
//   const std::uint64_t hash = thaw::parameter_hash(parameters);                         // whenever one likes to know
//   ranks.need(thaw::require_same_hash(ranks, "weights", hash));
//
// Ranks that were started with different options would train something that nobody asked for, or wait for each other
// for ever. Weights that differ in a bit are a bug or broken memory. Every rank is told.
#pragma once

#include "thaw/distributed/communicator.hpp"
#include "thaw/optim/parameters.hpp"

namespace thaw::inline v0 {

// FNV-1a over 32-bit words; what is left of the last word counts with zeros behind it.
inline std::uint64_t hash_bytes(const void* data, Index bytes, std::uint64_t hash = 14695981039346656037ull) {
  const char* at = static_cast<const char*>(data);
  for (; bytes > 0; bytes -= 4, at += 4) {
    std::uint32_t word = 0;
    __builtin_memcpy(&word, at, static_cast<std::size_t>(bytes < 4 ? bytes : 4));
    hash = (hash ^ word) * 1099511628211ull;
  }
  return hash;
}

// Of every weight of a model: changes with any bit.
template <class Plan, class R, class B>
std::uint64_t parameter_hash(const Parameters<Plan, R, B>& parameters) {
  static_assert(!has_own_memory<typename B::Context>, "parameter_hash reads weights in the host's memory");
  std::uint64_t hash = hash_bytes(nullptr, 0);
  for (int i = 0; i < parameters.count(); ++i) {
    const auto& value = parameters.slot(i).value;
    hash = hash_bytes(value.data, value.size() * static_cast<Index>(sizeof(R)), hash);
  }
  return hash;
}

// Errors, in every rank: somebody has another hash than the first rank; who is named.
inline Result<Done> require_same_hash(const CommunicatorRef& ranks, const char* what, std::uint64_t hash) {
  std::uint64_t first = hash;
  if (auto sent = ranks.broadcast(&first, sizeof first, 0); !sent) return sent;
  // A sum needs no memory for every rank: how many differ, and the number of the last of them where it is one.
  double differ[] = {hash != first ? 1.0 : 0.0, hash != first ? static_cast<double>(ranks.rank()) : 0.0};
  if (auto summed = ranks.all_reduce_sum(differ, 2); !summed) return summed;
  if (differ[0] == 0) return Done{};
  if (differ[0] == 1)
    return make_fault(FaultKind::mismatch, what, " of rank ", static_cast<int>(differ[1]),
                      " differ from those of rank 0; start all ranks with the same program, options and data");
  return make_fault(FaultKind::mismatch, what, " of ", static_cast<int>(differ[0]), " of ", ranks.size(),
                    " ranks differ from those of rank 0; start all ranks with the same program, options and data");
}

// The same for a text that people can read. A rank that differs says where; the others say that one does.
inline Result<Done> require_same_text(const CommunicatorRef& ranks, const char* what, TextView text) {
  constexpr Index kShown = 48;
  // The first rank's text, a piece at a time: longer texts need no memory.
  Index length = static_cast<Index>(text.size), differs_at = -1;
  if (auto sent = ranks.broadcast(&length, sizeof length, 0); !sent) return sent;
  char piece[512], there[kShown + 1] = {0};
  const auto own = static_cast<Index>(text.size);
  for (Index at = 0; at < length; at += static_cast<Index>(sizeof piece)) {
    const Index part = length - at < static_cast<Index>(sizeof piece) ? length - at : static_cast<Index>(sizeof piece);
    for (Index j = 0; ranks.is_first() && j < part; ++j) piece[j] = text.data[at + j];
    if (auto sent = ranks.broadcast(piece, part, 0); !sent) return sent;
    for (Index j = 0; differs_at < 0 && j < part; ++j)
      if (at + j >= own || text.data[at + j] != piece[j]) {
        differs_at = at + j;
        for (Index k = 0; k < kShown && j + k < part; ++k) there[k] = piece[j + k];
      }
  }
  if (differs_at < 0 && own > length) differs_at = length;
  const std::uint64_t same = hash_bytes(nullptr, 0);
  auto all = require_same_hash(ranks, what, differs_at < 0 ? same : same + 1);
  if (all || differs_at < 0) return all;
  const Index left = own - differs_at;
  const TextView here{text.data + differs_at, static_cast<std::size_t>(left < kShown ? left : kShown)};
  return make_fault(FaultKind::mismatch, what, " of this rank differ from those of rank 0: '", here, "' here, '",
                    static_cast<const char*>(there), "' there; start all ranks with the same options");
}

}  // namespace thaw::inline v0
