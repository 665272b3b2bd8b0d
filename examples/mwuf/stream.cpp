// Ten million impressions of a million items: what a step costs, what memory it takes, and what a crash leaves behind.
//
//   thaw_click_stream --items 1000000 --rows 10000000
//   thaw_click_stream --checkpoint run.checkpoint --every 1000000      # then press Ctrl-C, or kill -9
//   thaw_click_stream --checkpoint run.checkpoint --resume             # goes on from the last whole checkpoint
//   mpirun -n 4 thaw_click_stream             # the ranks share each batch: docs/distributed.md
//   thaw_click_stream --compare               # 10,000, 100,000 and 1,000,000 items
//
// The impressions are made up as they are read (click_stream.hpp), so no file is needed. The fingerprint at the end is
// that of every weight and moment: a run that was stopped and resumed prints the same one as a run that was not.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "command_line/parse.hpp"
#include "command_line/processes.hpp"
#include "mwuf/stream_trainer.hpp"
#include "thaw/train/interrupt.hpp"

namespace {

using Trainer = mwuf::StreamTrainer<mwuf::DeepFm<thaw::Spec>>;

struct Options {
  std::int64_t rows = 10'000'000, every = 0;
  mwuf::ClickStreamOptions stream;
  mwuf::StreamTrainerOptions trainer;
  std::string checkpoint;
  bool resume = false, compare = false;
};

int complain(const std::string& text) {
  std::fprintf(stderr, "thaw_click_stream: %s\n", text.c_str());
  return 1;
}

void declare(CLI::App& app, Options& o) {
  using command_line::whole_number;
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 31) - 1;
  app.option_defaults()->always_capture_default();
  app.add_option("--items", o.stream.items, "of the table")->check(whole_number(1, kMost));
  app.add_option("--rows", o.rows, "impressions to learn from, in whole batches")->check(whole_number(1, kMost));
  app.add_option("--batch", o.trainer.batch, "impressions of a step")->check(whole_number(1, 1'000'000));
  app.add_option("--width", o.trainer.base.width, "of all vectors")->check(whole_number(1, 1024));
  app.add_option("--seed", o.stream.seed, "of the start and of the stream")->check(whole_number(0));
  CLI::Option* kept = app.add_option("--checkpoint", o.checkpoint, "where the run is kept at the end");
  app.add_option("--every", o.every, "keep it after each so many impressions too")
      ->check(whole_number(1, kMost))
      ->needs(kept)
      ->default_str("");
  app.add_option("--threads", o.trainer.threads, "of each process")->check(whole_number(1, 256));
  app.add_flag("--resume", o.resume, "go on from the checkpoint")->needs(kept);
  app.add_flag("--compare", o.compare, "one million impressions each of tables of 10000, 100000 and 1000000 items");
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// What the program holds in memory now, MiB.
double resident() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long size = 0, pages = 0;
  const int read = std::fscanf(file, "%ld %ld", &size, &pages);
  std::fclose(file);
  return read == 2 ? static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20) : 0;
}

struct Clock {
  double making = 0, learning = 0, exchanging = 0, sent = 0, loss = 0;
  std::int64_t steps = 0;
};

void timed_step(Trainer& trainer, Clock& clock, bool stop = false) {
  const double start = seconds();
  const mwuf::ClickBatch<>& batch = trainer.make();
  const double made = seconds();
  clock.loss += trainer.learn(batch, stop);
  clock.making += made - start;
  clock.learning += seconds() - made;
  clock.exchanging += trainer.exchange_seconds();
  clock.sent += static_cast<double>(trainer.bytes_sent());
  ++clock.steps;
}

void print(const Trainer& trainer, const Clock& clock) {
  const double steps = static_cast<double>(clock.steps);
  std::printf("%11lld impressions  loss %.4f  %7.1f us a step, %7.1f more to make its impressions  %7.1f MiB\n",
              static_cast<long long>(trainer.rows()), clock.loss / steps, 1e6 * clock.learning / steps,
              1e6 * clock.making / steps, resident());
  if (!trainer.ranks().is_lone())
    std::printf("            of a step %7.1f us exchanging gradients; %.1f KiB sent by a process\n",
                1e6 * clock.exchanging / steps, clock.sent / steps / 1024);
  std::fflush(stdout);
}

