// The charts of a report as SVG text: curves over steps, and bars with whiskers grouped by scenario.
//
//   std::string svg = thaw::curve_chart_svg(chart, thaw::kWideChart);
//   std::string bars = thaw::metric_bars_svg(thaw::metric_bars(report.scores, 0), thaw::kNarrowChart);
//
// Each returns one <svg> element with a title and a description. They need the classes of the report's style sheet;
// they are not for files of their own.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "thaw/train/report_data.hpp"
#include "thaw/train/report_svg.hpp"

namespace thaw::inline v0 {

// Width of the drawing in its own units, which are CSS pixels at full size.
inline constexpr double kWideChart = 780;
inline constexpr double kNarrowChart = 370;

namespace detail {

inline constexpr double kLabelSize = 12.5;
inline constexpr int kSeriesColours = 6;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool is_empty() const { return !(low <= high); }
  void cover(double value) {
    if (!std::isfinite(value)) return;
    low = (std::min)(low, value);
    high = (std::max)(high, value);
  }
};

// Maps data to drawing units along one axis.
struct Scale {
  double data_low, data_high, from, to;
  double operator()(double value) const { return from + (value - data_low) / (data_high - data_low) * (to - from); }
};

// Running mean with memory `smoothing`, free of the start's bias; a NaN stays a gap and leaves the mean alone.
inline std::vector<double> smoothed(const std::vector<double>& y, double smoothing) {
  std::vector<double> mean(y.size(), kNoData);
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i])) continue;
    sum = smoothing * sum + (1 - smoothing) * y[i];
    weight = smoothing * weight + (1 - smoothing);
    mean[i] = sum / weight;
  }
  return mean;
}

inline std::size_t curve_size(const Curve& curve) { return (std::min)(curve.x.size(), curve.y.size()); }

// Path through the points; of long curves the lowest and highest of each stretch, so that spikes survive.
inline std::string curve_path(const std::vector<double>& x, const std::vector<double>& y, std::size_t size,
                              const Scale& across, const Scale& up) {
  constexpr std::size_t kStretches = 400;
  const std::size_t stretch = size > 2 * kStretches ? (size + kStretches - 1) / kStretches : 1;
  std::string path;
  bool is_pen_down = false;
  const auto visit = [&](std::size_t i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) {
      is_pen_down = false;
      return;
    }
    path += (is_pen_down ? "L" : "M") + Svg::number(across(x[i])) + " " + Svg::number(up(y[i]));
    is_pen_down = true;
  };
  for (std::size_t begin = 0; begin < size; begin += stretch) {
    if (stretch == 1) {
      visit(begin);
      continue;
    }
    const std::size_t end = (std::min)(begin + stretch, size);
    std::size_t lowest = end, highest = end;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(y[i])) continue;
      if (lowest == end || y[i] < y[lowest]) lowest = i;
      if (highest == end || y[i] > y[highest]) highest = i;
    }
    if (lowest == end) {
      visit(begin);  // nothing here: a gap
      continue;
    }
    visit((std::min)(lowest, highest));
    if (lowest != highest) visit((std::max)(lowest, highest));
  }
  return path;
}

// The part of the vertical axis worth showing. The first steps of a loss may be many times the rest and would press
// everything else flat, so of each smoothed curve the highest and lowest hundredth and of the noise around it all
// but a quarter of the range may leave the frame; marked points never do.
inline Range vertical_range(const CurveChart& chart) {
  Range lines, all;
  for (const Curve& curve : chart.curves) {
    const std::size_t size = curve_size(curve);
    std::vector<double> line = curve.smoothing > 0 ? smoothed(curve.y, curve.smoothing) : curve.y;
    line.resize(size);
    std::erase_if(line, [](double y) { return !std::isfinite(y); });
    std::sort(line.begin(), line.end());
    const std::size_t cut = curve.smoothing > 0 ? line.size() / 50 : 0;
    for (std::size_t i = cut; i + cut < line.size(); ++i) lines.cover(line[i]);
    for (std::size_t i = 0; i < size; ++i) all.cover(curve.y[i]);
  }
  if (lines.is_empty()) return lines;
  const double room = 0.25 * (lines.high - lines.low);
  bool has_noise = false;
  for (const Curve& curve : chart.curves) has_noise = has_noise || curve.smoothing > 0;
  if (!has_noise) return lines;
  return {(std::max)(all.low, lines.low - room), (std::min)(all.high, lines.high + room)};
}

