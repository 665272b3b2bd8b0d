// LightGcn: embeddings of users and items by propagation over their interactions (He et al., SIGIR 2020), trained with
// BPR or a sampled softmax.
//
//   auto model = thaw::LightGcn::make(interactions, {.layers = 3, .threads = 2});
//   for (thaw::Index s = 0; s < model.value().steps_per_epoch(); ++s) loss = model.value().step();
//   model.value().final_vectors(vectors);                          // (users + items, width), for DotScorer
//
//   final = (e + P e + ... + P^layers e) / (layers + 1)            P: PropagationGraph, e: what is trained
//   loss  = mean of softplus(<u, other> - <u, liked>) + regularization / (2 batch) * sum of |e|^2 over the batch's rows
//   or the cross-entropy of sampled_softmax.hpp in place of softplus; what it draws for all users is not decayed
//
// A step is one fused pass with Adam and computes what the composition of propagate() computes: forward, the last layer
// only for rows of the batch, as is the first of the backward pass; the last backward layer feeds Adam strip by strip.
// With `candidates` above 1 the other item is the hardest of so many (dynamic negative sampling): fewer epochs. The
// softmax tells a liked item from thousands a step, shared by the batch: fewer still. Same numbers for any number of
// threads. Nothing is allocated after the first step. Not for graphs that do not fit into memory, and users without a
// row need another method. Keeps a reference to the interactions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/backend/kernels/vector_math_optimizer.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/bpr_triples.hpp"
#include "thaw/graph/propagation_graph.hpp"
#include "thaw/graph/sampled_softmax.hpp"

#define THAW_KERNEL_FILE "thaw/graph/kernels/bpr_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

enum class LightGcnLoss : std::uint8_t { bpr, softmax };

struct LightGcnOptions {
  Index width = 64;
  int layers = 3;
  Index batch = 2048;  // triples of a step
  double learning_rate = 1e-3;
  double regularization = 1e-4;
  double deviation = 0.1;  // of the normal start
  BprDraw draw = BprDraw::users;
  LightGcnLoss loss = LightGcnLoss::bpr;
  int candidates = 1;  // BPR: others drawn for a triple; the one that scored highest at the start of the epoch is kept
  double temperature = 1;  // softmax: what scores are divided by
  bool cosine = false;     // softmax: scores are cosines while training, not inner products
  Index negatives = 2048;  // softmax: a liked item is told from so many, drawn uniformly for all users of a batch,
  bool in_batch = false;   // and from the batch's liked items, which are the popular ones
  std::uint64_t seed = 1;
  int threads = 1;
};

class LightGcn {
 public:
  // All that changes while training, for a checkpoint of the same options. Rows are padded to whole registers.
  struct State {
    std::vector<float> weights, first, second;  // embeddings and Adam's two means
    std::int64_t steps = 0;
  };

  // Errors: a setting out of range, nobody who has both an item and one she did not touch.
  static Result<LightGcn> make(const Interactions& x, const LightGcnOptions& options) {
    if (const auto checked = check(options); !checked) return checked.fault();
    LightGcn model(x, options);
    if (!model.triples_.drawable())
      return make_fault(FaultKind::out_of_range, "LightGcn: none of ", x.user_count(),
                        " users has both an item and one she did not touch; there is nothing to rank");
    model.start();
    return model;
  }

  const PropagationGraph& graph() const { return graph_; }
  const BprTriples& triples() const { return triples_; }
  Index width() const { return o_.width; }
  Index steps_per_epoch() const { return (graph_.edges() / 2 + o_.batch - 1) / o_.batch; }
  std::int64_t steps() const { return state_.steps; }
  void set_learning_rate(double rate) { o_.learning_rate = rate; }

