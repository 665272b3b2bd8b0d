// FusedMeluLearner: MeLU with a meta-step of one inner step that forms no user's own weights.
//
//   hyperrs::FusedMeluLearner learner(data, options);            // options.inner_steps of one
//   double loss = learner.train(episodes);                       // the numbers of MeluLearner, to rounding
//
// A gradient over a few support rows has their rank: a layer that moved by it, W - a D^T X, answers a query row x with
// W x - a D^T (X x). So all users' rows go through the shared tower as one product, and what is a user's own are
// products of the size of her support. The gradient through the step, exact or first order, is written out by hand from
// that form. Other numbers of inner steps are left to MeluLearner.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "hyperrs/melu_learner.hpp"

namespace hyperrs {

// Rows of several users through the tower and back.
class MeluBlock {
 public:
  using Index = thaw::Index;
  // The tower 256-64-64-1 and the like; weights are (out, in).
  struct Tower {
    const float *weight[3], *bias[3];
    Index in, hidden;

    Index size() const { return hidden * in + hidden * hidden + 3 * hidden + 1; }
  };
  struct Gradient {
    float *weight[3], *bias[3];
  };
  struct Rows {
    Index begin = 0, count = 0;
  };
  struct User {
    Rows seen, asked;  // of the support, from 0; of the query, from 0
  };

  // Memory for so many users and rows, until the arena rewinds.
  MeluBlock(thaw::Arena& arena, const Tower& tower, Index users, Index seen, Index asked)
      : arena_(&arena), tower_(tower), isa_(thaw::detect_isa()), seen_(seen), asked_(asked), user_count_(users) {
    users_ = arena.take<User>(users);
    features_ = arena.take<float>(rows() * tower.in);
    d_features_ = arena.take<float>(rows() * tower.in);
    labels_ = arena.take<float>(rows());
    float* sums = zeros(tower.size());
    const Index sizes[3] = {tower.in * tower.hidden, tower.hidden * tower.hidden, tower.hidden};
    for (int l = 0; l < 3; ++l) {
      gradient_.weight[l] = sums, sums += sizes[l];
      gradient_.bias[l] = sums, sums += l < 2 ? tower.hidden : 1;
    }
  }
  Index rows() const { return seen_ + asked_; }
  Index seen() const { return seen_; }
  std::span<User> users() const { return {users_, static_cast<std::size_t>(user_count_)}; }
  float* features() const { return features_; }            // (rows, in): support of all users, then query
  float* labels() const { return labels_; }                // (rows)
  const float* d_features() const { return d_features_; }  // (rows, in); first order: those of the query alone
  const Gradient& gradient() const { return gradient_; }

  // share: of one user in the loss. Returns the sum of share * mean squared error of the query rows.
  double run(float rate, float share, bool exact) {
    thaw::ArenaScope scope(*arena_);
    first_layer_ = take(rows() * tower_.hidden);
    support_forward();
    query_forward(rate);
    float* r = take(asked_);
    double loss = 0;
    for (const User& u : users())
      for (Index i = u.asked.begin; i < u.asked.begin + u.asked.count; ++i) {
        const float off = answer_[i] - labels_[seen_ + i], unit = share / static_cast<float>(u.asked.count);
        loss += static_cast<double>(unit * off * off);
        r[i] = 2 * unit * off;
      }
    d_hidden1_ = zeros(seen_ * tower_.hidden), d_hidden2_ = zeros(seen_ * tower_.hidden);
    d_slope1_ = zeros(seen_ * tower_.hidden), d_slope2_ = zeros(seen_ * tower_.hidden);
    d_off_ = zeros(seen_);
    d_first_ = take(rows() * tower_.hidden);
    query_backward(rate, r, exact);
    if (exact) support_backward();
    features_backward(exact);
    return loss;
  }