struct Frame {
  double left, top, right, bottom;
};

inline void draw_axes(Svg& svg, const Frame& frame, const Ticks& across_ticks, const Ticks& up_ticks,
                      const Scale& across, const Scale& up) {
  for (int i = 0; i < up_ticks.count; ++i) {
    const double y = up(up_ticks.at(i));
    svg.line(frame.left, y, frame.right, y, i == 0 ? "axis" : "grid");
    svg.text(frame.left - 8, y + 4, up_ticks.text(i), "tick", "end");
  }
  for (int i = 0; i < across_ticks.count; ++i) {
    const double x = across(across_ticks.at(i));
    if (x < frame.left - 0.5 || x > frame.right + 0.5) continue;
    svg.line(x, frame.bottom, x, frame.bottom + 4, "axis");
    svg.text(x, frame.bottom + 18, across_ticks.text(i), "tick", "middle");
  }
}

// Names with their colours above the chart, wrapped to the width. Returns the lowest line's y.
inline double draw_legend(Svg& svg, const CurveChart& chart, double left, double right, double y) {
  double x = left;
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    const Curve& curve = chart.curves[i];
    const std::string name = shorten_text(curve.name, columns_that_fit(right - left - 30, kLabelSize));
    const double width = 26 + text_width(name, kLabelSize) + 16;
    if (x > left && x + width - 16 > right) {
      x = left;
      y += 19;
    }
    const std::string colour = "s" + std::to_string(i % kSeriesColours);
    svg.line(x, y - 4, x + 20, y - 4, "curve " + colour);
    if (curve.has_points) svg.circle(x + 10, y - 4, 3.5, "dot " + colour);
    svg.text(x + 26, y, name, "label");
    x += width;
  }
  return y;
}

// Says so when values lie beyond the frame.
inline void draw_cut_note(Svg& svg, const CurveChart& chart, const Scale& up, double right, double y) {
  Range all;
  for (const Curve& curve : chart.curves)
    for (std::size_t i = 0; i < curve_size(curve); ++i) all.cover(curve.y[i]);
  std::string note;
  if (all.high > up.data_high) note = "values up to " + significant_text(all.high, 3);
  if (all.low < up.data_low)
    note += (note.empty() ? "values down to " : " and down to ") + significant_text(all.low, 3);
  if (!note.empty()) svg.text(right, y, note + " not shown", "tick", "end");
}

inline std::size_t best_point(const Curve& curve, MarkBest mark) {
  const std::size_t size = curve_size(curve);
  std::size_t best = size;
  for (std::size_t i = 0; i < size; ++i) {
    if (!std::isfinite(curve.y[i]) || !std::isfinite(curve.x[i])) continue;
    const bool is_first = best == size;
    if (is_first || (mark == MarkBest::highest ? curve.y[i] > curve.y[best] : curve.y[i] < curve.y[best])) best = i;
  }
  return best;
}

inline void draw_best(Svg& svg, const Curve& curve, MarkBest mark, const std::string& colour, const Frame& frame,
                      const Scale& across, const Scale& up) {
  const std::size_t best = best_point(curve, mark);
  if (best == curve_size(curve)) return;
  const double x = across(curve.x[best]), y = up(curve.y[best]);
  svg.circle(x, y, 6.5, "ring " + colour);
  const std::string words = "best " + significant_text(curve.y[best], 4) + " at " + significant_text(curve.x[best], 7);
  const double half = text_width(words, kLabelSize) / 2;
  const double middle = (std::min)((std::max)(x, frame.left + half), frame.right - half);
  svg.text(middle, mark == MarkBest::highest ? y - 13 : y + 21, words, "label halo", "middle");
}

