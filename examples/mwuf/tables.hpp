// Tables of a comparison in Markdown: AUC, log-loss, F1, RelaImpr, and who is ahead of whom by a paired bootstrap.
//
//   std::vector<mwuf::Line> lines = ...;                     // a method each, with its runs
//   std::fputs(mwuf::tables_text(task, lines, {.reference = 1}).c_str(), stdout);
//
// Numbers are means over a line's seeds; the last column has the largest standard deviation over seeds of the four.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "mwuf/seed_bootstrap.hpp"
#include "mwuf/trainer.hpp"

namespace mwuf {

// One row of every table.
struct Line {
  std::string title;
  std::vector<PhaseScores> runs = {};  // one a seed
  std::vector<Tuned> tuned = {};       // none or one
};

struct TableOptions {
  std::vector<thaw::EvaluationOrder> orders = {thaw::EvaluationOrder::next_slice, thaw::EvaluationOrder::fixed_test};
  std::size_t reference = 0;  // RelaImpr is over this line; none where there is no such line
  std::int32_t resamples = 1000;
  bool curves = false;
};

namespace detail {

using Reports = std::array<std::vector<thaw::ClickReport>, 4>;  // of a line: phases, runs

inline std::string number_text(double value, const char* format = "%.4f") {
  char buffer[48];
  if (value != value) return "undefined";
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

struct MeanSpread {
  double mean = 0, spread = 0;
};
template <class Field>
MeanSpread over_runs(const std::vector<thaw::ClickReport>& reports, const Field& field) {
  MeanSpread out;
  const double share = 1 / static_cast<double>(reports.size());
  for (const thaw::ClickReport& report : reports) {
    const thaw::Measured value = field(report);
    out.mean += value ? share * value.value : std::numeric_limits<double>::quiet_NaN();
  }
  if (reports.size() < 2) return out;
  for (const thaw::ClickReport& report : reports) {
    const double apart = field(report).value - out.mean;
    out.spread += apart * apart / static_cast<double>(reports.size() - 1);
  }
  out.spread = std::sqrt(out.spread);
  return out;
}

// Adds a cell, or the end of one.
inline void add_cell(std::string& text, const std::string& cell) { text.append(" ").append(cell).append(" |"); }

inline std::string table_head(const std::string& title, const char* last) {
  return std::string("\n") + title + "\n\n| | cold | warm-a | warm-b | warm-c |" + last + "\n|---|---|---|---|---|" +
         (*last != '\0' ? "---|\n" : "\n");
}

template <class Field>
std::string metric_table(const std::string& title, const std::vector<Line>& lines, const std::vector<Reports>& all,
                         const Field& field) {
  std::string text = table_head(title, " sd over seeds |");
  for (std::size_t l = 0; l < lines.size(); ++l) {
    text += "|";
    add_cell(text, lines[l].title);
    double spread = 0;
    for (const auto& reports : all[l]) {
      const MeanSpread value = over_runs(reports, field);
      spread = (std::max)(spread, value.spread);
      add_cell(text, number_text(value.mean));
    }
    text += lines[l].runs.size() < 2
                ? std::string(" 1 run |\n")
                : std::string(" ") + number_text(spread) + " of " + std::to_string(lines[l].runs.size()) + " |\n";
  }
  return text;
}

inline std::string relative_table(const std::vector<Line>& lines, const std::vector<Reports>& all,
                                  std::size_t reference) {
  const auto auc = [](const thaw::ClickReport& report) { return report.auc; };
  std::string text = table_head("RelaImpr over " + lines[reference].title + ", percent", "");
  for (std::size_t l = 0; l < lines.size(); ++l) {
    text += "|";
    add_cell(text, lines[l].title);
    for (std::size_t p = 0; p < 4; ++p) {
      const thaw::Measured gain =
          thaw::relative_improvement(over_runs(all[l][p], auc).mean, over_runs(all[reference][p], auc).mean);
      add_cell(text, gain ? number_text(gain.value, "%+.1f") : std::string("undefined"));
    }
    text += "\n";
  }
  return text;
}

inline std::string bootstrap_table(const Task& task, std::vector<Line>& lines, thaw::EvaluationOrder order,
                                   std::int32_t resamples) {
  std::vector<std::vector<ResampledAuc>> all(4);
  for (std::size_t p = 0; p < 4; ++p) {
    const Rows rows = task.split.measured(thaw::kPhases[p], order);
    const std::vector<float> labels = labels_of(task, rows);
    const std::vector<std::int32_t> items = items_of(task, rows);
    for (Line& line : lines) {
      ScoreRuns runs;
      for (PhaseScores& run : line.runs) runs.emplace_back(run.of(thaw::kPhases[p], order));
      all[p].emplace_back(runs, labels, items, thaw::BootstrapOptions{.resamples = resamples});
    }
  }
  std::string text =
      table_head("AUC of \"" + lines.back().title + "\" minus that of another, with the 95 % interval of " +
                     std::to_string(resamples) + " paired resamples of items, all seeds together",
                 "");
  for (std::size_t l = 0; l + 1 < lines.size(); ++l) {
    text += "|";
    add_cell(text, lines[l].title);
    for (std::size_t p = 0; p < 4; ++p) {
      const thaw::PairedDifference d = difference_of(all[p].back(), all[p][l]);
      add_cell(text, number_text(d.mean, "%+.4f") + " [" + number_text(d.lower, "%+.4f") + ", " +
                         number_text(d.upper, "%+.4f") + "]");
    }
    text += "\n";
  }
  return text;
}

inline std::string tuning_text(const FineTuning& t, bool solves, bool has_bases) {
  const std::string base = has_bases ? "base " + std::to_string(t.base) + " " : std::string();
  return solves ? base + "strength " + number_text(t.strength, "%g")
                : std::to_string(t.epochs) + " x " + number_text(t.rate, "%g");
}

// What every budget gives on pseudo-new items, the learning curves.
inline std::string curves_text(const std::vector<Line>& lines) {
  std::string text =
      "\nMean AUC on pseudo-new items by fine-tuning (epochs x rate, or strength); the chosen one bold\n\n";
  for (const Line& line : lines) {
    if (line.tuned.empty()) continue;
    const Tuned& tuned = line.tuned[0];
    const bool solves = tuned.tried.size() > 1 && tuned.tried.front().strength != tuned.tried.back().strength;
    text.append("- ").append(line.title).append(":");
    for (std::size_t i = 0; i < tuned.tried.size(); ++i) {
      const char* mark = tuned.aucs[i] == tuned.auc ? "**" : "";
      text += std::string(i > 0 ? ", " : " ") + tuning_text(tuned.tried[i], solves, tuned.tried.back().base > 0) + " " +
              mark + number_text(tuned.aucs[i]) + mark;
    }
    text += "\n";
  }
  return text;
}

inline std::string order_text(const Task& task, std::vector<Line>& lines, thaw::EvaluationOrder order,
                              const TableOptions& options) {
  std::vector<Reports> all(lines.size());
  for (std::size_t l = 0; l < lines.size(); ++l)
    for (std::size_t p = 0; p < 4; ++p)
      for (PhaseScores& run : lines[l].runs) all[l][p].push_back(report_of(task, run, thaw::kPhases[p], order));
  std::string text = std::string("\n## ") + thaw::name_of(order) + "\n";
  text += metric_table("AUC", lines, all, [](const thaw::ClickReport& r) { return r.auc; });
  text += metric_table("Log-loss", lines, all, [](const thaw::ClickReport& r) { return r.log_loss; });
  text += metric_table("F1 at the mean score", lines, all, [](const thaw::ClickReport& r) { return r.f1_at_mean; });
  text += metric_table("F1 at 0.5", lines, all, [](const thaw::ClickReport& r) { return r.f1_at_half; });
  if (options.reference < lines.size()) text += relative_table(lines, all, options.reference);
  if (lines.size() > 1 && options.resamples > 0) text += bootstrap_table(task, lines, order, options.resamples);
  return text;
}

}  // namespace detail

// Every line needs a run at least. The bootstrap compares the last line with all others.
inline std::string tables_text(const Task& task, std::vector<Line>& lines, const TableOptions& options) {
  std::string text;
  for (const thaw::EvaluationOrder order : options.orders) text += detail::order_text(task, lines, order, options);
  return options.curves ? text + detail::curves_text(lines) : text;
}

}  // namespace mwuf
