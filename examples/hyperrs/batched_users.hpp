// The training step of HyperRS for all users of a meta-batch at once, one product each: for devices, where a user alone
// is too little work for a launch.
//
//   hyperrs::BatchedSteps<thaw::Cuda> steps(hyper, options, users, context);
//   steps.load(host_model, rows);                              // from the host; store() brings both back
//   double loss = steps.step(batch);                           // inner loop and outer step of all users
//
// The numbers of HyperLearner and FusedHyperLearner, to rounding, where only the scorer moves in the inner loop. Users
// of unequal supports are filled up with items that weigh nothing. Not for a host: there a user's scorer stays in the
// cache and hyperrs_fast.hpp is faster.
#pragma once

#include "hyperrs/hyperrs_options.hpp"
#include "thaw/backend/cuda/transfer.hpp"
#include "thaw/meta/unroll.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"

namespace hyperrs {

// The same number of items of each user: (users, each) item by item. Nothing is owned.
struct BatchedPart {
  ItemContents items;  // users * each
  Index each = 0;
  const float* labels = nullptr;   // (users, each)
  const float* weights = nullptr;  // the same: 1 / a user's items; 0 for what fills up
};
// Different users, by their rows.
struct UserBatch {
  const std::int32_t* users = nullptr;
  Index count = 0;
  BatchedPart support, query;
};

// Theta of many codes, (users, q): tensors with the users as their first axis.
template <Value T>
GeneratedScorer<T> batched_scorers(const HyperRS<T>& model, const T& codes) {
  const T wide = model.basis(codes);
  int i = 0;
  return thaw::map_model<T>(scorer_plan(model.sizes), [&](const thaw::Path&, const Spec& s) {
    return thaw::reshape(model.heads.heads[i++](wide), {codes.shape[0], s.shape[0], s.shape[1]});
  });
}

// HyperRS::score for many users: scorers of batched_scorers, users (users, d), `each` items a user -> (users, each).
template <Value T>
T batched_scores(const HyperRS<T>& model, const GeneratedScorer<T>& made, const T& users, const BatchedPart& part) {
  const HyperSizes& z = model.sizes;
  const Index count = users.shape[0], n = part.each, d = z.width, slots = z.attributes;
  T raw[kMostContents], transformed[kMostContents];
  for (int x = 0; x < slots; ++x) {
    raw[x] = thaw::reshape(model.contents[x](part.items.of[x]), {count, n, d});
    transformed[x] = thaw::relu(made.attributes[x](raw[x]));
  }
  const T all = thaw::concat(transformed, z.attributes, 2);
  T item = made.item(all);
  if (z.item_layer_active) item = thaw::relu(item);
  const T attended = z.raw_slots ? thaw::concat(raw, z.attributes, 2) : all;
  const T shares = thaw::softmax(
      thaw::reshape(thaw::matmul(thaw::reshape(attended, {count, n * slots, d}), thaw::reshape(users, {count, d, 1})),
                    {count * n, slots}));
  const T mixed = thaw::dot_attention_mix(shares, thaw::reshape(attended, {count * n, slots, d}));
  item = thaw::add(item, thaw::reshape(mixed, {count, n, d}));
  const T both[2] = {thaw::broadcast_to(thaw::reshape(users, {count, 1, d}), {count, n, d}), item};
  T x = thaw::concat(both, 2);
  for (int i = 0; i + 1 < made.layers.count; ++i) x = thaw::relu(made.layers[i](x));
  return thaw::reshape(made.layers[made.layers.count - 1](x), {count, n});
}

// What a step changes: the shared weights, and a row of embedding and code for each user.
template <Value T>
struct HyperUsers {
  HyperRS<T> network;
  thaw::Embedding<T> users;  // (users, d + q), stepped by rows

  static void each(auto&& visit, auto&... m) { visit("network", m.network...), visit("users", m.users...); }
};

template <class B>
class BatchedSteps {
 public:
  using Context = typename B::Context;
  using A = thaw::Array<float, B>;
  using V = thaw::Var<float, B>;

