// The golden forward and gradient values of HIRE's tiny configuration, from an independent double-precision program.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../../examples/hire/model.hpp"
#include "thaw/autodiff/gradient.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/losses.hpp"

namespace {

using A = thaw::Array<double>;
using V = thaw::Var<double>;

hire::Settings tiny() {
  hire::Settings s;
  s.user_attributes = 2;
  s.user_cardinality[0] = 3;
  s.user_cardinality[1] = 2;
  s.item_attributes = 2;
  s.item_cardinality[0] = 4;
  s.item_cardinality[1] = 3;
  s.width = 4;
  s.heads = 2;
  s.blocks = 2;
  return s;
}

const std::int32_t user0[] = {0, 2, 1}, user1[] = {1, 0, 1};
const std::int32_t item0[] = {1, 0, 2, 3, 2}, item0_offsets[] = {0, 1, 3, 4, 5}, item1[] = {2, 0, 1, 1};
const double ratings[] = {4, 2, 0, 5, 0, 3, 1, 0, 5, 0, 4, 2};

hire::Batch<double> tiny_batch(std::vector<std::int32_t>& levels) {
  levels.assign(12, -1);
  for (int k = 0; k < 3; ++k)
    if (ratings[4 * k + 1] > 0)
      levels[static_cast<std::size_t>(4 * k + 1)] = static_cast<std::int32_t>(ratings[4 * k + 1]) - 1;
  hire::Batch<double> batch;
  batch.contexts = 1;
  batch.users = 3;
  batch.items = 4;
  batch.user[0] = {user0, nullptr, 3};
  batch.user[1] = {user1, nullptr, 3};
  batch.item[0] = {item0, item0_offsets, 4, true};
  batch.item[1] = {item1, nullptr, 4};
  batch.rating = {levels.data(), nullptr, 12};
  return batch;
}

// The order in which the golden program numbers its tensors.
template <class M, class Fn>
void in_golden_order(M& model, Fn&& fn) {
  const auto pair = [&](auto& layer, bool norm) {
    fn(layer.weight, false, norm);
    fn(layer.bias, false, false);
  };
  for (auto* side : {&model.user_attributes, &model.item_attributes})
    for (int i = 0; i < side->count; ++i) fn((*side)[i].table, true, false);
  fn(model.rating.table, true, false);
  pair(model.input_norm, true);
  for (int b = 0; b < model.blocks.count; ++b) {
    auto& block = model.blocks[b];
    const bool items_first = block.order == hire::Order::items_first;
    for (auto* layer :
         {items_first ? &block.items : &block.users, items_first ? &block.users : &block.items, &block.attributes}) {
      for (auto* part : {&layer->query, &layer->key, &layer->value, &layer->output, &layer->residual})
        pair(*part, false);
      pair(layer->norm_query, true);
      pair(layer->norm_hidden, true);
      pair(layer->expand, false);
      pair(layer->contract, false);
    }
  }
  pair(model.decoder, false);
}

struct Tiny {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  hire::Hire<A> model;

