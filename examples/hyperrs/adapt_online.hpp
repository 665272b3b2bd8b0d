// On-line adaptation of a new user, one rating at a time, in a buffer of fixed size; inference headers alone.
//
//   alignas(64) static unsigned char scratch[65536];       // at least OnlineTanp<>::scratch_bytes(model.sizes)
//   auto user = hyperrs::adapt(model, items, ratings, count, scratch, sizeof scratch);
//   user.add({/*item*/ 42, /*label*/ 5});                   // costs the same after ten ratings as after a thousand
//   user.score(candidates, candidate_count, scores);
//
// Two rules that need no back-propagation: a neural process averages what its encoders say of each record (OnlineTanp),
// and least squares over fixed item vectors is updated in place (OnlineRidge). Both equal their batch form in any order
// of the ratings. For rules that take gradient steps see adapt_online_steps.hpp.
#pragma once

#include <thaw/infer.hpp>

#include "hyperrs/tanp_network.hpp"

namespace hyperrs {

template <class R = float>
struct OnlineRating {
  std::int32_t item = 0;
  R label = 0;
};

// The fields of items as plain lists, which may lie in flash. A field without offsets has one id an item.
struct OnlineItems {
  struct Field {
    const std::int32_t* offsets = nullptr;  // (items + 1), or null
    const std::int32_t* ids = nullptr;      // below zero: adds nothing
  };
  Field fields[kMaxFields];
  int field_count = 0;
  Index count = 0;

  // Bags of a list of items, by field; an item outside the table has no value.
  void pack(const std::int32_t* items, Index size, thaw::Arena& arena, Bags* out) const {
    for (int f = 0; f < field_count; ++f) {
      auto* offsets = arena.take<std::int32_t>(size + 1);
      offsets[0] = 0;
      for (Index i = 0; i < size; ++i) offsets[i + 1] = offsets[i] + values(f, items[i]);
      auto* ids = arena.take<std::int32_t>(offsets[size]);
      for (Index i = 0; i < size; ++i)
        for (std::int32_t v = 0; v < values(f, items[i]); ++v) ids[offsets[i] + v] = first(f, items[i])[v];
      out[f] = {ids, offsets, size, /*mean*/ true};
    }
  }

 private:
  std::int32_t values(int f, std::int32_t item) const {
    if (item < 0 || item >= count) return 0;
    const std::int32_t* offsets = fields[f].offsets;
    return offsets == nullptr ? 1 : offsets[item + 1] - offsets[item];
  }
  const std::int32_t* first(int f, std::int32_t item) const {
    return fields[f].ids + (fields[f].offsets == nullptr ? item : fields[f].offsets[item]);
  }
};

// A new user of a TaNP network: running sums of her records' codes.
template <class R = float, class B = thaw::Cpu>
class OnlineTanp {
 public:
  using A = thaw::Array<R, B>;
  using Rating = OnlineRating<R>;
  static constexpr Index kChunk = 32;  // items that are scored at once

  // Model and items are referred to, not copied. `centre` is taken off labels and added to scores.
  OnlineTanp(const Tanp<A>& model, const OnlineItems& items, const Rating* ratings, Index count, void* scratch,
             std::size_t bytes, R centre = 0, const Bags* user_fields = nullptr)
      : arena_(scratch, bytes),
        net_(thaw::map_unnamed<A>(model, [&](const A& a) { return A::view(context_, a.data, a.shape); })),
        items_(&items),
        centre_(centre),
        user_(A::make(context_, {1, model.sizes.second})),
        latent_sum_(zeros(model.sizes.encoder[2])),
        task_sum_(zeros(model.sizes.task())),
        z_(zeros(model.sizes.latent)),
        o_(zeros(model.sizes.task())) {
    {
      thaw::ArenaScope scope(arena_);
      Bags none[kMaxFields];
      for (int f = 0; f < net_.user.fields.count; ++f) none[f] = {nothing(), nullptr, 1, false};
      keep(net_.user(user_fields == nullptr ? none : user_fields, 1), user_);
    }
    for (Index i = 0; i < count; ++i) take(ratings[i], 1);
    settle();
  }
  OnlineTanp(const OnlineTanp&) = delete;
  OnlineTanp& operator=(const OnlineTanp&) = delete;

  // One more rating, and one taken back: with both a rating is changed.
  void add(const Rating& rating) {
    take(rating, 1);
    settle();
  }
  void remove(const Rating& rating) {
    thaw::require(records_ > 0, "OnlineTanp: a rating is taken back, but none was given");
    take(rating, -1);
    settle();
  }
  void score(const std::int32_t* items, Index count, R* out) {
    for (Index begin = 0; begin < count; begin += kChunk) {
      thaw::ArenaScope scope(arena_);
      const Index size = kChunk < count - begin ? kChunk : count - begin;
      const A y = net_.decode(pairs(items + begin, size), z_, o_, owner(size));
      for (Index i = 0; i < size; ++i) out[begin + i] = y[i] + centre_;
    }
  }
  Index records() const { return records_; }
  std::size_t peak_bytes() const { return arena_.peak(); }

  // Enough for a model of these sizes whose items have at most `values` values in all fields together.
  static std::size_t scratch_bytes(const TanpSizes& s, Index values = 64) {
    const Index fields = s.item_field_count + s.user_field_count;
    Index row = s.first * (4 + 2 * fields) + 3 * s.second + 3 * s.pair() + 3 * s.latent + 8;
    for (const Index width : s.decoder) row += 8 * width;
    Index user = 4 * (s.latent + s.encoder[0] + s.encoder[1] + s.encoder[2]);
    for (const Index width : s.task_encoder) user += 4 * width;
    user += s.centroids * (2 * s.task() + 8);
    const Index numbers = kChunk * row + user, ids = kChunk * (values + 3 * fields + 2);
    return static_cast<std::size_t>(numbers) * sizeof(R) + static_cast<std::size_t>(ids) * sizeof(std::int32_t) +
           256 * thaw::kAlignment;
  }

