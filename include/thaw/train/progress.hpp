// The progress of a training run: a bar redrawn in place on a terminal, plain lines in a log.
//
//   thaw::Progress progress({.total_steps = 640});
//   for (Index step = 1; step <= 640; ++step) progress.step(step, train_one());
//   progress.finish();
//
//   terminal:  19 % ━━━━━━━────────────────────────  120/640  loss 1.0432  3.2 steps/s  2 min 43 s left
//   log:       step 120/640  19 %  loss 1.0432  3.2 steps/s  2 min 43 s left
//
// The terminal form needs an interactive stream and a TERM that is not "dumb"; it follows the window's width, uses
// no colour under NO_COLOR, and ASCII outside UTF-8 locales. Not a logger, and not safe from several threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "thaw/core/error.hpp"
#include "thaw/train/text.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/ioctl.h>
#include <unistd.h>
#else
#include <chrono>
#endif

namespace thaw::inline v0 {

// What the stream can show. Detected, or given by the caller.
struct TerminalTraits {
  bool interactive = false;  // a terminal that can redraw a line
  bool colour = false;
  bool utf8 = false;
  int columns = 0;  // 0: ask the window before each redraw
};

namespace detail {

inline std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

inline bool names_utf8(std::string_view locale) {
  for (const std::string_view spelling : {"UTF-8", "utf-8", "UTF8", "utf8"})
    if (locale.find(spelling) != std::string_view::npos) return true;
  return false;
}

// POSIX order: the first of these that is set and not empty decides.
inline bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const std::string_view value = environment(name); !value.empty()) return names_utf8(value);
  return false;
}

// Columns of the window behind `stream`, or 80 where nobody knows.
inline int window_columns(std::FILE* stream) {
#if defined(__unix__) || defined(__APPLE__)
  struct winsize window = {};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &window) == 0 && window.ws_col > 0) return window.ws_col;
#endif
  static_cast<void>(stream);
  return 80;
}

// The system's own clock where there is one: <chrono> would double the time to compile this header.
inline double steady_seconds(void*) {
#if defined(__unix__) || defined(__APPLE__)
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
#else
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
}

}  // namespace detail

// Reads the stream's kind, TERM, NO_COLOR and the locale of the environment.
inline TerminalTraits detect_terminal(std::FILE* stream) {
  TerminalTraits traits;
#if defined(__unix__) || defined(__APPLE__)
  const std::string_view term = detail::environment("TERM");
  const int descriptor = ::fileno(stream);  // -1 for a stream in memory
  traits.interactive = descriptor >= 0 && ::isatty(descriptor) == 1 && !term.empty() && term != "dumb";
#endif
  traits.colour = traits.interactive && detail::environment("NO_COLOR").empty();
  traits.utf8 = detail::locale_is_utf8();
  return traits;
}

struct ProgressOptions {
  Index total_steps = 0;                            // 0: unknown, no percentage and no time left
  Index first_step = 0;                             // steps that a resumed run already had
  std::FILE* stream = stderr;                       // results go to stdout, progress does not
  double log_every_seconds = 30;                    // log form: a line after this time or
  int log_every_percent = 10;                       // after this share of the run, whichever comes first
  double redraw_seconds = 0.1;                      // terminal form: at most ten redraws a second
  double loss_memory = 0.95;                        // weight of the past in the smoothed loss
  double rate_seconds = 15;                         // time over which the rate forgets a slow or fast stretch
  double (*clock)(void*) = detail::steady_seconds;  // seconds, never going back
  void* clock_state = nullptr;                      // handed to `clock`
};

