// Gradients of several ranks: against the gradient of the whole batch in one process, and trained side by side.
#include "thaw/distributed/gradient_sum.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/distributed/thread_ranks.hpp"
#include "tests/distributed/two_towers.hpp"
#include "thaw/backend/cuda/host_device.hpp"
#include "thaw/distributed/agreement.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/optim/clip.hpp"

using namespace distributed_test;

namespace {

// The gradient of every tensor as a dense one: row tables spread out.
template <class R, class World>
std::vector<std::vector<double>> spread(const World& world, const thaw::GradientList<R, thaw::Cpu>& list) {
  std::vector<std::vector<double>> out;
  for (int i = 0; i < list.count; ++i) {
    const auto& slot = world.parameters.slot(i);
    std::vector<double>& to = out.emplace_back(static_cast<std::size_t>(slot.value.size()));
    for (Index k = 0; !slot.row_table && k < slot.value.size(); ++k)
      to[static_cast<std::size_t>(k)] = static_cast<double>(list.dense[i].data[k]);
    if (!slot.row_table) continue;
    const Index width = slot.value.shape[1];
    for (const auto* g = list.rows[i]; g != nullptr; g = g->next)
      for (Index s = 0; s < g->bags.count; ++s)
        for (Index e = g->bags.begin(s); e < g->bags.end(s); ++e)
          for (Index j = 0; g->bags.ids[e] >= 0 && j < width; ++j)
            to[static_cast<std::size_t>(g->bags.ids[e] * width + j)] +=
                static_cast<double>(g->rows.data[s * width + j]);
  }
  return out;
}

// The gradient of a batch of `batch` by so many ranks; as the last rank has it.
template <class R>
std::vector<std::vector<double>> gradient_by(int size, Index batch, std::vector<std::uint64_t>* hashes = nullptr) {
  std::vector<std::vector<double>> out;
  if (hashes != nullptr) hashes->assign(static_cast<std::size_t>(size), 0);
  on_ranks(size, [&](thaw::CommunicatorRef ranks) {
    TwoTowers<R> world;
    thaw::Scope scope(world.tape);
    const auto loss = world.loss(0, batch, ranks);
    auto list = world.parameters.gradient(loss);
    double numbers[] = {static_cast<double>(loss.item()), 1};
    thaw::GradientSum<R> sum(ranks);
    ranks.need(sum(world.parameters, world.context, list, numbers, 2));
    CHECK(numbers[1] == size);
    auto all = spread<R>(world, list);
    all.push_back({numbers[0]});
    std::uint64_t hash = 0;
    for (const auto& part : all)
      hash = thaw::hash_bytes(part.data(), static_cast<Index>(part.size() * sizeof(double)), hash);
    if (hashes != nullptr) (*hashes)[static_cast<std::size_t>(ranks.rank())] = hash;
    for (int i = 0; size > 1 && i < list.count; ++i)
      if (list.rows[i] != nullptr)
        for (Index k = 1; k < list.rows[i]->bags.count; ++k)
          CHECK(list.rows[i]->bags.ids[k - 1] < list.rows[i]->bags.ids[k]);  // each row once
    if (ranks.rank() == size - 1) out = all;
  });
  return out;
}

// The largest difference over the largest number, tensor by tensor.
double worst_difference(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b) {
  double worst = a.size() == b.size() ? 0 : 1e300;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    double most = 0, off = 0;
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      most = std::fmax(most, std::fabs(a[i][k]));
      off = std::fmax(off, std::fabs(a[i][k] - b[i][k]));
    }
    CHECK(most > 0);
    worst = std::fmax(worst, off / most);
  }
  return worst;
}

// Of the weights that so many ranks train from those of one process.
template <class R>
double trained_difference(int size, int steps, bool half = false) {
  double out = 0;
  const std::vector<double> alone = trained_weights<R>({}, steps);
  on_ranks(size, [&](thaw::CommunicatorRef ranks) {
    const std::vector<double> own = trained_weights<R>(ranks, steps, half);
    const auto hash = thaw::hash_bytes(own.data(), static_cast<Index>(own.size() * sizeof(double)));
    CHECK(thaw::require_same_hash(ranks, "weights", hash).ok());
    if (ranks.is_first()) out = difference(alone, own);
  });
  MESSAGE(size, " ranks, ", sizeof(R), " bytes a number: ", out);
  return out;
}

}  // namespace

