// FusedStep: losses and gradients of the recorded model for every base it trains, several blocks and chunks, gaps of
// every kind, dropped items; one thread and two to the bit; nothing from the heap.
#include <cstring>
#include <memory>
#include <vector>

#include "mwuf/click_base.hpp"
#include "mwuf/models.hpp"
#include "tests/examples/mwuf_tiny.hpp"
#include "tests/heap_counter.hpp"

using namespace mwuf_test;

namespace {

// Impressions with unknown items, unknown values, empty and long bags, numbers.
struct Impressions {
  std::vector<std::int32_t> item, user, genres, offsets{0}, age;
  std::vector<float> year, labels, keep, substitute;

  explicit Impressions(Index rows, std::uint64_t seed = 5) {
    thaw::Philox rng(seed);
    const auto id = [&](std::uint32_t values) {
      return rng.below(12) == 0 ? -1 : static_cast<std::int32_t>(rng.below(values));
    };
    for (Index r = 0; r < rows; ++r) {
      item.push_back(id(5)), user.push_back(id(4)), age.push_back(id(3));
      for (std::uint32_t left = rng.below(4); left > 0; --left) genres.push_back(id(3));
      offsets.push_back(static_cast<std::int32_t>(genres.size()));
      year.push_back(static_cast<float>(rng.normal()));
      labels.push_back(rng.below(2) == 0 ? 0.0F : 1.0F);
      keep.push_back(rng.below(3) == 0 ? 0.0F : 1.0F);
    }
    genres.push_back(0);
    for (int j = 0; j < 32; ++j) substitute.push_back(static_cast<float>(0.3 * rng.normal()));
  }
  Batch batch() const {
    Batch out;
    out.rows = static_cast<Index>(item.size());
    out.item = item.data();
    out.field[0].bags = {user.data(), nullptr, out.rows, false};
    out.field[1].bags = {genres.data(), offsets.data(), out.rows, false};
    out.field[2].values = year.data();
    out.field[3].bags = {age.data(), nullptr, out.rows, false};
    out.labels = labels.data();
    return out;
  }
};

template <class Fn>
void each_fusible(const Fn& fn) {
  mwuf::BaseModels::each([&](auto base) {
    if constexpr (mwuf::Fusible<decltype(base)>) fn(base);
  });
}

template <class Base>
struct Pair {
  using Plan = decltype(Base::spec(tiny_plan(), {}));
  Plan plan;
  mwuf::TrainedClickBase<Plan> fused, recorded;

  explicit Pair(const mwuf::BaseOptions& options, int threads = 1, thaw::Untouched untouched = thaw::Untouched::fade)
      : plan(Base::spec(tiny_plan(), options)),
        fused(tiny_plan(), plan, {.seed = 4, .threads = threads, .untouched = untouched}),
        recorded(tiny_plan(), plan, {.seed = 4, .threads = 1, .untouched = untouched}) {}
};

mwuf::BaseOptions options_of(Index width, bool bias_terms, Index first, Index second) {
  mwuf::BaseOptions options = tiny_options();
  options.width = width;
  options.deviation = 0.5;
  options.bias_terms = bias_terms;
  options.hidden[0] = first, options.hidden[1] = second, options.hidden[2] = 0;
  return options;
}

// The dense gradient of every tensor: tables with their rows added up.
template <class Plan>
std::vector<std::vector<double>> dense(const thaw::Parameters<Plan, float, mwuf::Backend>& parameters,
                                       const thaw::GradientList<float, mwuf::Backend>& list) {
  std::vector<std::vector<double>> out;
  for (int i = 0; i < parameters.count(); ++i) {
    const auto& slot = parameters.slot(i);
    out.emplace_back(static_cast<std::size_t>(slot.value.size()));
    if (!slot.row_table) {
      for (Index k = 0; k < slot.value.size(); ++k)
        out.back()[static_cast<std::size_t>(k)] = static_cast<double>(list.dense[i][k]);
      continue;
    }
    const Index width = slot.value.shape[1];
    for (const auto* g = list.rows[i]; g != nullptr; g = g->next)
      for (Index s = 0; s < g->bags.count; ++s)
        for (Index e = g->bags.begin(s); e < g->bags.end(s); ++e) {
          const auto size = static_cast<double>(g->bags.end(s) - g->bags.begin(s));
          if (g->bags.ids[e] < 0) continue;
          for (Index j = 0; j < width; ++j)
            out.back()[static_cast<std::size_t>(g->bags.ids[e] * width + j)] +=
                static_cast<double>(g->rows[s * width + j]) / (g->bags.mean ? size : 1);
        }
  }
  return out;
}

}  // namespace

