// ClickBase: a base model as the methods that warm it up see it. The vector of an item's id is always given from
// outside, so that a method decides what it is, and everything else can be frozen.
//
//   auto base = mwuf::make_click_base(fields, DeepFm<Spec>::spec(fields, options), {.seed = 1});
//   base->train(batch, 1e-3);                                  // ids, fields and weights: one step
//   base->score(batch, vectors, logits);                       // vectors (rows, width)
//   base->item_gradient(batch, vectors, gradient);             // of the mean loss, with respect to the vectors alone
//
// Which model it is, is forgotten here, so that one method is compiled once for all of them. One virtual call a batch;
// not for deployment.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "mwuf/base_model.hpp"
#include "mwuf/fused_step.hpp"
#include "mwuf/trained_network.hpp"
#include "thaw/autodiff/hessian_vector.hpp"

namespace mwuf {

class ClickBase {
 public:
  virtual ~ClickBase() = default;

  virtual Index width() const = 0;  // of an item's vector, its bias included where there is one
  virtual Index items() const = 0;
  virtual Index user_width() const = 0;  // 0: there are no user ids
  virtual Index item_feature_width() const = 0;
  virtual std::span<float> item_table() = 0;        // (items, width)
  virtual std::span<const float> user_table() = 0;  // (users, user_width), the vectors of user ids
  // One step of every weight; returns the mean loss before it.
  virtual double train(const ClickBatch<>& batch, double rate, const ItemDropout& dropout = {}) = 0;
  // vectors (rows, width) -> logits (rows).
  virtual void score(const ClickBatch<>& batch, const float* vectors, float* logits) = 0;
  // The gradient (rows, width) of the mean loss with respect to the vectors; returns the loss.
  virtual double item_gradient(const ClickBatch<>& batch, const float* vectors, float* gradient) = 0;
  // The Hessian of the mean loss with respect to the vectors times a direction: exact; all (rows, width).
  virtual void item_curvature(const ClickBatch<>& batch, const float* vectors, const float* direction,
                              float* product) = 0;
  // The gradient (rows, width) of each row's logit with respect to its vector.
  virtual void item_slope(const ClickBatch<>& batch, const float* vectors, float* slope) = 0;
  // What the base knows of the items beside their ids: their fields' vectors one after another, (rows, feature width).
  virtual void item_features(const ClickBatch<>& batch, float* features) = 0;
  // Changes with any bit of any weight, the item table's included.
  virtual std::uint64_t fingerprint() const = 0;
  virtual std::int64_t parameter_count() const = 0;
};

struct ClickBaseOptions {
  std::uint64_t seed = 1;
  int threads = 1;
  thaw::Untouched untouched = thaw::Untouched::fade;  // table rows that a batch does not touch
};

// Plan: a base model of Specs.
template <class Plan>
class TrainedClickBase final : public ClickBase {
 public:
  TrainedClickBase(const FieldPlan& fields, const Plan& plan, const ClickBaseOptions& options)
      : fields_(fields),
        network_(plan, options.seed, options.threads, options.untouched),
        width_(tables().item_width()) {}

  Index width() const override { return width_; }
  Index items() const override { return fields_.items; }
  Index user_width() const override { return fields_.user_id < 0 ? 0 : tables().width; }
  Index item_feature_width() const override { return tables().item_feature_width(); }
  std::span<float> item_table() override {
    return {tables().items.data, static_cast<std::size_t>(tables().items.size())};
  }
  std::span<const float> user_table() override {
    if (fields_.user_id < 0) return {};
    const auto& part = tables().fields.layout.parts[fields_.user_id];
    return {tables().fields.table.data + part.first * tables().width,
            static_cast<std::size_t>(part.values * tables().width)};
  }