TEST_CASE("the sum over ranks is the gradient of the whole batch, equal bits in every rank") {
  for (const int size : {2, 3, 5}) {
    std::vector<std::uint64_t> hashes, again;
    const auto many = gradient_by<double>(size, 41, &hashes);
    CHECK(worst_difference(gradient_by<double>(1, 41), many) < 1e-14);
    for (const std::uint64_t hash : hashes) CHECK(hash == hashes[0]);
    CHECK(worst_difference(gradient_by<float>(1, 41), gradient_by<float>(size, 41, &again)) < 3e-6);
    const std::vector<std::uint64_t> first = again;
    gradient_by<float>(size, 41, &again);
    CHECK(again == first);  // and from run to run
    // A rank without samples brings zeros.
    CHECK(worst_difference(gradient_by<double>(1, 2), gradient_by<double>(size, 2)) < 1e-14);
  }
}

TEST_CASE("one process: the list and the numbers stay as they are") {
  TwoTowers<float> world;
  thaw::Scope scope(world.tape);
  auto list = world.parameters.gradient(world.loss(0, 8, {}));
  const auto* const dense = list.dense[3].data;
  auto* const rows = list.rows[0];
  double number = 3;
  thaw::GradientSum<float> sum;
  CHECK(sum(world.parameters, world.context, list, &number, 1).ok());
  CHECK(list.dense[3].data == dense);
  CHECK(list.rows[0] == rows);
  CHECK(number == 3);
  CHECK(sum.bytes_sent() == 0);
}

TEST_CASE("tables that are looked up by the same ids are sent once and stay together for the optimiser") {
  on_ranks(3, [](thaw::CommunicatorRef ranks) {
    TwoTowers<float> world;
    thaw::Scope scope(world.tape);
    const auto before = world.parameters.gradient(world.loss(0, 60, ranks));
    auto list = before;
    // GradientList is a handful of pointers: what is replaced is what they point to.
    auto** const rows = world.arena.take<thaw::RowGradient<float, thaw::Cpu>*>(list.count);
    for (int i = 0; i < list.count; ++i) rows[i] = list.rows[i];
    list.rows = rows;
    auto* const dense = world.arena.take<thaw::Array<float>>(list.count);
    Index numbers = 0;
    for (int i = 0; i < list.count; ++i) numbers += (dense[i] = list.dense[i]).data != nullptr ? dense[i].size() : 0;
    list.dense = dense;
    thaw::GradientSum<float> sum(ranks);
    ranks.need(sum(world.parameters, world.context, list));
    CHECK(thaw::detail::same_bags(list.rows[0], list.rows[1]));        // vectors and biases of items
    CHECK_FALSE(thaw::detail::same_bags(list.rows[1], list.rows[2]));  // items and users
    // Two tables of items: rows of 4 and of 1 with one list of ids; users: rows of 4 with theirs.
    const auto own = [&](int i) { return thaw::detail::merge_rows(before.rows[i], 4, world.arena).count; };
    const Index message = (own(0) * (16 + 4 + 4) + own(2) * (16 + 4) + 7) / 8 * 8 + 3 * 8;
    CHECK(sum.bytes_sent() == 2 * 2 * numbers * 4 / 3 + 2 * message);
  });
}

TEST_CASE("an array that stands for two gradients is summed once") {
  on_ranks(2, [](thaw::CommunicatorRef ranks) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context context{&arena};
    thaw::Tape<double> tape(context);
    thaw::Parameters<Pair<thaw::Spec>, double> parameters({thaw::Spec{{3}, {}}, thaw::Spec{{3}, {}}}, context, 1);
    const auto pair = parameters.on(tape);
    auto list = parameters.gradient(thaw::sum(thaw::add(pair.a, pair.b)));
    CHECK(list.dense[0].data == list.dense[1].data);  // what this case is about
    ranks.need(thaw::GradientSum<double>(ranks)(parameters, context, list));
    for (int i = 0; i < 2; ++i)
      for (int k = 0; k < 3; ++k) CHECK(list.dense[i].data[k] == 2);
  });
}

