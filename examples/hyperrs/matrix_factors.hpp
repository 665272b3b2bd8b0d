// MatrixFactors: user and item vectors by Bayesian personalised ranking (Rendle et al., UAI 2009) on plain SGD: what a
// network that wants pre-trained vectors starts from.
//
//   hyperrs::MatrixFactors factors(world, {.width = 64});
//   std::span<const float> v = factors.item(item);
//   factors.mean_of(support_items, user_vector);     // a new user has no vector: the mean of her items' vectors
//
// An item without training records has a vector of zeros, or, with `from_attributes`, the mean over its attribute
// values of the mean vector of the training items that have the value. Not a recommender of its own.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/core/random.hpp"

namespace hyperrs {

struct MatrixFactorsOptions {
  int width = 64;
  int epochs = 30;  // passes over the records
  double rate = 0.05;
  double decay = 0.01;
  double start = 0.1;  // standard deviation times sqrt(width)
  bool from_attributes = false;
  std::uint64_t seed = 1;
};

class MatrixFactors {
 public:
  MatrixFactors(const World& world, const MatrixFactorsOptions& options)
      : width_(static_cast<std::size_t>(options.width)) {
    thaw::Philox rng(thaw::Key{options.seed}.fold(0x6670u));
    const auto draw = [&](std::vector<float>& to, std::int32_t rows) {
      to.resize(static_cast<std::size_t>(rows) * width_);
      for (float& x : to) x = static_cast<float>(options.start / std::sqrt(options.width) * rng.normal());
    };
    draw(users_, world.train.user_count());
    draw(items_, world.data->items.size());
    for (std::int32_t i = 0; i < world.data->items.size(); ++i)
      known_.push_back(i < world.train.item_count() && !world.train.by_item.row(i).empty());
    for (int epoch = 0; epoch < options.epochs; ++epoch) pass(world.train, options, rng);
    for (std::int32_t i = 0; i < world.data->items.size(); ++i)
      if (!known(i)) std::fill(row(items_, i), row(items_, i) + width_, 0.0F);
    if (options.from_attributes) fill_from_attributes(world.data->items);
  }

  std::size_t width() const { return width_; }
  bool known(std::int32_t item) const {
    return item >= 0 && static_cast<std::size_t>(item) < known_.size() && known_[static_cast<std::size_t>(item)] != 0;
  }
  std::span<const float> item(std::int32_t i) const {
    return {items_.data() + static_cast<std::size_t>(i) * width_, width_};
  }
  std::span<const float> user(std::int32_t u) const {
    return {users_.data() + static_cast<std::size_t>(u) * width_, width_};
  }
  // Copies an item's vector; zeros for an item that the data set does not have.
  void copy_item(std::int32_t i, float* out) const {
    const bool exists = i >= 0 && static_cast<std::size_t>(i) < known_.size();
    for (std::size_t k = 0; k < width_; ++k) out[k] = exists ? item(i)[k] : 0.0F;
  }
  // The mean of the items' vectors, each as often as it is named; zeros without any.
  void mean_of(std::span<const std::int32_t> items, float* out) const {
    std::fill(out, out + width_, 0.0F);
    for (const std::int32_t i : items)
      if (i >= 0 && static_cast<std::size_t>(i) < known_.size())
        for (std::size_t k = 0; k < width_; ++k) out[k] += item(i)[k] / static_cast<float>(items.size());
  }
  double score(std::int32_t u, std::int32_t i) const { return dot(user(u).data(), item(i).data()); }

 private:
  float* row(std::vector<float>& table, std::int32_t i) { return table.data() + static_cast<std::size_t>(i) * width_; }
  double dot(const float* a, const float* b) const {
    float sum = 0;
    for (std::size_t k = 0; k < width_; ++k) sum += a[k] * b[k];
    return static_cast<double>(sum);
  }

  // As many steps as there are records: a record at random, against an item that its user has no record of.
  void pass(const thaw::RatingGraph& train, const MatrixFactorsOptions& options, thaw::Philox& rng) {
    const auto& edges = train.by_user.edges;
    std::vector<std::int32_t> user_of(edges.size());
    for (std::int32_t u = 0; u < train.user_count(); ++u)
      for (std::int64_t e = train.by_user.offsets[static_cast<std::size_t>(u)];
           e < train.by_user.offsets[static_cast<std::size_t>(u) + 1]; ++e)
        user_of[static_cast<std::size_t>(e)] = u;
    for (std::size_t step = 0; step < edges.size(); ++step) {
      const std::size_t e = rng.below(static_cast<std::uint32_t>(edges.size()));
      const auto other = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(train.item_count())));
      if (!known(other) || train.by_user.find(user_of[e], other) != nullptr) continue;
      update(row(users_, user_of[e]), row(items_, edges[e].column), row(items_, other), options);
    }
  }
  void update(float* p, float* q, float* other, const MatrixFactorsOptions& options) const {
    const double gap = dot(p, q) - dot(p, other);
    const auto pull = static_cast<float>(options.rate / (1 + std::exp(gap)));
    const auto keep = static_cast<float>(1 - options.rate * options.decay);
    for (std::size_t k = 0; k < width_; ++k) {
      const float u = p[k], difference = q[k] - other[k];
      p[k] = keep * u + pull * difference;
      q[k] = keep * q[k] + pull * u;
      other[k] = keep * other[k] - pull * u;
    }
  }
  void fill_from_attributes(const thaw::Entities& items) {
    std::vector<float> count(known_.size(), 0);
    for (const thaw::Attribute& a : items.attributes) {
      std::vector<float> sum(static_cast<std::size_t>(a.cardinality()) * width_, 0), holders(sum.size() / width_, 0);
      for (std::int32_t i = 0; i < items.size(); ++i)
        for (const std::int32_t v : a.of(i)) {
          if (!known(i)) continue;
          holders[static_cast<std::size_t>(v)] += 1;
          for (std::size_t k = 0; k < width_; ++k) row(sum, v)[k] += item(i)[k];
        }
      for (std::int32_t i = 0; i < items.size(); ++i)
        for (const std::int32_t v : a.of(i)) {
          const float n = holders[static_cast<std::size_t>(v)];
          if (known(i) || n == 0) continue;
          count[static_cast<std::size_t>(i)] += 1;
          for (std::size_t k = 0; k < width_; ++k) row(items_, i)[k] += row(sum, v)[k] / n;
        }
    }
    for (std::int32_t i = 0; i < items.size(); ++i)
      if (const float n = count[static_cast<std::size_t>(i)]; n > 0)
        for (std::size_t k = 0; k < width_; ++k) row(items_, i)[k] /= n;
  }

  std::size_t width_;
  std::vector<float> users_, items_;  // (users, width), (items, width)
  std::vector<std::uint8_t> known_;
};

}  // namespace hyperrs