  // `users`: rows of the table. The context must outlive this.
  BatchedSteps(const HyperOptions& hyper, const LearnerOptions& options, Index users, Context& context)
      : hyper_(hyper),
        options_(options),
        context_(context),
        parameters_(plan(hyper, users), context, options.seed),
        adam_(parameters_),
        first_(A::make(context, row_table().value.shape)),
        second_(A::make(context, first_.shape)),
        tape_(context) {
    static_assert(thaw::has_own_memory<Context>, "BatchedSteps is for devices; a host takes FusedHyperLearner");
    thaw::require(hyper.moves.scorer && !hyper.moves.code && !hyper.moves.embedding,
                  "BatchedSteps: only the scorer may move in the inner loop");
    for (const A* moments : {&first_, &second_}) B::fill(context, moments->size(), 0.0F, moments->data);
  }

  // One outer step; the mean query loss before it. Waits for the device.
  double step(const UserBatch& batch) {
    thaw::Scope scope(tape_);
    V loss;
    thaw::run_as_one(context_, [&] {
      const auto net = parameters_.on(tape_);
      const V rows = net.users(Bags{batch.users, nullptr, batch.count, false});
      const V embeddings = thaw::slice(rows, 1, 0, hyper_.sizes.width);
      const V codes = thaw::slice(rows, 1, hyper_.sizes.width, hyper_.sizes.codes);
      GeneratedScorer<V> scorers = batched_scorers(net.network, codes);
      for (int k = 0; k < options_.inner_steps; ++k) {
        const V seen = loss_of(net.network, scorers, embeddings, batch.support);
        scorers = options_.first_order
                      ? thaw::descend(scorers, thaw::gradient(seen, scorers), hyper_.inner_rate)
                      : thaw::descend(scorers, thaw::gradient(seen, scorers, thaw::differentiable), hyper_.inner_rate);
      }
      loss = thaw::scale(loss_of(net.network, scorers, embeddings, batch.query), 1 / static_cast<double>(batch.count));
      auto gradients = parameters_.gradient(loss);
      step_users(gradients);
      adam_.step(parameters_, gradients, hyper_.rate);
    });
    return static_cast<double>(loss.item());
  }

  // Weights and rows (users, d + q) from the host, and back.
  template <class Model>
  void load(const Model& network, const float* rows) {
    thaw::send_model(network, parameters_.values().network);
    const A& table = row_table().value;
    B::upload(context_, table.size(), rows, table.data);
  }
  template <class Host>
  HyperRS<thaw::Array<float, Host>> store(typename Host::Context& host, float* rows) {
    const A& table = row_table().value;
    B::download(context_, table.size(), static_cast<const float*>(table.data), rows);
    return thaw::fetch_model<Host, float>(host, parameters_.values().network);
  }

 private:
  static HyperUsers<Spec> plan(const HyperOptions& hyper, Index users) {
    return {hyperrs_plan(hyper.sizes, hyper.start),
            thaw::embedding_spec(users, hyper.sizes.width + hyper.sizes.codes, /*row_table*/ true)};
  }
  auto& row_table() { return parameters_.slot(parameters_.count() - 1); }

  // Summed over users, so that each inner gradient is that of its own user's mean.
  V loss_of(const HyperRS<V>& net, const GeneratedScorer<V>& scorers, const V& users, const BatchedPart& part) const {
    const thaw::Shape shape{users.shape[0], part.each};
    return thaw::weighted_squared_error(batched_scores(net, scorers, users, part),
                                        A::of_host(context_, part.labels, shape),
                                        A::of_host(context_, part.weights, shape));
  }
  // Moments of a row rest while it is not touched, as those of the host's learners do; so Adam is told of no rows.
  void step_users(thaw::GradientList<float, B>& gradients) {
    const auto* const list = gradients.rows[gradients.count - 1];
    gradients.rows[gradients.count - 1] = nullptr;
    ++steps_;
    if (list == nullptr) return;
    thaw::require(list->next == nullptr, "BatchedSteps: the users' rows were gathered more than once");
    float* const keep = context_.arena->template take<float>(2 * list->bags.count);
    for (Index i = 0; i < 2 * list->bags.count; ++i) keep[i] = 1;
    B::adam_rows(context_, thaw::AdamStep::at(steps_, hyper_.rate), list->bags.count, first_.shape[1], list->bags.ids,
                 static_cast<const float*>(keep), static_cast<const float*>(list->rows.data), first_.data, second_.data,
                 row_table().value.data);
  }

  HyperOptions hyper_;
  LearnerOptions options_;
  Context& context_;
  thaw::Parameters<HyperUsers<Spec>, float, B> parameters_;
  thaw::Adam<float, B> adam_;
  A first_, second_;  // moments of the users' rows
  thaw::Tape<float, B> tape_;
  std::int64_t steps_ = 0;
};

}  // namespace hyperrs
