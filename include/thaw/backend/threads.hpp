// Work in as many parts as a context has threads; one part where it has none or the build has no OpenMP.
//
//   thaw::in_parallel(thaw::threads_of(context), [&](int part) { ... });
//
// Not a scheduler: parts are equal in number to threads, and who calls decides whether work is worth a second one.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

template <class Context>
int threads_of(const Context& context) {
#if defined(_OPENMP)
  if constexpr (requires { context.threads; }) return context.threads;
#endif
  (void)context;
  return 1;
}

// work(part) for part = 0 .. parts - 1.
template <class Work>
void in_parallel(int parts, const Work& work) {
#if defined(_OPENMP)
  if (parts > 1) {
#pragma omp parallel for schedule(static, 1) num_threads(parts)
    for (int part = 0; part < parts; ++part) work(part);
    return;
  }
#endif
  for (int part = 0; part < parts; ++part) work(part);
}

}  // namespace thaw::inline v0
