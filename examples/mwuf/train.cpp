// Warms up new items around click models: one data set, base models, methods, seeds; tables in Markdown.
//
//   thaw_click_train --base deepfm --warm-up mwuf
//   thaw_click_train --base wide_deep --warm-up all --data ml-1m --seeds 3 --curves --out runs
//   thaw_click_train --help
//
// Every method is fine-tuned with the budget that did best on pseudo-new items (trainer.hpp), chosen once, at the first
// seed. The counting baseline is in every table. With --out, finished runs are kept there and found again, and the
// tables are written to tables.md beside them. Progress goes to the standard error.
#include "command_line/parse.hpp"
#include "mwuf/comparison.hpp"
#include "mwuf/load_task.hpp"

namespace {

using namespace mwuf;

int complain(const char* text) {
  std::fprintf(stderr, "thaw_click_train: %s\n", text);
  return 1;
}

// The base as it is: Wide & Deep where it is there, as published tables have it.
std::size_t reference_of(const std::vector<Line>& lines) {
  std::size_t found = lines.size();
  const std::string plain = find_method("none")->title;
  for (std::size_t l = lines.size(); l-- > 0;)
    if (lines[l].title.ends_with(plain) && (found == lines.size() || !lines[found].title.starts_with("wide_deep")))
      found = l;
  return found;
}

std::string headline(const TrainOptions& o, const Task& task, const Task& pseudo_new) {
  return "# Warming up new items\n\n" + task.text + ".\n\nBase " + o.base + ", width " + std::to_string(o.width) +
         ", vectors start from a deviation of " + thaw::encode_real(o.deviation) + ", " + std::to_string(o.epochs) +
         (o.epochs == 1 ? " epoch" : " epochs") + "; " + std::to_string(o.seeds) + (o.seeds == 1 ? " seed" : " seeds") +
         " from " + std::to_string(o.seed) + " on; fine-tuning chosen on " +
         std::to_string(pseudo_new.split.new_items.size()) + " pseudo-new items.\n";
}

int run(const TrainOptions& o, const std::vector<const MethodEntry*>& methods) {
  TaskOptions task_options;
  task_options.folder = o.data_dir;
  const auto task = load_task(o.data, task_options);
  if (!task) return complain(task.fault().text);
  task_options.sizes = pseudo_new_sizes(task.value());
  const auto pseudo_new = load_task(o.data, task_options);
  if (!pseudo_new) return complain(pseudo_new.fault().text);
  if (!o.out.empty()) {
    std::error_code problem;
    std::filesystem::create_directories(o.out, problem);
    if (problem) return complain((o.out + ": cannot make this folder: " + problem.message()).c_str());
  }
  Comparison comparison(o, task.value(), pseudo_new.value());
  auto lines = comparison.run(chosen_bases(o), methods);
  if (!lines) return complain(lines.fault().text);
  TableOptions tables;
  tables.reference = reference_of(lines.value());
  tables.curves = o.curves;
  tables.resamples = o.resamples;
  if (o.order == "next-slice") tables.orders = {thaw::EvaluationOrder::next_slice};
  if (o.order == "fixed-test") tables.orders = {thaw::EvaluationOrder::fixed_test};
  const std::string text =
      headline(o, task.value(), pseudo_new.value()) + tables_text(task.value(), lines.value(), tables);
  std::fputs(text.c_str(), stdout);
  if (o.out.empty()) return 0;
  const auto written = detail::write_whole(o.out + "/tables.md", text);
  return written ? 0 : complain(written.fault().text);
}

void declare(CLI::App& app, TrainOptions& o) {
  using command_line::positive_number;
  using command_line::whole_number;
  app.option_defaults()->always_capture_default();
  app.add_option("--base", o.base, "fm, wide_deep, deepfm, ..., separated by commas, or all");
  app.add_option("--warm-up", o.warm_up, "methods, separated by commas, or all");
  app.add_option("--variant", o.variant, "best: mwuf then stands for the method best")
      ->check(CLI::IsMember({"paper", "best"}));
  app.add_option("--data", o.data,
                 "ml-1m, book-crossing, douban-book, taobao, cikm2019; planted worlds: generated, generated-nothing, "
                 "generated-user-sets");
  app.add_option("--data-dir", o.data_dir, "where data sets are (default: THAW_DATA, then ./data)");
  app.add_option("--order", o.order, "of measuring and learning")
      ->check(CLI::IsMember({"next-slice", "fixed-test", "both"}));
  app.add_option("--seeds", o.seeds, "how many, from --seed on")->check(whole_number(1, 1000));
  app.add_option("--seed", o.seed, "the first")->check(whole_number(0));
  app.add_option("--epochs", o.epochs, "passes over the old items")->check(whole_number(1, 1'000'000));
  app.add_option("--deviation", o.deviation, "of the start of all vectors")->check(positive_number());
  app.add_option("--width", o.width, "of all vectors")->check(whole_number(1, 4096));
  app.add_option("--dropout", o.dropout,
                 "share of impressions that DropoutNet's bases learn without their item (default: 0.1 and 0.5)")
      ->check(CLI::Range(0.0, 1.0))
      ->default_str("");
  app.add_flag("--curves", o.curves, "print what every fine-tuning budget gives on pseudo-new items");
  app.add_option("--resamples", o.resamples,
                 "of the bootstrap over items, which compares the last line with the others; 0: none")
      ->check(whole_number(0, 1'000'000));
  app.add_option("--out", o.out, "keep finished runs in this folder, take up those that are there, write tables.md");
}

}  // namespace

int main(int count, char** words) {
  TrainOptions options;
  int status = 0;
  CLI::App app{"Warms up new items around click models and measures it slice by slice."};
  declare(app, options);
  if (!command_line::parse(app, count, words, status)) return status;
  if (thaw::split_names(options.base).empty()) return complain("--base: expected the name of a base model");
  const auto methods = chosen_methods(options);
  if (!methods) return complain(methods.fault().text);
  return run(options, methods.value());
}
