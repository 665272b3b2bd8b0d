// ResultTable: the table of results that a program prints, as aligned text or Markdown.
//
//   thaw::ResultTable table("User cold-start, leak-free", {"P@5", "NDCG@5", "MAE"});
//   table.add_row("random", random_metrics);
//   table.add_row("ours", {p5, ndcg5, mae});        // Spreads over seeds: printed as mean ± deviation
//   std::fputs(table.text().c_str(), stdout);
//
// Metrics with an '@' in their name are fractions and print as percent with two decimals, errors print as they are with
// four. A missing value prints as "-". Not a parser, not a sorter: rows come out as they went in.
#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/eval/metric_table.hpp"
#include "thaw/eval/summary.hpp"

namespace thaw::inline v0 {

// "45.66" for the fraction 0.4566 of a ranking metric, "0.7800" for an error, with " ± 0.31" when there are several
// values (seeds) behind it.
inline std::string format_metric(std::string_view name, const Spread& value) {
  if (value.count == 0 || value.mean != value.mean) return "-";
  const bool percent = name.find('@') != std::string_view::npos;
  const double scale = percent ? 100.0 : 1.0;
  const int decimals = percent ? 2 : 4;
  char number[64];
  std::snprintf(number, sizeof number, "%.*f", decimals, scale * value.mean);
  std::string text = number;
  if (value.count > 1) {
    std::snprintf(number, sizeof number, " \u00b1 %.*f", decimals, scale * value.deviation);
    text += number;
  }
  return text;
}

class ResultTable {
 public:
  ResultTable(std::string title, std::vector<std::string> metrics)
      : title_(std::move(title)), metrics_(std::move(metrics)) {}

  // One value a metric of the header, in its order.
  void add_row(std::string name, std::span<const Spread> values) {
    require(values.size() == metrics_.size(), "ResultTable::add_row: ", values.size(), " values for ", metrics_.size(),
            " metrics");
    std::vector<std::string> row{std::move(name)};
    for (std::size_t i = 0; i < values.size(); ++i) row.push_back(format_metric(metrics_[i], values[i]));
    rows_.push_back(std::move(row));
  }
  // The means of one evaluation, without a spread. `is_rating` false: errors print as "-" because the predictor
  // orders items without claiming a rating (popularity, say).
  void add_row(std::string name, const MetricTable& metrics, bool is_rating = true) {
    std::vector<Spread> values;
    for (const std::string& metric : metrics_) {
      const bool is_error = metric.find('@') == std::string::npos;
      const double mean = metrics.mean(metric);
      const bool shown = mean == mean && (is_rating || !is_error);
      values.push_back(shown ? Spread{1, mean, 0} : Spread{});
    }
    add_row(std::move(name), values);
  }

  // Columns aligned with blanks, a rule under the header.
  std::string text() const {
    const auto lines = cells();
    const auto widths = column_widths(lines);
    std::size_t total = 0;
    for (const std::size_t width : widths) total += width;
    std::string out = title_ + "\n";
    for (std::size_t line = 0; line < lines.size(); ++line) {
      for (std::size_t c = 0; c < widths.size(); ++c) {
        if (c > 0) out += "  ";
        out += padded(lines[line][c], widths[c], c > 0);
      }
      out += '\n';
      if (line == 0) out += std::string(total + 2 * (widths.size() - 1), '-') + "\n";
    }
    return out;
  }

  // A Markdown table, numbers to the right.
  std::string markdown() const {
    const auto lines = cells();
    const auto widths = column_widths(lines);
    std::string out = "**" + title_ + "**\n\n";
    for (std::size_t line = 0; line < lines.size(); ++line) {
      out += '|';
      for (std::size_t c = 0; c < widths.size(); ++c) out += " " + padded(lines[line][c], widths[c], c > 0) + " |";
      out += '\n';
      if (line > 0) continue;
      out += '|';
      for (std::size_t c = 0; c < widths.size(); ++c) out += std::string(widths[c] + 1, '-') + (c > 0 ? ":|" : "-|");
      out += '\n';
    }
    return out;
  }

 private:
  // Characters on screen: bytes of UTF-8 that do not continue a character.
  static std::size_t shown_width(std::string_view text) {
    std::size_t width = 0;
    for (const char c : text)
      if ((static_cast<unsigned char>(c) & 0xc0u) != 0x80u) ++width;
    return width;
  }
  static std::string padded(const std::string& text, std::size_t width, bool to_the_right) {
    const std::string blanks(width - shown_width(text), ' ');
    return to_the_right ? blanks + text : text + blanks;
  }
  std::vector<std::vector<std::string>> cells() const {
    std::vector<std::string> header{"method"};
    header.insert(header.end(), metrics_.begin(), metrics_.end());
    std::vector<std::vector<std::string>> lines{header};
    lines.insert(lines.end(), rows_.begin(), rows_.end());
    return lines;
  }
  std::vector<std::size_t> column_widths(const std::vector<std::vector<std::string>>& lines) const {
    std::vector<std::size_t> widths(metrics_.size() + 1, 0);
    for (const auto& line : lines)
      for (std::size_t c = 0; c < line.size(); ++c) widths[c] = (std::max)(widths[c], shown_width(line[c]));
    return widths;
  }

  std::string title_;
  std::vector<std::string> metrics_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace thaw::inline v0
