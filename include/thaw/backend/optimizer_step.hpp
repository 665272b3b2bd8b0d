// The numbers of one optimiser step that do not depend on the element, handed to a backend's update loops.
//
//   const thaw::AdamStep step = thaw::AdamStep::at(t, 1e-3, 0.9, 0.999, 1e-8, 0.01);   // t counts from 1
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

// p -= learning_rate * velocity with velocity = momentum * velocity + g + weight_decay * p.
struct SgdStep {
  double learning_rate = 0.01, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

// The numbers of one step of Adam (Kingma and Ba, 2015); `decoupled` makes it AdamW (Loshchilov and Hutter, 2019).
struct AdamStep {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  double correction1, correction2;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  bool decoupled;

  static AdamStep at(std::int64_t t, double learning_rate, double beta1 = 0.9, double beta2 = 0.999,
                     double epsilon = 1e-8, double weight_decay = 0, bool decoupled = true) {
    const double n = static_cast<double>(t);
    return {learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            1 / (1 - __builtin_pow(beta1, n)),
            1 / __builtin_sqrt(1 - __builtin_pow(beta2, n)),
            decoupled};
  }
};

// One dense tensor of a step over all tensors at once.
template <class R>
struct TensorStep {
  const R* gradient;
  R *first, *second;  // moments
  R* weight;
  Index size;
};

// Squared lengths that LAMB (You et al., 2020) compares: of the parameters and of the update.
struct LambNorms {
  double parameters = 0, update = 0;
};

}  // namespace thaw::inline v0
