// StreamTrainer: a click model learns from a stream that never ends, with tables as large as memory allows.
//
//   mwuf::StreamTrainer<mwuf::DeepFm<thaw::Spec>> trainer({.items = 1'000'000}, {});
//   while (trainer.rows() < 10'000'000) trainer.step();
//   thaw::Result<thaw::Done> saved = trainer.save("run.checkpoint");       // whole, or the previous one stays
//   thaw::Result<thaw::Done> loaded = trainer.load("run.checkpoint");      // goes on to the bit as if never stopped
//
//   mwuf::StreamTrainer<...> trainer(stream, options, ranks);              // several processes: docs/distributed.md
//   auto agreed = trainer.follow_first_rank();                             // same settings, and the first one's state
//
// A step touches the rows of its batch and nothing else, neither weights nor moments, so that it costs the same
// whatever the tables hold; memory is taken in the first step and not again. Not shuffled and not tested on anything
// held out: impressions come once, and the loss of each is measured before it is learnt.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mwuf/click_stream.hpp"
#include "mwuf/models.hpp"
#include "mwuf/trained_network.hpp"
#include "thaw/distributed/agreement.hpp"
#include "thaw/distributed/gradient_sum.hpp"
#include "thaw/file/checkpoint.hpp"
#include "thaw/optim/table_adam.hpp"

namespace mwuf {

struct StreamTrainerOptions {
  BaseOptions base = {};
  Index batch = 2048;
  double rate = 1e-3;
  std::uint64_t seed = 1;
  int threads = 1;
};

template <class Plan>
class StreamTrainer {
 public:
  StreamTrainer(const ClickStreamOptions& stream, const StreamTrainerOptions& options,
                const thaw::CommunicatorRef& ranks = {})
      : stream_options_(stream),
        options_(options),
        stream_(stream, options.batch),
        parameters_(Plan::spec(stream_.plan(), options.base), weights_, options.seed),
        tape_(context_),
        adam_(parameters_, {.untouched = thaw::Untouched::rest}),
        sum_(ranks) {
    thaw::require(options.batch >= ranks.size(), "StreamTrainer: a batch of ", options.batch, " for ", ranks.size(),
                  " processes; make it larger or start fewer");
    weights_.threads = context_.threads = options.threads;
  }
  StreamTrainer(const StreamTrainer&) = delete;
  StreamTrainer& operator=(const StreamTrainer&) = delete;

  // The next batch of the stream. Returns its mean loss before the step.
  double step() { return learn(make()); }
  // The two halves of a step, for who wants to time them: this rank's share of the batch, which stays valid until the
  // next one is made,
  const ClickBatch<>& make() {
    const thaw::Share share = thaw::share_of(options_.batch, ranks().rank(), ranks().size());
    return stream_.fill(rows_ + share.begin, share.size());
  }
  // and what all ranks learn from theirs. `stop`: this rank would like to end.
  double learn(const ClickBatch<>& batch, bool stop = false) {
    thaw::Scope scope(tape_);
    const auto net = parameters_.on(tape_);
    FloatVar loss = click_loss(net.logits(batch, net.tables.item_vectors(batch)), batch);
    if (!ranks().is_lone())
      loss = thaw::scale(loss, static_cast<double>(batch.rows) / static_cast<double>(options_.batch));
    auto gradients = parameters_.gradient(loss);
    double numbers[] = {static_cast<double>(loss.item()), stop ? 1.0 : 0.0};
    const auto start = std::chrono::steady_clock::now();
    ranks().need(sum_(parameters_, context_, gradients, numbers, 2));
    exchanging_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    stopped_ = numbers[1] > 0;
    adam_.step(parameters_, gradients, options_.rate);
    rows_ += options_.batch;
    return numbers[0];
  }
  // Whether any rank asked to stop in the last step: all know it after the same one.
  bool stopped() const { return stopped_; }
  const thaw::CommunicatorRef& ranks() const { return sum_.ranks(); }
  // Of this rank in the last step: bytes of gradients sent, and seconds to exchange them, waiting for others included.
  thaw::Index bytes_sent() const { return sum_.bytes_sent(); }
  double exchange_seconds() const { return exchanging_; }

  // All ranks go on from what the first one holds. Errors: ranks that were started for another run.
  // `goal`: how many rows the run is to see, which a checkpoint need not share.
  thaw::Result<thaw::Done> follow_first_rank(std::int64_t goal = 0) {
    const std::string run = identity() + ", up to row " + std::to_string(goal);
    if (auto same = thaw::require_same_text(ranks(), "settings", {run.data(), run.size()}); !same) return same;
    std::int64_t done[] = {rows_, adam_.steps()};
    auto sent = ranks().broadcast(done, sizeof done, 0);
    each_block([&](const std::string&, const Index* dims, int rank, auto* data) {
      Index count = 1;
      for (int d = 0; d < rank; ++d) count *= dims[d];
      if (sent) ranks().need(ranks().broadcast(data, count * static_cast<Index>(sizeof *data), 0));
    });
    rows_ = done[0];
    adam_.steps() = done[1];
    return sent;
  }