  // One batch; its loss before the update.
  double step() {
    draw_triples();
    number_batch();
    for (int k = 1; k < o_.layers; ++k) spread(k - 1, k);
    const double squares = read_rows();
    const double loss = o_.loss == LightGcnLoss::bpr ? rank_loss() : softmax_loss();
    const AdamStep adam = AdamStep::at(++state_.steps, o_.learning_rate);
    spread_and_update(back_propagate(), adam);
    for (const std::int32_t node : touched_) slot_of_[at(node)] = -1;
    return loss + 0.5 * o_.regularization * squares / static_cast<double>(o_.batch);
  }

  // What is scored with, (users + items, width), users first.
  void final_vectors(std::span<float> out) {
    check_room(out);
    read_all([&](Index v, const float* row) { std::copy_n(row, o_.width, out.data() + v * o_.width); });
  }
  // What is trained, (users + items, width).
  void own_vectors(std::span<float> out) const {
    check_room(out);
    for (Index v = 0; v < graph_.nodes(); ++v)
      for (Index j = 0; j < o_.width; ++j) out[at(v * o_.width + j)] = state_.weights[at(v * padded_ + j)];
  }

  const State& state() const { return state_; }
  // Goes on from a saved state, bit for bit; with candidates, where it was saved at the end of an epoch. Errors: sizes
  // of another graph or width.
  Result<Done> restore(State state) {
    const std::size_t size = state_.weights.size();
    if (state.weights.size() != size || state.first.size() != size || state.second.size() != size || state.steps < 0)
      return make_fault(FaultKind::mismatch, "LightGcn: a state of ", state.weights.size(), ", ", state.first.size(),
                        " and ", state.second.size(), " numbers, this model has ", size,
                        "; resume with the data and options that the run began with");
    state_ = std::move(state);
    judges_.clear();
    scale_weights();
    return Done{};
  }

 private:
  static constexpr Index kStrip = 128;  // rows that are propagated and updated while they are in the cache

  static Result<Done> check(const LightGcnOptions& o) {
    constexpr Index kMost = Index{1} << 24;
    if (o.width < 1 || o.width > 4096 || o.layers < 1 || o.layers > 16 || o.batch < 1 || o.batch > kMost ||
        o.threads < 1 || o.candidates < 1 || o.candidates > 4096 || !(o.learning_rate > 0) ||
        !(o.regularization >= 0) || !(o.deviation > 0)) {
      return make_fault(FaultKind::out_of_range, "LightGcn: width ", o.width, ", layers ", o.layers, ", batch ",
                        o.batch, ", threads ", o.threads, ", candidates ", o.candidates, ", rate ", o.learning_rate,
                        ", regularization ", o.regularization, ", deviation ", o.deviation,
                        "; width is 1 to 4096, layers 1 to 16, batch 1 to 16777216, candidates 1 to 4096, the others "
                        "positive");
    }
    if (o.loss == LightGcnLoss::bpr) return Done{};
    if (!(o.temperature > 0) || o.negatives < 0 || o.negatives > kMost || (o.negatives == 0 && !o.in_batch) ||
        o.candidates != 1) {
      return make_fault(FaultKind::out_of_range, "LightGcn: softmax with temperature ", o.temperature, ", negatives ",
                        o.negatives, o.in_batch ? "" : " and none in the batch", ", candidates ", o.candidates,
                        "; temperature is positive, negatives 1 to 16777216, or 0 with those in the batch, candidates "
                        "belong to BPR");
    }
    return Done{};
  }

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  using Table = std::vector<float>;

