// CVAR (Zhao et al., SIGIR 2022): an autoencoder of item vectors whose latent variable has a prior from the item's own
// side information; a new item's vector is decoded from that prior, and again after every slice it has learnt from.
//
//   encoder: z ~ N(mean(v), sd(v)), prior: z_p ~ N(mean(side), sd(side)), v_warm = decoder([z_p ; frequency])
//   loss = BCE(base(v_warm)) + |decoder([z ; frequency]) - v|^2 + 1e-4 W2(encoder, prior)
//
//   mwuf::Cvar method(*base, world, {});
//   method.learn();
//
// The side information has tables of its own, and as in the published code one of them is of item ids: a new item's row
// there is at its random start when the item arrives and learns in each slice. Frequency is how often the item has been
// seen before the impression; the published code takes the item's final count, which is not known when it matters.
#pragma once

#include "mwuf/method.hpp"

namespace mwuf {

template <Value P>
struct CvarInput {
  P vectors;    // (rows, width) of the ids
  P frequency;  // (rows, 1)
  P noise;      // (rows, 2 width), standard normal
};

template <Value T>
struct CvarNetwork {
  thaw::FieldTable<T> side;
  T side_ids;                      // (items, side width)
  thaw::Linear<T> encoder, prior;  // to (mean, log variance)
  thaw::Linear<T> decoder;         // [z ; frequency] -> a vector
  std::uint32_t item_fields = 0;

  struct Output {
    T warm, restored, distance;  // (rows, width), (rows, width), a scalar
  };
  Output operator()(const ClickBatch<>& batch, const CvarInput<thaw::Plain<T>>& in) const {
    const Index width = decoder.bias.shape[0];
    const T code = encoder(in.vectors);
    const T own = thaw::look_up(side_ids, thaw::Bags{batch.item, nullptr, batch.rows});
    const T expected = prior(thaw::concat({side(side.bags(batch.field, batch.rows, item_fields)), own}, 1));
    const T sd = deviation(code), expected_sd = deviation(expected);
    const T apart =
        thaw::add(thaw::square(thaw::sub(thaw::slice(code, 1, 0, width), thaw::slice(expected, 1, 0, width))),
                  thaw::square(thaw::sub(sd, expected_sd)));
    return {decode(expected, expected_sd, in, 0), decode(code, sd, in, width), thaw::sum(apart)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("side", m.side...), visit("side_ids", m.side_ids...);
    visit("encoder", m.encoder...), visit("prior", m.prior...), visit("decoder", m.decoder...);
    visit("item_fields", m.item_fields...);
  }

 private:
  static constexpr double kNoise = 1e-4;

  T deviation(const T& code) const {
    const Index width = decoder.bias.shape[0];
    return thaw::exp(thaw::scale(thaw::slice(code, 1, width, width), 0.5));
  }
  T decode(const T& code, const T& sd, const CvarInput<thaw::Plain<T>>& in, Index noise_from) const {
    const Index width = decoder.bias.shape[0];
    const auto noise = thaw::scale(thaw::slice(in.noise, 1, noise_from, width), kNoise);
    const T z = thaw::add(thaw::slice(code, 1, 0, width), thaw::mul(sd, noise));
    return decoder(thaw::concat({z, thaw::lift(in.frequency, z)}, 1));
  }
};

struct CvarOptions {
  double rate = 1e-3;
  Index batch = 2048;
  int epochs = 1;          // over old items
  int repeats = 10;        // steps a batch
  int slice_epochs = 2;    // over each slice of new items
  double distance = 1e-4;  // weight of W2
  Index side_width = 16;
};

inline CvarNetwork<Spec> cvar_spec(const FieldPlan& plan, Index width, const CvarOptions& options) {
  CvarNetwork<Spec> out;
  thaw::FieldLayout layout;
  for (int f = 0; f < plan.count; ++f) {
    layout.add(plan.fields[f].kind, plan.fields[f].values);
    if (plan.fields[f].side == Side::item) out.item_fields |= 1u << f;
  }
  out.side = thaw::field_table_spec(layout, options.side_width);
  out.encoder = thaw::linear_spec(width, 2 * width);
  out.side_ids = Spec{{plan.items, options.side_width}, {thaw::Init::Kind::normal, 0.01}};
  out.side_ids.row_table = true;
  out.prior = thaw::linear_spec((out.side.selected(out.item_fields) + 1) * options.side_width, 2 * width);
  out.decoder = thaw::linear_spec(width + 1, width);
  for (thaw::Linear<Spec>* layer : {&out.encoder, &out.prior, &out.decoder})
    layer->weight.init = layer->bias.init = {thaw::Init::Kind::uniform, 0.01};
  return out;
}

class Cvar final : public WarmUp {
 public:
  Cvar(ClickBase& base, const ClickWorld& world, const CvarOptions& options)
      : WarmUp(base, world),
        options_(options),
        network_(cvar_spec(world.task->plan, base.width(), options), world.seed + 33, 1),
        seen_(static_cast<std::size_t>(base.items()), 0),
        rng_(world.seed, 41) {}

