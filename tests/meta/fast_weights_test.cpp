// Fast weights: the numbers of the recorded loop, in a buffer of the caller, with shared weights that nobody writes.
#include "thaw/meta/fast_weights.hpp"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/meta/task.hpp"

using namespace thaw_test;

namespace {

struct Fixture {
  Host host;
  Task task{host};
  Net<A> shared = random_net(host);
  thaw::InnerLoop loop{.steps = 4, .rate = 0.2, .local = {"hidden", "score"}};
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Tape<double> tape{context};
  std::vector<std::byte> buffer = std::vector<std::byte>(thaw::FastWeights<Net<A>, double>::bytes(shared, loop));

  auto support() const {
    return [this](int step, const auto& model) { return task.support_loss(model, step); };
  }
  thaw::FastWeights<Net<A>, double> fast() { return {shared, loop, buffer.data(), buffer.size()}; }
  std::vector<double> bits(const Net<A>& model) const {
    std::vector<double> all;
    thaw::for_each_unnamed([&](const A& a) { all.insert(all.end(), a.begin(), a.end()); }, model);
    return all;
  }
  bool in_buffer(const A& a) const {
    const auto* at = reinterpret_cast<const std::byte*>(a.data);
    return at >= buffer.data() && at < buffer.data() + buffer.size();
  }
};

}  // namespace

TEST_CASE("adapting gives the very numbers of the unrolled loop and leaves the shared weights alone") {
  Fixture f;
  const std::vector<double> before = f.bits(f.shared);
  auto fast = f.fast();
  CHECK_FALSE(fast.adapted());
  fast.adapt(f.tape, f.support());
  CHECK(fast.adapted());
  const Net<V> weights = fast.recorded(f.tape, f.shared, {});
  const Net<V> unrolled = thaw::adapt(weights, f.loop, f.support());
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const A& mine, const V& theirs, const A& shared) {
        const bool local = f.loop.local.holds(path);
        CHECK(std::memcmp(mine.data, theirs.data, static_cast<std::size_t>(mine.size()) * sizeof(double)) == 0);
        CHECK(f.in_buffer(mine) == local);
        CHECK((mine.data == shared.data) == !local);
      },
      fast.model(), unrolled, f.shared);
  CHECK(f.bits(f.shared) == before);
  CHECK(f.task.loss(fast.model(), 1).item() != f.task.loss(f.shared, 1).item());
  fast.reset();
  CHECK_FALSE(fast.adapted());
  CHECK(f.bits(fast.model()) == before);
}

TEST_CASE("no steps copy nothing; steps one by one are the steps together; the next user starts afresh") {
  Fixture f;
  auto fast = f.fast();
  std::fill(f.buffer.begin(), f.buffer.end(), std::byte{0x5a});
  fast.adapt(f.tape, 0, f.support());
  CHECK(std::count(f.buffer.begin(), f.buffer.end(), std::byte{0x5a}) == static_cast<std::ptrdiff_t>(f.buffer.size()));
  thaw::for_each_unnamed([](const A& mine, const A& shared) { CHECK(mine.data == shared.data); }, fast.model(),
                         f.shared);
  fast.adapt(f.tape, 4, f.support());
  const std::vector<double> together = f.bits(fast.model());
  fast.reset();
  for (int k = 0; k < 4; ++k) fast.adapt(f.tape, 1, [&](int, const auto& m) { return f.task.support_loss(m, k); });
  CHECK(f.bits(fast.model()) == together);
  // Rates of 0.2 are the rate of 0.2.
  fast.reset();
  const Net<A> rates = thaw::map_model<A>(f.shared, [&](const thaw::Path& path, const A& a) {
    const A rate = f.host.zeros(path.text[0] == 'h' ? a.shape : thaw::Shape{});
    for (double& r : rate) r = 0.2;
    return rate;
  });
  fast.adapt(f.tape, 4, rates, f.support());
  CHECK(f.bits(fast.model()) == together);
}

TEST_CASE("a fixed buffer of the announced size is enough for any number of steps, and nothing less is") {
  Fixture f;
  const std::size_t size = thaw::adaptation_bytes(f.shared, f.loop, f.context, f.support());
  std::vector<std::byte> scratch(size);
  thaw::Arena arena(scratch.data(), scratch.size());
  thaw::Cpu::Context context{&arena};
  thaw::Tape<double> tape(context);
  auto fast = f.fast();
  const long before = heap_allocations();
  fast.adapt(tape, 50, f.support());  // would stop the program if the arena were too small
  CHECK(heap_allocations() == before);
  CHECK(arena.used() == 0);
  CHECK(arena.peak() <= size);
  CHECK(arena.peak() + 2 * thaw::kAlignment > size);
  // 8 x 6 + 8 + 8 + 1 numbers, each tensor from a line of its own, and room to find the first line.
  CHECK(f.buffer.size() == 384 + 64 + 64 + 64 + 64);
}

TEST_CASE("users adapt at the same time, each as if alone") {
  Fixture f;
  constexpr int kUsers = 6;
  const auto adapt_user = [&](int user) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context context{&arena};
    thaw::Tape<double> tape(context);
    std::vector<std::byte> buffer(f.buffer.size());
    thaw::FastWeights<Net<A>, double> fast(f.shared, f.loop, buffer.data(), buffer.size());
    fast.adapt(tape, 3, [&](int, const auto& m) { return f.task.loss(m, user); });
    return f.bits(fast.model());
  };
  std::vector<std::vector<double>> alone, together(kUsers);
  for (int u = 0; u < kUsers; ++u) alone.push_back(adapt_user(u));
  std::vector<std::thread> threads;
  for (int u = 0; u < kUsers; ++u)
    threads.emplace_back([&, u] { together[static_cast<std::size_t>(u)] = adapt_user(u); });
  for (std::thread& t : threads) t.join();
  CHECK(together == alone);
  CHECK(alone[0] != alone[1]);
}
