// MpiCommunicator: the processes that mpirun (or srun) started.
//
//   thaw::Result<thaw::MpiCommunicator> world = thaw::MpiCommunicator::start();    // early in main
//   if (!world) { std::fputs(world.fault().text, stderr); return 1; }
//   int status = train(thaw::CommunicatorRef(world.value()));
//   if (status == 0) world.value().finish();                                       // every rank reached the end
//   return status;
//
// A rank that lets go of its communicator without finish(), because something went wrong there, ends the others too:
// they would wait for it for ever. One that dies outright is noticed by mpirun, which ends the others.
//
// all_reduce_sum cuts a block into as many pieces as there are ranks, sends each piece to its owner (MPI_Alltoallv),
// adds up there in the order of the ranks and hands the sums round (MPI_Allgatherv). No arithmetic is left to MPI,
// whose order of adding up may change with the number of elements and with what arrives first. A rank sends 2 (W - 1) /
// W times the bytes of the block, as a ring does, in buckets of `bucket_bytes`.
//
// Exists where <mpi.h> is found; CMake: thaw::mpi. Not for several threads: MPI_THREAD_FUNNELED is asked for.
#pragma once

#include "thaw/distributed/communicator.hpp"

#if __has_include(<mpi.h>)

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

namespace thaw::inline v0 {

struct MpiOptions {
  Index bucket_bytes = Index(4) << 20;  // of a block that is summed at a time: room for one is kept
  Index most_bytes = Index(1) << 30;    // in one call of MPI, which counts in int
};

class MpiCommunicator {
 public:
  // All ranks that were started together. Errors: MPI cannot start, or was started and ended before.
  static Result<MpiCommunicator> start(const MpiOptions& options = {}) {
    int started = 0, ended = 0;
    MPI_Initialized(&started);
    MPI_Finalized(&ended);
    if (ended != 0)
      return make_fault(FaultKind::unsupported,
                        "MPI has ended in this process and cannot start again; keep the communicator until the end");
    if (options.bucket_bytes < 8 || options.bucket_bytes > options.most_bytes || options.most_bytes > (Index(1) << 30))
      return make_fault(FaultKind::out_of_range, "MpiOptions: buckets of ", options.bucket_bytes, " and calls of ",
                        options.most_bytes,
                        " bytes; buckets must have 8 or more, calls as much as a bucket and at most 1073741824");
    int provided = 0;
    if (started == 0 && MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
      return make_fault(FaultKind::unsupported, "MPI_Init_thread failed; start the program with mpirun");
    if (started == 0 && provided < MPI_THREAD_FUNNELED)
      return make_fault(FaultKind::unsupported, "this MPI does not allow threads beside the one that calls it");
    MpiCommunicator c;
    c.options_ = options;
    c.owns_mpi_ = started == 0;
    if (const int code = MPI_Comm_dup(MPI_COMM_WORLD, &c.comm_); code != MPI_SUCCESS)
      return c.fault("MPI_Comm_dup", code);
    MPI_Comm_set_errhandler(c.comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(c.comm_, &c.rank_);
    MPI_Comm_size(c.comm_, &c.size_);
    c.counts_.resize(static_cast<std::size_t>(4 * c.size_));
    return Result<MpiCommunicator>(std::move(c));
  }

  MpiCommunicator(MpiCommunicator&& other) noexcept
      : options_(other.options_),
        comm_(std::exchange(other.comm_, MPI_COMM_NULL)),
        rank_(other.rank_),
        size_(other.size_),
        owns_mpi_(other.owns_mpi_),
        counts_(std::move(other.counts_)),
        parts_(std::move(other.parts_)) {}
  MpiCommunicator& operator=(MpiCommunicator&&) = delete;
  ~MpiCommunicator() {
    if (comm_ == MPI_COMM_NULL) return;
    if (size_ > 1)
      stop_all(make_fault(FaultKind::unsupported, "this process ended before its work was done; all others end too"));
    finish();
  }

  // The orderly end, in every rank.
  void finish() {
    if (comm_ == MPI_COMM_NULL) return;
    MPI_Comm_free(&comm_);
    comm_ = MPI_COMM_NULL;
    if (owns_mpi_) MPI_Finalize();
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  Result<Done> all_reduce_sum(float* data, Index count) const { return sum(data, count, MPI_FLOAT); }
  Result<Done> all_reduce_sum(double* data, Index count) const { return sum(data, count, MPI_DOUBLE); }
  Result<Done> all_gather(const void* own, void* all, const Index* bytes) const {
    Index total = 0;
    for (int r = 0; r < size_; ++r) total += bytes[r];
    if (total > options_.most_bytes) return gather_in_turn(own, static_cast<char*>(all), bytes);
    Index at = 0;
    for (int r = 0; r < size_; at += bytes[r++]) {
      counts()[r] = static_cast<int>(bytes[r]);
      starts()[r] = static_cast<int>(at);
    }
    return done("MPI_Allgatherv",
                MPI_Allgatherv(own, counts()[rank_], MPI_BYTE, all, counts(), starts(), MPI_BYTE, comm_));
  }
  Result<Done> broadcast(void* data, Index bytes, int root) const {
    for (Index at = 0; at < bytes; at += options_.most_bytes) {
      const Index part = options_.most_bytes < bytes - at ? options_.most_bytes : bytes - at;
      const int code = MPI_Bcast(static_cast<char*>(data) + at, static_cast<int>(part), MPI_BYTE, root, comm_);
      if (code != MPI_SUCCESS) return fault("MPI_Bcast", code);
    }
    return Done{};
  }
  Result<Done> barrier() const { return done("MPI_Barrier", MPI_Barrier(comm_)); }
  // Says on stderr which rank stops and why, and ends all processes with status 1.
  [[noreturn]] void stop_all(const Fault& fault) const {
    std::fprintf(stderr, "rank %d of %d: %s\n", rank_, size_, fault.text);
    std::fflush(stderr);
    MPI_Abort(comm_, 1);
    std::abort();
  }

 private:
  MpiCommunicator() = default;

  Fault fault(const char* call, int code) const {
    char text[MPI_MAX_ERROR_STRING] = {0};
    int length = 0;
    MPI_Error_string(code, text, &length);
    return make_fault(FaultKind::unreadable, call, " failed in rank ", rank_, " of ", size_, ": ",
                      static_cast<const char*>(text),
                      "; look for the message of another rank above, start again and resume from the last checkpoint");
  }
  Result<Done> done(const char* call, int code) const {
    if (code != MPI_SUCCESS) return fault(call, code);
    return Done{};
  }

  template <class R>
  Result<Done> sum(R* data, Index count, MPI_Datatype type) const {
    if (size_ == 1) return Done{};
    const Index bucket = options_.bucket_bytes / static_cast<Index>(sizeof(R));
    for (Index begin = 0; begin < count; begin += bucket) {
      const Index left = count - begin;
      if (auto done = sum_bucket(data + begin, bucket < left ? bucket : left, type); !done) return done;
    }
    return Done{};
  }
  // Every rank adds up the piece that it owns.
  template <class R>
  Result<Done> sum_bucket(R* data, Index count, MPI_Datatype type) const {
    const Share own = share_of(count, rank_, size_);
    for (int r = 0; r < size_; ++r) {
      const Share piece = share_of(count, r, size_);
      counts()[r] = static_cast<int>(piece.size());
      starts()[r] = static_cast<int>(piece.begin);
      own_counts()[r] = static_cast<int>(own.size());
      own_starts()[r] = static_cast<int>(own.size() * r);
    }
    R* const parts = room<R>(own.size() * size_);
    const int sent = MPI_Alltoallv(data, counts(), starts(), type, parts, own_counts(), own_starts(), type, comm_);
    if (sent != MPI_SUCCESS) return fault("MPI_Alltoallv", sent);
    detail::add_in_order(parts, size_, own.size(), own.size(), data + own.begin);
    return done("MPI_Allgatherv",
                MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, counts(), starts(), type, comm_));
  }
  // More than one call can count: each rank hands round what it has.
  Result<Done> gather_in_turn(const void* own, char* all, const Index* bytes) const {
    for (int r = 0; r < size_; all += bytes[r++]) {
      if (r == rank_) __builtin_memcpy(all, own, static_cast<std::size_t>(bytes[r]));
      if (auto sent = broadcast(all, bytes[r], r); !sent) return sent;
    }
    return Done{};
  }

  template <class R>
  R* room(Index count) const {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(R);
    if (parts_.size() < bytes) parts_.resize(bytes);
    return reinterpret_cast<R*>(parts_.data());
  }
  int* counts() const { return counts_.data(); }
  int* starts() const { return counts_.data() + size_; }
  int* own_counts() const { return counts_.data() + 2 * size_; }
  int* own_starts() const { return counts_.data() + 3 * size_; }

  MpiOptions options_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  bool owns_mpi_ = false;
  // Room to work in, kept so that nothing is allocated from step to step.
  mutable std::vector<int> counts_;       // (4, size)
  mutable std::vector<std::byte> parts_;  // a bucket's piece of every rank
};

}  // namespace thaw::inline v0

#endif
