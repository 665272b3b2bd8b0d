// A matching network over a user's support: the stand-in for Mecos (Zheng et al., AAAI 2021), whose program was never
// published and whose equations are known in outline only. Not the published model: its block is that of GMatching
// (Xiong et al., EMNLP 2018), the nearest published relative. Numbers under this name are this stand-in's.
//
//   auto learner = hyperrs::make_matching(world, options);
//   double loss = learner->train(episodes);
//   auto adapted = learner->adapt(user, support, /*steps*/ 1);
//
//   g(x) = LayerNorm(x + W2 ReLU(W1 x + b1) + b2)        S = the codes g of the support, s = their mean
//   (z, c) = LSTM(q, (state, c)); h = q + z[0:D]; a = softmax(h S^T); state = [h, a S]       T times, from zero
//   score = h . s                                         loss = mean max(0, 5 - score(positive) + score(negative))
//
// One user is one task: S encodes her records, q = g(query item). x is the item's attribute rows plus a row of its own
// where it has training records (item_codes.hpp). Nothing adapts by gradients, so `steps` changes nothing; the order of
// the support does not matter, a repeated item counts twice, negatives of the support and ratings are not read. Without
// support s = 0 and all items tie. `paper`: D = 100, as no size is known; `best`: D = options.width. Predicts no
// ratings.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "hyperrs/item_codes.hpp"
#include "hyperrs/trained_model.hpp"
#include "thaw/nn/attention.hpp"
#include "thaw/nn/recurrent.hpp"

namespace hyperrs {

struct MatchingOptions {
  thaw::Index width = 100;  // D
  int rounds = 2;           // T
  double dropout = 0.2;
  double margin = 5;
  double clip = 5;     // of the gradient's norm
  double rate = 1e-3;  // of Adam
  int threads = 1;
  std::uint64_t seed = 1;
};

// Users' supports and queries as index lists: rows of `items` are first the supports, then the queries.
template <class A>
struct MatchingTasks {
  thaw::Index users = 0, supports = 0, longest = 1, queries = 0;
  ItemBags items;
  thaw::Bags padded_support;      // (users * longest) rows of the support codes, none where a user has fewer
  thaw::Bags of_user;             // (users) the mean over the user's support
  thaw::Bags asked_user;          // (queries) whose
  thaw::Bags positive, negative;  // (pairs) rows of the queries
  A mask;                         // (users, longest): 0, or kMasked where there is no support
};

template <thaw::Value T>
struct MatchingNetwork {
  ItemCodes<T> items;
  thaw::Linear<T> expand, contract;
  thaw::LayerNorm<T> norm;
  thaw::LstmCell<T> process;
  int rounds = 2;

  // g, (items, D)
  T encode(const ItemBags& bags, const thaw::DropoutRule& rule) const {
    const T x = items(bags);
    return norm(thaw::add(x, thaw::dropout(contract(thaw::relu(expand(x))), rule)));
  }
  // The score of each query, (queries, 1).
  template <class A>
  T operator()(const MatchingTasks<A>& tasks, const thaw::DropoutRule& rule) const {
    const T all = encode(tasks.items, rule);
    const T support = thaw::slice(all, 0, 0, tasks.supports),
            query = thaw::slice(all, 0, tasks.supports, tasks.queries);
    return match(support, query, tasks);
  }
  // Codes of the supports (supports, D) and the queries (queries, D) -> (queries, 1).
  template <class A>
  T match(const T& support, const T& query, const MatchingTasks<A>& tasks) const {
    const thaw::Index n = tasks.queries, d = query.shape[1], k = tasks.longest;
    const T padded = thaw::reshape(thaw::gather(support, tasks.padded_support), {tasks.users, k * d});
    const T keys = thaw::reshape(thaw::gather(padded, tasks.asked_user), {n, k, d});
    const A hidden = thaw::reshape(thaw::gather(tasks.mask, tasks.asked_user), {n, 1, k});
    const T mean = thaw::gather(thaw::gather(support, tasks.of_user), tasks.asked_user);
    T h = query;
    thaw::LstmState<T> state{zeros(query, {n, 2 * d}), zeros(query, {n, 2 * d})};
    for (int t = 0; t < rounds; ++t) {
      state = process(query, state);
      h = thaw::add(query, thaw::slice(state.hidden, 1, 0, d));
      const T scores = thaw::matmul(thaw::reshape(h, {n, 1, d}), keys, thaw::Transpose::second);
      const T read = thaw::matmul(thaw::softmax(thaw::add(scores, hidden)), keys);
      state.hidden = thaw::concat({h, thaw::reshape(read, {n, d})}, 1);
    }
    return thaw::sum_to(thaw::mul(h, mean), {n, 1});
  }
  static void each(auto&& visit, auto&... m) {
    visit("items", m.items...);
    visit("expand", m.expand...);
    visit("contract", m.contract...);
    visit("norm", m.norm...);
    visit("process", m.process...);
    visit("rounds", m.rounds...);
  }

