// A new user at the keyboard: reads `item rating` lines, prints the ten items to recommend after each.
//
//   thaw_hyperrs_online [--rule ridge|tanp|steps] [--data NAME] [--passes N] [--seed N]
//
// Items and ratings are as in the data: "i17 5". A minus before the item takes its rating back: "-i17". "find words"
// lists items by their titles. Without options: generated data, no files needed. The model is trained when the program
// starts; each line then costs what online_rules.hpp says of the rule, in a buffer of fixed size.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/parse.hpp"
#include "hyperrs/online_rules.hpp"

namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

class Counter {
 public:
  Counter(const thaw::Dataset& data, hyperrs::OnlineUser& user)
      : data_(data), user_(user), given_(static_cast<std::size_t>(data.items.size()), kNone) {
    for (std::int32_t i = 0; i < data.items.size(); ++i) items_.push_back(i);
    scores_.resize(items_.size());
  }

  // One line of input; says on standard error what is wrong with it, and then changes nothing.
  void take(std::string_view line) {
    line = trimmed(line);
    if (line.empty()) return;
    if (line.starts_with("find ") && data_.items.ids.find(line) == thaw::Vocabulary::kUnknown)
      return find(trimmed(line.substr(5)));
    const std::size_t space = line.find_last_of(" \t");
    std::string_view item_text = trimmed(line.substr(0, space));
    const std::string rating_text(space == std::string_view::npos ? "" : line.substr(space + 1));
    std::int32_t item = item_of(item_text);
    // "-i17" takes back, with or without the rating; an item may itself begin with a minus.
    if (item < 0 && line.starts_with('-')) {
      if (item = item_of(trimmed(line.substr(1))); item < 0) item = item_of(trimmed(item_text.substr(1)));
      if (item >= 0) return take_back(line, item);
    }
    if (item < 0) return complain(line, "no such item; expected `item rating`, or `find words` to look one up");
    if (rating_text.empty()) return complain(line, "the rating is missing; expected `item rating`");
    char* end = nullptr;
    const float rating = std::strtof(rating_text.c_str(), &end);
    if (end != rating_text.c_str() + rating_text.size()) return complain(line, "the rating is not a number");
    if (!(rating >= data_.lowest && rating <= data_.highest)) {
      std::fprintf(stderr, "\"%.*s\": ratings go from %g to %g\n", static_cast<int>(line.size()), line.data(),
                   static_cast<double>(data_.lowest), static_cast<double>(data_.highest));
      return;
    }
    rate(item, rating);
  }

