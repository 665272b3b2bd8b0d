// IalsPredictor: factors of users and items by alternating least squares on implicit feedback, iALS (Hu et al., ICDM
// 2008), with the weighting of Rendle et al. (RecSys 2022).
//
//   auto ials = thaw::IalsPredictor::fit(visible, {.width = 64, .threads = 2});
//   if (ials) ials.value().score(user, candidates, out);           // a user of the graph
//   if (ials) ials.value().score_from(history, candidates, out);   // anybody, by solving for a row
//
//   sum over interactions (1 - <p, q>)^2 + a sum over all pairs <p, q>^2
//     + lambda sum over users (n_u + a |I|)^nu |p|^2 + lambda sum over items (n_i + a |U|)^nu |q|^2
//
// a: unobserved_weight. Each sweep solves every user's row exactly with the items fixed, then every item's: one product
// for all pairs together (the Gramian), one Cholesky factorisation a row. The objective never rises. Same numbers for
// any number of threads. The linear method for catalogues that are too large for EASE. Memory: 4 bytes x width a row.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/kernels/product.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/baselines/history_scorer.hpp"
#include "thaw/baselines/kernels/factor_rows.hpp"
#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

struct IalsOptions {
  Index width = 64;
  double unobserved_weight = 0.1;  // a
  double regularization = 0.003;   // lambda
  double power = 1;                // nu: 0 alike for all rows, 1 in proportion to what a row has seen
  int sweeps = 16;
  std::uint64_t seed = 1;
  int threads = 1;
};

namespace detail {

// Solves rows of one side against the other side's factors. One a thread; allocates when it is made, and when a row is
// longer than any before.
class IalsSolver {
 public:
  IalsSolver(Index width, double weight)
      : width_(width), stride_((width + 15) / 16 * 16), weight_(static_cast<float>(weight)), isa_(detect_isa()) {
    system_.resize(static_cast<std::size_t>(width * stride_));
    rows_.resize(static_cast<std::size_t>(kRows * stride_));
    ProductShape shape = row_major_product(width, stride_, kRows);
    scratch_.resize(product_scratch_bytes<float>(shape));
  }
  // gramian (width, stride): sum of q q^T over all rows of the other side.
  static void make_gramian(std::span<const float> factors, Index width, std::vector<float>& gramian) {
    const auto n = static_cast<Index>(factors.size()) / width;
    const Index stride = (width + 15) / 16 * 16;
    std::vector<double> sum(static_cast<std::size_t>(width * width), 0.0);
    std::vector<float> part(sum.size());
    ProductShape shape = row_major_product(width, width, 4096);
    shape.a_row_stride = 1;
    shape.a_inner_stride = width;
    std::vector<unsigned char> scratch(product_scratch_bytes<float>(shape));
    const Isa isa = detect_isa();
    for (Index begin = 0; begin < n; begin += 4096) {  // in double over blocks: catalogues can be long
      shape.inner = n - begin < 4096 ? n - begin : 4096;
      const float* const block = factors.data() + begin * width;
      product(isa, shape, block, block, part.data(), static_cast<const float*>(nullptr), scratch.data());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(part[i]);
    }
    gramian.assign(static_cast<std::size_t>(width * stride), 0.0f);
    for (Index i = 0; i < width; ++i)
      for (Index j = 0; j < width; ++j)
        gramian[static_cast<std::size_t>(i * stride + j)] =
            static_cast<float>(sum[static_cast<std::size_t>(i * width + j)]);
  }

