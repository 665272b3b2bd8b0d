// MpiCommunicator: sums whose bits are known beforehand, messages of any size, and what it refuses.
#include <doctest/doctest.h>

#include <bit>
#include <string>

#include "tests/distributed/processes/world.hpp"
#include "tests/distributed/thread_ranks.hpp"
#include "thaw/core/random.hpp"
#include "thaw/distributed/agreement.hpp"

using processes_test::world;
using thaw::Index;

namespace {

// What rank r brings: numbers of very different size, so that the order of adding up shows.
template <class R>
std::vector<R> brought(int rank, Index count) {
  thaw::Philox rng(5, static_cast<std::uint64_t>(rank));
  std::vector<R> out;
  for (Index i = 0; i < count; ++i)
    out.push_back(static_cast<R>(rng.normal() * __builtin_ldexp(1, static_cast<int>(rng.below(70)))));
  return out;
}

// The sum over all ranks as a loop in this process makes it.
template <class R>
std::vector<R> sum_of_all(Index count) {
  std::vector<double> sums(static_cast<std::size_t>(count), 0.0);
  for (int r = 0; r < world().size(); ++r) {
    const std::vector<R> part = brought<R>(r, count);
    for (std::size_t i = 0; i < part.size(); ++i) sums[i] += static_cast<double>(part[i]);
  }
  std::vector<R> out;
  for (const double s : sums) out.push_back(static_cast<R>(s));
  return out;
}

template <class R>
void check_sums(const thaw::MpiCommunicator& ranks) {
  for (const Index count : {0, 1, 2, 3, 7, 16, 17, 1000, 4099}) {
    std::vector<R> numbers = brought<R>(ranks.rank(), count);
    CHECK(ranks.all_reduce_sum(numbers.data(), count).ok());
    CHECK(numbers == sum_of_all<R>(count));
  }
}

}  // namespace

TEST_CASE("sums are those of a loop over the ranks, to the bit, in every rank") {
  CHECK(world().size() > 1);
  check_sums<float>(world());
  check_sums<double>(world());
  // The other order gives other bits, so the comparison can fail.
  const std::vector<double> first = brought<double>(0, 1000), second = brought<double>(1, 1000);
  int different = 0;
  for (std::size_t i = 0; i < 1000; ++i)
    different += (1.0 + first[i]) + second[i] != 1.0 + (first[i] + second[i]) ? 1 : 0;
  CHECK(different > 0);
}

TEST_CASE("small buckets and messages change nothing") {
  auto small = thaw::MpiCommunicator::start({.bucket_bytes = 64, .most_bytes = 64});
  CHECK(small.ok());
  if (!small) return;
  check_sums<float>(small.value());
  check_sums<double>(small.value());
  for (const thaw::MpiCommunicator* ranks : {&world(), static_cast<const thaw::MpiCommunicator*>(&small.value())}) {
    // Rank r brings 40 r bytes, the first one nothing.
    std::vector<Index> bytes;
    std::string expected;
    for (int r = 0; r < ranks->size(); ++r) {
      bytes.push_back(40 * r);
      expected += std::string(static_cast<std::size_t>(40 * r), static_cast<char>('a' + r));
    }
    const std::string own(static_cast<std::size_t>(40 * ranks->rank()), static_cast<char>('a' + ranks->rank()));
    std::string all(expected.size(), '-');
    CHECK(ranks->all_gather(own.data(), all.data(), bytes.data()).ok());
    CHECK(all == expected);
    for (int root = 0; root < ranks->size(); ++root) {
      std::string text(1001, static_cast<char>('a' + ranks->rank()));
      CHECK(ranks->broadcast(text.data(), 1001, root).ok());
      CHECK(text == std::string(1001, static_cast<char>('a' + root)));
    }
    CHECK(ranks->barrier().ok());
  }
  small.value().finish();
}

TEST_CASE("sizes that cannot be are refused, with the limits") {
  const auto text = [](const thaw::MpiOptions& options) {
    const auto started = thaw::MpiCommunicator::start(options);
    return started ? std::string() : std::string(started.fault().text);
  };
  CHECK(text({.bucket_bytes = 4}).find("buckets of 4") != std::string::npos);
  CHECK(text({.most_bytes = Index(1) << 31}).find("at most 1073741824") != std::string::npos);
  CHECK(text({.bucket_bytes = 128, .most_bytes = 64}).find("calls of 64") != std::string::npos);
}

TEST_CASE("ranks with other settings are told, in every rank") {
  const bool differs = world().rank() == 1;
  const std::string settings = differs ? "batch=128" : "batch=64";
  const auto same = thaw::require_same_text(world(), "settings", {settings.data(), settings.size()});
  CHECK_FALSE(same.ok());
  if (same) return;
  const std::string text = same.fault().text;
  CHECK(text.find(differs ? "'128' here, '64' there" : "settings of rank 1 differ") != std::string::npos);
}