  LightGcn(const Interactions& x, const LightGcnOptions& o)
      : o_(o), isa_(detect_isa()), graph_(x), triples_(x, {.draw = o.draw, .seed = o.seed}) {
    padded_ = (o.width + 15) / 16 * 16;
    const auto size = at(graph_.nodes() * padded_);
    state_.weights.assign(size, 0.0f);
    state_.first.assign(size, 0.0f);
    state_.second.assign(size, 0.0f);
    layers_.assign(at((std::max)(3, o.layers)), Table(size, 0.0f));
    const bool softmax = o.loss == LightGcnLoss::softmax;
    const Index most = (std::min)(2 * o.batch + (softmax ? o.negatives : o.batch), graph_.nodes());
    if (softmax) {
      const Index items = (std::min)(o.batch + o.negatives, graph_.items());
      softmax_.emplace_back(SampledSoftmaxSize{o.batch, items, padded_},
                            SampledSoftmaxOptions{o.temperature, o.cosine, o.threads});
      log_weights_.resize(at(items));
    }
    batch_.resize(at(o.batch));
    slots_.resize(at(3 * o.batch));
    slope_.resize(at(o.batch));
    slot_of_.assign(at(graph_.nodes()), -1);
    touched_.reserve(at(most));
    often_.resize(at(most));
    rows_.resize(at(most * padded_));
    gradient_.resize(rows_.size());
    squares_.resize(at(most));
    losses_.resize(at(o.batch));
    strips_.resize(at(kStrip * padded_ * o.threads));
    const float* const s = graph_.scale<float>();
    for (Index v = 0; v < graph_.nodes(); ++v) {
      square_scale_.push_back(s[v] * s[v]);
      root_degree_.push_back(s[v] > 0 ? 1 / s[v] : 0.0f);
    }
  }
  void start() {
    const Key key = Key{o_.seed}.fold(0x656d6265);
    for (Index v = 0; v < graph_.nodes(); ++v) {
      Philox rng(key.bits, static_cast<std::uint64_t>(v));
      for (Index j = 0; j < o_.width; ++j)
        state_.weights[at(v * padded_ + j)] = static_cast<float>(o_.deviation * rng.normal());
    }
    scale_weights();
  }

  void check_room(std::span<const float> out) const {
    require(out.size() == at(graph_.nodes() * o_.width), "LightGcn: room for ", out.size(), " numbers of ",
            graph_.nodes(), " vectors of width ", o_.width);
  }

  // layers_[0] = D^-1/2 e
  void scale_weights() {
    THAW_DISPATCH(isa_,
                  scale_rows(graph_.nodes(), padded_, graph_.scale<float>(), state_.weights.data(), layers_[0].data()));
  }
  // work(begin, end, thread) for stretches of rows that a thread owns, users' and items' in turn.
  template <class Work>
  void over_parts(const Work& work) const {
    in_parallel(o_.threads, [&](int t) {
      const auto part = graph_.part(t, o_.threads);
      work(part.user_begin, part.user_end, t);
      work(part.item_begin, part.item_end, t);
    });
  }
  // layers_[to] = D^-1 A layers_[from]: scaled tables stay scaled.
  void spread(int from, int to) {
    over_parts([&](Index begin, Index end, int) {
      graph_.sum_rows(isa_, begin, end, layers_[at(from)].data(), padded_, padded_, static_cast<const float*>(nullptr),
                      square_scale_.data(), layers_[at(to)].data() + begin * padded_);
    });
  }