 private:
  float* take(Index n) const { return arena_->take<float>(n); }
  float* zeros(Index n) const {
    float* x = take(n);
    std::fill(x, x + n, 0.0F);
    return x;
  }
  void product(const thaw::ProductShape& s, const float* a, const float* b, float* c, const float* bias = nullptr) {
    if (s.rows == 0 || s.columns == 0 || s.inner == 0) return;
    thaw::ArenaScope scope(*arena_);
    thaw::product(isa_, s, a, b, c, bias, arena_->take_bytes(thaw::product_scratch_bytes<float>(s)));
  }
  // c (rows, columns) (+)= a (rows, inner) b (inner, columns)
  void times(Index rows, Index columns, Index inner, const float* a, const float* b, float* c, bool add = true) {
    thaw::ProductShape s = thaw::row_major_product(rows, columns, inner);
    s.accumulate = add;
    product(s, a, b, c);
  }
  // c (rows, columns) (+)= a (rows, inner) b^T with b (columns, inner)
  void times_transposed(Index rows, Index columns, Index inner, const float* a, const float* b, float* c,
                        const float* bias = nullptr, bool add = false) {
    thaw::ProductShape s = thaw::row_major_product(rows, columns, inner);
    s.b_inner_stride = 1, s.b_column_stride = inner, s.accumulate = add;
    product(s, a, b, c, bias);
  }
  // c (columns of a, columns of b) += a^T b with a (rows, .), b (rows, .)
  void transposed_times(Index rows, Index a_columns, Index b_columns, const float* a, const float* b, float* c) {
    thaw::ProductShape s = thaw::row_major_product(a_columns, b_columns, rows);
    s.a_row_stride = 1, s.a_inner_stride = a_columns, s.accumulate = true;
    product(s, a, b, c);
  }
  void relu(Index n, float* x) const { thaw::map<thaw::Relu>(isa_, n, x, x); }
  // d stays where y, an output of relu, is positive
  void mask(Index n, const float* y, float* d) const { thaw::zip<thaw::op::ReluSlopeFunction>(isa_, n, d, y, d); }
  void add_rows(Index rows, const float* x, float* sum) const {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < tower_.hidden; ++j) sum[j] += x[i * tower_.hidden + j];
  }
  // out (q, s) = -rate (a b^T + 1): how a step on the rows b of a layer's input moves its answers to the rows a.
  const float* pull(float rate, Index q, Index s, Index inner, const float* a, const float* b) {
    float* out = take(q * s);
    times_transposed(q, s, inner, a, b, out);
    for (Index i = 0; i < q * s; ++i) out[i] = -rate * (out[i] + 1);
    return out;
  }
  // out (q, s) = -rate a b^T
  const float* pair(float rate, Index q, Index s, Index inner, const float* a, const float* b) {
    float* out = take(q * s);
    times_transposed(q, s, inner, a, b, out);
    for (Index i = 0; i < q * s; ++i) out[i] *= -rate;
    return out;
  }

