// Warms up new items around click models: one data set, base models, methods, seeds; tables in Markdown.
//
//   thaw_click_train --base deepfm --warm-up mwuf
//   thaw_click_train --base wide_deep --warm-up all --data ml-1m --seeds 3 --curves --out runs
//   thaw_click_train --help
//
// Every method is fine-tuned with the budget that did best on pseudo-new items (trainer.hpp), chosen once, at the first
// seed. The counting baseline is in every table. With --out, finished runs are kept there and found again, and the
// tables are written to tables.md beside them. Progress goes to the standard error.
#include <cstring>

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

}  // namespace

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "--help") == 0) {
    std::fputs(kTrainHelp, stdout);
    return 0;
  }
  const auto options = read_train_options(count, words);
  if (!options) return complain(options.fault().text);
  const auto methods = chosen_methods(options.value());
  if (!methods) return complain(methods.fault().text);
  return run(options.value(), methods.value());
}
