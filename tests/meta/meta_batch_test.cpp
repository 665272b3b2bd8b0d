// Meta-batches: the mean of what each user alone gives, the same for every number of threads, nothing from the heap.
#include "thaw/meta/meta_batch.hpp"

#include <cstring>
#include <vector>

#include "tests/meta/task.hpp"
#include "thaw/meta/inner_loop.hpp"

using namespace thaw_test;

namespace {

using Batch = thaw::MetaBatch<Net<A>, double>;

// Eleven users: each adapts on some support batches and is asked on others.
struct Users {
  static constexpr Index kCount = 11;
  Host host;
  Task task{host};
  Net<A> weights = random_net(host);

  // Differs in the number of steps, so that users differ in memory and time.
  auto loss(thaw::LocalPart local) const {
    return [this, local](auto&, const auto& model, Index user) {
      const thaw::InnerLoop loop{.steps = static_cast<int>(user) % 4, .rate = kRate, .local = local};
      const auto fast =
          thaw::adapt(model, loop, [&](int step, const auto& m) { return task.loss(m, (user + step) % kBatches); });
      return task.loss(fast, (user + 5) % kBatches);
    };
  }
  // The mean gradient by hand: one tape, one user after another.
  std::vector<double> by_hand(thaw::LocalPart local, double& mean) {
    std::vector<double> total;
    mean = 0;
    for (Index user = 0; user < kCount; ++user) {
      thaw::Tape<double> tape(host.context);
      thaw::Scope<double, thaw::Cpu> scope(tape);
      const Net<V> model = thaw::map_unnamed<V>(weights, [&](const A& a) { return tape.leaf(a); });
      const V value = loss(local)(tape, model, user);
      mean += value.item() / kCount;
      const Net<A> own = thaw::gradient(value, model);
      std::size_t at = 0;
      thaw::for_each_unnamed(
          [&](const A& g) {
            for (const double x : g) {
              if (at == total.size()) total.push_back(0);
              total[at++] += x / kCount;
            }
          },
          own);
    }
    return total;
  }
};

// All gradients as one list; rows are added into a table.
std::vector<double> flat(const Batch& batch, const Net<A>& weights) {
  std::vector<double> all;
  int i = 0;
  thaw::for_each_unnamed(
      [&](const A& w) {
        if (batch.dense()[i].data != nullptr) {
          all.insert(all.end(), batch.dense()[i].begin(), batch.dense()[i].end());
        } else {
          std::vector<double> table(static_cast<std::size_t>(w.size()));
          for (auto* g = batch.rows()[i]; g != nullptr; g = g->next)
            thaw::Cpu::scatter_add(*g->rows.context, g->bags, g->rows.data, w.shape[1], table.data());
          all.insert(all.end(), table.begin(), table.end());
        }
        ++i;
      },
      weights);
  return all;
}
double apart(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::fmax(most, std::fabs(a[i] - b[i]));
  return a.size() == b.size() ? most : HUGE_VAL;
}
bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("the gradient is the mean of the users' own, to rounding, and the same bits for 1 to 5 threads") {
  Users users;
  double mean = 0;
  const std::vector<double> want = users.by_hand({}, mean);
  std::vector<double> first;
  double first_loss = 0;
  for (const int threads : {1, 2, 3, 5}) {
    INFO(threads);
    Batch batch(users.weights, users.host.context, threads);
    for (int again = 0; again < 3; ++again) {
      const double loss = batch.gradient(Users::kCount, users.loss({}));
      const std::vector<double> g = flat(batch, users.weights);
      CHECK(loss == doctest::Approx(mean).epsilon(1e-14));
      CHECK(apart(g, want) < 1e-14);
      if (first.empty()) first = g, first_loss = loss;
      CHECK(same_bits(g, first));
      CHECK(loss == first_loss);
    }
  }
  double largest = 0;
  for (const double x : want) largest = std::fmax(largest, std::fabs(x));
  CHECK(largest > 1e-2);
}

TEST_CASE("gathered tables: as a dense gradient or as a list of rows, the same numbers") {
  Users users;
  const thaw::LocalPart local{"hidden", "score", "key"};  // the table itself is read by gather alone
  double mean = 0;
  const std::vector<double> want = users.by_hand(local, mean);
  for (const thaw::MetaGradient kind : {thaw::MetaGradient::gathered, thaw::MetaGradient::rows})
    for (const int threads : {1, 3}) {
      Batch batch(users.weights, users.host.context, threads,
                  [&](const thaw::Path& path) { return path.text[0] == 'e' ? kind : thaw::MetaGradient::dense; });
      batch.gradient(Users::kCount, users.loss(local));
      CHECK((batch.rows()[0] != nullptr) == (kind == thaw::MetaGradient::rows));
      CHECK(apart(flat(batch, users.weights), want) < 1e-14);
      batch.gradient(1, users.loss(local));  // nothing of the last batch is left
      batch.gradient(Users::kCount, users.loss(local));
      CHECK(apart(flat(batch, users.weights), want) < 1e-14);
    }
}

TEST_CASE("each visits every user once, on its own arena") {
  Users users;
  for (const int threads : {1, 4}) {
    Batch batch(users.weights, users.host.context, threads);
    std::vector<int> visits(Users::kCount);
    std::vector<double> losses(Users::kCount);
    batch.each(Users::kCount, [&](auto& worker, Index user) {
      const Net<A> model =
          thaw::map_unnamed<A>(users.weights, [&](const A& a) { return A::view(worker.context, a.data, a.shape); });
      ++visits[static_cast<std::size_t>(user)];
      losses[static_cast<std::size_t>(user)] = users.task.loss(model, user).item();
    });
    for (Index user = 0; user < Users::kCount; ++user) {
      CHECK(visits[static_cast<std::size_t>(user)] == 1);
      CHECK(losses[static_cast<std::size_t>(user)] == users.task.loss(users.weights, user).item());
    }
  }
}

TEST_CASE("a batch of nobody has no gradient") {
  Users users;
  Batch batch(users.weights, users.host.context, 2);
  batch.gradient(3, users.loss({}));
  CHECK(batch.gradient(0, users.loss({})) == 0);
  for (const double x : flat(batch, users.weights)) CHECK(x == 0);
}

TEST_CASE("two hundred meta-steps take nothing from the heap after the first") {
  for (const int threads : {1, 2, 4}) {
    INFO(threads);
    Users users;
    Batch batch(users.weights, users.host.context, threads, [](const thaw::Path& path) {
      return path.text[0] == 'e' ? thaw::MetaGradient::rows : thaw::MetaGradient::dense;
    });
    const thaw::LocalPart local{"hidden", "score"};
    // The first step sees the largest user; later ones see others of other sizes, on other threads.
    batch.gradient(Users::kCount, users.loss(local));
    const long before = heap_allocations();
    double total = 0;
    for (int step = 0; step < 200; ++step) total += batch.gradient(1 + step % Users::kCount, users.loss(local));
    CHECK(heap_allocations() == before);
    CHECK(total > 0);
  }
}