  // take(node, its final vector) for every node.
  template <class Take>
  void read_all(const Take& take) {
    for (int k = 1; k < o_.layers; ++k) spread(k - 1, k);
    in_parallel(o_.threads, [&](int t) {
      float* const row = strips_.data() + t * kStrip * padded_;
      for (Index v = graph_.nodes() * t / o_.threads; v < graph_.nodes() * (t + 1) / o_.threads; ++v) {
        final_row(v, row);
        take(v, row);
      }
    });
  }
  // The vectors that choose among candidates are those of the start of the epoch: exact ones would cost a whole
  // propagation a step. A run that goes on from the end of an epoch is the same run.
  void draw_triples() {
    if (o_.candidates > 1 && (judges_.empty() || state_.steps % steps_per_epoch() == 0)) {
      judges_.resize(state_.weights.size());
      read_all([&](Index v, const float* row) { std::copy_n(row, padded_, judges_.data() + v * padded_); });
    }
    const auto step = static_cast<std::uint64_t>(state_.steps);
    const auto score = [&](std::int32_t user, std::int32_t item) {
      return dot(isa_, padded_, judges_.data() + user * padded_, judges_.data() + (graph_.users() + item) * padded_);
    };
    in_parallel(o_.threads, [&](int t) {
      for (Index i = o_.batch * t / o_.threads; i < o_.batch * (t + 1) / o_.threads; ++i)
        batch_[at(i)] = triples_.hardest(step, static_cast<std::uint64_t>(i), o_.candidates, score);
    });
  }
  // Every node that the triples name once, in the order of its first appearance.
  void number_batch() {
    touched_.clear();
    if (o_.loss == LightGcnLoss::softmax) return number_shared_batch();
    for (Index i = 0; i < o_.batch; ++i) {
      const BprTriple& triple = batch_[at(i)];
      slots_[at(3 * i)] = slot(triple.user, 1);
      slots_[at(3 * i + 1)] = slot(graph_.users() + triple.liked, 1);
      slots_[at(3 * i + 2)] = slot(graph_.users() + triple.other, 1);
    }
  }
  // The place of a node among the touched; the decay counts it `times` more.
  Index slot(Index node, int times) {
    std::int32_t& s = slot_of_[at(node)];
    if (s < 0) {
      s = static_cast<std::int32_t>(touched_.size());
      touched_.push_back(static_cast<std::int32_t>(node));
      often_[at(s)] = 0;
    }
    often_[at(s)] += static_cast<float>(times);
    return static_cast<Index>(s);
  }
  // Users first, then the drawn items, then liked ones; slots_ = users (batch) and items (batch) of the pairs.
  void number_shared_batch() {
    for (Index i = 0; i < o_.batch; ++i) slots_[at(i)] = slot(batch_[at(i)].user, 1);
    batch_users_ = touched();
    std::fill(log_weights_.begin(), log_weights_.end(), 0.0f);
    for (Index i = 0; i < o_.negatives; ++i) {
      const Index item = triples_.shared(static_cast<std::uint64_t>(state_.steps), static_cast<std::uint64_t>(i));
      log_weights_[at(slot(graph_.users() + item, 0) - batch_users_)] += 1;
    }
    columns_ = touched() - batch_users_;
    for (Index i = 0; i < o_.batch; ++i) {
      const Index item = slot(graph_.users() + batch_[at(i)].liked, 1) - batch_users_;
      slots_[at(o_.batch + i)] = item;
      if (o_.in_batch) log_weights_[at(item)] += 1;
    }
    if (o_.in_batch) columns_ = touched() - batch_users_;
    for (Index c = 0; c < columns_; ++c) log_weights_[at(c)] = std::log(log_weights_[at(c)]);
  }
  Index touched() const { return static_cast<Index>(touched_.size()); }