TEST_CASE("loss and every gradient of the recorded model: widths, towers, bias terms, dropped items, blocks") {
  using B = mwuf::Backend;
  each_fusible([](auto base) {
    using Plan = decltype(base);
    for (const Index rows : {1, 3, 130, 700})
      for (const Index width : {4, 16})
        for (const int shape : {0, 1, 2}) {
          const bool biased = shape != 1;
          const auto plan =
              Plan::spec(tiny_plan(), options_of(width, biased, shape == 2 ? 0 : 21, shape == 0 ? 33 : 0));
          thaw::GrowingArena weight_arena, arena;
          B::Context weights{&weight_arena}, context{&arena};
          thaw::Parameters<Plan, float, B> parameters(plan, weights, 4);
          const Impressions data(rows);
          const Batch batch = data.batch();
          const mwuf::ItemDropout dropout =
              rows == 130 ? mwuf::ItemDropout{data.keep.data(), data.substitute.data()} : mwuf::ItemDropout{};
          thaw::Tape<float, B> tape(context);
          const auto net = parameters.on(tape);
          auto vectors = net.tables.item_vectors(batch);
          if (dropout.keep != nullptr) {
            using A32 = mwuf::FloatArray;
            const A32 other = A32::make(context, vectors.shape);
            for (Index i = 0; i < rows; ++i)
              for (Index j = 0; j < vectors.shape[1]; ++j)
                other[i * vectors.shape[1] + j] = (1 - dropout.keep[i]) * dropout.substitute[j];
            vectors = thaw::add(thaw::mul(vectors, A32::view(context, dropout.keep, {rows, 1})), other);
          }
          const auto loss = mwuf::click_loss(net.logits(batch, vectors), batch);
          const auto want = dense(parameters, parameters.gradient(loss));
          const auto model = thaw::map_unnamed<mwuf::FloatArray>(
              parameters.values(), [&](const mwuf::FloatArray& a) { return thaw::on<B>(context, a); });
          thaw::GradientList<float, B> list;
          const double got = mwuf::FusedStep<Plan>(model, context).gradient(batch, dropout, parameters, list);
          CHECK(std::fabs(got - static_cast<double>(loss.item())) < 1e-5);
          const auto have = dense(parameters, list);
          double worst = 0, largest = 0;
          for (std::size_t i = 0; i < want.size(); ++i)
            for (std::size_t k = 0; k < want[i].size(); ++k) {
              worst = std::fmax(worst, std::fabs(want[i][k] - have[i][k]));
              largest = std::fmax(largest, std::fabs(want[i][k]));
            }
          CHECK(largest > 0.01);
          CHECK(worst < 3e-6 * largest);
        }
  });
}

TEST_CASE("training: the weights of the recorded model, to rounding, and the same bits for one thread and two") {
  each_fusible([](auto base) {
    using Plan = decltype(base);
    Pair<Plan> one(options_of(16, true, 24, 9)), two(options_of(16, true, 24, 9), 2);
    const Impressions data(900), other(257, 6);
    double first = 0, last = 0;
    for (int t = 0; t < 12; ++t) {
      const Batch batch = t % 3 == 2 ? other.batch() : data.batch();
      const double loss = one.fused.train(batch, 0.01, {});
      CHECK(std::fabs(loss - one.recorded.train_recorded(batch, 0.01)) < 2e-3);
      CHECK(two.fused.train(batch, 0.01, {}) == loss);
      if (t == 0) first = loss;
      if (t == 10) last = loss;
    }
    CHECK(last < 0.95 * first);
    CHECK(one.fused.fingerprint() == two.fused.fingerprint());
    double worst = 0, moved = 0;
    const auto a = one.fused.item_table(), b = one.recorded.item_table();
    for (std::size_t k = 0; k < a.size(); ++k) {
      worst = std::fmax(worst, static_cast<double>(std::fabs(a[k] - b[k])));
      moved = std::fmax(moved, static_cast<double>(std::fabs(a[k])));
    }
    CHECK(moved > 0.05);
    CHECK(worst < 2e-3);  // twelve steps of 0.01
  });
}

TEST_CASE("nothing from the heap once warm") {
  each_fusible([](auto base) {
    Pair<decltype(base)> pair(options_of(16, false, 24, 9));
    const Impressions data(900);
    for (int t = 0; t < 3; ++t) pair.fused.train(data.batch(), 0.01, {});
    const long before = thaw_test::heap_allocations();
    for (int t = 0; t < 5; ++t) pair.fused.train(data.batch(), 0.01, {});
    CHECK(thaw_test::heap_allocations() == before);
  });
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("an id beyond its table and a batch without labels are refused") {
  using Plan = mwuf::DeepFm<thaw::Spec>;
  Pair<Plan> pair(options_of(4, true, 6, 3));
  Impressions data(9);
  Batch batch = data.batch();
  batch.labels = nullptr;
  CHECK(thaw_test::says(thaw_test::message_of([&] { pair.fused.train(batch, 0.01, {}); }), "labels"));
  data.item[4] = 5;
  CHECK(thaw_test::says(thaw_test::message_of([&] { pair.fused.train(data.batch(), 0.01, {}); }), "item 5 at row 4"));
}
#endif
