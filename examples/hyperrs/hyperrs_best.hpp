// HyperRS as we would ship it: the hypernetwork corrects what simple methods already know.
//
//   score(user, item) = weights . evidence(user, item) + vector . item        weights, vector: generated for the user
//
// The user's code is not looked up but read off her support: the mean of rows that the support items own, the same with
// the last records counting most, and how many they are, through a basis of interests into heads. At the start the
// heads give the best fixed combination of the evidence (evidence.hpp) and next to no vector; training adds what that
// lacks, with a softmax over the catalogue and exactly through the inner step on weights and vector at learned rates.
// Items without records have weights of their own, over what their attributes say, learned from steps that take every
// item for one. A new user needs nothing but her support.
#pragma once

#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "hyperrs/evidence.hpp"
#include "hyperrs/item_codes.hpp"
#include "hyperrs/trained_model.hpp"
#include "thaw/meta/unroll.hpp"
#include "thaw/nn/hypernetwork.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/nn/losses.hpp"

namespace hyperrs {

inline constexpr double kForever = 1e6;  // half life, in records, where their order says nothing

struct BestOptions {
  thaw::Index codes = 64, interest = 128, width = 64;
  double rate = 1e-3;              // up to twice that where there are many records, see training_rate
  double rating_rate = 3e-4;       // instead, of ratings
  double square_until = 0.5;       // stars of an error in training; beyond, the loss grows as the error itself
  double halves_after = 300;       // steps; the rate falls as 1 / (1 + steps / this)
  double inner_rate = 0.02;        // where the learned rates of weights start, over the loss's curvature
  double vector_rate = 0.03;       // where those of the vector start
  double memory = 0.98;            // of the running mean of the weights, a step
  bool even_users = false;         // in training, whatever the size of their queries
  bool factors = true;             // items start as factors of the interactions
  std::size_t fewest_records = 6;  // of an episode to learn from, where there are such
  double forget_ids = 0.15;        // share of items that a step knows by their attributes alone
  double half_life = 2;            // records after which one counts half, where the last ones count most
  double forget_support = 0;       // share of support records that a step does not read into the code
  double dropout = 0.2;            // of the generated vectors, in training
  double weight_spread = 0.05;     // of the generated weights at the start
  double vector_spread = 0.3;      // of the generated vectors
  int cold_every = 4;              // each so many steps one is taken as if no item had records; 0: never
  thaw::Index candidates = 16384;  // of the softmax; a larger catalogue is sampled
  double reach = 1e-3;             // shares of the softmax below this hardly pull
  EvidenceOptions evidence;
};

// What the heads generate, a row a user, and what the inner loop moves.
template <thaw::Value T>
struct Blend {
  T weights;  // (users, evidence)
  T vector;   // (users, width)
  T cold;     // (users, evidence from attributes): weights for items without records

  static void each(auto&& visit, auto&... m) {
    visit("weights", m.weights...), visit("vector", m.vector...), visit("cold", m.cold...);
  }
};

template <thaw::Value T>
struct BlendNetwork {
  ItemCodes<T> read;     // rows that a support item gives to the code
  ItemCodes<T> written;  // rows that a candidate is met with
  thaw::Linear<T> interests;
  T size;                       // (1, interests): of the logarithm of how many records are shown
  thaw::Hypernetwork<T> heads;  // one for Blend::weights, one for Blend::vector
  Blend<T> rates;               // of the inner step, one a number

  // support: bags of all users' support items; shares (2 x users, support items): a user's of them, then those by which
  // the last records count most; sizes (users, 1).
  template <thaw::Value Share>
  Blend<T> generate(const ItemBags& support, const Share& shares, const Share& sizes) const {
    const T rows = thaw::matmul(shares, read(support));
    const T both = thaw::reshape(rows, {rows.shape[0] / 2, 2 * rows.shape[1]});
    const T code = thaw::tanh(thaw::add(interests(both), thaw::matmul(sizes, size)));
    return {heads.heads[0](code), heads.heads[1](code), heads.heads[2](code)};
  }
  static void each(auto&& visit, auto&... m) {
    visit("read", m.read...), visit("written", m.written...), visit("interests", m.interests...);
    visit("size", m.size...), visit("heads", m.heads...), visit("rates", m.rates...);
  }
};

// (users, items). weights (users, features), vector (users, width), evidence (users, features, items), items (items,
// width).
template <thaw::Value T, thaw::Value E, thaw::Value V>
auto blend_scores(const T& weights, const T& vector, const E& evidence, const V& items) {
  const thaw::Index users = evidence.shape[0], features = evidence.shape[1], count = evidence.shape[2];
  const auto from_evidence = thaw::matmul(thaw::reshape(weights, {users, 1, features}), evidence);
  return thaw::add(thaw::reshape(from_evidence, {users, count}), thaw::matmul(vector, items, thaw::Transpose::second));
}

// The summed loss of each user's targets, (users, items) shares. Ranking: softmax over the items; rating: squares.
template <thaw::Value T, thaw::Value X>
T blend_loss(Objective objective, const T& scores, const X& targets, const X& labels) {
  if (objective == Objective::rating) return thaw::sum(thaw::mul(targets, thaw::square(thaw::sub(scores, labels))));
  return thaw::sub(thaw::sum(thaw::log_sum_exp(scores)), thaw::sum(thaw::mul(targets, scores)));
}

// `features` of all evidence, `cold` of those from attributes.
inline BlendNetwork<thaw::Spec> blend_plan(const KnownItems& known, thaw::Index features, thaw::Index cold,
                                           const BestOptions& options) {
  using thaw::Init;
  BlendNetwork<thaw::Spec> plan;
  plan.read = known.plan(options.codes, [](thaw::Index) { return 0.3; });
  plan.written = known.plan(options.width, [](thaw::Index) { return 0.1; });
  const auto dense = [](const thaw::Path&, thaw::Spec& s) { s.row_table = false; };
  thaw::for_each_tensor(dense, plan.read);
  thaw::for_each_tensor(dense, plan.written);
  plan.interests = thaw::linear_spec(2 * options.codes, options.interest);
  plan.size = {{1, options.interest}, {Init::Kind::normal, 0.1}};
  const double small = 1 / std::sqrt(static_cast<double>(options.interest));
  const auto head = [&](thaw::Index size, double spread) {
    thaw::Head<thaw::Spec> made;
    made.matrix = {{options.interest, size}, {Init::Kind::normal, spread * small}};
    made.bias.push({{1, size}, {}});
    return made;
  };
  plan.heads.heads.push(head(features, options.weight_spread));
  plan.heads.heads.push(head(options.width, options.vector_spread));
  plan.heads.heads.push(head(cold, options.weight_spread));
  const auto rate = [&](thaw::Index size, double start) {
    return thaw::Spec{{1, size}, {Init::Kind::constant, start}};
  };
  plan.rates = {rate(features, options.inner_rate), rate(options.width, options.vector_rate),
                rate(cold, options.inner_rate)};
  return plan;
}

}  // namespace hyperrs
