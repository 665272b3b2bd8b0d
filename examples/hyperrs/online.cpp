// A new user at the keyboard: reads `item rating` lines, prints the ten items to recommend after each.
//
//   thaw_hyperrs_online [data set] [passes]          "generated" and 40 by default; see task.hpp for the names
//
// Items and ratings are as in the data: "i17 5". A minus before the item takes that rating back: "-i17 5". The model, a
// task-adaptive neural process, is trained when the program starts; each line then costs one record's encoding, in a
// buffer of fixed size.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "hyperrs/adapt_online.hpp"
#include "hyperrs/tanp.hpp"
#include "hyperrs/task.hpp"

namespace {

using thaw::Index;
using A = thaw::Array<float>;

void train(hyperrs::TanpLearner& learner, const hyperrs::Task& task, int passes) {
  const thaw::EpisodeSampler sampler = task.sampler({.support = 8, .query = 8});
  std::vector<thaw::Episode> batch;
  for (int pass = 0; pass < passes; ++pass) {
    double loss = 0;
    int steps = 0;
    batch.clear();
    for (const std::int32_t user : sampler.training_users()) {
      thaw::Episode& episode = batch.emplace_back();
      if (!sampler.draw(static_cast<std::uint64_t>(pass), user, episode)) batch.pop_back();
      if (batch.size() < 32) continue;
      loss += learner.train(batch);
      ++steps;
      batch.clear();
    }
    if ((pass + 1) % 10 == 0)
      std::fprintf(stderr, "pass %d of %d: squared error %.3f\n", pass + 1, passes, steps > 0 ? loss / steps : 0);
  }
}

// The learner's item fields as lists.
hyperrs::OnlineItems online_items(const hyperrs::World& world, std::vector<std::int32_t>& ids) {
  const thaw::Entities& side = world.data->items;
  hyperrs::OnlineItems items;
  items.count = side.size();
  for (std::int32_t i = 0; i < side.size(); ++i) ids.push_back(world.train.by_item.row(i).empty() ? -1 : i);
  items.fields[items.field_count++] = {nullptr, ids.data()};
  for (const thaw::Attribute& attribute : side.attributes)
    items.fields[items.field_count++] = {attribute.offsets.data(), attribute.ids.data()};
  return items;
}

class Counter {
 public:
  Counter(const thaw::Dataset& data, hyperrs::OnlineTanp<>& user)
      : data_(&data), user_(&user), given_(static_cast<std::size_t>(data.items.size()), 0.0F) {
    for (std::int32_t i = 0; i < data.items.size(); ++i) items_.push_back(i);
    scores_.resize(items_.size());
  }

  // One line of input; says on standard error what is wrong with it.
  void take(std::string_view line) {
    const bool back = line.starts_with('-');
    if (back) line.remove_prefix(1);
    const std::size_t space = line.find_first_of(" \t");
    const std::int32_t item = data_->items.ids.find(line.substr(0, space));
    if (item == thaw::Vocabulary::kUnknown) return complain(line, "no such item; expected `item rating`");
    const std::string text(space == std::string_view::npos ? "" : line.substr(space + 1));
    char* end = nullptr;
    const float rating = std::strtof(text.c_str(), &end);
    if (end == text.c_str() || !(rating >= data_->lowest && rating <= data_->highest))
      return complain(line, "the rating is missing or outside the data's scale");
    float& known = given_[static_cast<std::size_t>(item)];
    if (back && known != rating) return complain(line, "this rating was not given, so it cannot be taken back");
    const auto start = Clock::now();
    if (known != 0) user_->remove({item, known});  // rated again: the newer counts
    if (!back) user_->add({item, rating});
    const double adapting = since(start);
    known = back ? 0.0F : rating;
    user_->score(items_.data(), static_cast<Index>(items_.size()), scores_.data());
    print(adapting, since(start) - adapting);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static double since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  static void complain(std::string_view line, const char* what) {
    std::fprintf(stderr, "\"%.*s\": %s\n", static_cast<int>(line.size()), line.data(), what);
  }
  void print(double adapting, double scoring) {
    std::vector<std::int32_t> best;
    for (const std::int32_t i : items_)
      if (given_[static_cast<std::size_t>(i)] == 0) best.push_back(i);
    const std::size_t shown = (std::min)(best.size(), std::size_t(10));
    std::partial_sort(
        best.begin(), best.begin() + static_cast<std::ptrdiff_t>(shown), best.end(),
        [&](std::int32_t a, std::int32_t b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
    std::printf("after %lld ratings (adapted in %.0f microseconds, all items scored in %.0f)\n",
                static_cast<long long>(user_->records()), adapting, scoring);
    for (std::size_t i = 0; i < shown; ++i)
      std::printf("%3zu  %.2f  %s  %s\n", i + 1, static_cast<double>(score(best[i])),
                  data_->items.ids.text(best[i]).c_str(), data_->items.title(best[i]).c_str());
    std::fflush(stdout);
  }
  float score(std::int32_t item) const { return scores_[static_cast<std::size_t>(item)]; }

  const thaw::Dataset* data_;
  hyperrs::OnlineTanp<>* user_;
  std::vector<float> given_;  // (items) 0: not rated
  std::vector<std::int32_t> items_;
  std::vector<float> scores_;
};

int run(const std::string& name, int passes) {
  thaw::Result<hyperrs::Task> loaded =
      hyperrs::load_task(name, {.cold_items = 0, .objective = hyperrs::Objective::rating});
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", static_cast<const char*>(loaded.fault().text));
    return EXIT_FAILURE;
  }
  const hyperrs::Task& task = loaded.value();
  const hyperrs::World world = task.world();
  const auto learner = hyperrs::make_tanp(world, {.variant = hyperrs::Variant::best});
  train(*learner, task, passes);

  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  const hyperrs::Tanp<A> net =
      thaw::map_unnamed<A>(learner->network(), [&](const auto& a) { return thaw::on<thaw::Cpu>(context, a); });
  std::vector<std::int32_t> ids;
  const hyperrs::OnlineItems items = online_items(world, ids);
  std::vector<unsigned char> scratch(hyperrs::OnlineTanp<>::scratch_bytes(net.sizes) + thaw::kAlignment);
  hyperrs::OnlineTanp<> user(net, items, nullptr, 0, scratch.data(), scratch.size(), learner->options().centre);
  std::fprintf(stderr, "%d items, %zu bytes of scratch; type `item rating`\n", task.data.items.size(), scratch.size());
  Counter counter(task.data, user);
  std::string line;
  for (int c = std::getchar();; c = std::getchar()) {
    if (c != '\n' && c != EOF) {
      if (c != '\r') line.push_back(static_cast<char>(c));
      continue;
    }
    if (!line.empty()) counter.take(line);
    line.clear();
    if (c == EOF) return EXIT_SUCCESS;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int passes = argc > 2 ? std::atoi(argv[2]) : 40;
  if (argc > 3 || passes < 1) {
    std::fprintf(stderr, "usage: %s [data set] [passes, at least 1]\n", argv[0]);
    return EXIT_FAILURE;
  }
  return run(argc > 1 ? argv[1] : "generated", passes);
}
