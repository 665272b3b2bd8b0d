// Adam and AdamW (Kingma and Ba, 2015; Loshchilov and Hutter, 2019).
//
//   thaw::Adam<float> adam(parameters, {.decay = 0.01});          // decay > 0 makes it AdamW
//   adam.step(parameters, parameters.gradient(loss), /*rate*/ 1e-3);
//
// Row tables are stepped by touched rows: a row's moments first fade by the steps it missed, then take the gradient.
// Unlike dense Adam a row does not move while it is not touched. Decay on row tables must be asked for (`table_decay`).
#pragma once

#include "thaw/optim/optimizer.hpp"

namespace thaw::inline v0 {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0;        // of dense tensors, decoupled from the gradient
  double table_decay = 0;  // of touched rows
};

template <class R, class B = Cpu>
class Adam {
 public:
  template <class Plan>
  explicit Adam(Parameters<Plan, R, B>& parameters, AdamOptions options = {})
      : options_(options), first_(parameters), second_(parameters) {}

  template <class Plan>
  void step(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, double rate) {
    auto& context = parameters.context();
    ++steps_;
    const AdamStep dense = at(rate, options_.decay);
    if constexpr (has_own_memory<typename B::Context>)
      detail::each_step_at_once(parameters, gradients, first_, second_, [&](const TensorStep<R>* tensors, int count) {
        B::adam_all(context, dense, tensors, count);
      });
    for (int i = 0; i < parameters.count(); ++i) {
      auto& slot = parameters.slot(i);
      if (slot.row_table)
        step_rows(context, slot, i, gradients.rows[i], at(rate, options_.table_decay));
      else if constexpr (!has_own_memory<typename B::Context>)
        B::adam(context, slot.value.size(), dense, gradients.dense[i].data, first_[i].data, second_[i].data,
                slot.value.data);
    }
  }
  void each_state(auto&& fn) {
    for (int i = 0; i < first_.count(); ++i) fn("first_moment", i, first_[i]);
    for (int i = 0; i < second_.count(); ++i) fn("second_moment", i, second_[i]);
  }
  std::int64_t& steps() { return steps_; }

 private:
  AdamStep at(double rate, double decay) const {
    return AdamStep::at(steps_, rate, options_.beta1, options_.beta2, options_.epsilon, decay);
  }
  void step_rows(typename B::Context& context, ParameterSlot<R, B>& slot, int i, const RowGradient<R, B>* list,
                 const AdamStep& step) {
    ContextScope scope(context);
    const Index width = slot.value.shape[1];
    if constexpr (has_own_memory<typename B::Context>) {
      const auto merged = detail::merge_rows_on_device<R, B>(context, list, width);
      R* const fades = context.arena->template take<R>(2 * merged.count);
      for (Index k = 0; k < merged.count; ++k) {
        std::int32_t& last = slot.last_step[merged.ids[k]];
        const double missed = static_cast<double>(steps_ - 1 - last);
        fades[2 * k] = static_cast<R>(__builtin_pow(options_.beta1, missed));
        fades[2 * k + 1] = static_cast<R>(__builtin_pow(options_.beta2, missed));
        last = static_cast<std::int32_t>(steps_);
      }
      B::adam_rows(context, step, merged.count, width, merged.ids, fades, merged.rows, first_[i].data, second_[i].data,
                   slot.value.data);
    } else {
      step_rows_on_host(context, slot, i, list, step);
    }
  }
  void step_rows_on_host(typename B::Context& context, ParameterSlot<R, B>& slot, int i, const RowGradient<R, B>* list,
                         const AdamStep& step) {
    const Index width = slot.value.shape[1];
    const auto merged = detail::merge_rows(list, width, *context.arena);
    for (Index k = 0; k < merged.count; ++k) {
      const Index at = merged.ids[k] * width;
      std::int32_t& last = slot.last_step[merged.ids[k]];
      const double missed = static_cast<double>(steps_ - 1 - last);
      if (missed > 0) {
        const R fade1 = static_cast<R>(__builtin_pow(options_.beta1, missed));
        const R fade2 = static_cast<R>(__builtin_pow(options_.beta2, missed));
        for (Index j = 0; j < width; ++j) first_[i][at + j] *= fade1, second_[i][at + j] *= fade2;
      }
      B::adam(context, width, step, merged.rows + k * width, first_[i].data + at, second_[i].data + at,
              slot.value.data + at);
      last = static_cast<std::int32_t>(steps_);
    }
  }

  AdamOptions options_;
  detail::TensorState<R, B> first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
