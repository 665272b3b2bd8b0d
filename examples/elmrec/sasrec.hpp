// SASRec: what a user takes next from what she took before, by self-attention over items (Kang and McAuley, ICDM 2018).
//
//   elmrec::SasRec model(data.items, {.width = 64});
//   for (int epoch = 0; epoch < 50; ++epoch) double loss = model.epoch(data);
//   auto hidden = model.read(test);                                      // one vector a question
//   elmrec::Quality q = elmrec::rank_all(test, elmrec::QuestionScorer(model.item_vectors(), hidden, 64), items);
//
//   x = dropout(item[i_t] + position[t])
//   blocks times:  x = x + dropout(attention(norm(x)), the past only);  x = x + dropout(relu(norm(x) W1 + b1) W2 + b2)
//   score of item j after t = norm(x_t) . item[j]
//
// Differs from the published program where that is better: softmax cross-entropy over the next item and many negatives
// that a batch shares (or over all items, `negatives` = 0) in place of one negative and a logistic loss, and norms in
// front of both parts of a block. Learns from the training parts alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "elmrec/evaluation.hpp"
#include "elmrec/shared_negatives.hpp"
#include "thaw/autodiff/gradient.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/attention.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/optim/adam.hpp"

namespace elmrec {

using thaw::Index;

struct SasRecOptions {
  Index width = 64, heads = 2, longest = 50;
  int blocks = 2;
  double dropout = 0.5;
  Index batch = 128;       // users
  Index negatives = 2048;  // shared by a batch; 0: all items
  double rate = 1e-3;
  double decay = 0;  // AdamW
  std::uint64_t seed = 1;
  int threads = 1;
};

template <thaw::Value T>
struct SasRecBlock {
  thaw::LayerNorm<T> norm_past, norm_hidden;
  thaw::MultiHeadAttention<T> attention;
  thaw::Linear<T> expand, contract;

  // x (users, steps, 1, width), mask (steps, steps)
  template <class Mask>
  T operator()(const T& x, const Mask& mask, thaw::DropoutRule rule) const {
    const T past = norm_past(x);
    const T y = thaw::add(x, thaw::dropout(attention(past, past, mask, rule), next(rule)));
    return thaw::add(
        y, thaw::dropout(contract(thaw::dropout(thaw::relu(expand(norm_hidden(y))), next(rule))), next(rule)));
  }
  static void each(auto&& visit, auto&... m) {
    visit("norm_past", m.norm_past...);
    visit("norm_hidden", m.norm_hidden...);
    visit("attention", m.attention...);
    visit("expand", m.expand...);
    visit("contract", m.contract...);
  }

 private:
  static thaw::DropoutRule next(thaw::DropoutRule& rule) {
    ++rule.site;
    return rule;
  }
};

template <thaw::Value T>
struct SasRecNetwork {
  thaw::Embedding<T> items, positions;
  thaw::Several<SasRecBlock<T>, 8> blocks;
  thaw::LayerNorm<T> norm;

  // ids and places (users * steps), -1 behind the end of a history -> (users * steps, width)
  template <class Mask>
  T operator()(const thaw::Bags& ids, const thaw::Bags& places, const Mask& mask, thaw::DropoutRule rule) const {
    const Index steps = mask.shape[0], users = ids.count / steps, width = items.table.shape[1];
    T x = thaw::dropout(thaw::add(items(ids), positions(places)), rule);
    x = thaw::reshape(x, {users, steps, 1, width});
    for (int b = 0; b < blocks.count; ++b) {
      rule.site = static_cast<std::uint32_t>(16 * (b + 1));
      x = blocks[b](x, mask, rule);
    }
    return thaw::reshape(norm(x), {users * steps, width});
  }
  static void each(auto&& visit, auto&... m) {
    visit("items", m.items...);
    visit("positions", m.positions...);
    visit("blocks", m.blocks...);
    visit("norm", m.norm...);
  }
};

inline SasRecNetwork<thaw::Spec> sasrec_plan(std::int32_t items, const SasRecOptions& o) {
  const auto table = [&](Index rows, double deviation) {
    return thaw::Embedding<thaw::Spec>{thaw::Spec{{rows, o.width}, {thaw::Init::Kind::normal, deviation}}};
  };
  SasRecNetwork<thaw::Spec> plan{table(items, 1 / std::sqrt(static_cast<double>(o.width))),
                                 table(o.longest, 0.02),
                                 {},
                                 thaw::layer_norm_spec(o.width)};
  for (int b = 0; b < o.blocks; ++b)
    plan.blocks.push({thaw::layer_norm_spec(o.width), thaw::layer_norm_spec(o.width),
                      thaw::attention_spec(o.width, o.heads), thaw::linear_spec(o.width, o.width),
                      thaw::linear_spec(o.width, o.width)});
  return plan;
}

class SasRec {
 public:
  using Backend = thaw::CpuEigen;
  using A = thaw::Array<float, Backend>;
  using V = thaw::Var<float, Backend>;
  using Plan = SasRecNetwork<thaw::Spec>;