  // The ten best of what she has not rated, as things stand.
  void print() {
    const auto start = Clock::now();
    user_.score(items_, scores_);
    const double scoring = since(start);
    std::printf("after %d rating%s (adapted in %.1f microseconds, all items scored in %.0f)\n", ratings_,
                ratings_ == 1 ? "" : "s", adapting_, scoring);
    std::vector<std::int32_t> best;
    for (const std::int32_t i : items_)
      if (given(i) == kNone) best.push_back(i);
    const std::size_t shown = (std::min)(best.size(), std::size_t(10));
    std::partial_sort(
        best.begin(), best.begin() + static_cast<std::ptrdiff_t>(shown), best.end(),
        [&](std::int32_t a, std::int32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
    for (std::size_t i = 0; i < shown; ++i) {
      std::printf("%3zu  %.2f  ", i + 1, static_cast<double>(score(best[i])));
      print_item(best[i]);
    }
    if (best.empty()) std::puts("  every item is rated; nothing is left to recommend");
    std::fflush(stdout);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr float kNone = -1e30F;

  static double since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  static void complain(std::string_view line, const char* what) {
    std::fprintf(stderr, "\"%.*s\": %s\n", static_cast<int>((std::min)(line.size(), std::size_t(200))), line.data(),
                 what);
  }
  std::int32_t item_of(std::string_view text) const { return data_.items.ids.find(text); }
  float& given(std::int32_t item) { return given_[static_cast<std::size_t>(item)]; }
  float score(std::int32_t item) const { return scores_[static_cast<std::size_t>(item)]; }
  void print_item(std::int32_t item) const {
    const std::string& id = data_.items.ids.text(item);
    const std::string& title = data_.items.title(item);
    std::printf(id == title ? "%s\n" : "%s  %s\n", id.c_str(), title.c_str());
  }

  // Rated again: the newer rating counts.
  void rate(std::int32_t item, float rating) {
    const auto start = Clock::now();
    const bool again = given(item) != kNone;
    if (again) user_.remove({item, given(item)});
    user_.add({item, rating});
    adapting_ = since(start);
    given(item) = rating;
    ratings_ += again ? 0 : 1;
    print();
  }
  void take_back(std::string_view line, std::int32_t item) {
    if (given(item) == kNone) return complain(line, "this item was not rated, so nothing is taken back");
    const auto start = Clock::now();
    user_.remove({item, given(item)});
    adapting_ = since(start);
    given(item) = kNone;
    --ratings_;
    print();
  }
  void find(std::string_view words) const {
    const std::string wanted = lower(words);
    int shown = 0, found = 0;
    for (const std::int32_t i : items_) {
      if (lower(data_.items.title(i)).find(wanted) == std::string::npos) continue;
      if (++found <= 10) ++shown, print_item(i);
    }
    if (found > shown) std::printf("... and %d more\n", found - shown);
    if (found == 0) std::puts("no title has these words");
    std::fflush(stdout);
  }

  const thaw::Dataset& data_;
  hyperrs::OnlineUser& user_;
  std::vector<float> given_;  // (items)
  std::vector<std::int32_t> items_;
  std::vector<float> scores_;
  int ratings_ = 0;
  double adapting_ = 0;
};

// Mean absolute error of new users' later ratings after their first eight, beside no ratings at all.
void check(const hyperrs::Task& task, const hyperrs::OnlineModel& model) {
  const auto tests = task.sampler({.support = 8, .query = 8}).held_out(thaw::UserGroup::test, thaw::ItemSet::known);
  if (!tests) return;
  double errors[2] = {0, 0}, count = 0;
  std::vector<float> scores;
  for (const thaw::Episode& e : tests.value()) {
    const auto user = model.user();
    scores.resize(e.query.items.size());
    for (double& error : errors) {
      user->score(e.query.items, scores);
      for (std::size_t i = 0; i < scores.size(); ++i)
        error += std::fabs(static_cast<double>(scores[i]) - static_cast<double>(e.query.labels[i]));
      for (std::size_t i = 0; i < e.support.items.size(); ++i) user->add({e.support.items[i], e.support.labels[i]});
    }
    count += static_cast<double>(scores.size());
  }
  if (count > 0)
    std::fprintf(stderr, "checked on %zu new users: wrong by %.2f before their first rating, by %.2f after eight\n",
                 tests.value().size(), errors[0] / count, errors[1] / count);
}

struct Options {
  std::string rule = "ridge", data = "generated";
  long passes = 0, seed = 1;  // passes 0: the rule's own number
};

int run(const Options& options) {
  auto loaded = hyperrs::load_task(
      options.data,
      {.cold_items = 0, .objective = hyperrs::Objective::rating, .seed = static_cast<std::uint64_t>(options.seed)});
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", static_cast<const char*>(loaded.fault().text));
    return EXIT_FAILURE;
  }
  hyperrs::Task& task = loaded.value();
  task.data.users.attributes.clear();  // at the keyboard there is nobody's age or job
  const auto model =
      hyperrs::make_online_model(options.rule, task,
                                 {.passes = static_cast<int>(options.passes),
                                  .seed = static_cast<std::uint64_t>(options.seed),
                                  .on_pass = [](int pass, int of, double error) {
                                    if (pass % 20 == 0 || pass == of)
                                      std::fprintf(stderr, "pass %d of %d: squared error %.3f\n", pass, of, error);
                                  }});
  check(task, *model);
  const auto user = model->user();
  std::fprintf(stderr,
               "%d items, ratings from %g to %g, %zu bytes for a user; type `item rating`, `-item`, `find words`\n",
               task.data.items.size(), static_cast<double>(task.data.lowest), static_cast<double>(task.data.highest),
               user->scratch_bytes());
  Counter counter(task.data, *user);
  counter.print();
  std::string line;
  for (int c = std::getchar();; c = std::getchar()) {
    if (c != '\n' && c != EOF) {
      line.push_back(static_cast<char>(c));
      continue;
    }
    counter.take(line);
    line.clear();
    if (c == EOF) return EXIT_SUCCESS;
  }
}

void declare(CLI::App& app, Options& o) {
  using command_line::whole_number;
  app.option_defaults()->always_capture_default();
  app.add_option("--rule", o.rule,
                 "ridge: least squares over item vectors, the smallest buffer; tanp: averages of what a neural process "
                 "says of each rating; steps: gradient steps on the newest 64 ratings")
      ->check(CLI::IsMember({"ridge", "tanp", "steps"}));
  app.add_option("--data", o.data, "generated, ml-1m, ml-100k, book-crossing, or a ratings file; found by THAW_DATA");
  app.add_option("--passes", o.passes, "over the training users (default: what the rule needs, some seconds)")
      ->check(whole_number(1, 1'000'000))
      ->default_str("");
  app.add_option("--seed", o.seed, "of data and training")->check(whole_number(1, 1'000'000));
  app.footer("Then, a line each: `item rating`, `-item` to take it back, `find words`. Ends with the input.");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  int status = 0;
  CLI::App app{"A new user at the keyboard: the ten items to recommend after each rating."};
  declare(app, options);
  return command_line::parse(app, argc, argv, status) ? run(options) : status;
}
