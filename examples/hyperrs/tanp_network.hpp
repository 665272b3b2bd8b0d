// The network of TaNP: a task-adaptive neural process for user cold-start (Lin et al., WWW 2021, arXiv 2103.06137).
//
// A user is a function from items to labels. Her support records, encoded one by one and averaged, give a Gaussian over
// a latent vector z and a task vector t; t is moved by the memory's centroids that it resembles, o = t + C A, and o
// scales and shifts (FiLM) every hidden layer of the decoder that reads [x, z].
//
//   hyperrs::Tanp<thaw::Spec> plan = hyperrs::tanp_plan(sizes);
//   auto out = model(batch);                                  // training: labels of every row are known
//   auto scores = model.decode(x, z, o, owner);               // a new user
//
// Inference headers alone are enough for a user's whole adaptation: it is averages and no gradient. What trains it is
// in tanp.hpp.
#pragma once

#include "hyperrs/names.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"

namespace hyperrs {

constexpr int kMaxFields = 12;

// The published sizes. A field is a one-hot (or multi-hot) input: the paper has the ids alone.
struct TanpSizes {
  Index user_fields[kMaxFields] = {};  // rows of each
  Index item_fields[kMaxFields] = {};
  int user_field_count = 0, item_field_count = 0;
  Index first = 32, second = 16;  // of the id encoders; a pair is 2 * second wide
  Index encoder[3] = {32, 16, 32};
  Index latent = 32;
  Index task_encoder[3] = {32, 32, 16};
  Index decoder[3] = {32, 32, 16};
  Index centroids = 10;
  double temperature = 1;

  Index pair() const { return 2 * second; }
  Index task() const { return task_encoder[2]; }
};

// The records of several users, one after another. Nothing is owned.
template <class Real>
struct TanpBatch {
  Index users = 0, rows = 0;
  Bags user[kMaxFields];          // (users) by field
  Bags item[kMaxFields];          // (rows) by field
  Bags owner;                     // (rows): the user of each row
  Bags context, target;           // (users): rows of her support, rows of support and query; means
  const Real* labels = nullptr;   // (rows)
  const Real* weights = nullptr;  // (rows): of squared errors
  const Real* noise = nullptr;    // (users, latent), standard normal; null: the mean of z
};

// Rows of one-hot fields through two layers.
template <Value T>
struct SparseEncoder {
  Several<thaw::Embedding<T>, kMaxFields> fields;  // each (rows of the field, first)
  T bias;                                          // (first)
  thaw::Linear<T> second;

  // (rows, second). An id below zero, or no value at all, adds nothing.
  T operator()(const Bags* inputs, Index rows) const {
    const Index width = bias.shape[0];
    T x = thaw::broadcast_to(thaw::reshape(bias, {1, width}), {rows, width});
    for (int f = 0; f < fields.count; ++f) x = thaw::add(x, fields[f](inputs[f]));
    return thaw::relu(second(thaw::relu(x)));
  }
  static void each(auto&& visit, auto&... m) {
    visit("fields", m.fields...);
    visit("bias", m.bias...);
    visit("second", m.second...);
  }
};

// ReLU((W x + b) * tanh(G o) + tanh(B o)).
template <Value T>
struct FilmLayer {
  thaw::Linear<T> layer;
  T scale, shift;  // G, B: (out, task)

  // x (rows, in), o (users, task) -> (rows, out)
  T operator()(const T& x, const T& o, const Bags& owner) const {
    const T gamma = thaw::tanh(thaw::matmul(o, scale, thaw::Transpose::second));
    const T beta = thaw::tanh(thaw::matmul(o, shift, thaw::Transpose::second));
    return thaw::relu(thaw::add(thaw::mul(layer(x), thaw::gather(gamma, owner)), thaw::gather(beta, owner)));
  }
  static void each(auto&& visit, auto&... m) {
    visit("layer", m.layer...);
    visit("scale", m.scale...);
    visit("shift", m.shift...);
  }
};

// A diagonal Gaussian for each user, (users, latent).
template <Value T>
struct Gaussian {
  T mean, log_variance;
};

// KL(q || p), summed over users and coordinates.
template <Value T>
T kl_divergence(const Gaussian<T>& q, const Gaussian<T>& p) {
  const T spread = thaw::add(thaw::exp(q.log_variance), thaw::square(thaw::sub(q.mean, p.mean)));
  const T ratio = thaw::div(spread, thaw::exp(p.log_variance));
  return thaw::scale(thaw::sum(thaw::shift(thaw::add(ratio, thaw::sub(p.log_variance, q.log_variance)), -1)), 0.5);
}

// What a training pass gives.
template <Value T>
struct TanpOutput {
  T predicted;                  // (rows)
  Gaussian<T> target, context;  // of z
  T assignment;                 // C, (users, centroids)
};

template <Value T>
struct Tanp {
  SparseEncoder<T> user, item;
  thaw::Mlp<T> latent_record, task_record;  // of one record [x, y]
  thaw::Linear<T> latent_hidden, latent_mean, latent_log_variance;
  T centroids;  // A, (centroids, task)
  Several<FilmLayer<T>, 3> decoder;
  thaw::Linear<T> output;
  TanpSizes sizes;

