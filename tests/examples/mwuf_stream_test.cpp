// The trainer of endless streams: resumed to the bit, what a step leaves alone, flat memory, and kill -9 in the middle
// of a checkpoint.
#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "mwuf/stream_trainer.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/data/text_file.hpp"

namespace {

using Trainer = mwuf::StreamTrainer<mwuf::DeepFm<thaw::Spec>>;

mwuf::ClickStreamOptions stream_of(std::int32_t items) {
  mwuf::ClickStreamOptions stream;
  stream.items = items;
  stream.users = 300;
  stream.seed = 7;
  return stream;
}
mwuf::StreamTrainerOptions options_of(thaw::Index batch = 64) {
  mwuf::StreamTrainerOptions options;
  options.base.width = 4;
  options.base.hidden[0] = 8, options.base.hidden[1] = 0;
  options.batch = batch;
  options.rate = 1e-2;
  return options;
}

std::uint64_t fingerprint_after(int steps) {
  Trainer trainer(stream_of(500), options_of());
  for (int s = 0; s < steps; ++s) trainer.step();
  return trainer.fingerprint();
}

// How many files beside the checkpoint a writer left behind: one that was killed before it was done leaves one.
int remains(const std::string& folder) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    count += entry.path().filename().string().find(".tmp-") != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("stream: saved, loaded and continued is the run that never stopped, to the bit") {
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "run";
  Trainer whole(stream_of(500), options_of()), first(stream_of(500), options_of());
  for (int s = 0; s < 30; ++s) whole.step();
  for (int s = 0; s < 12; ++s) first.step();
  CHECK(static_cast<bool>(first.save(path)));
  Trainer second(stream_of(500), options_of());
  second.step();  // whatever it held is replaced
  const auto loaded = second.load(path);
  const char* fault = loaded ? "" : loaded.fault().text;
  INFO(fault);
  CHECK(static_cast<bool>(loaded));
  CHECK(second.rows() == 12 * 64);
  CHECK(second.fingerprint() == first.fingerprint());
  for (int s = 12; s < 30; ++s) second.step();
  CHECK(second.fingerprint() == whole.fingerprint());
  // The fingerprint notices a single step, and the optimiser's memory.
  CHECK(first.fingerprint() != whole.fingerprint());
}

TEST_CASE("stream: what is no checkpoint of this run is refused, and the reason named") {
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "run";
  Trainer trainer(stream_of(500), options_of());
  const auto fault = [](const thaw::Result<thaw::Done>& result) {
    return result ? std::string() : std::string(result.fault().text);
  };
  CHECK(fault(trainer.load(path)).find("no such file") != std::string::npos);
  CHECK(fault(trainer.save(folder / "nowhere/run")).find("nowhere") != std::string::npos);
  CHECK(fault(trainer.save(path)).empty());
  Trainer larger(stream_of(501), options_of());
  CHECK(fault(larger.load(path)).find("stream of 500 items") != std::string::npos);
  auto faster = options_of();
  faster.rate = 2e-2;
  CHECK(fault(Trainer(stream_of(500), faster).load(path)).find("rate 0.01") != std::string::npos);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK(!fault(trainer.load(path)).empty());
}

TEST_CASE("stream: a step leaves every other item alone, and memory is flat") {
  Trainer trainer(stream_of(5000), options_of());
  for (int s = 0; s < 3; ++s) trainer.step();
  const auto& table = trainer.parameters().values().tables.items;
  const std::vector<float> before(table.begin(), table.end());
  const std::size_t bytes = trainer.peak_bytes();
  const mwuf::ClickBatch<>& batch = trainer.make();
  std::set<std::int32_t> touched(batch.item, batch.item + batch.rows);
  trainer.learn(batch);
  int moved = 0;
  for (std::int32_t item = 0; item < 5000; ++item)
    for (thaw::Index j = 0; j < 4; ++j) {
      const auto at = static_cast<std::size_t>(item * 4 + j);
      if (before[at] == table[static_cast<thaw::Index>(at)]) continue;
      ++moved;
      CHECK(touched.count(item) == 1);
    }
  CHECK(moved > 0);
  for (int s = 0; s < 300; ++s) trainer.step();
  CHECK(trainer.peak_bytes() < bytes + bytes / 100);  // batches differ a little in how many tags they hold
}

TEST_CASE("stream: what is planted is learnt") {
  Trainer trainer(stream_of(200), options_of(256));
  double early = 0, late = 0;
  for (int s = 0; s < 50; ++s) early += trainer.step() / 50;
  for (int s = 0; s < 350; ++s) trainer.step();
  for (int s = 0; s < 50; ++s) late += trainer.step() / 50;
  // Nobody gets below the loss of the planted odds.
  mwuf::ClickStream stream(stream_of(200), 20000);
  const mwuf::ClickBatch<>& batch = stream.fill(0, 20000);
  double best = 0;
  for (thaw::Index i = 0; i < batch.rows; ++i) {
    const double z = stream.logit(batch.field[2].bags.ids[i], batch.item[i]);
    best += std::log1p(std::exp(batch.labels[i] == 1.0F ? -z : z)) / 20000;
  }
  CHECK(late < early - 0.02);
  CHECK(late > best - 0.01);
  CHECK(late - best < 0.6 * (early - best));
}

TEST_CASE("stream: kill -9 in the middle of a checkpoint leaves the one before, from which the run goes on") {
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "run";
  {
    Trainer start(stream_of(500), options_of());
    start.step();
    CHECK(static_cast<bool>(start.save(path)));
  }
  int in_the_middle = 0;
  std::int64_t most_rows = 0;
  for (int round = 0; round < 60 && in_the_middle < 3; ++round) {
    const int before = remains(folder.path());
    const pid_t child = ::fork();
    CHECK(child >= 0);
    if (child < 0) return;
    if (child == 0) {
      // A process of its own that checkpoints after every step until it is killed.
      Trainer trainer(stream_of(500), options_of());
      if (!trainer.load(path)) ::_exit(2);
      while (true) {
        trainer.step();
        if (!trainer.save(path)) ::_exit(3);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20000 + 1731 * round));
    CHECK(::kill(child, SIGKILL) == 0);
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    in_the_middle += remains(folder.path()) > before ? 1 : 0;
    // Whatever the moment, the file is a whole checkpoint of some step.
    Trainer after(stream_of(500), options_of());
    const auto loaded = after.load(path);
    const char* fault = loaded ? "" : loaded.fault().text;
    INFO(fault);
    CHECK(static_cast<bool>(loaded));
    if (!loaded) return;
    CHECK(after.rows() >= most_rows);
    CHECK(after.rows() % 64 == 0);
    most_rows = after.rows();
    if (in_the_middle == 3 || round == 59) {
      CHECK(after.fingerprint() == fingerprint_after(static_cast<int>(after.rows() / 64)));
      after.step();
      CHECK(after.fingerprint() == fingerprint_after(static_cast<int>(after.rows() / 64)));
    }
  }
  CHECK(in_the_middle > 0);
  CHECK(most_rows > 64);
}