  double train(const ClickBatch<>& batch, double rate, const ItemDropout& dropout) override {
    if constexpr (Fusible<Plan>)
      return network_.step_from(rate, [&](const auto& net, auto& context, auto& parameters, auto& list) {
        return FusedStep<Plan>(net, context).gradient(batch, dropout, parameters, list);
      });
    else
      return train_recorded(batch, rate, dropout);
  }
  // The same through the tape, for any base.
  double train_recorded(const ClickBatch<>& batch, double rate, const ItemDropout& dropout = {}) {
    thaw::StatisticsUpdate<float> update;
    return network_.step(
        rate,
        [&](const auto& net, FloatTape& tape) {
          FloatVar vectors = net.tables.item_vectors(batch);
          if (dropout.keep != nullptr) vectors = dropped(vectors, dropout, tape);
          return click_loss(training_logits(net, batch, vectors, update), batch);
        },
        [&] { update.commit(); });
  }
  void score(const ClickBatch<>& batch, const float* vectors, float* logits) override {
    network_.run([&](const auto& net, Backend::Context& context) {
      const FloatArray z = net.logits(batch, view(context, batch, vectors));
      std::copy(z.begin(), z.end(), logits);
    });
  }
  double item_gradient(const ClickBatch<>& batch, const float* vectors, float* gradient) override {
    double value = 0;
    network_.frozen([&](const auto& net, FloatTape& tape) {
      const FloatVar v = tape.leaf(view(tape.context(), batch, vectors));
      const FloatVar loss = click_loss(net.logits(batch, v), batch);
      const FloatArray g = thaw::gradient(loss, v);
      std::copy(g.begin(), g.end(), gradient);
      value = static_cast<double>(loss.item());
    });
    return value;
  }
  void item_curvature(const ClickBatch<>& batch, const float* vectors, const float* direction,
                      float* product) override {
    network_.frozen([&](const auto& net, FloatTape& tape) {
      const FloatVar v = tape.leaf(view(tape.context(), batch, vectors));
      const FloatVar loss = click_loss(net.logits(batch, v), batch);
      const FloatArray h = thaw::hessian_vector(loss, v, view(tape.context(), batch, direction));
      std::copy(h.begin(), h.end(), product);
    });
  }
  void item_slope(const ClickBatch<>& batch, const float* vectors, float* slope) override {
    network_.frozen([&](const auto& net, FloatTape& tape) {
      const FloatVar v = tape.leaf(view(tape.context(), batch, vectors));
      const FloatArray g = thaw::gradient(thaw::sum(net.logits(batch, v)), v);
      std::copy(g.begin(), g.end(), slope);
    });
  }
  void item_features(const ClickBatch<>& batch, float* features) override {
    if (item_feature_width() == 0) return;
    network_.run([&](const auto& net, Backend::Context&) {
      const FloatArray all = net.tables.item_features(batch);
      std::copy(all.begin(), all.end(), features);
    });
  }
  std::uint64_t fingerprint() const override { return network_.fingerprint(); }
  std::int64_t parameter_count() const override { return thaw::parameter_count(network_.values()); }

 private:
  const ClickTables<FloatArray>& tables() const { return network_.values().tables; }
  FloatArray view(Backend::Context& context, const ClickBatch<>& batch, const float* data) const {
    return FloatArray::view(context, data, {batch.rows, width_});
  }
  // keep * v + (1 - keep) * substitute
  FloatVar dropped(const FloatVar& vectors, const ItemDropout& dropout, FloatTape& tape) const {
    const Index rows = vectors.shape[0];
    const FloatArray other = FloatArray::make(tape.context(), {rows, width_});
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < width_; ++j) other[i * width_ + j] = (1.0f - dropout.keep[i]) * dropout.substitute[j];
    return thaw::add(thaw::mul(vectors, FloatArray::view(tape.context(), dropout.keep, {rows, 1})), other);
  }

  FieldPlan fields_;
  TrainedNetwork<Plan> network_;
  Index width_;
};

template <class Plan>
std::unique_ptr<ClickBase> make_click_base(const FieldPlan& fields, const Plan& plan,
                                           const ClickBaseOptions& options = {}) {
  return std::make_unique<TrainedClickBase<Plan>>(fields, plan, options);
}

}  // namespace mwuf
