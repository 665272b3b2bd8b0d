// Sgd: stochastic gradient descent, with optional momentum (Polyak) on the dense tensors.
//
//   thaw::Sgd<float> sgd(parameters, {.momentum = 0.9});
//   sgd.step(parameters, parameters.gradient(loss), /*rate*/ 0.01);
//
// Row tables take plain steps on the rows that the batch touched.
#pragma once

#include "thaw/optim/optimizer.hpp"

namespace thaw::inline v0 {

struct SgdOptions {
  double momentum = 0;
};

template <class R, class B = Cpu>
class Sgd {
 public:
  template <class Plan>
  explicit Sgd(Parameters<Plan, R, B>& parameters, SgdOptions options = {})
      : options_(options), velocity_(parameters) {}

  template <class Plan>
  void step(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, double rate) {
    auto& context = parameters.context();
    ++steps_;
    for (int i = 0; i < parameters.count(); ++i) {
      auto& slot = parameters.slot(i);
      if (slot.row_table) {
        step_rows(slot, gradients.rows[i], static_cast<R>(rate), context);
      } else {
        const R* direction = gradients.dense[i].data;
        if (options_.momentum != 0) {
          R* v = velocity_[i].data;
          B::add_scaled(context, slot.value.size(), static_cast<R>(options_.momentum), v, R(1), direction, v);
          direction = v;
        }
        B::add_scaled(context, slot.value.size(), R(1), slot.value.data, static_cast<R>(-rate), direction,
                      slot.value.data);
      }
    }
  }
  // fn(name, state array) for every array that a checkpoint must hold.
  void each_state(auto&& fn) {
    if (options_.momentum != 0)
      for (int i = 0; i < velocity_.count(); ++i) fn("velocity", i, velocity_[i]);
  }
  std::int64_t& steps() { return steps_; }

 private:
  void step_rows(ParameterSlot<R, B>& slot, const RowGradient<R, B>* list, R rate, typename B::Context& context) {
    ContextScope scope(context);
    const Index width = slot.value.shape[1];
    if constexpr (has_own_memory<typename B::Context>) {
      const auto merged = detail::merge_rows_on_device<R, B>(context, list, width);
      B::add_to_rows(context, merged.count, width, merged.ids, -rate, merged.rows, slot.value.data);
      for (Index k = 0; k < merged.count; ++k) slot.last_step[merged.ids[k]] = static_cast<std::int32_t>(steps_);
    } else {
      const auto merged = detail::merge_rows(list, width, *context.arena);
      for (Index k = 0; k < merged.count; ++k) {
        R* row = slot.value.data + merged.ids[k] * width;
        for (Index j = 0; j < width; ++j) row[j] -= rate * merged.rows[k * width + j];
        slot.last_step[merged.ids[k]] = static_cast<std::int32_t>(steps_);
      }
    }
  }

  SgdOptions options_;
  detail::TensorState<R, B> velocity_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