  explicit Tiny(const hire::Settings& settings) {
    model = thaw::map_model<A>(hire::make_plan(settings),
                               [&](const thaw::Path&, const thaw::Spec& spec) { return A::make(context, spec.shape); });
    int q = 0;
    in_golden_order(model, [&](A& t, bool table, bool norm) {
      for (thaw::Index i = 0; i < t.size(); ++i) {
        // Tables are numbered as (width, rows); ours are (rows, width).
        thaw::Index at = i;
        if (table) at = (i % t.shape[0]) * t.shape[1] + i / t.shape[0];
        const double wave = std::sin(1 + 0.37 * static_cast<double>(i) + 0.61 * q);
        t[at] = norm ? 1 + 0.1 * wave : 0.3 * wave;
      }
      ++q;
    });
    CHECK(q == 117);
  }
};

double norm(const A& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("parameter counts of the published sizes") {
  CHECK(thaw::parameter_count(hire::make_plan(tiny())) == 22577);
  hire::Settings s;
  s.user_attributes = 4;
  s.item_attributes = 4;
  const thaw::Index users[] = {2, 7, 21, 3402}, items[] = {6, 25, 2186, 8030};
  for (int i = 0; i < 4; ++i) s.user_cardinality[i] = users[i], s.item_cardinality[i] = items[i];
  const auto plan = hire::make_plan(s);
  CHECK(thaw::parameter_count(plan) == 1859537);
  CHECK(thaw::parameter_count(plan.blocks[0]) == 546720);
  CHECK(thaw::parameter_count(plan.blocks[0].users) == 271584);
  CHECK(thaw::parameter_count(plan.blocks[0].attributes) == 3552);
}

TEST_CASE("golden forward and gradient values") {
  Tiny tiny_model(tiny());
  std::vector<std::int32_t> levels;
  const auto batch = tiny_batch(levels);

  const A cell = tiny_model.model.embed(batch);
  const double expected_cell[] = {0.2957157537,
                                  0.0862434037,
                                  -0.2190175083,
                                  -0.2810207185,
                                  0.2997694903,
                                  0.2134420058,
                                  0.0154709305,
                                  -0.1905924143,
                                  -0.0561883991,
                                  -0.2985719477,
                                  0.0020443920,
                                  0.2989426844,
                                  -0.0175122430,
                                  -0.2760384161,
                                  -0.2279750786,
                                  0.0732949277,
                                  0,
                                  0,
                                  0,
                                  0};
  for (int i = 0; i < 20; ++i) CHECK(std::abs(cell[(1 * 4 + 2) * 20 + i] - expected_cell[i]) < 1e-9);

  thaw::Tape<double> tape(tiny_model.context);
  const auto net = thaw::map_model<V>(tiny_model.model, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  const V out = net(batch);
  const double expected[] = {3.0136144171, 2.9751141759, 3.0006272106, 3.0019384859, 3.0017961723, 2.9637505534,
                             2.9921232751, 2.9903723259, 3.0082522817, 2.9774732563, 2.9959033274, 2.9965977737};
  for (int i = 0; i < 12; ++i) CHECK(std::abs(out[i] - expected[i]) < 1e-9);

  double observed[12], hidden[12];
  int count = 0, hidden_count = 0;
  for (int i = 0; i < 12; ++i) {
    count += ratings[i] > 0;
    hidden_count += ratings[i] > 0 && i % 4 != 1;
  }
  for (int i = 0; i < 12; ++i) {
    observed[i] = ratings[i] > 0 ? 1.0 / count : 0;
    hidden[i] = ratings[i] > 0 && i % 4 != 1 ? 1.0 / hidden_count : 0;
  }
  const A target = A::view(tiny_model.context, ratings, out.shape);
  const V loss = thaw::weighted_squared_error(out, target, A::view(tiny_model.context, observed, out.shape));
  const V hidden_loss = thaw::weighted_squared_error(out, target, A::view(tiny_model.context, hidden, out.shape));
  CHECK(std::abs(loss.item() - 1.981799922210) < 1e-9);
  CHECK(std::abs(hidden_loss.item() - 2.483706283194) < 1e-9);

  const auto g = thaw::gradient(loss, net);
  const A& user = g.user_attributes[0].table;
  const A& item = g.item_attributes[0].table;
  // The first three numbers of a (width, rows) table are row 0 .. 2 of our first column.
  const double user_gradient[] = {0.002209430789, 0.0001639357254, 0.009304166276};
  const double item_gradient[] = {-0.01769283184, 0.07879669517, 0.002263034272};
  const double decoder_gradient[] = {-1.411922401, -0.6595211063, 0.3418891671};
  for (int i = 0; i < 3; ++i) {
    CHECK(std::abs(user[i * 4] - user_gradient[i]) < 1e-9);
    CHECK(std::abs(item[i * 4] - item_gradient[i]) < 1e-9);
    CHECK(std::abs(g.decoder.weight[i] - decoder_gradient[i]) < 1e-9);
  }
  const auto& first = g.blocks[0].items;
  CHECK(std::abs(norm(first.query.weight) - 0.000792990574835) < 1e-9);
  CHECK(std::abs(norm(first.key.weight) - 0.000873143647016) < 1e-9);
  CHECK(std::abs(norm(first.value.weight) - 0.0946192423519) < 1e-9);
  CHECK(std::abs(norm(first.residual.weight) - 0.275605459681) < 1e-9);
  CHECK(std::abs(norm(first.contract.weight) - 0.74123917471) < 1e-9);
  double squares = 0;
  thaw::for_each_tensor([&](const thaw::Path&, const A& a) { squares += norm(a) * norm(a); }, g);
  CHECK(std::abs(std::sqrt(squares) - 6.73985733022) < 1e-9);
}
