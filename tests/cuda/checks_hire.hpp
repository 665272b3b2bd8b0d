// Checks of a whole model: the golden values of HIRE's tiny configuration, and its training beside the host's.
#pragma once

#include <hire/model.hpp>

#include "tests/cuda/report.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"

namespace device_checks {

inline hire::Settings tiny_hire() {
  hire::Settings s;
  s.user_attributes = s.item_attributes = 2;
  s.user_cardinality[0] = 3, s.user_cardinality[1] = 2;
  s.item_cardinality[0] = 4, s.item_cardinality[1] = 3;
  s.width = 4, s.heads = 2, s.blocks = 2;
  return s;
}

namespace tiny_ids {
inline constexpr std::int32_t kUser0[] = {0, 2, 1}, kUser1[] = {1, 0, 1};
inline constexpr std::int32_t kItem0[] = {1, 0, 2, 3, 2}, kItem0Offsets[] = {0, 1, 3, 4, 5}, kItem1[] = {2, 0, 1, 1};
inline constexpr std::int32_t kLevels[] = {-1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1};
}  // namespace tiny_ids

// One context of three users and four items; of the ratings only those of the second item are shown.
template <class R>
hire::Batch<R> tiny_hire_batch() {
  hire::Batch<R> batch;
  batch.contexts = 1, batch.users = 3, batch.items = 4;
  batch.user[0] = {tiny_ids::kUser0, nullptr, 3};
  batch.user[1] = {tiny_ids::kUser1, nullptr, 3};
  batch.item[0] = {tiny_ids::kItem0, tiny_ids::kItem0Offsets, 4, true};
  batch.item[1] = {tiny_ids::kItem1, nullptr, 4};
  batch.rating = {tiny_ids::kLevels, nullptr, 12};
  return batch;
}
inline const Numbers& tiny_hire_ratings() {
  static const Numbers ratings = {4, 2, 0, 5, 0, 3, 1, 0, 5, 0, 4, 2};
  return ratings;
}

// The order in which the golden program numbers its tensors: fn(tensor, is a table, is the weight of a norm).
template <class M, class Fn>
void in_golden_order(M& model, const Fn& fn) {
  const auto pair = [&](auto& layer, bool norm) {
    fn(layer.weight, false, norm);
    fn(layer.bias, false, false);
  };
  for (auto* side : {&model.user_attributes, &model.item_attributes})
    for (int i = 0; i < side->count; ++i) fn((*side)[i].table, true, false);
  fn(model.rating.table, true, false);
  pair(model.input_norm, true);
  for (int b = 0; b < model.blocks.count; ++b)
    for (auto* layer : {&model.blocks[b].items, &model.blocks[b].users, &model.blocks[b].attributes}) {
      for (auto* part : {&layer->query, &layer->key, &layer->value, &layer->output, &layer->residual})
        pair(*part, false);
      pair(layer->norm_query, true);
      pair(layer->norm_hidden, true);
      pair(layer->expand, false);
      pair(layer->contract, false);
    }
  pair(model.decoder, false);
}

// Values and gradients of tests/examples/hire_golden_test.cpp, which an independent program computed.
template <class B, class R>
void check_hire_golden(Side<B, R> side) {
  thaw::ContextScope<typename B::Context> memory(side.context);
  const Arrays<B, R> arrays{side.context};
  using A = thaw::Array<R, B>;
  auto model = thaw::map_model<A>(hire::make_plan(tiny_hire()), [&](const thaw::Path&, const thaw::Spec& s) {
    return A::make(side.context, s.shape);
  });
  int q = 0;
  in_golden_order(model, [&](A& t, bool table, bool norm) {
    Numbers values(static_cast<std::size_t>(t.size()));
    for (Index i = 0; i < t.size(); ++i) {
      const Index at = table ? (i % t.shape[0]) * t.shape[1] + i / t.shape[0] : i;
      const double wave = std::sin(1 + 0.37 * static_cast<double>(i) + 0.61 * q);
      values[static_cast<std::size_t>(at)] = norm ? 1 + 0.1 * wave : 0.3 * wave;
    }
    t = arrays.make(t.shape, values);
    ++q;
  });
  thaw::Tape<R, B> tape(side.context);
  const auto net = thaw::map_unnamed<thaw::Var<R, B>>(model, [&](const A& a) { return tape.leaf(a); });
  const auto out = net(tiny_hire_batch<R>());
  const Numbers expected = {3.0136144171, 2.9751141759, 3.0006272106, 3.0019384859, 3.0017961723, 2.9637505534,
                            2.9921232751, 2.9903723259, 3.0082522817, 2.9774732563, 2.9959033274, 2.9965977737};
  const double bound = sizeof(R) == 4 ? 1e-5 : 1e-9;
  side.report.add(std::string("HIRE, golden ratings") + side.type(), error_of(arrays.read(out.array()), expected),
                  bound);
  Numbers observed;
  for (const double r : tiny_hire_ratings()) observed.push_back(r > 0 ? 1.0 / 8 : 0);
  const auto loss =
      thaw::weighted_squared_error(out, arrays.make(out.shape, tiny_hire_ratings()), arrays.make(out.shape, observed));
  side.report.add(std::string("HIRE, golden loss") + side.type(),
                  std::fabs(static_cast<double>(loss.item()) / 1.981799922210 - 1), bound);
  double squares = 0;
  const auto g = thaw::gradient(loss, net);
  thaw::for_each_unnamed([&](const A& a) { squares += B::sum_of_squares(side.context, a.size(), a.data); }, g);
  side.report.add(std::string("HIRE, golden gradient norm") + side.type(),
                  std::fabs(std::sqrt(squares) / 6.73985733022 - 1), bound);
}

// The losses of training steps with dropout, clipping, LAMB and Lookahead.
template <class B, class R>
Numbers hire_curve(typename B::Context& context, int steps) {
  thaw::ContextScope<typename B::Context> memory(context);
  const Arrays<B, R> arrays{context};
  thaw::Parameters<hire::Hire<thaw::Spec>, R, B> parameters(hire::make_plan(tiny_hire()), context, 3);
  thaw::Lookahead<thaw::Lamb<R, B>, R, B> optimizer(parameters, {.every = 6, .share = 0.5});
  thaw::Tape<R, B> tape(context);
  Numbers observed, losses;
  for (const double r : tiny_hire_ratings()) observed.push_back(r > 0 ? 1.0 / 8 : 0);
  for (int step = 0; step < steps; ++step) {
    thaw::Scope scope(tape);
    thaw::Var<R, B> loss;
    thaw::GradientList<R, B> gradients;
    thaw::run_as_one(context, [&] {
      const auto net = parameters.on(tape);
      const auto rule = thaw::DropoutRule::make(0.1, thaw::Key{9}.fold(static_cast<std::uint64_t>(step)), 0);
      const auto out = net(tiny_hire_batch<R>(), rule);
      loss = thaw::weighted_squared_error(out, arrays.make(out.shape, tiny_hire_ratings()),
                                          arrays.make(out.shape, observed));
      gradients = parameters.gradient(loss);
    });
    thaw::clip_norm(gradients, 1.0);
    optimizer.step(parameters, gradients, 5e-3);
    losses.push_back(static_cast<double>(loss.item()));
  }
  return losses;
}

template <class B, class R>
void check_hire(Side<B, R> side) {
  check_hire_golden(side);
  thaw::GrowingArena arena;
  thaw::Cpu::Context host{&arena};
  constexpr int kSteps = 30;
  const Numbers got = hire_curve<B, R>(side.context, kSteps), expected = hire_curve<thaw::Cpu, double>(host, kSteps);
  side.report.add(std::string("HIRE, losses of 30 training steps") + side.type(), error_of(got, expected),
                  sizeof(R) == 4 ? 1e-3 : 1e-9);
  // A curve that does not move would agree with anything.
  side.report.add(std::string("HIRE, last loss over first") + side.type(), got.back() / got.front(), 0.9);
}

}  // namespace device_checks
