// The cases of the timings on a GPU; cuda_bench.cu runs those that are named.
#pragma once

#include "thaw/backend/cuda.hpp"

namespace bench {

void time_kernels(thaw::CudaSession& session);  // single kernels beside the bandwidth and the arithmetic of the device
void time_hire(thaw::CudaSession& session);     // a training step of HIRE
void time_propagation(thaw::CudaSession& session);  // a training step of LightGCN at Gowalla's size
void time_t5(thaw::CudaSession& session);           // a training step of T5-small, and decoding
void time_deepfm(thaw::CudaSession& session);       // a training step of DeepFM
void time_hyperrs(thaw::CudaSession& session);      // an outer step of HyperRS, and a new user

}  // namespace bench