class Progress {
 public:
  explicit Progress(const ProgressOptions& options) : Progress(options, detect_terminal(options.stream)) {}
  Progress(const ProgressOptions& options, const TerminalTraits& traits)
      : options_(options), traits_(traits), done_(options.first_step) {
    start_ = last_ = last_shown_ = options_.clock(options_.clock_state);
    next_percent_ = following_percent(percent());
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { finish(); }

  // Tells that `done` steps are complete and what the last one lost. Costs a clock reading when nothing is shown.
  void step(Index done, double loss) {
    require(done >= done_, "Progress::step: step ", done, " comes after step ", done_);
    const double now = options_.clock(options_.clock_state);
    observe_rate(done - done_, now - last_);
    observe_loss(loss);
    done_ = done;
    last_ = now;
    if (traits_.interactive) {
      if (now - last_shown_ >= options_.redraw_seconds || is_complete()) draw(now);
    } else if (now - last_shown_ >= options_.log_every_seconds || percent() >= next_percent_ || is_complete()) {
      log(now);
    }
  }

  // Prints a line of its own (a validation result, a saved checkpoint) without damage to the bar.
  void note(std::string_view line) {
    if (traits_.interactive && is_drawn_) put("\r\x1b[K");
    put(line);
    put("\n");
    if (traits_.interactive && is_drawn_) draw(last_);
    std::fflush(options_.stream);
  }

  // Shows the final state once and leaves the terminal on a fresh line. Also called by the destructor.
  void finish() {
    if (is_finished_) return;
    is_finished_ = true;
    if (traits_.interactive) {
      if (done_ > options_.first_step) draw(last_);
      if (is_drawn_) put("\n");
    } else if (done_ != last_logged_ && done_ > options_.first_step) {
      log(last_);
    }
    std::fflush(options_.stream);
  }

  // Exponentially weighted mean of the finite losses, without the usual bias towards zero at the start.
  double smoothed_loss() const { return loss_weight_ > 0 ? loss_sum_ / loss_weight_ : std::nan(""); }
  // Steps in a second, over about the last `rate_seconds`; 0 before the first step.
  double steps_per_second() const { return rate_time_ > 0 ? rate_steps_ / rate_time_ : 0; }
  // NaN when the total or the rate is unknown.
  double seconds_left() const {
    const double rate = steps_per_second();
    return options_.total_steps > 0 && rate > 0 ? static_cast<double>(options_.total_steps - done_) / rate
                                                : std::nan("");
  }

 private:
  bool is_complete() const { return options_.total_steps > 0 && done_ >= options_.total_steps; }
  double share() const {
    if (options_.total_steps <= 0) return 0;
    const double share = static_cast<double>(done_) / static_cast<double>(options_.total_steps);
    return share > 1 ? 1 : share;
  }
  // Rounded, but 100 only when the last step is done.
  int percent() const {
    const int rounded = static_cast<int>(share() * 100 + 0.5);
    return rounded >= 100 && !is_complete() ? 99 : rounded;
  }
  int following_percent(int percent_now) const {
    if (options_.total_steps <= 0 || options_.log_every_percent <= 0) return 1000;  // never reached
    return (percent_now / options_.log_every_percent + 1) * options_.log_every_percent;
  }

  // Steps and time decay alike, so a constant speed is reported exactly and a change is followed.
  void observe_rate(Index steps, double seconds) {
    const double elapsed = seconds > 0 ? seconds : 0;
    const double kept = std::exp(-elapsed / options_.rate_seconds);
    rate_steps_ = rate_steps_ * kept + static_cast<double>(steps);
    rate_time_ = rate_time_ * kept + elapsed;
  }
  // A NaN must be seen at once and must not spoil the mean of the steps around it.
  void observe_loss(double loss) {
    last_loss_ = loss;
    if (!std::isfinite(loss)) return;
    loss_sum_ = options_.loss_memory * loss_sum_ + (1 - options_.loss_memory) * loss;
    loss_weight_ = options_.loss_memory * loss_weight_ + (1 - options_.loss_memory);
  }

  std::string count_text() const {
    std::string text = std::to_string(done_);
    if (options_.total_steps > 0) text += "/" + std::to_string(options_.total_steps);
    return text;
  }
  std::string loss_text() const {
    const double loss = std::isfinite(last_loss_) ? smoothed_loss() : last_loss_;
    const double size = std::abs(loss);
    const bool is_plain = !std::isfinite(loss) || size == 0 || (size >= 0.001 && size < 100000);
    return "loss " + (is_plain ? fixed_text(loss, 4) : significant_text(loss, 4));
  }
  std::string rate_text() const {
    const double rate = steps_per_second();
    if (!(rate > 0)) return {};
    if (rate < 1) return fixed_text(1 / rate, 1) + " s/step";
    return fixed_text(rate, rate < 100 ? 1 : 0) + " steps/s";
  }
  std::string time_text(double now) const {
    const double left = seconds_left();
    if (std::isfinite(left) && !is_complete()) return duration_text(left) + " left";
    return "after " + duration_text(now - start_);
  }

  void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), options_.stream); }

  void log(double now) {
    std::string line = "step " + count_text();
    if (options_.total_steps > 0) line += "  " + std::to_string(percent()) + " %";
    line += "  " + loss_text();
    if (const std::string rate = rate_text(); !rate.empty()) line += "  " + rate;
    line += "  " + time_text(now) + "\n";
    put(line);
    std::fflush(options_.stream);
    last_shown_ = now;
    last_logged_ = done_;
    next_percent_ = following_percent(percent());
  }

  // What fits, in this order of importance: count, loss, time, rate; the bar takes what is left, up to 32 columns.
  void draw(double now) {
    const int columns = (traits_.columns > 0 ? traits_.columns : detail::window_columns(options_.stream)) - 1;
    const bool has_share = options_.total_steps > 0;
    std::string head = std::to_string(percent());
    head = has_share ? std::string(3 - head.size(), ' ') + head + " %" : std::string();
    const std::string count = has_share ? count_text() : "step " + count_text();
    const std::string loss = loss_text(), rate = rate_text(), time = time_text(now);
    int free = columns - text_columns(head) - text_columns(count) - (has_share ? 2 : 0);
    const auto take = [&](const std::string& part) {
      const int needed = text_columns(part) + 2;
      if (part.empty() || free < needed) return std::string();
      free -= needed;
      return "  " + part;
    };
    const std::string loss_part = take(loss), time_part = take(time), rate_part = take(rate);
    std::string line = head;
    const bool has_bar = has_share && free >= 6;
    if (has_bar) line += " " + bar(free - 1 < 32 ? free - 1 : 32);
    line += (has_share ? "  " : "") + count + loss_part + rate_part + time_part;
    // A window narrower than the count itself: cut, since a wrapped line could not be redrawn.
    if (!has_bar && columns > 0) line.resize((std::min)(line.size(), static_cast<std::size_t>(columns)));
    put("\r" + line + "\x1b[K");
    std::fflush(options_.stream);
    is_drawn_ = true;
    last_shown_ = now;
  }

  std::string bar(int width) const {
    const int full = static_cast<int>(share() * width + 0.5);
    std::string text = traits_.utf8 ? "" : "[";
    const int cells = traits_.utf8 ? width : width - 2;
    const int filled = traits_.utf8 ? full : static_cast<int>(share() * cells + 0.5);
    if (traits_.colour) text += "\x1b[36m";
    for (int i = 0; i < filled; ++i) text += traits_.utf8 ? "\u2501" : "#";
    if (traits_.colour) text += "\x1b[90m";
    for (int i = filled; i < cells; ++i) text += traits_.utf8 ? "\u2500" : "-";
    if (traits_.colour) text += "\x1b[0m";
    return text + (traits_.utf8 ? "" : "]");
  }

  ProgressOptions options_;
  TerminalTraits traits_;
  Index done_ = 0;
  Index last_logged_ = -1;
  double start_ = 0, last_ = 0, last_shown_ = 0;  // seconds of the clock
  double rate_steps_ = 0, rate_time_ = 0;
  double loss_sum_ = 0, loss_weight_ = 0, last_loss_ = 0;
  int next_percent_ = 0;
  bool is_drawn_ = false;
  bool is_finished_ = false;
};

}  // namespace thaw::inline v0