 private:
  A zeros(Index width) {
    const A out = A::make(context_, {1, width});
    for (R& v : out) v = 0;
    return out;
  }
  static void keep(const A& from, const A& to) {
    for (Index i = 0; i < to.size(); ++i) to[i] = from[i];
  }
  std::int32_t* nothing() {
    auto* id = arena_.template take<std::int32_t>(1);
    *id = -1;
    return id;
  }
  Bags owner(Index rows) {
    auto* ids = arena_.template take<std::int32_t>(rows);
    for (Index i = 0; i < rows; ++i) ids[i] = 0;
    return {ids, nullptr, rows, false};
  }
  A pairs(const std::int32_t* items, Index count) {
    Bags fields[kMaxFields];
    items_->pack(items, count, arena_, fields);
    return net_.pairs(net_.item(fields, count), user_, owner(count));
  }
  void take(const Rating& rating, int sign) {
    thaw::ArenaScope scope(arena_);
    const R label = rating.label - centre_;
    const A known = net_.records(pairs(&rating.item, 1), A::view(context_, &label, {1, 1}));
    const A latent = net_.latent_record(known), task = net_.task_record(known);
    for (Index i = 0; i < latent.size(); ++i) latent_sum_[i] += static_cast<R>(sign) * latent[i];
    for (Index i = 0; i < task.size(); ++i) task_sum_[i] += static_cast<R>(sign) * task[i];
    records_ += sign;
  }
  // z and o from the means. Without records both codes are zero, as in training's empty sets.
  void settle() {
    thaw::ArenaScope scope(arena_);
    const double share = records_ > 0 ? 1 / static_cast<double>(records_) : 0;
    keep(net_.belief(thaw::scale(latent_sum_, share)).mean, z_);
    const A task = thaw::scale(task_sum_, share);
    keep(net_.recall(task, net_.assign(task)), o_);
  }

  thaw::Arena arena_;
  typename B::Context context_{&arena_};
  Tanp<A> net_;
  const OnlineItems* items_;
  R centre_;
  A user_, latent_sum_, task_sum_, z_, o_;
  Index records_ = 0;
};

// A scorer for a new user from what she has rated so far; add() keeps it up to date.
template <class R, class B>
OnlineTanp<R, B> adapt(const Tanp<thaw::Array<R, B>>& model, const OnlineItems& items, const OnlineRating<R>* ratings,
                       Index count, void* scratch, std::size_t bytes, R centre = 0) {
  return OnlineTanp<R, B>(model, items, ratings, count, scratch, bytes, centre);
}

// label = base[item] + w . factors[item], w by ridge regression, updated by recursive least squares: O(width^2) a
// rating. A column of ones among the factors makes it learn the user's bias.
template <class R = float>
class OnlineRidge {
 public:
  using Rating = OnlineRating<R>;

  // factors (items, width), base (items) or null; scratch holds scratch_numbers(width) numbers.
  OnlineRidge(const R* factors, const R* base, Index width, R penalty, R* scratch)
      : factors_(factors),
        base_(base),
        width_(width),
        weight_(scratch),
        gain_(weight_ + width),
        inverse_(gain_ + width) {
    thaw::require(penalty > 0, "OnlineRidge: the penalty must be positive");
    for (Index i = 0; i < width_ * (width_ + 2); ++i) scratch[i] = 0;
    for (Index i = 0; i < width_; ++i) inverse_[i * (width_ + 1)] = 1 / penalty;
  }
  static constexpr Index scratch_numbers(Index width) { return width * (width + 2); }

  void add(const Rating& rating) {
    const R* q = factors_ + rating.item * width_;
    R spread = 1;
    for (Index i = 0; i < width_; ++i) gain_[i] = dot(inverse_ + i * width_, q);
    spread += dot(gain_, q);
    const R error = rating.label - score(rating.item);
    for (Index i = 0; i < width_; ++i) weight_[i] += gain_[i] / spread * error;
    for (Index i = 0; i < width_; ++i)
      for (Index j = 0; j < width_; ++j) inverse_[i * width_ + j] -= gain_[i] * gain_[j] / spread;
  }
  // Takes back a rating that was added; anything else makes the weights meaningless.
  void remove(const Rating& rating) {
    const R* q = factors_ + rating.item * width_;
    for (Index i = 0; i < width_; ++i) gain_[i] = dot(inverse_ + i * width_, q);
    const R spread = 1 - dot(gain_, q), error = rating.label - score(rating.item);
    thaw::require(spread > 0, "OnlineRidge: a rating is taken back that was not given");
    for (Index i = 0; i < width_; ++i) weight_[i] -= gain_[i] / spread * error;
    for (Index i = 0; i < width_; ++i)
      for (Index j = 0; j < width_; ++j) inverse_[i * width_ + j] += gain_[i] * gain_[j] / spread;
  }
  const R* weights() const { return weight_; }  // (width)
  R score(std::int32_t item) const {
    return (base_ == nullptr ? R(0) : base_[item]) + dot(weight_, factors_ + item * width_);
  }

 private:
  R dot(const R* a, const R* b) const {
    R sum = 0;
    for (Index i = 0; i < width_; ++i) sum += a[i] * b[i];
    return sum;
  }

  const R* factors_;
  const R* base_;
  Index width_;
  R *weight_, *gain_, *inverse_;  // inverse of penalty I + sum q q^T
};

}  // namespace hyperrs
