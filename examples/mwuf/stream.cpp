// Ten million impressions of a million items: what a step costs, what memory it takes, and what a crash leaves behind.
//
//   thaw_click_stream --items 1000000 --rows 10000000
//   thaw_click_stream --checkpoint run.checkpoint --every 1000000      # then press Ctrl-C, or kill -9
//   thaw_click_stream --checkpoint run.checkpoint --resume             # goes on from the last whole checkpoint
//   thaw_click_stream --compare                                        # 10,000, 100,000 and 1,000,000 items
//
// The impressions are made up as they are read (click_stream.hpp), so no file is needed. The fingerprint at the end is
// that of every weight and moment: a run that was stopped and resumed prints the same one as a run that was not.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "mwuf/stream_trainer.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/train/interrupt.hpp"

namespace {

using Trainer = mwuf::StreamTrainer<mwuf::DeepFm<thaw::Spec>>;

constexpr const char* kUsage =
    "thaw_click_stream: DeepFM learns from a stream of made-up impressions\n"
    "  --items N           of the table (1000000)\n"
    "  --rows N            impressions to learn from, in whole batches (10000000)\n"
    "  --batch N           impressions of a step (2048)\n"
    "  --width N           of all vectors (16)\n"
    "  --seed S            of the start and of the stream (1)\n"
    "  --checkpoint FILE   where the run is kept; with --every N after each N impressions, and at the end\n"
    "  --resume            go on from that file\n"
    "  --compare           one million impressions each of tables of 10000, 100000 and 1000000 items\n";

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

// Errors: an option or a number that is not known or not sensible.
thaw::Result<Options> read_options(int count, char** words) {
  Options o;
  const auto wrong = [](const std::string& what) {
    return thaw::make_fault(thaw::FaultKind::mismatch, what.c_str(), "; see --help");
  };
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--resume" || name == "--compare") {
      (name == "--resume" ? o.resume : o.compare) = true;
      continue;
    }
    if (i + 1 >= count) return wrong(name + ": no such option, or its value is missing");
    const std::string value = words[++i];
    if (name == "--checkpoint") {
      o.checkpoint = value;
      continue;
    }
    const thaw::Result<std::int64_t> number = thaw::decode_integer(value);
    if (!number || number.value() < 1 || number.value() > (std::int64_t{1} << 31) - 1)
      return wrong(name + " " + value + ": no such option, or not a whole number from 1 to 2147483647");
    if (name == "--items")
      o.stream.items = static_cast<std::int32_t>(number.value());
    else if (name == "--rows")
      o.rows = number.value();
    else if (name == "--batch")
      o.trainer.batch = number.value();
    else if (name == "--width")
      o.trainer.base.width = number.value();
    else if (name == "--every")
      o.every = number.value();
    else if (name == "--seed")
      o.stream.seed = o.trainer.seed = static_cast<std::uint64_t>(number.value());
    else
      return wrong(name + ": no such option");
  }
  if ((o.resume || o.every > 0) && o.checkpoint.empty()) return wrong("--resume and --every need --checkpoint FILE");
  if (o.trainer.batch > 1'000'000 || o.trainer.base.width > 1024) return wrong("--batch or --width: too large");
  return o;
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
  double making = 0, learning = 0, loss = 0;
  std::int64_t steps = 0;
};

void timed_step(Trainer& trainer, Clock& clock) {
  const double start = seconds();
  const mwuf::ClickBatch<>& batch = trainer.make();
  const double made = seconds();
  clock.loss += trainer.learn(batch);
  clock.making += made - start;
  clock.learning += seconds() - made;
  ++clock.steps;
}

void print(const Trainer& trainer, const Clock& clock) {
  const double steps = static_cast<double>(clock.steps);
  std::printf("%11lld impressions  loss %.4f  %7.1f us a step, %7.1f more to make its impressions  %7.1f MiB\n",
              static_cast<long long>(trainer.rows()), clock.loss / steps, 1e6 * clock.learning / steps,
              1e6 * clock.making / steps, resident());
  std::fflush(stdout);
}

int run(const Options& o) {
  Trainer trainer(o.stream, o.trainer);
  if (o.resume) {
    const auto loaded = trainer.load(o.checkpoint);
    if (!loaded) return complain(loaded.fault().text);
    std::printf("goes on after %lld impressions\n", static_cast<long long>(trainer.rows()));
  }
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
  while (trainer.rows() < o.rows && !guard.interrupted()) {
    const std::int64_t before = trainer.rows();
    timed_step(trainer, clock);
    if (trainer.rows() / line != before / line) print(trainer, clock), clock = {};
    if (o.every > 0 && trainer.rows() / o.every != before / o.every)
      if (const auto saved = save(); !saved) return complain(saved.fault().text);
  }
  if (clock.steps > 0) print(trainer, clock);
  if (!o.checkpoint.empty())
    if (const auto saved = save(); !saved) return complain(saved.fault().text);
  std::printf("%s after %lld impressions, fingerprint %016llx\n", guard.interrupted() ? "stopped" : "done",
              static_cast<long long>(trainer.rows()), static_cast<unsigned long long>(trainer.fingerprint()));
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
  if (count > 1 && std::strcmp(words[1], "--help") == 0) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const auto options = read_options(count, words);
  if (!options) return complain(options.fault().text);
  return options.value().compare ? compare(options.value()) : run(options.value());
}