  // The first layer of all rows; then the support's activations and the slopes of its loss before each relu.
  void support_forward() {
    const Index h = tower_.hidden;
    times_transposed(rows(), h, tower_.in, features_, tower_.weight[0], first_layer_, tower_.bias[0]);
    hidden1_ = first_layer_, hidden2_ = take(seen_ * h);
    relu(seen_ * h, hidden1_);
    times_transposed(seen_, h, h, hidden1_, tower_.weight[1], hidden2_, tower_.bias[1]);
    relu(seen_ * h, hidden2_);
    off_ = take(seen_);
    times_transposed(seen_, 1, h, hidden2_, tower_.weight[2], off_, tower_.bias[2]);
    for (const User& u : users())
      for (Index i = u.seen.begin; i < u.seen.begin + u.seen.count; ++i)
        off_[i] = 2 / static_cast<float>(u.seen.count) * (off_[i] - labels_[i]);
    slope2_ = take(seen_ * h), slope1_ = take(seen_ * h);
    times(seen_, h, 1, off_, tower_.weight[2], slope2_, false);
    mask(seen_ * h, hidden2_, slope2_);
    times(seen_, h, h, slope2_, tower_.weight[1], slope1_, false);
    mask(seen_ * h, hidden1_, slope1_);
  }
  void query_forward(float rate) {
    const Index h = tower_.hidden, in = tower_.in;
    asked1_ = first_layer_ + seen_ * h, asked2_ = take(asked_ * h), answer_ = take(asked_);
    for (int l = 0; l < 3; ++l) moved_[l] = arena_->take<const float*>(user_count_);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      moved_[0][k] = pull(rate, q.count, s.count, in, features_ + (seen_ + q.begin) * in, features_ + s.begin * in);
      times(q.count, h, s.count, moved_[0][k], slope1_ + s.begin * h, asked1_ + q.begin * h);
    }
    relu(asked_ * h, asked1_);
    times_transposed(asked_, h, h, asked1_, tower_.weight[1], asked2_, tower_.bias[1]);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      moved_[1][k] = pull(rate, q.count, s.count, h, asked1_ + q.begin * h, hidden1_ + s.begin * h);
      times(q.count, h, s.count, moved_[1][k], slope2_ + s.begin * h, asked2_ + q.begin * h);
    }
    relu(asked_ * h, asked2_);
    times_transposed(asked_, 1, h, asked2_, tower_.weight[2], answer_, tower_.bias[2]);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      moved_[2][k] = pull(rate, q.count, s.count, h, asked2_ + q.begin * h, hidden2_ + s.begin * h);
      times(q.count, 1, s.count, moved_[2][k], off_ + s.begin, answer_ + q.begin);
    }
  }
  // r (asked): the slope of the loss. Everything that the support gave to the moved layers has its own gradient, which
  // first order leaves at zero.
  void query_backward(float rate, const float* r, bool exact) {
    const Index h = tower_.hidden;
    float *d2 = take(asked_ * h), *d1 = d_first_ + seen_ * h;
    transposed_times(asked_, 1, h, r, asked2_, gradient_.weight[2]);
    for (Index i = 0; i < asked_; ++i) gradient_.bias[2][0] += r[i];
    times(asked_, h, 1, r, tower_.weight[2], d2, false);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      const float* d = pair(rate, q.count, s.count, 1, r + q.begin, off_ + s.begin);
      times(q.count, h, s.count, d, hidden2_ + s.begin * h, d2 + q.begin * h);
      if (!exact) continue;
      transposed_times(q.count, s.count, h, d, asked2_ + q.begin * h, d_hidden2_ + s.begin * h);
      transposed_times(q.count, s.count, 1, moved_[2][k], r + q.begin, d_off_ + s.begin);
    }
    mask(asked_ * h, asked2_, d2);
    transposed_times(asked_, h, h, d2, asked1_, gradient_.weight[1]);
    add_rows(asked_, d2, gradient_.bias[1]);
    times(asked_, h, h, d2, tower_.weight[1], d1, false);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      const float* d = pair(rate, q.count, s.count, h, d2 + q.begin * h, slope2_ + s.begin * h);
      times(q.count, h, s.count, d, hidden1_ + s.begin * h, d1 + q.begin * h);
      if (!exact) continue;
      transposed_times(q.count, s.count, h, d, asked1_ + q.begin * h, d_hidden1_ + s.begin * h);
      transposed_times(q.count, s.count, h, moved_[1][k], d2 + q.begin * h, d_slope2_ + s.begin * h);
    }
    mask(asked_ * h, asked1_, d1);
    add_rows(asked_, d1, gradient_.bias[0]);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      moved_[1][k] = pair(rate, q.count, s.count, h, d1 + q.begin * h, slope1_ + s.begin * h);  // for the features
      if (exact) transposed_times(q.count, s.count, h, moved_[0][k], d1 + q.begin * h, d_slope1_ + s.begin * h);
    }
  }
  // Back through the slopes of the support's loss, then through its activations.
  void support_backward() {
    const Index h = tower_.hidden;
    mask(seen_ * h, hidden1_, d_slope1_);
    transposed_times(seen_, h, h, slope2_, d_slope1_, gradient_.weight[1]);
    times_transposed(seen_, h, h, d_slope1_, tower_.weight[1], d_slope2_, nullptr, true);
    mask(seen_ * h, hidden2_, d_slope2_);
    transposed_times(seen_, 1, h, off_, d_slope2_, gradient_.weight[2]);
    times_transposed(seen_, 1, h, d_slope2_, tower_.weight[2], d_off_, nullptr, true);
    for (const User& u : users())
      for (Index i = u.seen.begin; i < u.seen.begin + u.seen.count; ++i) {
        d_off_[i] *= 2 / static_cast<float>(u.seen.count);
        gradient_.bias[2][0] += d_off_[i];
      }
    transposed_times(seen_, 1, h, d_off_, hidden2_, gradient_.weight[2]);
    times(seen_, h, 1, d_off_, tower_.weight[2], d_hidden2_);
    mask(seen_ * h, hidden2_, d_hidden2_);
    transposed_times(seen_, h, h, d_hidden2_, hidden1_, gradient_.weight[1]);
    add_rows(seen_, d_hidden2_, gradient_.bias[1]);
    times(seen_, h, h, d_hidden2_, tower_.weight[1], d_hidden1_);
    mask(seen_ * h, hidden1_, d_hidden1_);
    add_rows(seen_, d_hidden1_, gradient_.bias[0]);
    std::copy_n(d_hidden1_, seen_ * h, d_first_);
  }
  void features_backward(bool exact) {
    const Index h = tower_.hidden, in = tower_.in, from = exact ? 0 : seen_, count = rows() - from;
    transposed_times(count, h, in, d_first_ + from * h, features_ + from * in, gradient_.weight[0]);
    times(count, in, h, d_first_ + from * h, tower_.weight[0], d_features_ + from * in, false);
    for (Index k = 0; k < user_count_; ++k) {
      const auto& [s, q] = users_[k];
      const Index asked = (seen_ + q.begin) * in, seen = s.begin * in;
      times(q.count, in, s.count, moved_[1][k], features_ + seen, d_features_ + asked);
      if (exact) transposed_times(q.count, s.count, in, moved_[1][k], features_ + asked, d_features_ + seen);
    }
  }

  thaw::Arena* arena_;
  Tower tower_;
  thaw::Isa isa_;
  Index seen_, asked_, user_count_;
  User* users_;
  float *features_, *d_features_, *labels_;
  Gradient gradient_;
  // Rows of the support: after each relu, slopes before each relu, slope of the answer; and the gradients of all these.
  float *first_layer_, *hidden1_, *hidden2_, *slope1_, *slope2_, *off_;
  float *d_hidden1_, *d_hidden2_, *d_slope1_, *d_slope2_, *d_off_, *d_first_;
  float *asked1_, *asked2_, *answer_;  // rows of the query
  const float** moved_[3];             // (q, s) a user: what a layer's step adds to her answers
};