TEST_CASE("broadcast: all ranks start from the first one's weights and last steps") {
  on_ranks(3, [](thaw::CommunicatorRef ranks) {
    TwoTowers<float> world(static_cast<std::uint64_t>(100 + ranks.rank()));
    TwoTowers<float> first(100);
    first.parameters.slot(0).last_step[5] = 9;
    if (ranks.is_first()) world.parameters.slot(0).last_step[5] = 9;
    ranks.need(thaw::broadcast_parameters(ranks, world.parameters));
    CHECK(thaw::parameter_hash(world.parameters) == thaw::parameter_hash(first.parameters));
    CHECK(world.parameters.slot(0).last_step[5] == 9);
    CHECK(thaw::require_same_hash(ranks, "weights", thaw::parameter_hash(world.parameters)).ok());
  });
}

TEST_CASE("clipping behind the sum: the norm of one process whose rows are coalesced") {
  const auto norm_by = [](int size) {
    double norm = 0;
    on_ranks(size, [&](thaw::CommunicatorRef ranks) {
      TwoTowers<double> world;
      thaw::Scope scope(world.tape);
      auto list = world.parameters.gradient(world.loss(0, 40, ranks));
      ranks.need(thaw::GradientSum<double>(ranks)(world.parameters, world.context, list));
      if (size == 1) thaw::coalesce_rows(world.parameters, world.context, list);
      const double own = thaw::clip_norm(list, 1e-3);
      CHECK(thaw::gradient_norm(list) == doctest::Approx(1e-3).epsilon(1e-12));
      if (ranks.is_first()) norm = own;
    });
    return norm;
  };
  CHECK(norm_by(4) == doctest::Approx(norm_by(1)).epsilon(1e-13));
}

TEST_CASE("fifty steps: the model of one process within the bound of docs/distributed.md") {
  for (const int size : {2, 3}) {
    CHECK(trained_difference<double>(size, 50) < kDoubleBound);
    CHECK(trained_difference<float>(size, 50) < kFloatBound);
  }
  CHECK(trained_difference<float>(2, 50, /*half*/ true) > 1e-2);  // the measure sees a share that is left out
}

TEST_CASE("gradients in the memory of devices are summed there, beside numbers of the host") {
  on_ranks(3, [&](thaw::CommunicatorRef ranks) {
    using B = thaw::HostGrid;
    thaw::HostDevice device;
    thaw::GrowingArena arena, memory;
    B::Context context{&arena, &memory, &device};
    thaw::Parameters<thaw::Linear<thaw::Spec>, float, B> parameters(thaw::linear_spec(3, 2), context, 7);
    thaw::Tape<float, B> tape(context);
    const auto own = static_cast<float>(ranks.rank());
    const float x[] = {own, 1, 2, 3, 10 * own, 5};  // two rows
    const auto loss = thaw::sum(parameters.on(tape)(thaw::Array<float, B>::of_host(context, x, {2, 3})));
    auto list = parameters.gradient(loss);
    double numbers[] = {1, own};
    thaw::GradientSum<float, B> sum(ranks, ranks);
    ranks.need(sum(parameters, context, list, numbers, 2));
    CHECK(numbers[0] == 3);
    CHECK(numbers[1] == 3);
    // Of the sum of x W^T + b: the sum of all rows for each row of W, the number of rows for b.
    const float expected[] = {3 + 9, 3 + 30, 6 + 15};
    float weight[6], bias[2];
    B::download(context, 6, static_cast<const float*>(list.dense[0].data), weight);
    B::download(context, 2, static_cast<const float*>(list.dense[1].data), bias);
    for (int i = 0; i < 6; ++i) CHECK(weight[i] == expected[i % 3]);
    for (const float b : bias) CHECK(b == 6);
  });
}
