// Everything needed to train a model from numbers in memory and to save it: what thaw/infer.hpp has, gradients,
// optimisers, meta-learning, the growing arena, model files and checkpoints.
//
//   #include <thaw/train.hpp>
//   thaw::GrowingArena arena;
//   thaw::Cpu::Context context{&arena};
//   thaw::Parameters<thaw::Mlp<thaw::Spec>> parameters(plan, context, /*seed*/ 7);
//   thaw::Adam<float> optimiser(parameters);
//
// Kept light to include. Not here, and in thaw/thaw.hpp: readers of data sets, splits and samplers, metrics and
// protocols, baselines, progress bars, reports, and the fast engine CpuEigen.
#pragma once

#include "thaw/autodiff/gradient.hpp"
#include "thaw/autodiff/hessian_vector.hpp"
#include "thaw/autodiff/var.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/file/checkpoint.hpp"
#include "thaw/file/save_model.hpp"
#include "thaw/infer.hpp"
#include "thaw/meta/stepwise.hpp"
#include "thaw/meta/unroll.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/clip.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/parameters.hpp"
#include "thaw/optim/schedule.hpp"
#include "thaw/optim/sgd.hpp"
