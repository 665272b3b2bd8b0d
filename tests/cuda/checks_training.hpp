// Checks of training: start values, dropout masks, optimisers, clipping, models that move between host and device.
#pragma once

#include "tests/cuda/checks_graph.hpp"
#include "tests/cuda/report.hpp"
#include "thaw/backend/cuda/transfer.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/sgd.hpp"

namespace device_checks {

// A table that is stepped by rows, and dense layers behind it.
template <thaw::Value T>
struct Scorer {
  thaw::Embedding<T> items;
  thaw::Mlp<T> net;

  T operator()(const thaw::Bags& bags) const { return net(items(bags)); }
  static void each(auto&& visit, auto&... m) { visit("items", m.items...), visit("net", m.net...); }
};

inline Scorer<thaw::Spec> scorer_plan(bool by_rows) {
  Scorer<thaw::Spec> plan{thaw::embedding_spec(40, 12), thaw::mlp_spec({12, 30, 1}, thaw::Activation::relu)};
  plan.items.table.row_table = by_rows;
  return plan;
}

// All weights of a model, one after another.
template <class B, class R, class P>
Numbers weights_of(P& parameters) {
  const Arrays<B, R> arrays{parameters.context()};
  Numbers out;
  for (int i = 0; i < parameters.count(); ++i) {
    const Numbers more = arrays.read(parameters.slot(i).value);
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

// Weights after a few steps on batches that touch other rows each time.
template <class B, class R, class Make>
Numbers trained(typename B::Context& context, bool by_rows, double clip, const Make& make) {
  thaw::ContextScope<typename B::Context> memory(context);
  const Arrays<B, R> arrays{context};
  thaw::Parameters<Scorer<thaw::Spec>, R, B> parameters(scorer_plan(by_rows), context, 7);
  auto optimizer = make(parameters);
  thaw::Tape<R, B> tape(context);
  thaw::Philox rng(5);
  for (int step = 0; step < 8; ++step) {
    thaw::Scope scope(tape);
    std::int32_t ids[48], offsets[17];
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.below(41)) - 1;
    for (int s = 0; s <= 16; ++s) offsets[s] = 3 * s;
    const auto net = parameters.on(tape);
    const auto target = arrays.make({16, 1}, draw<float>(Input{16, 1}, 300 + static_cast<std::uint64_t>(step)));
    const auto loss = thaw::mean(thaw::square(thaw::sub(net(thaw::Bags{ids, offsets, 16, true}), target)));
    auto gradients = parameters.gradient(loss);
    if (clip > 0) thaw::clip_norm(gradients, clip), thaw::clip_value(gradients, clip / 4);
    optimizer.step(parameters, gradients, 1e-2);
  }
  return weights_of<B, R>(parameters);
}

template <class R>
struct Makers {
  template <class B>
  static auto sgd(auto& p) {
    return thaw::Sgd<R, B>(p, {.momentum = 0.9});
  }
  template <class B>
  static auto adam(auto& p) {
    return thaw::Adam<R, B>(p, {.decay = 0.01});
  }
  template <class B>
  static auto lamb(auto& p) {
    return thaw::Lookahead<thaw::Lamb<R, B>, R, B>(p, {.every = 3}, thaw::LambOptions{.epsilon = 1e-3, .decay = 0.01});
  }
};

template <class B, class R>
void check_optimizers(Side<B, R> side) {
  thaw::GrowingArena arena;
  thaw::Cpu::Context host{&arena};
  const double bound = sizeof(R) == 4 ? 1e-4 : 1e-10;  // after eight steps
  const auto hold = [&](const char* name, bool by_rows, double clip, const auto& on_device, const auto& on_host) {
    const Numbers got = trained<B, R>(side.context, by_rows, clip, on_device);
    const Numbers expected = trained<thaw::Cpu, double>(host, by_rows, clip, on_host);
    side.report.add(std::string(name) + side.type(), error_of(got, expected), bound);
  };
  using Host = Makers<double>;
  using Here = Makers<R>;
  const auto sgd = [](auto& p) { return Here::template sgd<B>(p); };
  const auto adam = [](auto& p) { return Here::template adam<B>(p); };
  const auto lamb = [](auto& p) { return Here::template lamb<B>(p); };
  const auto host_sgd = [](auto& p) { return Host::template sgd<thaw::Cpu>(p); };
  const auto host_adam = [](auto& p) { return Host::template adam<thaw::Cpu>(p); };
  const auto host_lamb = [](auto& p) { return Host::template lamb<thaw::Cpu>(p); };
  hold("sgd with momentum", false, 0, sgd, host_sgd);
  hold("sgd on touched rows", true, 0, sgd, host_sgd);
  hold("adam", false, 0, adam, host_adam);
  hold("adam on touched rows", true, 0, adam, host_adam);
  hold("adam, clipped", true, 0.5, adam, host_adam);
  hold("lamb and lookahead", false, 0, lamb, host_lamb);
}

// What must be the same bit for bit.
template <class B, class R>
void check_exact(Side<B, R> side) {
  thaw::GrowingArena arena;
  thaw::Cpu::Context host{&arena};
  thaw::ContextScope<typename B::Context> memory(side.context);
  const Arrays<B, R> here{side.context};
  const Arrays<thaw::Cpu, R> there{host};
  const auto add = [&](const char* name, const Numbers& got, const Numbers& expected) {
    side.report.add(std::string(name) + side.type(), error_of(got, expected), 0);
  };
  thaw::Parameters<Scorer<thaw::Spec>, R, B> parameters(scorer_plan(true), side.context, 7);
  thaw::Parameters<Scorer<thaw::Spec>, R> beside(scorer_plan(true), host, 7);
  add("start values", weights_of<B, R>(parameters), weights_of<thaw::Cpu, R>(beside));

  const auto rule = thaw::DropoutRule::make(0.25, thaw::Key{42}, 3);
  const Numbers ones(999 * 13, 1);
  add("dropout masks", here.read(thaw::dropout(here.make({999, 13}, ones), rule)),
      there.read(thaw::dropout(there.make({999, 13}, ones), rule)));

  const auto fetched = thaw::fetch_model<thaw::Cpu, R>(host, parameters.values());
  thaw::Parameters<Scorer<thaw::Spec>, R, B> other(scorer_plan(true), side.context, 8);
  thaw::send_model(fetched, other.values());
  add("a model fetched and sent", weights_of<B, R>(other), weights_of<B, R>(parameters));

  const Numbers x = draw<R>(Input{100003}, 9);
  double squares = 0;
  for (const double v : x) squares += v * v;
  const auto array = here.make({100003}, x);
  side.report.add(std::string("sum_of_squares") + side.type(),
                  std::fabs(B::sum_of_squares(side.context, array.size(), array.data) / squares - 1), 1e-12);
}

template <class B, class R>
void check_training(Side<B, R> side) {
  check_optimizers(side);
  check_exact(side);
  check_graph(side);
}

}  // namespace device_checks