// Values outside the frame become gaps; those next to the frame stop at its edge, so that the line reaches it.
inline std::vector<double> inside(const std::vector<double>& y, const Scale& up) {
  const auto is_inside = [&](std::size_t i) { return i < y.size() && y[i] >= up.data_low && y[i] <= up.data_high; };
  std::vector<double> cut(y);
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i]) || is_inside(i)) continue;
    const bool is_next = is_inside(i + 1) || (i > 0 && is_inside(i - 1));
    cut[i] = is_next ? (y[i] > up.data_high ? up.data_high : up.data_low) : kNoData;
  }
  return cut;
}

inline void draw_curve(Svg& svg, const Curve& curve, const std::string& colour, const Scale& across, const Scale& up) {
  const std::size_t size = curve_size(curve);
  if (curve.smoothing > 0) {
    svg.path(curve_path(curve.x, inside(curve.y, up), size, across, up), "raw " + colour);
    const auto line = inside(smoothed(curve.y, curve.smoothing), up);
    svg.path(curve_path(curve.x, line, size, across, up), "curve " + colour);
  } else {
    svg.path(curve_path(curve.x, curve.y, size, across, up), "curve " + colour);
  }
  for (std::size_t i = 0; i < size && curve.has_points; ++i) {
    if (!std::isfinite(curve.x[i]) || !std::isfinite(curve.y[i])) continue;
    svg.circle(across(curve.x[i]), up(curve.y[i]), 3.5, "dot " + colour,
               curve.name + ": " + significant_text(curve.y[i], 5) + " at " + significant_text(curve.x[i], 7));
  }
}

}  // namespace detail

// Lines over a shared horizontal axis, with grid, legend and the best point marked.
inline std::string curve_chart_svg(const CurveChart& chart, double width) {
  detail::Range across_range;
  for (const Curve& curve : chart.curves)
    for (std::size_t i = 0; i < detail::curve_size(curve); ++i)
      if (std::isfinite(curve.y[i])) across_range.cover(curve.x[i]);
  detail::Range up_range = detail::vertical_range(chart);
  if (across_range.is_empty() || up_range.is_empty()) return no_data_box(chart.title);
  if (across_range.low > 0 && across_range.low < 0.1 * across_range.high) across_range.low = 0;
  if (across_range.low == across_range.high) across_range.high = across_range.low + 1;
  const bool is_narrow = width < 500;
  const double room = 0.08 * (up_range.high - up_range.low);  // for the label of the best point
  if (chart.mark_best == MarkBest::highest) up_range.high += room;
  if (chart.mark_best == MarkBest::lowest) up_range.low -= up_range.low >= 0 ? (std::min)(room, up_range.low) : room;
  const Ticks up_ticks = make_ticks(up_range.low, up_range.high, 6);
  const Ticks across_ticks = make_ticks(across_range.low, across_range.high, is_narrow ? 5 : 9);
  double label_width = 0;
  for (int i = 0; i < up_ticks.count; ++i)
    label_width = (std::max)(label_width, text_width(up_ticks.text(i), detail::kLabelSize));
  const double height = is_narrow ? 280 : 320;
  Svg svg(width, height, chart.title, chart.title + ": " + chart.y_label + " against " + chart.x_label);
  const double legend_end = detail::draw_legend(svg, chart, 4, width - 4, 16);
  svg.text(4, legend_end + 24, chart.y_label, "tick");
  const detail::Frame frame{label_width + 12, legend_end + 36, width - 14, height - 42};
  const detail::Scale across{across_range.low, across_range.high, frame.left, frame.right};
  const detail::Scale up{up_ticks.first, up_ticks.last(), frame.bottom, frame.top};
  detail::draw_cut_note(svg, chart, up, width - 4, legend_end + 24);
  detail::draw_axes(svg, frame, across_ticks, up_ticks, across, up);
  svg.text((frame.left + frame.right) / 2, height - 6, chart.x_label, "tick", "middle");
  for (std::size_t i = 0; i < chart.curves.size(); ++i)
    detail::draw_curve(svg, chart.curves[i], "s" + std::to_string(i % detail::kSeriesColours), across, up);
  for (std::size_t i = 0; i < chart.curves.size() && chart.mark_best != MarkBest::none; ++i)
    if (chart.curves[i].has_points)
      detail::draw_best(svg, chart.curves[i], chart.mark_best, "s" + std::to_string(i % detail::kSeriesColours), frame,
                        across, up);
  return std::move(svg).close();
}

