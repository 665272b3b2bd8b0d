// Everything needed to bind a trained model and score with it: arrays, operations, layers, the reader of model files.
//
//   #include <thaw/infer.hpp>
//   alignas(64) static unsigned char scratch[16384];
//   thaw::Arena arena(scratch, sizeof scratch);
//   thaw::Cpu::Context context{&arena};
//   auto model = thaw::bind_model(thaw::mlp_spec({8, 16, 1}, thaw::Activation::relu), flash, flash_size, context);
//   if (model) score = model.value()(features).item();
//
// For servers and devices: no heap, exceptions, run-time types or threads, and none of the heavy standard headers.
// Not for training (thaw/train.hpp), nor for hosts that want the fast engine (thaw/backend/cpu_eigen.hpp beside this).
#pragma once

#include "thaw/core/arena.hpp"
#include "thaw/core/array.hpp"
#include "thaw/core/module.hpp"
#include "thaw/core/random.hpp"
#include "thaw/file/bind_model.hpp"
#include "thaw/nn/attention.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/layer_norm.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