class FusedMeluLearner : public MeluLearner {
 public:
  FusedMeluLearner(const thaw::Dataset& data, const MeluOptions& options) : MeluLearner(data, options) {
    const auto zeros = [&](const A& like) {
      const A out = A::make(fused_, like.shape);
      std::fill(out.begin(), out.end(), 0.0F);
      return out;
    };
    thaw::for_each_unnamed(
        [&](const A& a) {
          weights_of_.push_back(a);
          for (std::vector<A>* list : {&sums_, &first_, &second_}) list->push_back(zeros(a));
        },
        parameters().values());
  }

  double train(std::span<const thaw::Episode> episodes) override {
    if (options().inner_steps != 1 || episodes.empty()) return MeluLearner::train(episodes);
    const std::size_t blocks = (episodes.size() + kUsersOfBlock - 1) / kUsersOfBlock;
    while (rooms_.size() < blocks) rooms_.push_back(std::make_unique<Room>());
    const float share = 1 / static_cast<float>(episodes.size());
    each(blocks, [&](std::size_t b) {
      const std::size_t begin = b * kUsersOfBlock;
      run_block(*rooms_[b], episodes.subspan(begin, (std::min)(kUsersOfBlock, episodes.size() - begin)), share);
    });
    double loss = 0;
    for (std::size_t b = 0; b < blocks; ++b) loss += rooms_[b]->loss;
    const auto rule = thaw::AdamStep::at(++steps_, options().rate);
    each(sums_.size(), [&](std::size_t i) {
      add_up(i, blocks);
      const A& w = weights_of_[i];
      thaw::adam_update(fused_.isa, w.size(), rule, sums_[i].data, w.data, first_[i].data, second_[i].data);
    });
    level_rooms();
    return loss;
  }

 private:
  static constexpr std::size_t kUsersOfBlock = 8;
  // Of one block: its memory, what its rows were made of, and their gradients.
  struct Room {
    thaw::GrowingArena arena;
    const thaw::Arena::Mark start = arena.mark();
    MeluBlock* block = nullptr;
    const MeluInput** inputs = nullptr;  // (users) of the support, then (users) of the query
    double loss = 0;
  };

  // work(i) for 0 .. count - 1, each by one thread.
  template <class Work>
  void each(std::size_t count, const Work& work) const {
#if defined(_OPENMP)
    if (options().threads > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(options().threads)
      for (std::size_t i = 0; i < count; ++i) work(i);
      return;
    }
#endif
    for (std::size_t i = 0; i < count; ++i) work(i);
  }
  // Whatever users a block gets next, there is room for them.
  void level_rooms() {
    std::size_t most = 0;
    for (const auto& room : rooms_) most = (std::max)(most, room->arena.peak());
    for (const auto& room : rooms_) {
      room->arena.rewind(room->start);
      room->arena.reserve(most);
    }
  }