namespace detail {

// The sizes of a bar chart, in drawing units.
struct BarLayout {
  double width, names, panel, values;  // whole width; column of names; one panel; its column of numbers
  std::size_t panels_in_row;
  double row, head, foot;
  bool names_above;  // no room for a column of names: each stands above its bar
};

inline BarLayout bar_layout(const MetricBars& bars, double width) {
  BarLayout layout{};
  layout.width = width;
  double longest = 0;
  for (const ScoredSystem& system : bars.systems)
    longest = (std::max)(longest, text_width(system.name, kLabelSize) + 14);
  layout.names_above = width < 500;
  layout.names = layout.names_above ? 0 : (std::min)(longest, width * 0.26);
  const std::size_t most = layout.names_above ? 1 : 3;
  layout.panels_in_row = (std::min)(most, bars.groups.size());
  layout.panel = (width - layout.names) / static_cast<double>(layout.panels_in_row);
  layout.values = text_width(fixed_text(-0.1, bars.decimals), kLabelSize) + 10;
  layout.row = layout.names_above ? 42 : 25;
  layout.head = 30;
  bool has_optimum = false;
  for (const MetricBars::Group& group : bars.groups) has_optimum = has_optimum || std::isfinite(group.optimum);
  layout.foot = has_optimum ? 50 : 32;
  return layout;
}

inline Range bar_range(const MetricBars& bars) {
  Range range;
  for (const MetricBars::Group& group : bars.groups) {
    for (const Measure& value : group.values) {
      range.cover(value.mean);
      range.cover(value.mean + (std::isfinite(value.spread) ? value.spread : 0));
      range.cover(value.mean - (std::isfinite(value.spread) ? value.spread : 0));
    }
    range.cover(group.optimum);
  }
  if (!range.is_empty()) range.cover(0);  // a bar's length must mean its value
  return range;
}

inline const char* system_class(SystemKind kind) {
  return kind == SystemKind::model ? "model" : kind == SystemKind::baseline ? "baseline" : "reference";
}

inline void draw_bar(Svg& svg, const MetricBars& bars, const MetricBars::Group& group, std::size_t system, double y,
                     double value_right, const Scale& across) {
  const Measure value = system < group.values.size() ? group.values[system] : Measure{};
  if (!std::isfinite(value.mean)) {
    svg.text(across(0) + 4, y + 4, "no data", "tick");
    return;
  }
  const std::string kind = system_class(bars.systems[system].kind);
  std::string tip = bars.systems[system].name + ", " + group.scenario + ": " + fixed_text(value.mean, bars.decimals);
  const double zero = across(0), end = across(value.mean);
  if (std::isfinite(value.spread)) tip += " \u00b1 " + fixed_text(value.spread, bars.decimals);
  svg.rectangle((std::min)(zero, end), y - 8, (std::max)(std::abs(end - zero), 0.5), 16, "bar " + kind, tip);
  if (std::isfinite(value.spread) && value.spread > 0) {
    const double low = across(value.mean - value.spread), high = across(value.mean + value.spread);
    svg.line(low, y, high, y, "whisker");
    svg.line(low, y - 4, low, y + 4, "whisker");
    svg.line(high, y - 4, high, y + 4, "whisker");
  }
  svg.text(value_right, y + 4, fixed_text(value.mean, bars.decimals), "number " + kind, "end");
}

inline void draw_names(Svg& svg, const MetricBars& bars, const BarLayout& layout, double top) {
  const double room = layout.names_above ? layout.width - 8 : layout.names - 8;
  for (std::size_t system = 0; system < bars.systems.size(); ++system) {
    const ScoredSystem& shown = bars.systems[system];
    const double bottom = top + layout.row * static_cast<double>(system + 1);
    svg.text(layout.names_above ? 9 : layout.names - 8, bottom - (layout.names_above ? 26 : 8.5),
             shorten_text(shown.name, columns_that_fit(room, kLabelSize)),
             shown.kind == SystemKind::model ? "label strong outlined" : "label outlined",
             layout.names_above ? "start" : "end", 0, shown.name);
  }
}

inline void draw_group(Svg& svg, const MetricBars& bars, const MetricBars::Group& group, const BarLayout& layout,
                       double left, double top, const Range& range) {
  const double right = left + layout.panel - layout.values - 10;
  const Ticks ticks = make_ticks(range.low, range.high, layout.panel > 400 ? 6 : 5);
  // The axis ends where the data do, so that bars fill their panel; ticks beyond are not drawn.
  const double from = range.low < 0 ? ticks.first : 0;
  const Scale across{from, range.high > 0 ? range.high + 0.02 * (range.high - from) : 0, left + 4, right};
  const double first = top + layout.head, bottom = first + layout.row * static_cast<double>(bars.systems.size());
  svg.text(left + 4, top + 16, shorten_text(group.scenario, columns_that_fit(layout.panel - 12, kLabelSize + 1)),
           "head", "start", 0, group.scenario);
  for (int i = 0; i < ticks.count; ++i) {
    const double x = across(ticks.at(i));
    if (x > right + 1) continue;
    svg.line(x, first, x, bottom, std::abs(ticks.at(i)) < ticks.step / 2 ? "axis" : "grid");
    const double room = across(ticks.at(1)) - across(ticks.at(0));
    const bool has_text = i % 2 == 0 || room > text_width(ticks.text(1), kLabelSize) + 6;
    if (has_text) svg.text(x, bottom + 16, ticks.text(i), "tick", "middle");
  }
  for (std::size_t system = 0; system < bars.systems.size(); ++system)
    draw_bar(svg, bars, group, system, first + layout.row * static_cast<double>(system + 1) - 12.5,
             right + layout.values, across);
  if (!std::isfinite(group.optimum)) return;
  const double x = across(group.optimum);
  svg.line(x, first - 4, x, bottom + 2, "optimum");
  const std::string words = "optimum " + fixed_text(group.optimum, bars.decimals);
  const double half = text_width(words, kLabelSize) / 2;
  svg.text((std::min)(x, left + layout.panel - half), bottom + 34, words, "tick optimum-text", "middle");
}

}  // namespace detail

