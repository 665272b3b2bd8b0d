// The rules of adapt_online.hpp and adapt_online_steps.hpp behind one interface, each trained on a task: for programs
// that let people choose.
//
//   std::unique_ptr<hyperrs::OnlineModel> model = hyperrs::make_online_model("ridge", task, {});
//   std::unique_ptr<hyperrs::OnlineUser> user = model->user();     // a new one, without ratings
//   user->add({item, 4}), user->score(items, scores);
//
// Nothing is known of a user but her ratings. The buffer of a user is allocated here, once, with the size that the rule
// asks for; devices would give it a static one. Not a learner of the comparison: see learners.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "hyperrs/adapt_online.hpp"
#include "hyperrs/adapt_online_steps.hpp"
#include "hyperrs/melu.hpp"
#include "hyperrs/rating_factors.hpp"
#include "hyperrs/tanp.hpp"
#include "hyperrs/task.hpp"

namespace hyperrs {

class OnlineUser {
 public:
  virtual ~OnlineUser() = default;
  // Items of the data set.
  virtual void add(const OnlineRating<>& rating) = 0;
  virtual void remove(const OnlineRating<>& rating) = 0;
  virtual void score(std::span<const std::int32_t> items, std::span<float> out) = 0;
  virtual std::size_t scratch_bytes() const = 0;
};

class OnlineModel {
 public:
  virtual ~OnlineModel() = default;
  virtual std::unique_ptr<OnlineUser> user() const = 0;  // refers to the model
};

struct OnlineTraining {
  int passes = 0;  // over the training users; 0: the rule's own number
  std::uint64_t seed = 1;
  // Told after each pass: its number from 1 on, of how many, and the mean squared error of the query ratings.
  std::function<void(int, int, double)> on_pass = [](int, int, double) {};
};

namespace detail {

inline double mean_rating(const Task& task) {
  return task.world().train.mean((task.data.lowest + task.data.highest) / 2);
}

// A meta-step takes 32 users, each with none to eight ratings, so that the first ones count as well: `meta_steps` of
// them, unless passes were asked for. `centre` is taken off all labels.
inline void train_online(Learner& learner, const Task& task, int meta_steps, double centre,
                         const OnlineTraining& options) {
  const thaw::EpisodeSampler sampler = task.sampler({.support = 8, .query = 8, .seed = options.seed});
  const int in_a_pass = (std::max)(1, static_cast<int>(sampler.training_users().size()) / 32);
  const int passes = options.passes > 0 ? options.passes : (meta_steps + in_a_pass - 1) / in_a_pass;
  std::vector<thaw::Episode> batch;
  thaw::Philox rng(thaw::Key{options.seed}.fold(0x6f6e6c696e65));
  for (int pass = 0; pass < passes; ++pass) {
    double loss = 0, steps = 0;
    const auto step = [&] {
      loss += learner.train(batch), steps += 1;
      batch.clear();
    };
    for (const std::int32_t user : sampler.training_users()) {
      thaw::Episode& episode = batch.emplace_back();
      if (!sampler.draw(static_cast<std::uint64_t>(pass), user, episode)) {
        batch.pop_back();
        continue;
      }
      thaw::Episode::Part& support = episode.support;
      const std::size_t kept = (std::min)(support.items.size(), static_cast<std::size_t>(rng.below(9)));
      support.items.resize(kept), support.labels.resize(kept);
      for (thaw::Episode::Part* part : {&support, &episode.query})
        for (float& label : part->labels) label -= static_cast<float>(centre);
      if (batch.size() == 32) step();
    }
    if (!batch.empty() && steps == 0) step();  // fewer users than a meta-step takes
    batch.clear();
    options.on_pass(pass + 1, passes, steps > 0 ? loss / steps : 0);
  }
}

// A network as the portable engine sees it.
template <class Net>
auto portable(const Net& net, thaw::Cpu::Context& context) {
  return thaw::map_unnamed<thaw::Array<float>>(net, [&](const auto& a) { return thaw::on<thaw::Cpu>(context, a); });
}

class TanpModel : public OnlineModel {
 public:
  TanpModel(const Task& task, const OnlineTraining& training)
      : world_(task.world()), learner_(world_, tanp(world_, training)) {
    train_online(learner_, task, 4000, 0, training);
    net_ = portable(learner_.network(), context_);
    const thaw::Entities& side = task.data.items;
    for (std::int32_t i = 0; i < side.size(); ++i) ids_.push_back(world_.train.by_item.row(i).empty() ? -1 : i);
    items_.count = side.size();
    items_.fields[items_.field_count++] = {nullptr, ids_.data()};
    for (const thaw::Attribute& a : side.attributes) {
      items_.fields[items_.field_count++] = {a.offsets.data(), a.ids.data()};
      Index largest = 0;
      for (std::int32_t i = 0; i < side.size(); ++i) largest = (std::max)(largest, static_cast<Index>(a.of(i).size()));
      values_ += largest;
    }
  }
  std::unique_ptr<OnlineUser> user() const override { return std::make_unique<User>(*this); }

 private:
  static TanpOptions tanp(const World& world, const OnlineTraining& training) {
    TanpOptions options = tanp_options(world, {.variant = Variant::best, .seed = training.seed});
    options.rate = 1e-3;
    return options;
  }
  struct User : OnlineUser {
    std::vector<unsigned char> scratch;
    OnlineTanp<> own;

