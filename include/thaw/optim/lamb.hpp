// Lamb: Adam's direction, scaled for each tensor by the ratio of its weight norm to the norm of the step
// (You et al., ICLR 2020), in the form without bias correction.
//
//   thaw::Lamb<float> lamb(parameters);
//   lamb.step(parameters, parameters.gradient(loss), /*rate*/ 1e-3);
//
// The ratio needs the norm of the whole tensor, so row tables are not stepped by touched rows: give such a table to
// Adam, or let it be dense.
#pragma once

#include "thaw/optim/optimizer.hpp"

namespace thaw::inline v0 {

struct LambOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-6;
  double decay = 0;
  double most_norm = 10;  // the weight norm is clamped to this
};

template <class R, class B = Cpu>
class Lamb {
 public:
  template <class Plan>
  explicit Lamb(Parameters<Plan, R, B>& parameters, LambOptions options = {})
      : options_(options), first_(parameters), second_(parameters) {
    for (int i = 0; i < parameters.count(); ++i)
      require(!parameters.slot(i).row_table, "Lamb: ", parameters.slot(i).path,
              " is a row table; use Adam, or a plan without row tables");
  }

  template <class Plan>
  void step(Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients, double rate) {
    auto& context = parameters.context();
    ++steps_;
    const AdamStep step{rate, options_.beta1, options_.beta2, options_.epsilon, options_.decay, 1, 1, true};
    if constexpr (has_own_memory<typename B::Context>)
      detail::each_step_at_once(parameters, gradients, first_, second_, [&](const TensorStep<R>* tensors, int count) {
        B::lamb_all(context, step, options_.most_norm, tensors, count);
      });
    else
      step_each(context, parameters, gradients, step);
  }
  void each_state(auto&& fn) {
    for (int i = 0; i < first_.count(); ++i) fn("first_moment", i, first_[i]);
    for (int i = 0; i < second_.count(); ++i) fn("second_moment", i, second_[i]);
  }
  std::int64_t& steps() { return steps_; }

 private:
  template <class Plan>
  void step_each(typename B::Context& context, Parameters<Plan, R, B>& parameters, const GradientList<R, B>& gradients,
                 const AdamStep& step) {
    for (int i = 0; i < parameters.count(); ++i) {
      const Array<R, B>& value = parameters.slot(i).value;
      ContextScope scope(context);
      R* direction = memory_of(context).template take<R>(value.size());
      const LambNorms norms = B::lamb_direction(context, value.size(), step, gradients.dense[i].data, value.data,
                                                first_[i].data, second_[i].data, direction);
      const double weight = __builtin_sqrt(norms.parameters), length = __builtin_sqrt(norms.update);
      const double clamped = weight < options_.most_norm ? weight : options_.most_norm;
      const double ratio = weight == 0 || length == 0 ? 1 : clamped / length;
      B::add_scaled(context, value.size(), R(1), value.data, static_cast<R>(-step.learning_rate * ratio), direction,
                    value.data);
    }
  }

  LambOptions options_;
  detail::TensorState<R, B> first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace thaw::inline v0
