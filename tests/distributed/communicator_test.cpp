// Shares, sums in order, one process, and the handle that trainers hold.
#include "thaw/distributed/communicator.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/distributed/thread_ranks.hpp"

using namespace distributed_test;

TEST_CASE("shares: every thing once, in order, and sizes differ by one at most") {
  for (const Index count : {0, 1, 2, 7, 2048, 1000003})
    for (int size = 1; size <= 9; ++size) {
      Index next = 0, least = count, most = 0;
      for (int r = 0; r < size; ++r) {
        const thaw::Share share = thaw::share_of(count, r, size);
        CHECK(share.begin == next);
        next = share.end;
        least = share.size() < least ? share.size() : least;
        most = share.size() > most ? share.size() : most;
      }
      CHECK(next == count);
      CHECK(most - least <= 1);
    }
}

TEST_CASE("sums: in the order of the parts, floats in double") {
  // (2^60 + 1) - 2^60 is 0 in double and 1 when the large ones meet first: the order can be seen.
  const double numbers[] = {0x1p60, 1, -0x1p60, -0x1p60, 0x1p60, 1};
  double sum[1];
  thaw::detail::add_in_order(numbers, 3, 1, 1, sum);
  CHECK(sum[0] == 0);
  thaw::detail::add_in_order(numbers + 3, 3, 1, 1, sum);
  CHECK(sum[0] == 1);
  // In float 1e8 + 1 loses the 1.
  const float floats[] = {1e8F, 5, 1, 6, -1e8F, 7};
  float sums[2];
  thaw::detail::add_in_order(floats, 3, 2, 2, sums);
  CHECK(sums[0] == 1);
  CHECK(sums[1] == 18);
}

TEST_CASE("one process: nothing is changed, what is gathered is one's own") {
  const thaw::CommunicatorRef ranks;
  CHECK(ranks.rank() == 0);
  CHECK(ranks.size() == 1);
  CHECK(ranks.is_first());
  CHECK(ranks.is_lone());
  float numbers[] = {1, 2};
  CHECK(ranks.all_reduce_sum(numbers, 2).ok());
  CHECK(numbers[1] == 2);
  int all = 0;
  const int own = 7;
  const Index bytes = sizeof own;
  CHECK(ranks.all_gather(&own, &all, &bytes).ok());
  CHECK(all == 7);
  CHECK(ranks.broadcast(&all, bytes, 0).ok());
  CHECK(ranks.barrier().ok());
  CHECK(all == 7);
}

namespace {

// Fails in every call, and says so.
struct Broken {
  int rank() const { return 2; }
  int size() const { return 5; }
  Result<Done> all_reduce_sum(float*, Index) const { return fault("floats"); }
  Result<Done> all_reduce_sum(double*, Index) const { return fault("doubles"); }
  Result<Done> all_gather(const void*, void*, const Index*) const { return fault("gather"); }
  Result<Done> broadcast(void*, Index, int) const { return fault("broadcast"); }
  Result<Done> barrier() const { return fault("barrier"); }
  void stop_all(const thaw::Fault&) const {}
  static thaw::Fault fault(const char* what) { return thaw::make_fault(thaw::FaultKind::unreadable, what); }
};

}  // namespace

TEST_CASE("the handle asks the right call of what it refers to, and hands faults on") {
  const Broken broken;
  const thaw::CommunicatorRef ranks(broken);
  CHECK(ranks.rank() == 2);
  CHECK(ranks.size() == 5);
  CHECK_FALSE(ranks.is_first());
  const auto text = [](const Result<Done>& r) { return r ? std::string() : std::string(r.fault().text); };
  CHECK(text(ranks.all_reduce_sum(static_cast<float*>(nullptr), 0)) == "floats");
  CHECK(text(ranks.all_reduce_sum(static_cast<double*>(nullptr), 0)) == "doubles");
  CHECK(text(ranks.all_gather(nullptr, nullptr, nullptr)) == "gather");
  CHECK(text(ranks.broadcast(nullptr, 0, 0)) == "broadcast");
  CHECK(text(ranks.barrier()) == "barrier");
}