  SasRec(std::int32_t items, const SasRecOptions& o)
      : o_(o),
        items_(items),
        weights_{&weight_arena_, o.threads},
        context_{&arena_, o.threads},
        parameters_(sasrec_plan(items, o), weights_, o.seed),
        tape_(context_),
        adam_(parameters_, {.decay = o.decay}) {}

  std::int64_t parameter_count() const { return thaw::parameter_count(parameters_.values()); }
  std::span<const float> item_vectors() const {
    const A& table = parameters_.values().items.table;
    return {table.data, static_cast<std::size_t>(table.size())};
  }
  // All weights, to keep the best ones.
  std::vector<float> weights() const {
    const A& block = parameters_.dense_block();
    return {block.begin(), block.end()};
  }
  void set_weights(std::span<const float> from) {
    thaw::require(static_cast<Index>(from.size()) == parameters_.dense_block().size(), "SasRec: ", from.size(),
                  " weights for ", parameters_.dense_block().size());
    std::copy(from.begin(), from.end(), parameters_.dense_block().begin());
  }

  // One pass over all users with two training items or more, users of about one length together. The mean loss.
  double epoch(const thaw::ItemSequences& data) {
    const std::vector<std::vector<std::int32_t>> batches = batches_of(data);
    double sum = 0;
    for (const std::vector<std::int32_t>& users : batches) sum += step(data, users);
    ++epochs_;
    return batches.empty() ? 0 : sum / static_cast<double>(batches.size());
  }
  double step(const thaw::ItemSequences& data, std::span<const std::int32_t> users) {
    thaw::Scope scope(tape_);
    const auto longest = static_cast<std::size_t>(o_.longest);
    std::vector<std::span<const std::int32_t>> histories;
    std::size_t steps = 1;
    for (const std::int32_t user : users) {
      const auto train = data.train(user);
      histories.push_back(train.last((std::min)(train.size(), longest + 1)));
      steps = (std::max)(steps, histories.back().size() - 1);
    }
    Batch batch = make_batch(histories, static_cast<Index>(steps), 1);
    targets_.clear(), rows_.clear();
    for (std::size_t u = 0; u < histories.size(); ++u)
      for (std::size_t t = 0; t + 1 < histories[u].size(); ++t) {
        rows_.push_back(static_cast<std::int32_t>(u * steps + t));
        targets_.push_back(histories[u][t + 1]);
      }
    const auto net = parameters_.on(tape_);
    const thaw::Key key = thaw::Key{o_.seed}.fold(0x64726f70).fold(static_cast<std::uint64_t>(adam_.steps()));
    const V all = net(batch.ids, batch.places, batch.mask, thaw::DropoutRule::make(o_.dropout, key, 0));
    const V hidden = thaw::gather(all, thaw::Bags{rows_.data(), nullptr, static_cast<Index>(rows_.size()), false});
    const V loss = o_.negatives > 0 ? sampled_loss(net, hidden) : full_loss(net, hidden);
    adam_.step(parameters_, parameters_.gradient(loss), o_.rate);
    return static_cast<double>(loss.item());
  }