 private:
  static T zeros(const T& like, const thaw::Shape& shape) {
    using A = typename T::Plain;
    const A out = A::make(*like.context, shape);
    A::Backend::fill(*like.context, out.size(), typename A::Real(0), out.data);
    return thaw::lift_to<T>(out, like);
  }
};

// Builds the lists in the context's arena. Every query item is asked; pairs are query item i against negative i, from
// the front again when there are fewer.
template <class A>
MatchingTasks<A> matching_tasks(const KnownItems& known, std::span<const thaw::Episode> episodes,
                                typename A::Context& context) {
  thaw::Arena& arena = *context.arena;
  MatchingTasks<A> out;
  out.users = static_cast<thaw::Index>(episodes.size());
  thaw::Index pairs = 0;
  for (const thaw::Episode& e : episodes) {
    const auto size = static_cast<thaw::Index>(e.support.items.size());
    out.supports += size;
    out.longest = (std::max)(out.longest, size);
    out.queries += static_cast<thaw::Index>(e.query.items.size() + e.query.negatives.size());
    pairs += e.query.negatives.empty() ? 0 : static_cast<thaw::Index>(e.query.items.size());
  }
  const auto take = [&](thaw::Index count) { return arena.take<std::int32_t>(count); };
  const thaw::Index cells = out.users * out.longest;
  std::int32_t *list = take(out.supports + out.queries), *padded = take(cells), *rows = take(out.supports),
               *offsets = take(out.users + 1), *asked = take(out.queries), *positive = take(pairs),
               *negative = take(pairs);
  out.mask = A::make(context, {out.users, out.longest});
  std::int32_t support = 0, query = 0;
  thaw::Index pair = 0;
  for (thaw::Index u = 0; u < out.users; ++u) {
    const thaw::Episode& e = episodes[static_cast<std::size_t>(u)];
    offsets[u] = support;
    for (thaw::Index k = 0; k < out.longest; ++k) {
      const bool real = k < static_cast<thaw::Index>(e.support.items.size());
      const thaw::Index cell = u * out.longest + k;
      padded[cell] = real ? support : -1;
      out.mask[cell] = static_cast<typename A::Real>(real ? 0 : thaw::kMasked);
      if (!real) continue;
      list[support] = e.support.items[static_cast<std::size_t>(k)];
      rows[support] = support;
      ++support;
    }
    const std::int32_t first_negative = query + static_cast<std::int32_t>(e.query.items.size());
    const auto negatives = static_cast<std::int32_t>(e.query.negatives.size());
    for (std::int32_t k = 0; negatives > 0 && query + k < first_negative; ++k, ++pair) {
      positive[pair] = query + k;
      negative[pair] = first_negative + k % negatives;
    }
    for (const auto* items : {&e.query.items, &e.query.negatives})
      for (const std::int32_t item : *items) {
        list[out.supports + query] = item;
        asked[query++] = static_cast<std::int32_t>(u);
      }
  }
  offsets[out.users] = support;
  out.items = known.bags({list, static_cast<std::size_t>(out.supports + out.queries)}, arena);
  out.padded_support = {padded, nullptr, cells, false};
  out.of_user = {rows, offsets, out.users, true};
  out.asked_user = {asked, nullptr, out.queries, false};
  out.positive = {positive, nullptr, pairs, false};
  out.negative = {negative, nullptr, pairs, false};
  return out;
}

// The mean margin loss over all pairs of the tasks, of which there must be some.
template <thaw::Value T, class A>
T matching_loss(const MatchingNetwork<T>& net, const MatchingTasks<A>& tasks, double margin,
                const thaw::DropoutRule& rule) {
  const T scores = net(tasks, rule);
  const T gap = thaw::sub(thaw::gather(scores, tasks.negative), thaw::gather(scores, tasks.positive));
  return thaw::scale(thaw::sum(thaw::relu(thaw::shift(gap, margin))), 1.0 / static_cast<double>(tasks.positive.count));
}

inline MatchingNetwork<thaw::Spec> matching_plan(const KnownItems& known, const MatchingOptions& options) {
  const thaw::Index d = options.width;
  const auto xavier = [&](thaw::Index rows) { return std::sqrt(6.0 / static_cast<double>(rows + d)); };
  return {known.plan(d, xavier),    thaw::linear_spec(d, 2 * d),    thaw::linear_spec(2 * d, d),
          thaw::layer_norm_spec(d), thaw::lstm_cell_spec(d, 2 * d), options.rounds};
}

class MatchingLearner : public Learner {
 public:
  using Tasks = MatchingTasks<FloatArray>;