// A panel for each scenario, a bar for each system, whiskers for the spread, a dashed line at the planted optimum.
inline std::string metric_bars_svg(const MetricBars& bars, double width) {
  const detail::Range range = detail::bar_range(bars);
  if (range.is_empty() || bars.systems.empty()) return no_data_box(bars.title);
  const detail::BarLayout layout = detail::bar_layout(bars, width);
  const std::size_t in_row = layout.panels_in_row;
  const std::size_t rows = (bars.groups.size() + in_row - 1) / in_row;
  const double body = layout.row * static_cast<double>(bars.systems.size());
  const double row_height = layout.head + body + layout.foot;
  Svg svg(width, row_height * static_cast<double>(rows), bars.title,
          bars.title + " of each system, by scenario; the numbers are in the tables below");
  for (std::size_t row = 0; row < rows; ++row) {
    const double top = row_height * static_cast<double>(row);
    for (std::size_t i = 0; i < in_row && row * in_row + i < bars.groups.size(); ++i)
      detail::draw_group(svg, bars, bars.groups[row * in_row + i], layout,
                         layout.names + layout.panel * static_cast<double>(i), top, range);
    // Last, so that the line of the optimum does not cross a name.
    detail::draw_names(svg, bars, layout, top + layout.head);
  }
  return std::move(svg).close();
}

}  // namespace thaw::inline v0
