// Ranks that are threads of one process: what is above the communicator is tested without MPI.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "thaw/distributed/communicator.hpp"

namespace distributed_test {

using thaw::Done;
using thaw::Index;
using thaw::Result;

// Where threads meet and leave what the others read.
class Board {
 public:
  explicit Board(int size) : parts_(static_cast<std::size_t>(size)), size_(size) {}
  int size() const { return size_; }
  std::vector<char>& part(int rank) { return parts_[static_cast<std::size_t>(rank)]; }
  void meet() {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++here_ == size_) {
      here_ = 0, ++round_;
      all_here_.notify_all();
      return;
    }
    all_here_.wait(lock, [&] { return round_ != round; });
  }

 private:
  std::vector<std::vector<char>> parts_;
  int size_, here_ = 0, round_ = 0;
  std::mutex mutex_;
  std::condition_variable all_here_;
};

class ThreadCommunicator {
 public:
  ThreadCommunicator(Board& board, int rank) : board_(&board), rank_(rank) {}
  int rank() const { return rank_; }
  int size() const { return board_->size(); }
  Result<Done> all_reduce_sum(float* data, Index count) const { return sum(data, count); }
  Result<Done> all_reduce_sum(double* data, Index count) const { return sum(data, count); }
  Result<Done> all_gather(const void* own, void* all, const Index* bytes) const {
    leave(own, bytes[rank_]);
    char* to = static_cast<char*>(all);
    for (int r = 0; r < size(); to += bytes[r++]) {
      CHECK(static_cast<Index>(board_->part(r).size()) == bytes[r]);
      __builtin_memcpy(to, board_->part(r).data(), board_->part(r).size());
    }
    board_->meet();
    return Done{};
  }
  Result<Done> broadcast(void* data, Index bytes, int root) const {
    leave(data, bytes);
    CHECK(static_cast<Index>(board_->part(root).size()) == bytes);
    __builtin_memcpy(data, board_->part(root).data(), board_->part(root).size());
    board_->meet();
    return Done{};
  }
  Result<Done> barrier() const {
    board_->meet();
    return Done{};
  }
  [[noreturn]] void stop_all(const thaw::Fault& fault) const { thaw::stop(fault); }

 private:
  void leave(const void* data, Index bytes) const {
    const char* const from = static_cast<const char*>(data);
    board_->part(rank_).assign(from, from + bytes);
    board_->meet();
  }
  template <class R>
  Result<Done> sum(R* data, Index count) const {
    leave(data, count * static_cast<Index>(sizeof(R)));
    std::vector<R> parts;
    for (int r = 0; r < size(); ++r) {
      CHECK(board_->part(r).size() == static_cast<std::size_t>(count) * sizeof(R));
      const std::size_t before = parts.size();
      parts.resize(before + static_cast<std::size_t>(count));
      if (count > 0) __builtin_memcpy(parts.data() + before, board_->part(r).data(), board_->part(r).size());
    }
    if (count > 0) thaw::detail::add_in_order(parts.data(), size(), count, count, data);
    board_->meet();
    return Done{};
  }

  Board* board_;
  int rank_;
};
static_assert(thaw::Communicator<ThreadCommunicator>);

// work(ranks) in as many threads as ranks.
template <class Work>
void on_ranks(int size, const Work& work) {
  Board board(size);
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&board, &work, r] {
      const ThreadCommunicator communicator(board, r);
      work(thaw::CommunicatorRef(communicator));
    });
  for (std::thread& t : threads) t.join();
}

}  // namespace distributed_test