  // out (width): the best row for these ids of the other side. False: the system is singular in single precision.
  bool solve(std::span<const std::int32_t> ids, const float* factors, const std::vector<float>& gramian, double decay,
             float* out) {
    for (std::size_t i = 0; i < system_.size(); ++i) system_[i] = weight_ * gramian[i];
    for (Index j = 0; j < width_; ++j) {
      system_[static_cast<std::size_t>(j * stride_ + j)] += static_cast<float>(decay);
      out[j] = 0;
    }
    for (std::size_t begin = 0; begin < ids.size(); begin += static_cast<std::size_t>(kRows)) {
      const auto left = static_cast<Index>(ids.size() - begin);
      const Index count = left < kRows ? left : kRows;
      for (Index r = 0; r < count; ++r) {
        const float* const q = factors + ids[begin + static_cast<std::size_t>(r)] * width_;
        copy(width_, q, rows_.data() + r * stride_);
        axpy(isa_, width_, 1.0f, q, out);
      }
      ProductShape shape = row_major_product(width_, stride_, count);
      shape.a_row_stride = 1;
      shape.a_inner_stride = stride_;
      shape.accumulate = true;
      product(isa_, shape, rows_.data(), rows_.data(), system_.data(), static_cast<const float*>(nullptr),
              scratch_.data());
    }
    return THAW_DISPATCH(isa_, solve_positive_definite(width_, stride_, system_.data(), out));
  }

 private:
  static constexpr Index kRows = 128;  // rows of the other side gathered at a time

  Index width_, stride_;
  float weight_;
  Isa isa_;
  std::vector<float> system_;  // (width, stride)
  std::vector<float> rows_;    // (kRows, stride), zeros behind width
  std::vector<unsigned char> scratch_;
};

}  // namespace detail

class IalsPredictor {
 public:
  static constexpr bool kPredictsRatings = false;
  using Options = IalsOptions;

  // Errors: no interactions, a setting out of range, a system that is singular in single precision.
  static Result<IalsPredictor> fit(const RatingGraph& visible, const Options& options) {
    auto started = start(visible, options);
    for (int sweep = 0; started && sweep < options.sweeps; ++sweep)
      if (const Result<Done> done = started.value().sweep(); !done) return done.fault();
    return started;
  }
  static Result<IalsPredictor> fit(const RatingGraph& visible) { return fit(visible, Options()); }
  // Random factors, for sweeps one at a time.
  static Result<IalsPredictor> start(const RatingGraph& visible, const Options& o) {
    if (o.width < 1 || o.width > 1024 || !(o.unobserved_weight > 0) || o.unobserved_weight > 1e6 ||
        !(o.regularization > 0) || o.regularization > 1e9 || !(o.power >= 0) || o.power > 2 || o.sweeps < 1 ||
        o.threads < 1) {
      return make_fault(FaultKind::out_of_range, "IalsPredictor: width ", o.width, ", unobserved weight ",
                        o.unobserved_weight, ", regularization ", o.regularization, ", power ", o.power, ", sweeps ",
                        o.sweeps, ", threads ", o.threads, "; width is 1 to 1024, power 0 to 2, all others above 0");
    }
    Result<Interactions> x = Interactions::from_graph(visible);
    if (!x) return x.fault();
    IalsPredictor predictor;
    predictor.o_ = o;
    predictor.x_ = std::move(x.value());
    predictor.users_.assign(static_cast<std::size_t>(predictor.x_.user_count() * o.width), 0.0f);
    predictor.items_.resize(static_cast<std::size_t>(predictor.x_.item_count() * o.width));
    Philox rng(Key{o.seed}.fold(0x69616c73));
    const double deviation = 0.1 / std::sqrt(static_cast<double>(o.width));
    for (float& q : predictor.items_) q = static_cast<float>(deviation * rng.normal());
    detail::IalsSolver::make_gramian(predictor.items_, o.width, predictor.gramian_);
    return predictor;
  }

