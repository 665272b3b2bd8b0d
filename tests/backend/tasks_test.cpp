// each_task and each_task_at_home: every task once, whatever the threads, slow ones and nested calls included.
#include "thaw/backend/tasks.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

using thaw::Index;

namespace {

// How often each task ran, and whether a thread's number was ever out of range.
template <class Each>
void check_once(int threads, Index tasks, const Each& each) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
  std::atomic<int> strangers{0};
  each(threads, tasks, [&](Index task, int thread) {
    ++runs[static_cast<std::size_t>(task)];
    strangers += thread < 0 || thread >= threads ? 1 : 0;
  });
  Index wrong = 0;
  for (const auto& count : runs) wrong += count == 1 ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(strangers == 0);
}

}  // namespace

TEST_CASE("every task runs once, with more threads than tasks and more tasks than threads") {
  for (const int threads : {1, 2, 3, 40})
    for (const Index tasks : {0, 1, 2, 3, 41, 1000}) {
      check_once(threads, tasks, [](int n, Index count, const auto& work) { thaw::each_task(n, count, work); });
      check_once(threads, tasks, [](int n, Index count, const auto& work) { thaw::each_task_at_home(n, count, work); });
    }
}

TEST_CASE("a run is taken from the front by its owner and from the back by others") {
  thaw::detail::TaskRun run;
  run.fill(3, 7);
  CHECK(run.take(true) == 3);
  CHECK(run.take(false) == 6);
  CHECK(run.take(false) == 5);
  CHECK(run.take(true) == 4);
  CHECK(run.take(true) == -1);
  CHECK(run.take(false) == -1);
}

#if defined(_OPENMP)
TEST_CASE("a slow thread gets fewer tasks") {
  std::atomic<int> slow{0}, fast{0};
  const auto work = [&](Index, int thread) {
    std::this_thread::sleep_for(std::chrono::milliseconds(thread == 0 ? 20 : 1));
    ++(thread == 0 ? slow : fast);
  };
  thaw::each_task(2, 40, work);
  CHECK(slow + fast == 40);
  CHECK(slow < 15);
  slow = fast = 0;
  thaw::each_task_at_home(2, 40, work);
  CHECK(slow + fast == 40);
  CHECK(slow < 15);
}
#endif