int run(const Options& o, const thaw::CommunicatorRef& ranks) {
  Trainer trainer(o.stream, o.trainer, ranks);
  if (o.resume && ranks.is_first()) {
    const auto loaded = trainer.load(o.checkpoint);
    if (!loaded) return complain(loaded.fault().text);
    std::printf("goes on after %lld impressions\n", static_cast<long long>(trainer.rows()));
  }
  if (const auto agreed = trainer.follow_first_rank(o.rows); !agreed) return complain(agreed.fault().text);
  std::printf("%lld parameters, batches of %lld\n", static_cast<long long>(trainer.parameter_count()),
              static_cast<long long>(o.trainer.batch));
  const thaw::InterruptGuard guard;
  Clock clock;
  const auto save = [&]() -> thaw::Result<thaw::Done> {
    const double start = seconds();
    auto saved = trainer.save(o.checkpoint);
    if (saved) std::printf("            checkpoint written in %.2f s\n", seconds() - start);
    return saved;
  };
  const std::int64_t line = 1'000'000;
  // A signal may reach ranks in different steps: all end after the step in which one says so.
  const auto is_ending = [&] { return ranks.is_lone() ? guard.interrupted() : trainer.stopped(); };
  while (trainer.rows() < o.rows && !is_ending()) {
    const std::int64_t before = trainer.rows();
    timed_step(trainer, clock, guard.interrupted());
    if (trainer.rows() / line != before / line) print(trainer, clock), clock = {};
    if (ranks.is_first() && o.every > 0 && trainer.rows() / o.every != before / o.every)
      if (const auto saved = save(); !saved) return complain(saved.fault().text);
  }
  if (clock.steps > 0) print(trainer, clock);
  if (ranks.is_first() && !o.checkpoint.empty())
    if (const auto saved = save(); !saved) return complain(saved.fault().text);
  const std::uint64_t fingerprint = trainer.fingerprint();
  if (const auto same = thaw::require_same_hash(ranks, "weights", fingerprint); !same)
    return complain(same.fault().text);
  std::printf("%s after %lld impressions, fingerprint %016llx\n", is_ending() ? "stopped" : "done",
              static_cast<long long>(trainer.rows()), static_cast<unsigned long long>(fingerprint));
  return 0;
}

// The same impressions of three tables, a hundred steps of each in turn so that a slow moment hits all three.
int compare(Options o) {
  std::unique_ptr<Trainer> trainers[3];
  const std::int32_t items[3] = {10'000, 100'000, 1'000'000};
  for (int k = 0; k < 3; ++k) {
    o.stream.items = items[k];
    trainers[k] = std::make_unique<Trainer>(o.stream, o.trainer);
    for (int s = 0; s < 20; ++s) trainers[k]->step();
  }
  constexpr int kRounds = 5, kSteps = 100;
  double best[3] = {1e9, 1e9, 1e9};
  for (int round = 0; round < kRounds; ++round)
    for (int k = 0; k < 3; ++k) {
      Clock clock;
      for (int s = 0; s < kSteps; ++s) timed_step(*trainers[k], clock);
      best[k] = (std::min)(best[k], 1e6 * clock.learning / kSteps);
    }
  for (int k = 0; k < 3; ++k)
    std::printf("%9d items, %10lld parameters: %7.1f us a step of %lld (best of %d times %d), %.2f times the first\n",
                items[k], static_cast<long long>(trainers[k]->parameter_count()), best[k],
                static_cast<long long>(o.trainer.batch), kRounds, kSteps, best[k] / best[0]);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  Options o;
  int status = 0;
  CLI::App app{"DeepFM learns from a stream of made-up impressions."};
  declare(app, o);
  if (!command_line::parse(app, count, words, status)) return status;
  o.trainer.seed = o.stream.seed;
  if (o.compare) return compare(o);
  auto processes = command_line::Processes::start();
  if (!processes) return complain(processes.fault().text);
  return processes.value().finish(run(o, processes.value().ranks()));
}
