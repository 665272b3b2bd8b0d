// A new item arrives: its impressions come one by one, and what a served model thinks of it changes on screen.
//
//   thaw_click_serve                                                 # a planted world, no files needed
//   thaw_click_serve --data ml-1m --item 3 --save model.thaw         # trains, serves, keeps the base
//   thaw_click_serve --data ml-1m --load model.thaw                  # serves at once
//   thaw_click_serve --report warm.html                              # AUC by number of impressions, for every method
//
// The method is `best` (methods.hpp): each impression solves the item's row again, which takes microseconds. Users are
// some of those who see the item later. The report's methods warm up a Wide & Deep base; each uses the fine-tuning that
// does best on pseudo-new items.
#include <chrono>
#include <cstdio>

#include "command_line/parse.hpp"
#include "mwuf/arrivals.hpp"
#include "mwuf/comparison.hpp"
#include "mwuf/load_task.hpp"
#include "mwuf/taste_file.hpp"
#include "thaw/train/report.hpp"

namespace {

using namespace mwuf;

struct Options {
  std::string data = "generated", data_dir, save, load, report;
  std::int64_t item = 0, impressions = -1, users = 4, epochs = 10;
  std::uint64_t seed = 1;
};

int complain(const std::string& text) {
  std::fprintf(stderr, "thaw_click_serve: %s\n", text.c_str());
  return 1;
}

void declare(CLI::App& app, Options& o) {
  using command_line::whole_number;
  app.option_defaults()->always_capture_default();
  app.add_option("--data", o.data, "generated, ml-1m, book-crossing, douban-book, ...");
  app.add_option("--data-dir", o.data_dir, "where data sets are (default: THAW_DATA, then ./data)");
  app.add_option("--item", o.item, "which new item, from 0 on")->check(whole_number(0, 1'000'000'000));
  app.add_option("--impressions", o.impressions, "how many to show (default: three slices)")
      ->check(whole_number(0, 1'000'000'000))
      ->default_str("");
  app.add_option("--users", o.users, "users to score it for")->check(whole_number(0, 1000));
  app.add_option("--seed", o.seed, "of the training")->check(whole_number(0));
  app.add_option("--save", o.save, "keep the trained base in this file");
  app.add_option("--load", o.load, "take a kept base, do not train");
  app.add_option("--report", o.report,
                 "write a page with AUC by number of impressions for every method; trains them all");
  app.add_option("--epochs", o.epochs, "passes of the report's Wide & Deep over the old items")
      ->check(whole_number(1, 1'000'000));
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Served {
  std::unique_ptr<TasteBase> base;
  FineTuning tuning{.strength = 0.3};
};

// The base and its fine-tuning: chosen on pseudo-new items, then trained; or taken from a file.
thaw::Result<Served> prepare(const Options& o, const Task& task, const Task& pseudo_new) {
  Served out;
  if (!o.load.empty()) {
    auto loaded = load_taste_base(o.load, task);
    if (!loaded) return loaded.fault();
    out.base = std::move(loaded.value());
    return out;
  }
  const MethodEntry& best = *find_method("best");
  const ClickWorld world{&task, o.seed}, pseudo{&pseudo_new, o.seed};
  double highest = 0;
  for (int which = 0; which < best.own_bases; ++which) {
    const auto base = best.own_base(pseudo, which);
    const auto method = best.make(*base, pseudo);
    method->learn();
    const Tuned tuned = tune(*method, pseudo, {{.strength = 0.3, .base = which}});
    if (tuned.auc > highest) highest = tuned.auc, out.tuning = tuned.choice;
  }
  const TasteOptions options = taste_choice(out.tuning.base);
  auto trained = make_taste_base(world, options);
  out.base.reset(static_cast<TasteBase*>(trained.release()));
  if (!o.save.empty())
    if (const auto saved = save_taste_base(o.save, *out.base, task, out.tuning.base); !saved) return saved.fault();
  return out;
}

// Some users who see the item after the impressions that are shown.
std::vector<std::int32_t> later_users(const Task& task, Rows rest, std::int64_t most) {
  std::vector<std::int32_t> users;
  for (const std::int32_t row : rest) {
    const std::int32_t user = task.clicks().users[static_cast<std::size_t>(row)];
    if (task.known_user[static_cast<std::size_t>(user)] != 0 &&
        std::find(users.begin(), users.end(), user) == users.end() && static_cast<std::int64_t>(users.size()) < most)
      users.push_back(user);
  }
  return users;
}

void print_state(const ArrivalState& state, const char* event) {
  std::printf("%4d  %-22s %6.3f  %6.3f ", state.impressions, event, state.norm, state.distance);
  for (const float p : state.probabilities) std::printf("  %5.1f %%", 100 * static_cast<double>(p));
  std::printf("\n");
}

int serve(const Options& o, const Task& task, Served& served) {
  const ClickWorld world{&task, o.seed};
  if (o.item >= static_cast<std::int64_t>(task.split.new_items.size()))
    return complain("--item " + std::to_string(o.item) + ": there are " + std::to_string(task.split.new_items.size()) +
                    " new items, counted from 0");
  const std::int32_t item = task.split.new_items[static_cast<std::size_t>(o.item)];
  const Rows all = task.split.of_item(item);
  const auto slice = task.split.slices[0].size() / task.split.new_items.size();
  const std::size_t shown =
      (std::min)(o.impressions < 0 ? 3 * slice : static_cast<std::size_t>(o.impressions), all.size());
  const auto method = detail::make_best(*served.base, world);
  method->learn();
  method->arrive();
  const std::vector<std::int32_t> users = later_users(task, all.subspan(shown), o.users);
  Arrival arrival(*method, world, item, users);
  std::printf("%s\nnew item %s\n\n   n  impression               |v|   moved ", task.text.c_str(),
              task.log.items.title(item).c_str());
  for (const std::int32_t user : users) std::printf("  %7s", task.log.users.ids.text(user).substr(0, 7).c_str());
  std::printf("\n");
  print_state(arrival.state(), "arrives");
  double busy = 0;
  for (std::size_t n = 0; n < shown; ++n) {
    const auto row = static_cast<std::size_t>(all[n]);
    const std::int32_t user = task.clicks().users[row];
    const float before = arrival.probability(task.known_user[static_cast<std::size_t>(user)] != 0 ? user : -1);
    const double start = seconds();
    arrival.show(all[n], served.tuning);
    busy += seconds() - start;
    char event[64];
    std::snprintf(event, sizeof event, "%.8s %s, at %.0f %%", task.log.users.ids.text(user).c_str(),
                  task.clicks().labels[row] == 1.0f ? "likes" : "does not", 100 * static_cast<double>(before));
    if (n < 10 || (n + 1) % 5 == 0 || n + 1 == shown) print_state(arrival.state(), event);
  }
  if (shown > 0) std::printf("\n%.1f us to learn an impression\n", 1e6 * busy / static_cast<double>(shown));
  return 0;
}

// Shares of a slice, then whole slices.
std::vector<int> counts_of(const Task& task) {
  const auto slice = static_cast<int>(task.split.slices[0].size() / task.split.new_items.size());
  std::vector<int> counts;
  for (const int count : {0, slice / 10, slice / 4, slice / 2, slice, 3 * slice / 2, 2 * slice, 3 * slice})
    if (counts.empty() || count > counts.back()) counts.push_back(count);
  return counts;
}

thaw::Result<thaw::CurveChart> warm_up_chart(const Options& o, const Task& task, const Task& pseudo_new) {
  thaw::CurveChart chart;
  chart.title = "AUC by number of impressions";
  chart.caption = "On the test slice, after every new item has got that many impressions. " + task.text + ".";
  chart.x_label = "impressions of each new item", chart.y_label = "AUC";
  const std::vector<int> counts = counts_of(task);
  const ClickWorld world{&task, o.seed}, pseudo{&pseudo_new, o.seed};
  const auto add = [&](const char* name, const std::vector<double>& aucs) {
    chart.curves.push_back({.name = name, .x = {counts.begin(), counts.end()}, .y = aucs, .has_points = true});
    std::fprintf(stderr, "%-40s", name);
    for (const double auc : aucs) std::fprintf(stderr, " %.4f", auc);
    std::fprintf(stderr, "\n");
  };
  for (const char* name : {"mean", "dropoutnet", "melu", "metaemb", "cvar", "mwuf", "best"}) {
    const MethodEntry& entry = *find_method(name);
    FineTuning choice;
    double highest = 0;
    const auto base_of = [&](const ClickWorld& w, int which) -> thaw::Result<std::unique_ptr<ClickBase>> {
      if (entry.own_base != nullptr) return entry.own_base(w, which);
      auto made = make_base("wide_deep", w, BaseOptions());
      if (!made) return made.fault();
      BaseTraining training;
      training.epochs = static_cast<int>(o.epochs);
      training.dropout.share = entry.item_dropout;
      train_base(*made.value(), w, training);
      return made;
    };
    for (int which = 0; which < entry.own_bases; ++which) {
      const auto base = base_of(pseudo, which);
      if (!base) return base.fault();
      const auto method = entry.make(*base.value(), pseudo);
      method->learn();
      const Tuned tuned = tune(*method, pseudo, entry.grid());
      if (tuned.auc > highest) highest = tuned.auc, choice = tuned.choice, choice.base = which;
    }
    const auto base = base_of(world, choice.base);
    if (!base) return base.fault();
    const auto method = entry.make(*base.value(), world);
    method->learn();
    add(entry.title, auc_by_count(*method, world, counts, choice));
  }
  return chart;
}

int report(const Options& o, const Task& task, const Task& pseudo_new) {
  thaw::Report page;
  page.title = "Warming up new items: " + task.log.name;
  auto chart = warm_up_chart(o, task, pseudo_new);
  if (!chart) return complain(chart.fault().text);
  page.curves.push_back(chart.value());
  page.provenance.command = "thaw_click_serve --data " + o.data + " --report " + o.report;
  page.provenance.date = thaw::date_now();
  page.provenance.seeds = std::to_string(o.seed);
  const auto written = thaw::write_report(o.report, page);
  return written ? 0 : complain(written.fault().text);
}

}  // namespace

int main(int count, char** words) {
  Options o;
  int status = 0;
  CLI::App app{"Shows how a new item warms up."};
  declare(app, o);
  if (!command_line::parse(app, count, words, status)) return status;
  TaskOptions task_options;
  task_options.folder = o.data_dir;
  const auto task = load_task(o.data, task_options);
  if (!task) return complain(task.fault().text);
  task_options.sizes = pseudo_new_sizes(task.value());
  const auto pseudo_new = load_task(o.data, task_options);
  if (!pseudo_new) return complain(pseudo_new.fault().text);
  auto served = prepare(o, task.value(), pseudo_new.value());
  if (!served) return complain(served.fault().text);
  status = serve(o, task.value(), served.value());
  return status != 0 || o.report.empty() ? status : report(o, task.value(), pseudo_new.value());
}
