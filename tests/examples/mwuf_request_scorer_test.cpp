// RequestScorer: the logits of the whole model, for every base it knows, widths, threads; nothing from the heap.
#include <vector>

#include "mwuf/models.hpp"
#include "mwuf/request_scorer.hpp"
#include "tests/examples/mwuf_tiny.hpp"
#include "tests/heap_counter.hpp"

using namespace mwuf_test;

namespace {

// A catalogue of 300 items with genres and a year each, and a request of one user.
struct Catalogue {
  static constexpr Index kItems = 300;
  std::vector<std::int32_t> item, genres, offsets{0};
  std::vector<float> year;
  std::int32_t user = 2, age = 1;

  Catalogue() {
    thaw::Philox rng(8);
    for (Index i = 0; i < kItems; ++i) {
      item.push_back(static_cast<std::int32_t>(i));
      for (std::uint32_t left = rng.below(4); left > 0; --left)
        genres.push_back(static_cast<std::int32_t>(rng.below(3)));
      offsets.push_back(static_cast<std::int32_t>(genres.size()));
      year.push_back(static_cast<float>(rng.normal()));
    }
    genres.push_back(0);
  }
  Batch items() const {
    Batch out;
    out.rows = kItems;
    out.item = item.data();
    out.field[1].bags = {genres.data(), offsets.data(), kItems, false};
    out.field[2].values = year.data();
    return out;
  }
  Batch request() const {
    Batch out;
    out.rows = 1;
    out.field[0].bags = {&user, nullptr, 1, false};
    out.field[3].bags = {&age, nullptr, 1, false};
    return out;
  }
};

template <class Base>
void compare(Index width, bool bias_terms, Index first, Index second) {
  using B = mwuf::Backend;
  mwuf::FieldPlan fields = tiny_plan();
  fields.items = Catalogue::kItems;
  mwuf::BaseOptions options = tiny_options();
  options.width = width, options.deviation = 0.5, options.bias_terms = bias_terms;
  options.hidden[0] = first, options.hidden[1] = second, options.hidden[2] = 0;
  const auto plan = Base::spec(fields, options);
  thaw::GrowingArena weight_arena, arena;
  B::Context weights{&weight_arena}, one{&arena}, two{&arena, 2};
  thaw::Parameters<Base, float, B> parameters(plan, weights, 3);
  for (int i = 0; i < parameters.count(); ++i)
    for (float& x : parameters.slot(i).value) x += 0.05F;  // biases and linear weights begin at zero
  const auto model = thaw::map_unnamed<mwuf::FloatArray>(
      parameters.values(), [&](const mwuf::FloatArray& a) { return thaw::on<B>(one, a); });
  const Catalogue data;
  // Every item beside the request, as a batch.
  Batch all = data.items();
  const std::vector<std::int32_t> users(Catalogue::kItems, data.user), ages(Catalogue::kItems, data.age);
  all.field[0].bags = {users.data(), nullptr, all.rows, false};
  all.field[3].bags = {ages.data(), nullptr, all.rows, false};
  const auto want = model.logits(all, model.tables.item_vectors(all));
  std::vector<std::int32_t> candidates;
  for (Index i = 0; i < Catalogue::kItems; ++i) candidates.push_back(static_cast<std::int32_t>(i * 7 % 300));
  for (B::Context* context : {&one, &two}) {
    mwuf::RequestScorer<Base> scorer(model, *context);
    scorer.set_items(data.items());
    for (const Index count : {Index(300), Index(1), Index(130)}) {
      std::vector<float> logits(static_cast<std::size_t>(count));
      scorer.score(data.request(), candidates.data(), count, logits.data());
      const long before = thaw_test::heap_allocations();
      scorer.score(data.request(), candidates.data(), count, logits.data());
      CHECK(thaw_test::heap_allocations() == before);
      double worst = 0, spread = 0;
      for (Index i = 0; i < count; ++i) {
        const double expected = static_cast<double>(want[candidates[static_cast<std::size_t>(i)]]);
        worst = std::fmax(worst, std::fabs(expected - static_cast<double>(logits[static_cast<std::size_t>(i)])));
        spread = std::fmax(spread, std::fabs(expected - static_cast<double>(want[candidates[0]])));
      }
      CHECK(worst < 2e-5);
      if (count > 1) CHECK(spread > 0.1);
    }
  }
}

}  // namespace

TEST_CASE("the logits of the model: every base, one hidden layer and two and none, with bias terms and without") {
  mwuf::BaseModels::each([](auto base) {
    using Base = decltype(base);
    if constexpr (mwuf::Fusible<Base>) {
      compare<Base>(4, true, 6, 3);
      compare<Base>(16, false, 64, 32);
      compare<Base>(16, true, 21, 0);
      compare<Base>(5, true, 0, 0);
    }
  });
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("a candidate outside the catalogue is refused") {
  using Base = mwuf::DeepFm<thaw::Spec>;
  mwuf::FieldPlan fields = tiny_plan();
  fields.items = Catalogue::kItems;
  thaw::GrowingArena arena;
  mwuf::Backend::Context context{&arena};
  thaw::Parameters<Base, float, mwuf::Backend> parameters(Base::spec(fields, tiny_options()), context, 3);
  mwuf::RequestScorer<Base> scorer(parameters.values(), context);
  const Catalogue data;
  scorer.set_items(data.items());
  const std::int32_t wrong[] = {3, 300};
  float logits[2];
  CHECK(
      thaw_test::says(thaw_test::message_of([&] { scorer.score(data.request(), wrong, 2, logits); }), "candidate 300"));
}
#endif
