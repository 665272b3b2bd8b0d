// What every way of warming up new items shares: the world it may read, the table of new items' vectors with its
// optimiser, and the interface the protocol drives.
//
//   auto method = mwuf::make_method("mwuf", *base, world, options);     // methods.hpp
//   method->learn();                           // from old items alone
//   method->arrive();                          // new items are there, without interactions
//   method->score(batch, logits);              // cold
//   method->observe(slice), method->fit(slice, {.epochs = 5, .rate = 1e-3});   // the first interactions
//   method->score(batch, logits);              // warmer
//
// The order of calls is the whole leak protection a method needs: it sees interactions of new items only in observe()
// and fit(), which the protocol calls after it has scored what it wants to measure.
#pragma once

#include <numeric>
#include <optional>

#include "mwuf/click_base.hpp"
#include "mwuf/task.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/optim/adam.hpp"

namespace mwuf {

using Rows = std::span<const std::int32_t>;

// What methods may know: the task, and a seed for what they draw.
struct ClickWorld {
  const Task* task = nullptr;
  std::uint64_t seed = 1;

  Rows old_rows() const { return task->split.base; }  // impressions of old items, the earliest first
  Rows old_items() const { return task->split.old_items; }
  Rows new_items() const { return task->split.new_items; }
  std::int32_t item_of(std::int32_t row) const { return task->clicks().items[static_cast<std::size_t>(row)]; }
  // The user's row in the table of users' vectors; below zero for a user nothing was learnt about.
  std::int32_t user_of(std::int32_t row) const {
    const std::int32_t user = task->clicks().users[static_cast<std::size_t>(row)];
    return task->known_user[static_cast<std::size_t>(user)] != 0 ? user : -1;
  }
};

inline constexpr Index kMostRows = 4096;  // of a batch

struct FineTuning {
  int epochs = 1;
  double rate = 1e-3;
  Index batch = 256;
  double strength = 1;  // of a prior, where a method solves and does not step (count_aware.hpp)
  int base = 0;         // which of a method's own bases, where it has several to choose from (methods.hpp)
};

// fn(rows of a batch) over all rows, in their order or shuffled by (seed, stream).
template <class Fn>
void each_batch(Rows rows, Index size, const Fn& fn) {
  for (std::size_t begin = 0; begin < rows.size(); begin += static_cast<std::size_t>(size))
    fn(rows.subspan(begin, (std::min)(static_cast<std::size_t>(size), rows.size() - begin)));
}
inline void shuffle(std::vector<std::int32_t>& rows, std::uint64_t seed, std::uint64_t stream) {
  thaw::Philox rng(seed, stream);
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[rng.below(static_cast<std::uint32_t>(i))]);
}

// Vectors by item with an optimiser that steps only the rows of a batch.
class VectorTable {
 public:
  using Plan = thaw::Embedding<Spec>;

  VectorTable(Index rows, Index width)
      : width_(width), parameters_(thaw::embedding_spec(rows, width, true), context_, 1) {
    restart();
  }
  VectorTable(const VectorTable&) = delete;
  VectorTable& operator=(const VectorTable&) = delete;

  std::span<float> values() {
    const auto& table = parameters_.values().table;
    return {table.data, static_cast<std::size_t>(table.size())};
  }
  float* row(std::int32_t r) { return values().data() + r * width_; }
  Index width() const { return width_; }
  void set_all(const float* vector) {
    const std::span<float> all = values();
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = vector[i % static_cast<std::size_t>(width_)];
  }
  // (count, width) into `out`; an id below zero reads zeros.
  void read(const std::int32_t* ids, Index count, float* out) {
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < width_; ++j) out[i * width_ + j] = ids[i] < 0 ? 0.0f : row(ids[i])[j];
  }
  // One step of Adam from the gradients (count, width) of the rows that a batch read.
  void step(const std::int32_t* ids, Index count, const float* gradient, double rate) {
    thaw::ArenaScope scope(arena_);
    auto& context = parameters_.context();
    thaw::RowGradient<float, Backend> rows{thaw::Bags{ids, nullptr, count, false},
                                           FloatArray::view(context, gradient, {count, width_}), nullptr};
    auto* list = &rows;
    FloatArray none;
    adam_->step(parameters_, {1, &none, &list}, rate);
  }
  // Forgets what the optimiser has gathered.
  void restart() {
    auto& slot = parameters_.slot(0);
    std::fill(slot.last_step, slot.last_step + slot.value.shape[0], 0);
    adam_.emplace(parameters_);
  }

 private:
  Index width_;
  thaw::GrowingArena arena_;
  Backend::Context context_{&arena_, 1};
  thaw::Parameters<Plan, float, Backend> parameters_;
  std::optional<thaw::Adam<float, Backend>> adam_;
};