  std::int64_t rows() const { return rows_; }  // seen so far
  thaw::Parameters<Plan, float, Backend>& parameters() { return parameters_; }
  std::int64_t parameter_count() const { return thaw::parameter_count(parameters_.values()); }
  std::size_t peak_bytes() const { return weight_arena_.peak() + arena_.peak(); }

  // Errors: a path that cannot be written; the file that was there before is then unchanged.
  thaw::Result<thaw::Done> save(const std::string& path) {
    thaw::CheckpointWriter writer;
    each_block([&](const std::string& name, const Index* dims, int rank, const auto* data) {
      writer.add(name, dims, rank, data);
    });
    writer.set("rows", rows_);
    writer.set("steps", adam_.steps());
    writer.set("run", identity());
    return writer.write(path);
  }
  // Errors: no checkpoint there, a damaged one, or one of another run; then nothing but the weights may have changed.
  thaw::Result<thaw::Done> load(const std::string& path) {
    const thaw::Result<thaw::CheckpointReader> reader = thaw::CheckpointReader::open(path);
    if (!reader) return reader.fault();
    const thaw::Result<std::string> run = reader.value().text("run");
    if (!run) return run.fault();
    if (run.value() != identity())
      return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": a checkpoint of another run (",
                              run.value().c_str(), "), this one is ", identity().c_str());
    const thaw::Result<std::int64_t> rows = reader.value().integer("rows"), steps = reader.value().integer("steps");
    if (!rows) return rows.fault();
    if (!steps) return steps.fault();
    std::optional<thaw::Fault> problem;
    each_block([&](const std::string& name, const Index* dims, int rank, auto* data) {
      if (problem) return;
      if (const auto read = reader.value().read(name, dims, rank, data); !read) problem = read.fault();
    });
    if (problem) return *problem;
    rows_ = rows.value();
    adam_.steps() = steps.value();
    return thaw::Done{};
  }

  // A number that changes with any bit of the weights and of the optimiser's memory.
  std::uint64_t fingerprint() {
    std::uint64_t hash = 14695981039346656037ull ^ static_cast<std::uint64_t>(rows_);
    each_block([&](const std::string&, const Index* dims, int rank, const auto* data) {
      Index count = 1;
      for (int d = 0; d < rank; ++d) count *= dims[d];
      for (Index i = 0; i < count; ++i) hash = (hash ^ __builtin_bit_cast(std::uint32_t, data[i])) * 1099511628211ull;
    });
    return hash;
  }

 private:
  // What decides every number of the run.
  std::string identity() const {
    const auto number = [](auto n) { return std::to_string(n); };
    return std::string(Plan::kName) + ", width " + number(options_.base.width) + ", batch " + number(options_.batch) +
           ", rate " + thaw::encode_real(options_.rate) + ", seed " + number(options_.seed) + "; stream of " +
           number(stream_options_.items) + " items, " + number(stream_options_.users) + " users, seed " +
           number(stream_options_.seed);
  }
  // fn(name, dims, rank, data) for every block of numbers that learning changes.
  template <class Fn>
  void each_block(const Fn& fn) {
    for (int i = 0; i < parameters_.count(); ++i) {
      auto& slot = parameters_.slot(i);
      fn("parameters/" + std::string(slot.path.text), slot.value.shape.dims, slot.value.shape.rank, slot.value.data);
      if (slot.last_step != nullptr)
        fn("last_step/" + std::string(slot.path.text), slot.value.shape.dims, 1, slot.last_step);
    }
    adam_.each_state([&](const char* name, int i, auto& array) {
      fn(std::string(name) + "/" + parameters_.slot(i).path.text, array.shape.dims, array.shape.rank, array.data);
    });
  }

  ClickStreamOptions stream_options_;
  StreamTrainerOptions options_;
  ClickStream stream_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_{&weight_arena_, 1}, context_{&arena_, 1};
  thaw::Parameters<Plan, float, Backend> parameters_;
  FloatTape tape_;
  thaw::TableAdam<float, Backend> adam_;
  thaw::GradientSum<float, Backend> sum_;
  std::int64_t rows_ = 0;
  double exchanging_ = 0;
  bool stopped_ = false;
};

}  // namespace mwuf
