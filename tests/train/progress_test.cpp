#include "thaw/train/progress.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using namespace thaw;

namespace {

double read_fake_clock(void* state) { return *static_cast<double*>(state); }

// A stream in memory and a clock that moves when told.
struct Bench {
  double now = 100;
  char* bytes = nullptr;
  std::size_t size = 0;
  std::FILE* stream = ::open_memstream(&bytes, &size);

  Bench() = default;
  Bench(const Bench&) = delete;
  ~Bench() {
    std::fclose(stream);
    std::free(bytes);
  }
  ProgressOptions options(Index total) {
    ProgressOptions options;
    options.total_steps = total;
    options.stream = stream;
    options.clock = read_fake_clock;
    options.clock_state = &now;
    return options;
  }
  std::string text() {
    std::fflush(stream);
    return std::string(bytes, size);
  }
  // What was written since the last call.
  std::string fresh() {
    const std::string all = text();
    const std::string part = all.substr(seen);
    seen = all.size();
    return part;
  }
  std::size_t seen = 0;
};

constexpr TerminalTraits kLog{};
constexpr TerminalTraits kAscii{.interactive = true, .colour = false, .utf8 = false, .columns = 80};

// Columns that a drawn line takes: no carriage return, no escape sequence.
int shown_columns(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm' && text[i] != 'K') ++i;
    } else if (text[i] != '\r' && text[i] != '\n') {
      plain += text[i];
    }
  }
  return text_columns(plain);
}

}  // namespace

TEST_CASE("log form: a line each ten percent, with rate and time left in closed form") {
  Bench bench;
  {
    Progress progress(bench.options(40), kLog);
    for (Index step = 1; step <= 40; ++step) {
      bench.now += 0.25;  // 4 steps a second
      progress.step(step, 2.0);
      if (step == 4) CHECK(bench.fresh() == "step 4/40  10 %  loss 2.0000  4.0 steps/s  9 s left\n");
      if (step == 7) CHECK(bench.fresh().empty());
      if (step == 8) CHECK(bench.fresh() == "step 8/40  20 %  loss 2.0000  4.0 steps/s  8 s left\n");
      if (step == 36) bench.fresh();
    }
  }
  CHECK(bench.fresh() == "step 40/40  100 %  loss 2.0000  4.0 steps/s  after 10 s\n");
}

TEST_CASE("log form: a slow run also speaks after a time, in seconds a step") {
  Bench bench;
  Progress progress(bench.options(1000), kLog);
  bench.now += 20;
  progress.step(1, 1.5);
  CHECK(bench.fresh().empty());
  bench.now += 20;
  progress.step(2, 1.5);
  CHECK(bench.fresh() == "step 2/1000  0 %  loss 1.5000  20.0 s/step  5 h 32 min left\n");
  progress.finish();
  progress.finish();
  CHECK(bench.fresh().empty());  // step 2 has its line already
}

TEST_CASE("a run of unknown length and a resumed run") {
  Bench bench;
  Progress open_ended(bench.options(0), kLog);
  bench.now += 31;
  open_ended.step(62, 0.5);
  CHECK(bench.fresh() == "step 62  loss 0.5000  2.0 steps/s  after 31 s\n");
  ProgressOptions resumed_options = bench.options(640);
  resumed_options.first_step = 600;
  Progress resumed(resumed_options, kLog);
  bench.now += 10;
  resumed.step(620, 0.5);
  CHECK(resumed.steps_per_second() == doctest::Approx(2));  // not 62: the first 600 cost nothing now
  CHECK(resumed.seconds_left() == doctest::Approx(10));
}

TEST_CASE("smoothed loss: the weighted mean in closed form, unharmed by a NaN that is still shown") {
  Bench bench;
  ProgressOptions options = bench.options(3);
  options.loss_memory = 0.5;
  Progress progress(options, kLog);
  bench.now += 1;
  progress.step(1, 4);
  progress.step(2, 1);
  CHECK(progress.smoothed_loss() == doctest::Approx((0.25 * 4 + 0.5 * 1) / 0.75));
  bench.fresh();
  progress.step(3, std::numeric_limits<double>::quiet_NaN());
  CHECK(progress.smoothed_loss() == doctest::Approx(2));
  CHECK(bench.fresh().find("loss nan") != std::string::npos);
}

TEST_CASE("the rate follows a change of speed") {
  Bench bench;
  Progress progress(bench.options(0), kLog);
  Index step = 0;
  for (int i = 0; i < 100; ++i) {
    bench.now += 1;
    progress.step(step += 1, 1);
  }
  CHECK(progress.steps_per_second() == doctest::Approx(1));
  for (int i = 0; i < 150; ++i) {
    bench.now += 1;
    progress.step(step += 10, 1);
  }
  CHECK(progress.steps_per_second() == doctest::Approx(10).epsilon(0.001));
}

TEST_CASE("100 % is shown only when the last step is done") {
  Bench bench;
  ProgressOptions options = bench.options(1000);
  options.log_every_seconds = 0;
  Progress progress(options, kLog);
  bench.now += 999;
  progress.step(999, 1);
  CHECK(bench.fresh().find("  99 %  ") != std::string::npos);
}

TEST_CASE("terminal form: exact line, redrawn in place, not more often than asked") {
  Bench bench;
  {
    Progress progress(bench.options(640), kAscii);
    bench.now += 60;
    progress.step(120, 1.0432);
    CHECK(bench.fresh() == "\r 19 % [####---------------]  120/640  loss 1.0432  2.0 steps/s  4 min 20 s left\x1b[K");
    bench.now += 0.05;
    progress.step(121, 1.0432);
    CHECK(bench.fresh().empty());
    progress.note("NDCG@10 0.31");
    CHECK(bench.fresh().substr(0, 17) == "\r\x1b[KNDCG@10 0.31\n");
  }
  CHECK(bench.fresh().back() == '\n');
}

TEST_CASE("terminal form: colour and UTF-8 only where the terminal has them") {
  Bench bench;
  Progress progress(bench.options(4), {.interactive = true, .colour = true, .utf8 = true, .columns = 100});
  bench.now += 1;
  progress.step(1, 1);
  const std::string line = bench.fresh();
  CHECK(line.find("\x1b[36m\u2501") != std::string::npos);
  CHECK(line.find("\x1b[0m") != std::string::npos);
  Progress plain(bench.options(4), kAscii);
  bench.now += 1;
  plain.step(1, 1);
  for (const char c : bench.fresh()) CHECK(static_cast<unsigned char>(c) < 0x80);
}

TEST_CASE("a drawn line never reaches the last column, however narrow the window") {
  for (int columns = 2; columns <= 140; ++columns) {
    for (const bool is_rich : {false, true}) {
      Bench bench;
      Progress progress(bench.options(640000), {true, is_rich, is_rich, columns});
      bench.now += 1000;
      progress.step(320000, 1.0432);
      const std::string line = bench.fresh();
      CHECK(shown_columns(line) <= columns - 1);
      if (columns >= 40) CHECK(line.find("320000/640000") != std::string::npos);
    }
  }
}

TEST_CASE("a stream in memory is not a terminal") {
  Bench bench;
  const TerminalTraits traits = detect_terminal(bench.stream);
  CHECK(!traits.interactive);
  CHECK(!traits.colour);
}

TEST_CASE("the default clock goes forward in seconds") {
  const double first = detail::steady_seconds(nullptr);
  struct timespec pause = {0, 20'000'000};
  ::nanosleep(&pause, nullptr);
  const double elapsed = detail::steady_seconds(nullptr) - first;
  CHECK(elapsed >= 0.019);
  CHECK(elapsed < 10);
}