  // (questions, width): what each question's history leads to; zeros for an empty one.
  std::vector<float> read(const Questions& questions) {
    std::vector<std::span<const std::int32_t>> histories;
    std::vector<float> out(questions.list.size() * static_cast<std::size_t>(o_.width), 0.0f);
    constexpr std::size_t kTogether = 64;
    for (std::size_t begin = 0; begin < questions.list.size(); begin += kTogether) {
      thaw::ArenaScope scope(arena_);
      const std::size_t end = (std::min)(questions.list.size(), begin + kTogether);
      histories.clear();
      std::size_t steps = 1;
      for (std::size_t q = begin; q < end; ++q) {
        const auto history = questions.list[q].history;
        histories.push_back(history.last((std::min)(history.size(), static_cast<std::size_t>(o_.longest))));
        steps = (std::max)(steps, histories.back().size());
      }
      const Batch batch = make_batch(histories, static_cast<Index>(steps), 0);
      const auto net =
          thaw::map_unnamed<A>(parameters_.values(), [&](const A& a) { return A::view(context_, a.data, a.shape); });
      const A all = net(batch.ids, batch.places, batch.mask, thaw::DropoutRule{});
      for (std::size_t q = begin; q < end; ++q) {
        const std::size_t length = histories[q - begin].size();
        if (length == 0) continue;
        const auto row = static_cast<Index>((q - begin) * steps + length - 1) * o_.width;
        std::copy_n(all.data + row, o_.width, out.data() + q * static_cast<std::size_t>(o_.width));
      }
    }
    return out;
  }

 private:
  struct Batch {
    thaw::Bags ids, places;
    A mask;  // (steps, steps): 0, or kMasked for the future
  };

  // Histories one below the other, padded behind; the last `held_out` items of each are no input.
  Batch make_batch(std::span<const std::span<const std::int32_t>> histories, Index steps, std::size_t held_out) {
    const auto cells = static_cast<Index>(histories.size()) * steps;
    auto* ids = arena_.take<std::int32_t>(cells);
    auto* places = arena_.take<std::int32_t>(cells);
    for (std::size_t u = 0; u < histories.size(); ++u)
      for (Index t = 0; t < steps; ++t) {
        const bool real = t + static_cast<Index>(held_out) < static_cast<Index>(histories[u].size());
        const Index cell = static_cast<Index>(u) * steps + t;
        ids[cell] = real ? histories[u][static_cast<std::size_t>(t)] : -1;
        places[cell] = real ? static_cast<std::int32_t>(t) : -1;
      }
    Batch batch{{ids, nullptr, cells, false}, {places, nullptr, cells, false}, A::make(context_, {steps, steps})};
    for (Index t = 0; t < steps; ++t)
      for (Index s = 0; s < steps; ++s) batch.mask[t * steps + s] = s <= t ? 0.0f : static_cast<float>(thaw::kMasked);
    return batch;
  }

  std::vector<std::vector<std::int32_t>> batches_of(const thaw::ItemSequences& data) const {
    struct Place {
      std::size_t length;
      double tie;
      std::int32_t user;
    };
    thaw::Philox rng(thaw::Key{o_.seed}.fold(0x65706f6368).bits, static_cast<std::uint64_t>(epochs_));
    std::vector<Place> places;
    for (std::int32_t user = 0; user < data.users(); ++user)
      if (data.train(user).size() >= 2)
        places.push_back(
            {(std::min)(data.train(user).size(), static_cast<std::size_t>(o_.longest)), rng.uniform(), user});
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
      return a.length != b.length ? a.length < b.length : a.tie < b.tie;
    });
    std::vector<std::vector<std::int32_t>> batches;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (i % static_cast<std::size_t>(o_.batch) == 0) batches.emplace_back();
      batches.back().push_back(places[i].user);
    }
    rng.shuffle(batches);
    return batches;
  }

  template <class Net>
  V full_loss(const Net& net, const V& hidden) {
    return thaw::cross_entropy(thaw::matmul(hidden, net.items.table, thaw::Transpose::second), targets_.data());
  }
  template <class Net>
  V sampled_loss(const Net& net, const V& hidden) {
    thaw::Philox rng(thaw::Key{o_.seed}.fold(0x6e65676174697665).bits, static_cast<std::uint64_t>(adam_.steps()));
    negatives_.draw(items_, o_.negatives, rng);
    const V others = thaw::gather(net.items.table, negatives_.bags());
    const V own =
        thaw::gather(net.items.table, thaw::Bags{targets_.data(), nullptr, static_cast<Index>(targets_.size()), false});
    return negatives_.loss(context_, hidden, own, others, targets_);
  }

  SasRecOptions o_;
  std::int32_t items_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Parameters<Plan, float, Backend> parameters_;
  thaw::Tape<float, Backend> tape_;
  thaw::Adam<float, Backend> adam_;
  std::int64_t epochs_ = 0;
  SharedNegatives negatives_;
  std::vector<std::int32_t> targets_, rows_;
};

}  // namespace elmrec