    explicit User(const TanpModel& model)
        : scratch(OnlineTanp<>::scratch_bytes(model.net_.sizes, model.values_) + thaw::kAlignment),
          own(model.net_, model.items_, nullptr, 0, scratch.data(), scratch.size(), model.learner_.options().centre) {}
    void add(const OnlineRating<>& rating) override { own.add(rating); }
    void remove(const OnlineRating<>& rating) override { own.remove(rating); }
    void score(std::span<const std::int32_t> items, std::span<float> out) override {
      own.score(items.data(), static_cast<Index>(items.size()), out.data());
    }
    std::size_t scratch_bytes() const override { return scratch.size(); }
  };

  World world_;
  TanpLearner learner_;
  thaw::GrowingArena arena_;
  thaw::Cpu::Context context_{&arena_};
  Tanp<thaw::Array<float>> net_;
  std::vector<std::int32_t> ids_;
  OnlineItems items_;
  Index values_ = 1;  // of an item in all fields, at most
};

class RidgeModel : public OnlineModel {
 public:
  RidgeModel(const Task& task, const OnlineTraining& training)
      : factors_(task.world(), {.rounds = training.passes > 0 ? training.passes : 10, .seed = training.seed}) {}
  std::unique_ptr<OnlineUser> user() const override { return std::make_unique<User>(factors_); }

 private:
  struct User : OnlineUser {
    std::vector<float> scratch;
    OnlineRidge<> own;

    explicit User(const RatingFactors& f)
        : scratch(static_cast<std::size_t>(OnlineRidge<>::scratch_numbers(f.width()))),
          own(f.items(), f.base(), f.width(), f.penalty(), scratch.data()) {}
    void add(const OnlineRating<>& rating) override { own.add(rating); }
    void remove(const OnlineRating<>& rating) override { own.remove(rating); }
    void score(std::span<const std::int32_t> items, std::span<float> out) override {
      for (std::size_t i = 0; i < items.size(); ++i) out[i] = own.score(items[i]);
    }
    std::size_t scratch_bytes() const override { return scratch.size() * sizeof(float); }
  };

  RatingFactors factors_;
};

// The tower of MeLU over item features that are worked out once.
class StepsModel : public OnlineModel {
 public:
  using A = thaw::Array<float>;
  using Steps = OnlineSteps<thaw::Mlp<A>>;

  StepsModel(const Task& task, const OnlineTraining& training)
      : learner_(task.data, melu(training)), centre_(static_cast<float>(mean_rating(task))) {
    train_online(learner_, task, 2000, static_cast<double>(centre_), training);
    options_ = {.steps = kSteps, .rate = learner_.options().local_rate, .capacity = 64};
    const auto& net = learner_.parameters().values();
    tower_ = portable(net.tower, context_);
    const MeluFields items(task.data.items, true), users(task.data.users, false);
    const std::int32_t nobody = -1;
    for (std::int32_t i = 0; i < task.data.items.size(); ++i) {
      thaw::GrowingArena arena;
      MeluLearner::Backend::Context context{&arena, 1};
      const auto here = thaw::map_unnamed<MeluLearner::A>(
          net, [&](const auto& a) { return thaw::on<MeluLearner::Backend>(context, a); });
      const auto row = here.features(MeluInput::make(items, users, nobody, {&i, 1}, arena));
      width_ = row.size();
      features_.insert(features_.end(), row.begin(), row.end());
    }
  }
  std::unique_ptr<OnlineUser> user() const override { return std::make_unique<User>(*this); }

 private:
  static constexpr int kSteps = 3;
  static MeluOptions melu(const OnlineTraining& training) {
    MeluOptions options;
    options.width = 16, options.hidden = 32;
    options.local_rate = 0.03, options.rate = 2e-3;
    options.inner_steps = kSteps;
    options.seed = training.seed;
    return options;
  }
  struct User : OnlineUser {
    const StepsModel& model;
    std::vector<unsigned char> scratch;
    Steps own;

    explicit User(const StepsModel& from)
        : model(from),
          scratch(Steps::scratch_bytes(from.tower_, from.width_, from.options_) + thaw::kAlignment),
          own(from.tower_, from.width_, from.options_, scratch.data(), scratch.size()) {}
    const float* row(std::int32_t item) const { return model.features_.data() + item * model.width_; }
    void add(const OnlineRating<>& rating) override { own.add(row(rating.item), rating.label - model.centre_); }
    void remove(const OnlineRating<>& rating) override { own.remove(row(rating.item), rating.label - model.centre_); }
    void score(std::span<const std::int32_t> items, std::span<float> out) override {
      for (std::size_t i = 0; i < items.size();) {  // neighbours in the table are scored together
        std::size_t end = i + 1;
        while (end < items.size() && items[end] == items[end - 1] + 1) ++end;
        own.score(row(items[i]), static_cast<Index>(end - i), out.data() + i);
        i = end;
      }
      for (float& y : out) y += model.centre_;
    }
    std::size_t scratch_bytes() const override { return scratch.size(); }
  };

  MeluLearner learner_;
  float centre_;  // off every label
  OnlineStepsOptions options_;
  thaw::GrowingArena arena_;
  thaw::Cpu::Context context_{&arena_};
  thaw::Mlp<A> tower_;
  Index width_ = 0;
  std::vector<float> features_;  // (items, width)
};

}  // namespace detail

// "tanp": averages of what a neural process says of each record. "ridge": least squares over fixed item vectors.
// "steps": gradient steps on a small tower. Null for any other name. The task must outlive the model.
inline std::unique_ptr<OnlineModel> make_online_model(std::string_view rule, const Task& task,
                                                      const OnlineTraining& training) {
  if (rule == "tanp") return std::make_unique<detail::TanpModel>(task, training);
  if (rule == "ridge") return std::make_unique<detail::RidgeModel>(task, training);
  if (rule == "steps") return std::make_unique<detail::StepsModel>(task, training);
  return nullptr;
}

}  // namespace hyperrs
