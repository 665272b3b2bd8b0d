// Ranks that do not have the same: everybody is told, and who differs says where.
#include "thaw/distributed/agreement.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/distributed/thread_ranks.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/mlp.hpp"

using namespace distributed_test;

namespace {

// What each rank is told where rank r has texts[r]; empty: nothing.
std::vector<std::string> told(const std::vector<std::string>& texts) {
  std::vector<std::string> out(texts.size());
  on_ranks(static_cast<int>(texts.size()), [&](thaw::CommunicatorRef ranks) {
    const auto r = static_cast<std::size_t>(ranks.rank());
    const auto done = thaw::require_same_text(ranks, "settings", {texts[r].data(), texts[r].size()});
    if (!done) out[r] = done.fault().text;
  });
  return out;
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("texts: the same ones pass, whatever their length") {
  for (const std::size_t size : {0u, 1u, 511u, 512u, 513u, 5000u})
    for (const std::string& text : told(std::vector<std::string>(3, std::string(size, 'x')))) CHECK(text == "");
}

TEST_CASE("texts: a rank that differs says where, the others who it is") {
  const std::string common(1000, 'x');
  const auto differ = told({common + " batch=64", common + " batch=64", common + " batch=128"});
  CHECK(has(differ[0], "settings of rank 2 differ"));
  CHECK(has(differ[1], "settings of rank 2 differ"));
  CHECK(has(differ[2], "'128' here, '64' there"));
  const auto shorter = told({"seed=1 steps=5", "seed=1"});
  CHECK(has(shorter[0], "settings of rank 1 differ"));
  CHECK(has(shorter[1], "'' here, ' steps=5' there"));
  const auto longer = told({"seed=1", "seed=1 steps=5", "seed=2"});
  CHECK(has(longer[0], "settings of 2 of 3 ranks differ"));
  CHECK(has(longer[1], "' steps=5' here, '' there"));
  CHECK(has(longer[2], "'2' here, '1' there"));
}

TEST_CASE("hashes: of bytes known from elsewhere, and any bit of a weight changes them") {
  // FNV-1a of one word: (basis xor word) * prime, computed in Python.
  const std::uint32_t word = 0x64636261u;
  CHECK(thaw::hash_bytes(&word, 4) == 0xce81dce90ee1e68cull);
  CHECK(thaw::hash_bytes(&word, 3) != thaw::hash_bytes(&word, 4));

  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<thaw::Mlp<thaw::Spec>> parameters(thaw::mlp_spec({3, 2, 1}, thaw::Activation::relu), context, 7);
  const std::uint64_t before = thaw::parameter_hash(parameters);
  for (int i = 0; i < parameters.count(); ++i) {
    float& weight = parameters.slot(i).value.data[0];
    const float old = weight;
    weight = __builtin_nextafterf(weight, 9.0F);
    CHECK(thaw::parameter_hash(parameters) != before);
    weight = old;
  }
  CHECK(thaw::parameter_hash(parameters) == before);
}