  // out (padded) = the final vector of a node; layers 1 .. layers - 1 are in their tables.
  void final_row(Index v, float* out) const {
    const float share = 1.0f / static_cast<float>(o_.layers + 1);
    const int last = o_.layers - 1;
    graph_.sum_rows(isa_, v, v + 1, layers_[at(last)].data(), padded_, padded_, static_cast<const float*>(nullptr),
                    graph_.scale<float>(), out);
    const Index row = v * padded_;
    for (int k = 1; k <= last; ++k) axpy(isa_, padded_, root_degree_[at(v)], layers_[at(k)].data() + row, out);
    axpy(isa_, padded_, 1.0f, state_.weights.data() + row, out);
    affine(isa_, padded_, share, 0.0f, out, out);
  }
  // Final vectors of the touched nodes; the sum of |e|^2 over the batch.
  double read_rows() {
    in_parallel(o_.threads, [&](int t) {
      for (Index i = t; i < touched(); i += o_.threads) {
        const Index v = touched_[at(i)];
        final_row(v, rows_.data() + i * padded_);
        squares_[at(i)] = sum_of_squares(isa_, padded_, state_.weights.data() + v * padded_) * often_[at(i)];
      }
    });
    double squares = 0;
    for (Index i = 0; i < touched(); ++i) squares += static_cast<double>(squares_[at(i)]);
    return squares;
  }
  // The ranking loss; gradient_ = its gradient by the final vectors over layers + 1.
  double rank_loss() {
    const detail::BprBatch batch{o_.batch, slots_.data(), rows_.data(), padded_};
    const double share = 1 / (static_cast<double>(o_.batch) * (o_.layers + 1));
    in_parallel(o_.threads, [&](int t) {
      const Index begin = o_.batch * t / o_.threads, end = o_.batch * (t + 1) / o_.threads;
      THAW_DISPATCH(isa_, bpr_differences(batch, begin, end, slope_.data()));
      for (Index i = begin; i < end; ++i) {
        const auto d = static_cast<double>(slope_[at(i)]);
        losses_[at(i)] = d > 0 ? d + std::log1p(std::exp(-d)) : std::log1p(std::exp(d));
        slope_[at(i)] = static_cast<float>(share / (1 + std::exp(-d)));
      }
    });
    std::fill_n(gradient_.begin(), touched() * padded_, 0.0f);
    const Index lines = padded_ / 16;  // every thread has its own columns
    in_parallel(o_.threads, [&](int t) {
      const Index begin = lines * t / o_.threads * 16, end = lines * (t + 1) / o_.threads * 16;
      THAW_DISPATCH(isa_, bpr_gradients(batch, begin, end, slope_.data(), gradient_.data()));
    });
    double loss = 0;
    for (const double l : losses_) loss += l;
    return loss / static_cast<double>(o_.batch);
  }

  double softmax_loss() {
    const SampledSoftmaxBatch batch{.pairs = o_.batch,
                                    .users = batch_users_,
                                    .items = touched() - batch_users_,
                                    .columns = columns_,
                                    .user_of = slots_.data(),
                                    .item_of = slots_.data() + o_.batch,
                                    .rows = rows_.data(),
                                    .log_weights = log_weights_.data()};
    // What else she touched is no negative.
    const auto hide = [&](Index pair, float* logits) {
      for (const std::int32_t node : graph_.row(batch_[at(pair)].user)) {
        const Index s = slot_of_[at(node)];
        if (s >= 0 && s - batch_users_ < columns_) logits[s - batch_users_] = -std::numeric_limits<float>::infinity();
      }
    };
    return softmax_.front().run(batch, 1.0 / (o_.layers + 1), hide, gradient_.data());
  }