  // x = [item, user], (rows, pair).
  T pairs(const T& items, const T& users, const Bags& owner) const {
    return thaw::concat({items, thaw::gather(users, owner)}, 1);
  }
  // [x, y], (rows, pair + 1).
  template <Value Y>
  T records(const T& x, const Y& labels) const {
    return thaw::concat({x, thaw::lift_to<T>(labels, x)}, 1);
  }
  // q(z | set) from the mean record code, (sets, encoder width).
  Gaussian<T> belief(const T& code) const {
    const T hidden = thaw::relu(latent_hidden(code));
    return {latent_mean(hidden), latent_log_variance(hidden)};
  }
  // z = mean + exp(log variance / 2) * noise.
  template <Value N>
  T draw(const Gaussian<T>& q, const N& noise) const {
    return thaw::add(q.mean, thaw::mul(thaw::exp(thaw::scale(q.log_variance, 0.5)), noise));
  }
  // C: how much each centroid explains t, a Student-t kernel normalised over the centroids:
  // (1 + |t - A_k| / tau)^(-(tau + 1) / 2). The distance is not squared, as in the published code.
  T assign(const T& task) const {
    const Index users = task.shape[0], k = centroids.shape[0], width = centroids.shape[1];
    const T apart = thaw::sub(thaw::reshape(task, {users, 1, width}), thaw::reshape(centroids, {1, k, width}));
    const T squares = thaw::reshape(thaw::sum_to(thaw::square(apart), {users, k, 1}), {users, k});
    // Far below any distance that matters; it keeps the slope finite where t sits on a centroid.
    const T distance = thaw::sqrt(thaw::shift(squares, 1e-12));
    const T heavy = thaw::log(thaw::shift(thaw::scale(distance, 1 / sizes.temperature), 1));
    return thaw::softmax(thaw::scale(heavy, -(sizes.temperature + 1) / 2));
  }
  // o = t + C A.
  T recall(const T& task, const T& assignment) const { return thaw::add(task, thaw::matmul(assignment, centroids)); }
  // Labels of the rows x under each user's z and o, (rows).
  T decode(const T& x, const T& z, const T& o, const Bags& owner) const {
    T h = thaw::concat({x, thaw::gather(z, owner)}, 1);
    for (int i = 0; i < decoder.count; ++i) h = decoder[i](h, o, owner);
    return thaw::reshape(output(h), {x.shape[0]});
  }

  // Training: z is drawn from what support and query say together, t comes from the support alone.
  template <class Real>
  TanpOutput<T> operator()(const TanpBatch<Real>& batch) const {
    const T x = pairs(item(batch.item, batch.rows), user(batch.user, batch.users), batch.owner);
    const T known = records(x, constant(batch.labels, {batch.rows, 1}));
    const T code = latent_record(known);
    TanpOutput<T> out;
    out.target = belief(thaw::gather(code, batch.target));
    out.context = belief(thaw::gather(code, batch.context));
    const T task = thaw::gather(task_record(known), batch.context);
    out.assignment = assign(task);
    const T z =
        batch.noise == nullptr ? out.target.mean : draw(out.target, constant(batch.noise, out.target.mean.shape));
    out.predicted = decode(x, z, recall(task, out.assignment), batch.owner);
    return out;
  }

  static void each(auto&& visit, auto&... m) {
    visit("user", m.user...);
    visit("item", m.item...);
    visit("latent_record", m.latent_record...);
    visit("task_record", m.task_record...);
    visit("latent_hidden", m.latent_hidden...);
    visit("latent_mean", m.latent_mean...);
    visit("latent_log_variance", m.latent_log_variance...);
    visit("centroids", m.centroids...);
    visit("decoder", m.decoder...);
    visit("output", m.output...);
    visit("sizes", m.sizes...);
  }