  void run_block(Room& room, std::span<const thaw::Episode> episodes, float share) const {
    thaw::Arena& arena = room.arena;
    arena.rewind(room.start);
    Backend::Context context{&arena, 1};
    const auto users = static_cast<thaw::Index>(episodes.size());
    room.inputs = arena.take<const MeluInput*>(2 * users);
    auto* labels = arena.take<const float*>(2 * users);
    thaw::Index rows[2] = {0, 0};
    for (thaw::Index k = 0; k < 2 * users; ++k) {
      const thaw::Episode& e = episodes[static_cast<std::size_t>(k % users)];
      const Examples made = read(arena, context, e.user, k < users ? e.support : e.query);
      room.inputs[k] = ::new (arena.take_bytes(sizeof(MeluInput))) MeluInput(made.input);
      labels[k] = made.labels.data;
      rows[k / users] += made.input.rows;
    }
    const auto& layers = weights().tower.layers;
    MeluBlock::Tower tower{};
    for (int l = 0; l < 3; ++l) tower.weight[l] = layers[l].weight.data, tower.bias[l] = layers[l].bias.data;
    tower.in = layers[0].weight.shape[1], tower.hidden = layers[0].weight.shape[0];
    room.block = ::new (arena.take_bytes(sizeof(MeluBlock))) MeluBlock(arena, tower, users, rows[0], rows[1]);
    thaw::Index at = 0, seen = 0;
    for (thaw::Index k = 0; k < 2 * users; ++k) {
      const MeluInput& in = *room.inputs[k];
      fill(in, room.block->features() + at * tower.in, tower.in);
      std::copy_n(labels[k], in.rows, room.block->labels() + at);
      MeluBlock::User& user = room.block->users()[static_cast<std::size_t>(k % users)];
      (k < users ? user.seen : user.asked) = {k < users ? at : at - seen, in.rows};
      at += in.rows;
      if (k + 1 == users) seen = at;
    }
    room.loss = room.block->run(static_cast<float>(options().local_rate), share, !options().first_order);
  }

  // x (rows, in): the fields of an item, then those of the user.
  void fill(const MeluInput& in, float* x, thaw::Index stride) const {
    const auto& model = weights();
    const thaw::Index width = options().width;
    for (thaw::Index i = 0; i < in.rows; ++i) {
      float* to = x + i * stride;
      for (int f = 0; f < model.item_fields.count; ++f, to += width)
        mean(model.item_fields[f].table, in.item[f], i, to);
      for (int f = 0; f < model.user_fields.count; ++f, to += width)
        mean(model.user_fields[f].table, in.user[f], 0, to);
    }
  }
  static void mean(const A& table, const thaw::Bags& bags, thaw::Index i, float* out) {
    const thaw::Index width = table.shape[1], begin = bags.offsets[i], end = bags.offsets[i + 1];
    std::fill(out, out + width, 0.0F);
    for (thaw::Index k = begin; k < end; ++k)
      for (thaw::Index j = 0; j < width; ++j) out[j] += table.data[bags.ids[k] * width + j];
    if (end - begin < 2) return;
    for (thaw::Index j = 0; j < width; ++j) out[j] /= static_cast<float>(end - begin);
  }

  // The gradient of tensor i over all blocks, in their order.
  void add_up(std::size_t i, std::size_t blocks) {
    const auto& model = weights();
    const auto fields = static_cast<std::size_t>(model.item_fields.count + model.user_fields.count);
    const A& sum = sums_[i];
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (std::size_t b = 0; b < blocks; ++b) {
      if (i < fields) {
        scatter(*rooms_[b], static_cast<int>(i), sum);
        continue;
      }
      const auto& g = rooms_[b]->block->gradient();
      const float* from = (i - fields) % 2 == 0 ? g.weight[(i - fields) / 2] : g.bias[(i - fields) / 2];
      for (thaw::Index j = 0; j < sum.size(); ++j) sum[j] += from[j];
    }
  }
  void scatter(const Room& room, int field, const A& sum) const {
    const int item_fields = weights().item_fields.count;
    const auto users = static_cast<thaw::Index>(room.block->users().size());
    const thaw::Index width = options().width, stride = weights_of_[weights_of_.size() - 6].shape[1];
    const thaw::Index first = options().first_order ? users : 0;
    const float* d = room.block->d_features() + field * width;
    if (first > 0) d += room.block->seen() * stride;
    for (thaw::Index k = first; k < 2 * users; ++k) {
      const MeluInput& in = *room.inputs[k];
      const bool of_item = field < item_fields;
      const thaw::Bags& bags = of_item ? in.item[field] : in.user[field - item_fields];
      for (thaw::Index i = 0; i < in.rows; ++i, d += stride) {
        const thaw::Index bag = of_item ? i : 0, begin = bags.offsets[bag], end = bags.offsets[bag + 1];
        const float share = 1 / static_cast<float>((std::max)(thaw::Index(1), end - begin));
        for (thaw::Index n = begin; n < end; ++n)
          for (thaw::Index j = 0; j < width; ++j) sum.data[bags.ids[n] * width + j] += share * d[j];
      }
    }
  }

  thaw::GrowingArena fused_arena_;
  Backend::Context fused_{&fused_arena_, 1};
  std::vector<A> weights_of_, sums_, first_, second_;  // in the order of the model: item fields, user fields, tower
  std::vector<std::unique_ptr<Room>> rooms_;
  std::int64_t steps_ = 0;
};

}  // namespace hyperrs