  MatchingLearner(const World& world, const MatchingOptions& options)
      : options_(options), known_(world), model_(matching_plan(known_, options), options.seed, options.threads) {}

  std::int64_t parameter_count() const override { return model_.parameter_count(); }

  double train(std::span<const thaw::Episode> episodes) override {
    thaw::Scope scope(model_.tape());
    const Tasks tasks = matching_tasks<FloatArray>(known_, episodes, model_.tape().context());
    if (tasks.positive.count == 0) return 0;
    const thaw::Key key = thaw::Key{options_.seed}.fold(static_cast<std::uint64_t>(steps_++));
    return model_.step(
        options_.rate,
        [&](const auto& net, auto&) {
          return matching_loss(net, tasks, options_.margin, thaw::DropoutRule::make(options_.dropout, key, 0));
        },
        [&](const auto& gradients) { thaw::clip_norm(gradients, options_.clip); });
  }

  std::unique_ptr<Adapted> adapt(std::int32_t, const thaw::Episode::Part& support, int) const override {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    const FloatArray codes = model_.on(context).encode(known_.bags(support.items, arena), {});
    return std::make_unique<User>(*this, codes);
  }

 private:
  // The codes of a user's support.
  struct User : Adapted {
    const MatchingLearner& learner;
    std::vector<float> codes;
    std::size_t count;

    User(const MatchingLearner& from, const FloatArray& support)
        : learner(from), codes(support.begin(), support.end()), count(static_cast<std::size_t>(support.shape[0])) {}

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      constexpr std::size_t kBlock = 128;
      thaw::GrowingArena arena;
      Backend::Context context{&arena, 1};
      const auto net = learner.model_.on(context);
      thaw::Episode episode;
      episode.support.items.assign(count, 0);
      const auto rows = static_cast<thaw::Index>(count);
      const FloatArray support = FloatArray::view(context, codes.data(), {rows, learner.options_.width});
      for (std::size_t begin = 0; begin < items.size(); begin += kBlock) {
        thaw::ArenaScope scope(arena);
        const auto part = items.subspan(begin, (std::min)(kBlock, items.size() - begin));
        episode.query.items.assign(part.begin(), part.end());
        const Tasks tasks = matching_tasks<FloatArray>(learner.known_, {&episode, 1}, context);
        const FloatArray query = net.encode(learner.known_.bags(part, arena), {});
        const FloatArray scores = net.match(support, query, tasks);
        for (std::size_t i = 0; i < part.size(); ++i) out[begin + i] = scores[static_cast<thaw::Index>(i)];
      }
    }
  };

  MatchingOptions options_;
  KnownItems known_;
  TrainedModel<MatchingNetwork<thaw::Spec>> model_;
  std::int64_t steps_ = 0;
};

inline std::unique_ptr<Learner> make_matching(const World& world, const LearnerOptions& options) {
  thaw::require(world.objective == Objective::ranking,
                "make_matching: the matching network ranks items and predicts no ratings; ask for Objective::ranking");
  MatchingOptions m;
  m.threads = options.threads;
  m.seed = options.seed;
  if (options.variant == Variant::best) m.width = options.width;
  return std::make_unique<MatchingLearner>(world, m);
}

}  // namespace hyperrs