  // With g = gradient_ and H = g + P (g + P (g + ...)): the table q = D^-1/2 H before the last product.
  int back_propagate() {
    Index edges = 0;
    for (const std::int32_t v : touched_) edges += graph_.degree(v);
    const bool few = o_.layers > 1 && 3 * edges < graph_.edges();
    int now = 1, done = few ? 1 : 0;
    if (few) {
      scatter(now);
    } else {
      now = 2;
      clear(now);
      add_batch(now);
    }
    for (; done < o_.layers - 1; ++done) {
      const int next = 3 - now;
      spread(now, next);
      add_batch(next);
      now = next;
    }
    return now;
  }
  void clear(int table) {
    over_parts([&](Index begin, Index end, int) {
      std::fill(layers_[at(table)].begin() + begin * padded_, layers_[at(table)].begin() + end * padded_, 0.0f);
    });
  }
  // layers_[table] += D^-1/2 g
  void add_batch(int table) {
    in_parallel(o_.threads, [&](int t) {
      for (Index i = t; i < touched(); i += o_.threads) {
        const Index v = touched_[at(i)];
        axpy(isa_, padded_, graph_.scale<float>()[v], gradient_.data() + i * padded_,
             layers_[at(table)].data() + v * padded_);
      }
    });
  }
  // layers_[table] = D^-1/2 (g + P g) from the rows of the batch alone; a thread writes to the nodes that it owns.
  void scatter(int table) {
    clear(table);
    in_parallel(o_.threads, [&](int t) {
      const auto part = graph_.part(t, o_.threads);
      for (Index i = 0; i < touched(); ++i) {
        const Index v = touched_[at(i)];
        const auto row = graph_.row(v);
        const bool is_user = v < graph_.users();
        const auto low = std::lower_bound(row.begin(), row.end(), is_user ? part.item_begin : part.user_begin);
        const auto high = std::lower_bound(low, row.end(), is_user ? part.item_end : part.user_end);
        THAW_DISPATCH(isa_,
                      add_row_to_rows(row.data() + (low - row.begin()), high - low, padded_, graph_.scale<float>()[v],
                                      square_scale_.data(), gradient_.data() + i * padded_, layers_[at(table)].data()));
      }
    });
    add_batch(table);
  }
  // The last product, g and the decay, then Adam, strip by strip; layers_[0] follows the weights.
  void spread_and_update(int from, const AdamStep& adam) {
    const auto decay = static_cast<float>(o_.regularization / static_cast<double>(o_.batch));
    const float* const scale = graph_.scale<float>();
    over_parts([&](Index begin, Index end, int t) {
      float* const strip = strips_.data() + t * kStrip * padded_;
      for (Index top = begin; top < end; top += kStrip) {
        const Index bottom = (std::min)(end, top + kStrip), first = top * padded_;
        graph_.sum_rows(isa_, top, bottom, layers_[at(from)].data(), padded_, padded_,
                        static_cast<const float*>(nullptr), scale, strip);
        float* const weights = state_.weights.data() + first;
        for (Index v = top; v < bottom; ++v) {
          const Index slot = slot_of_[at(v)];
          if (slot < 0) continue;
          float* const row = strip + (v - top) * padded_;
          axpy(isa_, padded_, 1.0f, gradient_.data() + slot * padded_, row);
          axpy(isa_, padded_, decay * often_[at(slot)], weights + (v - top) * padded_, row);
        }
        adam_update(isa_, (bottom - top) * padded_, adam, strip, weights, state_.first.data() + first,
                    state_.second.data() + first);
        THAW_DISPATCH(isa_, scale_rows(bottom - top, padded_, scale + top, weights, layers_[0].data() + first));
      }
    });
  }

  LightGcnOptions o_;
  Isa isa_;
  PropagationGraph graph_;
  BprTriples triples_;
  Index padded_ = 0;
  State state_;                                    // (nodes, padded) each
  std::vector<Table> layers_;                      // D^-1/2 times each layer; backward, the tables behind the first
  std::vector<float> square_scale_, root_degree_;  // 1 / degree, sqrt(degree)

  std::vector<BprTriple> batch_;
  std::vector<Index> slots_;             // (batch, 3); with the softmax (batch) users, then (batch) columns
  std::vector<SampledSoftmax> softmax_;  // one, or none with BPR
  std::vector<float> log_weights_;       // of each column of the batch
  Index batch_users_ = 0, columns_ = 0;  // the touched are so many users, then items, first those that all share
  std::vector<float> slope_;             // (batch)
  std::vector<double> losses_;           // (batch)
  std::vector<std::int32_t> slot_of_;    // (nodes) place among the touched, or -1
  std::vector<std::int32_t> touched_;    // nodes of the batch
  std::vector<float> often_, squares_;   // of each touched node: times in the batch, |e|^2 times that
  std::vector<float> rows_, gradient_;   // (touched, padded)
  std::vector<float> strips_;            // (threads, kStrip, padded)
  std::vector<float> judges_;            // (nodes, padded) final vectors that choose among candidates
};

}  // namespace thaw::inline v0