  // All users, then all items.
  Result<Done> sweep() {
    if (!solve_side(x_.by_user, items_, users_)) return singular();
    detail::IalsSolver::make_gramian(users_, o_.width, gramian_);
    const bool solved = solve_side(x_.by_item, users_, items_);
    detail::IalsSolver::make_gramian(items_, o_.width, gramian_);
    return solved ? Result<Done>(Done{}) : Result<Done>(singular());
  }
  // What the sweeps minimise; for watching them. O(interactions + users x width^2).
  double objective() const {
    double sum = 0;
    for (std::int32_t user = 0; user < x_.user_count(); ++user) {
      const auto p = user_row(user);
      for (const std::int32_t item : x_.by_user.row(user)) {
        const double miss = 1 - product_of(p, item_row(item));
        sum += miss * miss;
      }
      double all = 0;
      const Index stride = (o_.width + 15) / 16 * 16;
      for (Index i = 0; i < o_.width; ++i)
        for (Index j = 0; j < o_.width; ++j)
          all += static_cast<double>(p[static_cast<std::size_t>(i)]) *
                 static_cast<double>(p[static_cast<std::size_t>(j)]) *
                 static_cast<double>(gramian_[static_cast<std::size_t>(i * stride + j)]);
      sum += o_.unobserved_weight * all + decay(x_.by_user, user) * product_of(p, p);
    }
    for (std::int32_t item = 0; item < x_.item_count(); ++item)
      sum += decay(x_.by_item, item) * product_of(item_row(item), item_row(item));
    return sum;
  }

  std::int32_t user_count() const { return x_.user_count(); }
  std::int32_t item_count() const { return x_.item_count(); }
  std::span<const float> user_row(std::int32_t user) const { return row(users_, user); }
  std::span<const float> item_row(std::int32_t item) const { return row(items_, item); }
  // lambda (n + a N)^nu of a user's, or an item's, own row.
  double user_decay(std::int32_t user) const { return decay(x_.by_user, user); }
  double item_decay(std::int32_t item) const { return decay(x_.by_item, item); }

  // out[i] = <p of the user, q of items[i]>
  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(user >= 0 && user < user_count(), "IalsPredictor: user ", user, " of ", user_count());
    score_row(user_row(user).data(), items, out);
  }
  // The same for the row that a user with this history would get. Safe from many threads; allocates its workspace.
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    detail::check_history("IalsPredictor", item_count(), history, items, out);
    std::vector<float> p(static_cast<std::size_t>(o_.width));
    detail::IalsSolver solver(o_.width, o_.unobserved_weight);
    if (history.empty() ||
        !solver.solve(history, items_.data(), gramian_, decay_of(history.size(), item_count()), p.data()))
      for (float& v : p) v = 0;
    score_row(p.data(), items, out);
  }

 private:
  std::span<const float> row(const std::vector<float>& factors, std::int32_t r) const {
    return {factors.data() + r * o_.width, static_cast<std::size_t>(o_.width)};
  }
  static double product_of(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t j = 0; j < a.size(); ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
    return sum;
  }
  double decay_of(std::size_t seen, std::int32_t others) const {
    return o_.regularization *
           std::pow(static_cast<double>(seen) + o_.unobserved_weight * static_cast<double>(others), o_.power);
  }
  double decay(const IdLists& side, std::int32_t r) const {
    const std::int32_t others = &side == &x_.by_user ? x_.item_count() : x_.user_count();
    return decay_of(side.row(r).size(), others);
  }
  static Fault singular() {
    return make_fault(FaultKind::out_of_range,
                      "IalsPredictor: a row's system is singular in single precision; raise the regularization");
  }
  bool solve_side(const IdLists& side, const std::vector<float>& others, std::vector<float>& factors) const {
    std::vector<std::uint8_t> solved(static_cast<std::size_t>(o_.threads), 1);
    in_parallel(o_.threads, [&](int t) {
      detail::IalsSolver solver(o_.width, o_.unobserved_weight);
      for (std::int32_t r = t; r < side.rows(); r += o_.threads)
        if (!solver.solve(side.row(r), others.data(), gramian_, decay(side, r), factors.data() + r * o_.width))
          solved[static_cast<std::size_t>(t)] = 0;
    });
    for (const std::uint8_t s : solved)
      if (s == 0) return false;
    return true;
  }
  void score_row(const float* p, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "IalsPredictor: room for ", out.size(), " of ", items.size(), " items");
    const Isa isa = detect_isa();
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = dot(isa, o_.width, p, item_row(items[i]).data());
  }

  Options o_;
  Interactions x_;
  std::vector<float> users_, items_;  // (rows, width)
  std::vector<float> gramian_;        // (width, stride) of the side that is fixed; of the items between sweeps
};

}  // namespace thaw::inline v0
