// Tasks of unequal length, taken one after another by as many threads as a context has.
//
//   thaw::each_task(thaw::threads_of(context), count, [&](Index task, int thread) { ... });
//   thaw::each_task_at_home(threads, count, work);     // the same tasks for the same thread, as far as that goes
//
// A thread that is done takes another task, so that a slow processor gets fewer of them. What a task computes must
// depend on its number alone; `thread` (0 .. threads - 1) names working memory that no other thread uses meanwhile.
// Not a queue: all tasks are known at the start, and the call returns when they are done.
#pragma once

#include <atomic>

#include "thaw/backend/threads.hpp"

namespace thaw::inline v0 {

// work(task, thread) for task = 0 .. tasks - 1, in this order: the long ones should come first.
template <class Work>
void each_task(int threads, Index tasks, const Work& work) {
  if (threads < 2 || tasks < 2) {
    for (Index task = 0; task < tasks; ++task) work(task, 0);
    return;
  }
  std::atomic<Index> next{0};
  in_parallel(threads, [&](int thread) {
    for (Index task = next.fetch_add(1); task < tasks; task = next.fetch_add(1)) work(task, thread);
  });
}

namespace detail {

// A run of tasks that its owner takes from the front and others from the back.
class TaskRun {
 public:
  void fill(Index begin, Index end) { ends_ = pack(begin, end); }
  // The next task, or -1.
  Index take(bool own) {
    std::uint64_t now = ends_.load();
    while (true) {
      const Index begin = static_cast<Index>(now >> 32), end = static_cast<Index>(now & 0xffffffffu);
      if (begin >= end) return -1;
      if (ends_.compare_exchange_weak(now, own ? pack(begin + 1, end) : pack(begin, end - 1)))
        return own ? begin : end - 1;
    }
  }

 private:
  static std::uint64_t pack(Index begin, Index end) {
    return static_cast<std::uint64_t>(begin) << 32 | static_cast<std::uint64_t>(end);
  }
  alignas(kAlignment) std::atomic<std::uint64_t> ends_{0};
};

}  // namespace detail

// The same without an order: each thread begins with a run of its own, whose memory its caches may still hold, and
// takes from the far end of another's when that is done. At most 2^32 - 1 tasks.
template <class Work>
void each_task_at_home(int threads, Index tasks, const Work& work) {
  constexpr int kMostRuns = 32;
  if (threads < 2 || tasks < 2) return each_task(1, tasks, work);
  const int runs = threads < kMostRuns ? threads : kMostRuns;
  detail::TaskRun run[kMostRuns];
  for (int r = 0; r < runs; ++r) run[r].fill(tasks * r / runs, tasks * (r + 1) / runs);
  in_parallel(threads, [&](int thread) {
    for (int step = 0; step < runs; ++step) {
      const bool own = step == 0 && thread < runs;
      detail::TaskRun& from = run[(thread + step) % runs];
      for (Index task = from.take(own); task >= 0; task = from.take(own)) work(task, thread);
    }
  });
}

}  // namespace thaw::inline v0
