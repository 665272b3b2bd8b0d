#include <doctest/doctest.h>

#include "elmrec/rivals.hpp"
#include "elmrec/sasrec.hpp"

namespace {

// Users walk around a ring of items, each from a start of her own: the next item is certain.
thaw::ItemSequences ring(int users, int items, int length) {
  thaw::ItemSequences data;
  data.items = items;
  data.lists.offsets.assign(1, 0);
  for (int user = 0; user < users; ++user) {
    for (int t = 0; t < length; ++t) data.lists.ids.push_back((7 * user + t) % items);
    data.lists.offsets.push_back(static_cast<std::int64_t>(data.lists.ids.size()));
  }
  return data;
}

const elmrec::SasRecOptions kSmall{
    .width = 16, .heads = 2, .longest = 8, .blocks = 1, .dropout = 0.1, .batch = 16, .negatives = 16, .rate = 5e-3};

}  // namespace

TEST_CASE("SASRec learns what follows, with negatives that a batch shares and over all items") {
  const thaw::ItemSequences data = ring(120, 40, 9);
  const elmrec::Questions test = elmrec::test_questions(data, {.negatives = 20});
  std::vector<std::int32_t> items(40);
  for (std::int32_t i = 0; i < 40; ++i) items[static_cast<std::size_t>(i)] = i;
  for (const thaw::Index negatives : {16, 0}) {
    elmrec::SasRecOptions options = kSmall;
    options.negatives = negatives;
    elmrec::SasRec model(40, options);
    const double first = model.epoch(data);
    double last = 0;
    for (int epoch = 1; epoch < 40; ++epoch) last = model.epoch(data);
    CHECK(last < 0.5 * first);
    const std::vector<float> hidden = model.read(test);
    const auto quality =
        elmrec::rank_all(test, elmrec::QuestionScorer(model.item_vectors(), hidden, options.width), items);
    CHECK(quality.questions == 120);
    CHECK(quality.hits[0] > 0.9);
  }
}

TEST_CASE("SASRec: what is read depends on the past alone, not on the batch; runs are bit-equal; weights come back") {
  const thaw::ItemSequences data = ring(40, 20, 7);
  const elmrec::Questions test = elmrec::test_questions(data, {.negatives = 5});
  elmrec::SasRec model(20, kSmall), other(20, kSmall);
  CHECK(model.epoch(data) == other.epoch(data));
  const std::vector<float> together = model.read(test);
  CHECK(together == other.read(test));
  elmrec::Questions one;
  one.list = {test.list[3]};
  const std::vector<float> alone = model.read(one);
  for (std::size_t j = 0; j < 16; ++j) CHECK(alone[j] == doctest::Approx(together[3 * 16 + j]).epsilon(1e-5));
  const std::vector<float> kept = model.weights();
  model.epoch(data);
  CHECK(model.read(test) != together);
  model.set_weights(kept);
  CHECK(model.read(test) == together);
}