  void learn() override {
    const std::span<float> table = base_.item_table();
    std::copy(table.begin(), table.end(), ids_.values().begin());
    std::vector<std::int32_t> order(world_.old_rows().begin(), world_.old_rows().end());
    for (int e = 0; e < options_.epochs; ++e) {
      std::fill(seen_.begin(), seen_.end(), 0);
      shuffle(order, world_.seed, 500 + static_cast<std::uint64_t>(e));
      each_batch(order, options_.batch, [&](Rows rows) {
        learn_batch(batches_.fill(rows), options_.repeats);
        count(rows);
      });
    }
    network_.keep();
  }
  void arrive() override {
    WarmUp::arrive();
    network_.bring_back();
    std::fill(seen_.begin(), seen_.end(), 0);
    overwrite();
  }
  void observe(Rows rows) override { count(rows); }
  void fit(Rows rows, const FineTuning& tuning) override {
    WarmUp::fit(rows, tuning);
    for (int e = 0; e < options_.slice_epochs; ++e)
      each_batch(rows, options_.batch, [&](Rows part) { learn_batch(batches_.fill(part), options_.repeats); });
    overwrite();
  }

 private:
  void count(Rows rows) {
    for (const std::int32_t r : rows) ++seen_[static_cast<std::size_t>(world_.item_of(r))];
  }
  // What the network makes of the batch that was read.
  template <class Net>
  auto output(const Net& net, Backend::Context& context, const ClickBatch<>& batch) const {
    const auto view = [&](const std::vector<float>& data, Index width) {
      return FloatArray::view(context, data.data(), {batch.rows, width});
    };
    return net(batch, CvarInput<FloatArray>{view(vectors_, base_.width()), view(frequency_, 1),
                                            view(noise_, 2 * base_.width())});
  }
  void read(const ClickBatch<>& batch, bool noisy) {
    const auto rows = static_cast<std::size_t>(batch.rows), width = static_cast<std::size_t>(base_.width());
    vectors_.resize(rows * width), frequency_.resize(rows), noise_.resize(2 * rows * width), warm_.resize(rows * width);
    gradient_.resize(rows * width);
    ids_.read(batch.item, batch.rows, vectors_.data());
    for (std::size_t i = 0; i < rows; ++i)
      frequency_[i] = batch.item[i] < 0
                          ? 0.0f
                          : 0.1f * std::log1p(static_cast<float>(seen_[static_cast<std::size_t>(batch.item[i])]));
    for (float& x : noise_) x = noisy ? static_cast<float>(rng_.normal()) : 0.0f;
  }
  void decode(const ClickBatch<>& batch) {
    network_.run([&](const auto& net, Backend::Context& context) {
      const FloatArray warm = output(net, context, batch).warm;
      std::copy(warm.begin(), warm.end(), warm_.begin());
    });
  }
  void learn_batch(const ClickBatch<>& batch, int repeats) {
    for (int k = 0; k < repeats; ++k) {
      read(batch, true);
      decode(batch);
      base_.item_gradient(batch, warm_.data(), gradient_.data());
      network_.step(options_.rate, [&](const auto& net, FloatTape& tape) {
        const auto out = output(net, tape.context(), batch);
        const auto view = [&](const std::vector<float>& data) {
          return FloatArray::view(tape.context(), data.data(), {batch.rows, base_.width()});
        };
        const FloatVar clicks = thaw::sum(thaw::mul(out.warm, view(gradient_)));
        const FloatVar restored = thaw::scale(thaw::sum(thaw::square(thaw::sub(out.restored, view(vectors_)))),
                                              1.0 / static_cast<double>(batch.rows));
        return thaw::add(thaw::add(clicks, restored), thaw::scale(out.distance, options_.distance));
      });
    }
  }
  // New items' vectors become what the prior decodes to.
  void overwrite() {
    each_batch(world_.new_items(), 1024, [&](Rows items) {
      const ClickBatch<> batch = batches_.request(-1, items, {});
      read(batch, false);
      decode(batch);
      for (std::size_t i = 0; i < items.size(); ++i)
        std::copy_n(warm_.data() + i * static_cast<std::size_t>(base_.width()), base_.width(), ids_.row(items[i]));
    });
  }

  CvarOptions options_;
  TrainedNetwork<CvarNetwork<Spec>> network_;
  std::vector<std::int32_t> seen_;
  thaw::Philox rng_;
  std::vector<float> frequency_, noise_, warm_;
};

}  // namespace mwuf