// The mean of the old items' vectors: what a new item starts from when nothing better is known.
inline std::vector<float> mean_vector(ClickBase& base, Rows items) {
  const Index width = base.width();
  std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
  for (const std::int32_t item : items)
    for (Index j = 0; j < width; ++j)
      sum[static_cast<std::size_t>(j)] +=
          static_cast<double>(base.item_table()[static_cast<std::size_t>(item * width + j)]);
  std::vector<float> mean;
  for (const double s : sum)
    mean.push_back(items.empty() ? 0.0f : static_cast<float>(s / static_cast<double>(items.size())));
  return mean;
}

// The base with new ids, fine-tuned: what all methods extend.
class WarmUp {
 public:
  WarmUp(ClickBase& base, const ClickWorld& world)
      : base_(base), world_(world), batches_(*world.task, kMostRows), ids_(base.items(), base.width()) {}
  virtual ~WarmUp() = default;

  // From old items. The base is trained already and stays as it is.
  virtual void learn() {}
  // Gives every new item its first vector.
  virtual void arrive() {
    const std::vector<float> mean = mean_vector(base_, world_.old_items());
    ids_.set_all(mean.data());
  }
  // Impressions of new items, with their labels, have arrived.
  virtual void observe(Rows) {}
  // Fine-tunes the vectors of the new items among `rows`, with a fresh optimiser.
  virtual void fit(Rows rows, const FineTuning& tuning) {
    ids_.restart();
    std::vector<std::int32_t> order(rows.begin(), rows.end());
    for (int e = 0; e < tuning.epochs; ++e) {
      shuffle(order, world_.seed, kFitStream + static_cast<std::uint64_t>(fits_++));
      each_batch(order, tuning.batch, [&](Rows part) { fit_batch(batches_.fill(part), tuning.rate); });
    }
  }
  // Logits (batch.rows), from what was seen so far.
  virtual void score(const ClickBatch<>& batch, float* logits) {
    vectors_.resize(static_cast<std::size_t>(batch.rows * base_.width()));
    vectors(batch, vectors_.data());
    base_.score(batch, vectors_.data(), logits);
  }
  // The vectors (batch.rows, width) the base is given.
  virtual void vectors(const ClickBatch<>& batch, float* out) { ids_.read(batch.item, batch.rows, out); }

  VectorTable& ids() { return ids_; }

 protected:
  static constexpr std::uint64_t kFitStream = 1u << 20;

  void fit_batch(const ClickBatch<>& batch, double rate) {
    vectors_.resize(static_cast<std::size_t>(batch.rows * base_.width()));
    gradient_.resize(vectors_.size());
    ids_.read(batch.item, batch.rows, vectors_.data());
    base_.item_gradient(batch, vectors_.data(), gradient_.data());
    ids_.step(batch.item, batch.rows, gradient_.data(), rate);
  }

  ClickBase& base_;
  ClickWorld world_;
  Batches batches_;
  VectorTable ids_;
  std::vector<float> vectors_, gradient_;
  std::int64_t fits_ = 0;
};

// New ids keep the random vectors the base was started with: the base as it is.
class RandomStart final : public WarmUp {
 public:
  using WarmUp::WarmUp;
  void arrive() override {
    const std::span<float> table = base_.item_table();
    std::copy(table.begin(), table.end(), ids_.values().begin());
  }
};

}  // namespace mwuf
