// A labelled matrix as a heat map in SVG: attention between attributes, users or items.
//
//   std::string svg = thaw::heat_map_svg(map, thaw::kWideChart);
//
// One hue, from the page's background at zero to full colour at the largest value, a second hue below zero; the
// background shows through, so the same drawing serves light and dark. Not for matrices beyond a few hundred cells a
// side: every cell is an element with its own tooltip.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "thaw/train/report_charts.hpp"
#include "thaw/train/report_data.hpp"
#include "thaw/train/report_svg.hpp"

namespace thaw::inline v0 {

namespace detail {

// From here on labels are small, and one drawing serves all screens: twice a thousand cells would double the page.
inline constexpr std::size_t kManyColumns = 16;

struct HeatLayout {
  std::size_t rows, columns;
  double left, top, cell, label_size;  // where the cells begin, their side, size of the labels' type
  int row_columns, column_columns;     // text columns that a label may take
  double width, height;
  bool has_numbers;
};

inline int longest_label(const std::vector<std::string>& labels) {
  int longest = 0;
  for (const std::string& label : labels) longest = (std::max)(longest, text_columns(label));
  return longest;
}

// Labels get the room they need up to a cut, the cells share the rest. Column labels stand at 90 degrees.
inline HeatLayout heat_layout(const HeatMap& map, double width) {
  HeatLayout layout{};
  layout.rows = map.row_labels.size();
  layout.columns = map.column_labels.size();
  const bool is_narrow = width < 500;
  const double columns = static_cast<double>(layout.columns);
  layout.label_size = layout.columns > kManyColumns ? 10.5 : kLabelSize;
  layout.row_columns = (std::min)(longest_label(map.row_labels), is_narrow ? 16 : 30);
  layout.column_columns = (std::min)(longest_label(map.column_labels), is_narrow ? 16 : 26);
  const double axis = map.row_axis.empty() ? 0 : 20;
  layout.left = axis + layout.row_columns * layout.label_size * 0.58 + 10;
  layout.top = (map.column_axis.empty() ? 0 : 22) + layout.column_columns * layout.label_size * 0.58 + 10;
  layout.cell = (std::min)((width - layout.left - 6) / columns, 44.0);
  layout.cell = (std::max)(layout.cell, layout.label_size + 1.5);  // labels must not touch; the page scrolls instead
  layout.has_numbers = layout.cell >= 30;
  layout.width = (std::max)(layout.left + layout.cell * columns + 6, 250.0);
  layout.height = layout.top + layout.cell * static_cast<double>(layout.rows) + 48;
  return layout;
}

inline void draw_heat_labels(Svg& svg, const HeatMap& map, const HeatLayout& layout) {
  const std::string css = layout.label_size < kLabelSize ? "label small" : "label";
  const double middle = layout.label_size * 0.35;
  for (std::size_t row = 0; row < layout.rows; ++row) {
    const double y = layout.top + layout.cell * (static_cast<double>(row) + 0.5);
    svg.text(layout.left - 7, y + middle, shorten_text(map.row_labels[row], layout.row_columns), css, "end", 0,
             map.row_labels[row]);
  }
  for (std::size_t column = 0; column < layout.columns; ++column) {
    const double x = layout.left + layout.cell * (static_cast<double>(column) + 0.5) + middle;
    svg.text(x, layout.top - 7, shorten_text(map.column_labels[column], layout.column_columns), css, "start", -90,
             map.column_labels[column]);
  }
  const double across = layout.left + layout.cell * static_cast<double>(layout.columns) / 2;
  const double down = layout.top + layout.cell * static_cast<double>(layout.rows) / 2;
  if (!map.column_axis.empty()) svg.text(across, 14, map.column_axis, "tick", "middle");
  if (!map.row_axis.empty()) svg.text(13, down, map.row_axis, "tick", "middle", -90);
}

inline void draw_heat_cells(Svg& svg, const HeatMap& map, const HeatLayout& layout, double largest) {
  for (std::size_t row = 0; row < layout.rows; ++row) {
    for (std::size_t column = 0; column < layout.columns; ++column) {
      const double value = map.values[row * layout.columns + column];
      const double x = layout.left + layout.cell * static_cast<double>(column);
      const double y = layout.top + layout.cell * static_cast<double>(row);
      const double strength = std::isfinite(value) && largest > 0 ? std::abs(value) / largest : 0;
      const std::string number = std::isfinite(value) ? significant_text(value, 3) : "no data";
      const std::string css = !std::isfinite(value) ? "cell missing" : value < 0 ? "cell below" : "cell";
      svg.rectangle(x + 0.5, y + 0.5, layout.cell - 1, layout.cell - 1, css,
                    map.row_labels[row] + " \u2192 " + map.column_labels[column] + ": " + number,
                    " fill-opacity=\"" + Svg::number(std::isfinite(value) ? 0.04 + 0.96 * strength : 1) + "\"");
      if (!layout.has_numbers || !std::isfinite(value)) continue;
      svg.text(x + layout.cell / 2, y + layout.cell / 2 + 4, fixed_text(value, 2),
               strength > 0.68 ? "in-cell on-strong" : "in-cell", "middle");
    }
  }
}

// Steps of the colour with the values at their ends, under the cells.
inline void draw_heat_scale(Svg& svg, const HeatLayout& layout, double lowest, double largest) {
  constexpr int kSteps = 24;
  const double y = layout.height - 30, length = 144;
  const double left = (std::max)(layout.left, 60.0) + length + 70 > layout.width ? 60 : layout.left;
  const double from = lowest < 0 ? -largest : 0;
  for (int i = 0; i < kSteps; ++i) {
    const double value = from + (largest - from) * (i + 0.5) / kSteps;
    const double strength = largest > 0 ? std::abs(value) / largest : 0;
    svg.rectangle(left + length * i / kSteps, y, length / kSteps, 10, value < 0 ? "cell below" : "cell", "",
                  " shape-rendering=\"crispEdges\" fill-opacity=\"" + Svg::number(0.04 + 0.96 * strength) + "\"");
  }
  svg.text(left, y + 25, significant_text(from, 3), "tick", "middle");
  svg.text(left + length, y + 25, significant_text(largest, 3), "tick", "middle");
}

}  // namespace detail

// True when labels and values fit each other and at least one value is a number.
inline bool has_data(const HeatMap& map) {
  const std::size_t cells = map.row_labels.size() * map.column_labels.size();
  if (cells == 0 || map.values.size() != cells) return false;
  for (const double value : map.values)
    if (std::isfinite(value)) return true;
  return false;
}

// (rows, columns) cells with labels, tooltips and a colour scale; numbers inside where the cells are large enough.
inline std::string heat_map_svg(const HeatMap& map, double width) {
  if (!has_data(map)) return no_data_box(map.title);
  double largest = 0, lowest = 0;
  for (const double value : map.values) {
    if (!std::isfinite(value)) continue;
    largest = (std::max)(largest, std::abs(value));
    lowest = (std::min)(lowest, value);
  }
  const detail::HeatLayout layout = detail::heat_layout(map, width);
  Svg svg(layout.width, layout.height, map.title,
          map.title + ": " + std::to_string(layout.rows) + " rows, " + std::to_string(layout.columns) +
              " columns, largest value " + significant_text(largest, 3),
          layout.columns > detail::kManyColumns);
  detail::draw_heat_labels(svg, map, layout);
  detail::draw_heat_cells(svg, map, layout, largest);
  detail::draw_heat_scale(svg, layout, lowest, largest);
  return std::move(svg).close();
}

}  // namespace thaw::inline v0
