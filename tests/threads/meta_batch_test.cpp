// Meta-batches on several threads, meant for the thread sanitizer: workers read shared weights, write memory of their
// own, and their gradients are added in the order of the users.
#include "thaw/meta/meta_batch.hpp"

#include <thread>
#include <vector>

#include "tests/meta/task.hpp"
#include "thaw/meta/fast_weights.hpp"
#include "thaw/meta/inner_loop.hpp"

using namespace thaw_test;

namespace {

using Batch = thaw::MetaBatch<Net<A>, double>;

constexpr Index kUsers = 12;
constexpr thaw::InnerLoop kLoop{.steps = 2, .rate = kRate};

// Meta-gradients of some batches on so many threads, with a step on the weights after each, as in training.
std::vector<double> trained(int threads, thaw::MetaGradient kind) {
  Host host;
  const Task task(host);
  Net<A> weights = random_net(host);
  const thaw::LocalPart local{"hidden", "score", "key"};  // the table is read by gather alone
  Batch batch(weights, host.context, threads,
              [&](const thaw::Path& path) { return path.text[0] == 'e' ? kind : thaw::MetaGradient::dense; });
  std::vector<double> numbers;
  for (int step = 0; step < 4; ++step) {
    numbers.push_back(batch.gradient(kUsers, [&](auto&, const auto& model, Index user) {
      const thaw::InnerLoop loop{.steps = static_cast<int>(user) % 3, .rate = kRate, .local = local};
      const auto fast =
          thaw::adapt(model, loop, [&](int, const auto& m) { return task.loss(m, (user + step) % kBatches); });
      return task.loss(fast, (user + 5) % kBatches);
    }));
    int i = 0;
    thaw::for_each_unnamed(
        [&](const A& w) {
          const A& g = batch.dense()[i++];
          for (Index k = 0; g.data != nullptr && k < w.size(); ++k) w[k] -= 0.1 * g[k];
        },
        weights);
  }
  thaw::for_each_unnamed([&](const A& w) { numbers.insert(numbers.end(), w.begin(), w.end()); }, weights);
  return numbers;
}

}  // namespace

TEST_CASE("meta-batches: one, two and four threads train the same weights, bit for bit") {
  for (const thaw::MetaGradient kind :
       {thaw::MetaGradient::dense, thaw::MetaGradient::gathered, thaw::MetaGradient::rows}) {
    const std::vector<double> one = trained(1, kind);
    CHECK(trained(2, kind) == one);
    CHECK(trained(4, kind) == one);
  }
}

TEST_CASE("meta-batches: each worker writes where the others do not") {
  Host host;
  const Task task(host);
  const Net<A> weights = random_net(host);
  Batch batch(weights, host.context, 4);
  std::vector<int> visits(static_cast<std::size_t>(kUsers), 0);
  std::vector<double> losses(visits.size(), 0);
  for (int again = 0; again < 3; ++again)
    batch.each(kUsers, [&](auto& worker, Index user) {
      const Net<V> model = thaw::map_unnamed<V>(weights, [&](const A& a) { return worker.tape.leaf(a); });
      losses[static_cast<std::size_t>(user)] += task.loss(model, user % kBatches).item();
      ++visits[static_cast<std::size_t>(user)];
    });
  for (std::size_t u = 0; u < visits.size(); ++u) {
    CHECK(visits[u] == 3);
    CHECK(losses[u] == doctest::Approx(3 * task.loss(weights, static_cast<Index>(u) % kBatches).item()));
  }
}

// A server: users adapt at the same time, each on a thread of its own, from weights that nobody changes.
TEST_CASE("fast weights: users who adapt at once get what each gets alone") {
  Host host;
  const Task task(host);
  const Net<A> weights = random_net(host);
  const std::size_t bytes = thaw::FastWeights<Net<A>, double>::bytes(weights, kLoop);
  const auto adapted_loss = [&](Index user) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context context{&arena};
    thaw::Tape<double> tape(context);
    std::vector<std::byte> buffer(bytes);
    thaw::FastWeights<Net<A>, double> fast(weights, kLoop, buffer.data(), bytes);
    fast.adapt(tape, 2, [&](int, const auto& model) { return task.loss(model, user); });
    const Net<A> here =
        thaw::map_unnamed<A>(fast.model(), [&](const A& a) { return A::view(context, a.data, a.shape); });
    return static_cast<double>(task.loss(here, (user + 1) % kBatches).item());
  };
  std::vector<double> alone, together(4);
  for (Index user = 0; user < 4; ++user) alone.push_back(adapted_loss(user));
  std::vector<std::thread> threads;
  for (Index user = 0; user < 4; ++user)
    threads.emplace_back([&, user] { together[static_cast<std::size_t>(user)] = adapted_loss(user); });
  for (std::thread& thread : threads) thread.join();
  CHECK(together == alone);
}