  template <class Real>
  auto constant(const Real* numbers, const thaw::Shape& shape) const {
    if constexpr (std::is_same_v<T, Spec>)
      return Spec{shape, {}};
    else
      return T::Plain::view(*output.bias.context, numbers, shape);
  }
};

// What the assignments are pulled towards: C^2 / f, normalised for each user, f_k the batch's sum of column k (Xie et
// al., 2016). A constant of the loss.
template <class R, class B>
thaw::Array<R, B> target_distribution(const thaw::Array<R, B>& assignment) {
  const Index users = assignment.shape[0], k = assignment.shape[1];
  auto& context = *assignment.context;
  const auto total = thaw::Array<R, B>::make(context, {k});
  const auto out = thaw::Array<R, B>::make(context, assignment.shape);
  for (R& f : total) f = 0;
  for (Index e = 0; e < assignment.size(); ++e) total[e % k] += assignment[e];
  for (Index u = 0; u < users; ++u) {
    R sum = 0;
    for (Index c = 0; c < k; ++c) sum += out[u * k + c] = assignment[u * k + c] * assignment[u * k + c] / total[c];
    for (Index c = 0; c < k; ++c) out[u * k + c] /= sum;
  }
  return out;
}

// KL(target || C), the mean over users. `target` holds constants.
template <Value T, Value P>
T clustering_loss(const T& assignment, const P& target) {
  const P entropy = thaw::sum(thaw::mul(target, thaw::log(target)));
  const T cross = thaw::sum(thaw::mul(thaw::log(assignment), target));
  return thaw::scale(thaw::sub(thaw::lift_to<T>(entropy, cross), cross), 1 / static_cast<double>(target.shape[0]));
}

// How the three parts of the loss are weighed.
struct TanpWeights {
  double latent = 1;      // of KL(q(z | target) || q(z | context)), mean over users
  double clustering = 1;  // lambda
};

// sum w (y - f)^2 + latent KL + clustering KL.
template <Value T, class Real, Value P>
T tanp_loss(const Tanp<T>& model, const TanpBatch<Real>& batch, const TanpOutput<T>& out, const P& target,
            const TanpWeights& weights) {
  const auto labels = model.constant(batch.labels, {batch.rows}), each = model.constant(batch.weights, {batch.rows});
  const T fit = thaw::weighted_squared_error(out.predicted, labels, each);
  const T latent =
      thaw::scale(kl_divergence(out.target, out.context), weights.latent / static_cast<double>(batch.users));
  const T clusters = thaw::scale(clustering_loss(out.assignment, target), weights.clustering);
  return thaw::add(thaw::add(fit, latent), clusters);
}

inline Tanp<Spec> tanp_plan(const TanpSizes& sizes) {
  const auto uniform = [](const thaw::Shape& shape, Index in) {
    return Spec{shape, {thaw::Init::Kind::uniform, 1.0 / __builtin_sqrt(static_cast<double>(in))}};
  };
  const auto encoder = [&](const Index* fields, int count) {
    SparseEncoder<Spec> plan;
    Index rows = 1;
    for (int f = 0; f < count; ++f) {
      plan.fields.push(thaw::embedding_spec(fields[f], sizes.first, /*row_table*/ true));
      rows += fields[f];
    }
    plan.bias = uniform({sizes.first}, rows);
    plan.second = thaw::linear_spec(sizes.first, sizes.second);
    return plan;
  };
  const auto record = [&](const Index* widths) {
    return thaw::mlp_spec({sizes.pair() + 1, widths[0], widths[1], widths[2]}, thaw::Activation::relu);
  };
  Tanp<Spec> plan;
  plan.sizes = sizes;
  plan.user = encoder(sizes.user_fields, sizes.user_field_count);
  plan.item = encoder(sizes.item_fields, sizes.item_field_count);
  plan.latent_record = record(sizes.encoder);
  plan.task_record = record(sizes.task_encoder);
  plan.latent_hidden = thaw::linear_spec(sizes.encoder[2], sizes.latent);
  plan.latent_mean = plan.latent_log_variance = thaw::linear_spec(sizes.latent, sizes.latent);
  const double xavier = __builtin_sqrt(6.0 / static_cast<double>(sizes.centroids + sizes.task()));
  plan.centroids = Spec{{sizes.centroids, sizes.task()}, {thaw::Init::Kind::uniform, xavier}};
  Index in = sizes.pair() + sizes.latent;
  for (const Index out : sizes.decoder) {
    const Spec film = uniform({out, sizes.task()}, sizes.task());
    plan.decoder.push({thaw::linear_spec(in, out), film, film});
    in = out;
  }
  plan.output = thaw::linear_spec(in, 1);
  return plan;
}

}  // namespace hyperrs
