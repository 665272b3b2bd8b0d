// The pieces that every chart of a report is drawn with: SVG elements as text, axis ticks, text width.
//
//   Svg svg(760, 300, "Training loss", "Loss against step");
//   svg.line(0, 10, 100, 10, "grid");
//   svg.text(50, 40, "step", "label", "middle");
//   std::string markup = std::move(svg).close();
//
// Colours come from classes of the page's style sheet, so one drawing serves light, dark and print. Not a drawing
// library: just what the charts here need.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/train/text.hpp"

namespace thaw::inline v0 {

// Round numbers that cover an axis: first, first + step, ...
struct Ticks {
  double first = 0, step = 1;
  int count = 0, decimals = 0;

  double at(int i) const { return first + step * i; }
  double last() const { return at(count - 1); }
  std::string text(int i) const {
    const double value = at(i);
    if (std::abs(value) >= 1e6 || (step < 1e-5)) return significant_text(std::abs(value) < step / 2 ? 0 : value, 4);
    return fixed_text(value, decimals);
  }
};

// About `wanted` ticks at 1, 2 or 5 times a power of ten, from at or below `low` to at or above `high`.
inline Ticks make_ticks(double low, double high, int wanted) {
  if (!(high > low)) {
    const double room = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= room;
    high += room;
  }
  const double rough = (high - low) / (wanted > 1 ? wanted - 1 : 1);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double fraction = rough / power;
  const double nice = fraction <= 1.0001 ? 1 : fraction <= 2.0001 ? 2 : fraction <= 5.0001 ? 5 : 10;
  Ticks ticks;
  ticks.step = nice * power;
  const double lower = std::floor(low / ticks.step + 1e-9), upper = std::ceil(high / ticks.step - 1e-9);
  ticks.first = lower * ticks.step;
  ticks.count = static_cast<int>(upper - lower) + 1;
  const int places = static_cast<int>(std::ceil(-std::log10(ticks.step) - 1e-9));
  ticks.decimals = places > 0 ? places : 0;
  return ticks;
}

// Upper estimate of the width of `text` set in a sans-serif font of `size`; browsers pick different fonts.
inline double text_width(std::string_view text, double size) { return 0.58 * size * text_columns(text); }

// How many columns of text fit into `width`.
inline int columns_that_fit(double width, double size) { return static_cast<int>(width / (0.58 * size)); }

class Svg {
 public:
  // `title` and `description` are what a screen reader says instead of the drawing. A drawing with small type keeps
  // its size on a phone and is scrolled sideways; others shrink with the page.
  Svg(double width, double height, std::string_view title, std::string_view description, bool keeps_size = false) {
    out_ = "<svg viewBox=\"0 0 " + number(width) + " " + number(height) + "\" role=\"img\" class=\"chart\" style=\"" +
           (keeps_size ? "min-width:" + number(width) + "px;" : std::string()) + "max-width:" + number(width * 1.15) +
           "px\">\n<title>" + escape_html(title) + "</title><desc>" + escape_html(description) + "</desc>\n";
  }

  // Two decimals: a hundredth of a pixel is invisible.
  static std::string number(double value) {
    std::string text = fixed_text(value, 2);
    while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
      const bool is_point = text.back() == '.';
      text.pop_back();
      if (is_point) break;
    }
    return text;
  }

  void line(double x1, double y1, double x2, double y2, std::string_view css) {
    out_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
            "\" class=\"" + std::string(css) + "\"/>\n";
  }
  // `tip` is shown when the mouse rests on the rectangle.
  void rectangle(double x, double y, double width, double height, std::string_view css, std::string_view tip = "",
                 std::string_view more = "") {
    out_ += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" +
            number(height) + "\" class=\"" + std::string(css) + "\"" + std::string(more);
    close_with_tip("rect", tip);
  }
  void circle(double x, double y, double radius, std::string_view css, std::string_view tip = "") {
    out_ += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"" + number(radius) + "\" class=\"" +
            std::string(css) + "\"";
    close_with_tip("circle", tip);
  }
  void path(std::string_view commands, std::string_view css) {
    if (commands.empty()) return;
    out_ += "<path d=\"" + std::string(commands) + "\" class=\"" + std::string(css) + "\"/>\n";
  }
  // `anchor` is start, middle or end; `turn` in degrees around (x, y).
  void text(double x, double y, std::string_view words, std::string_view css, std::string_view anchor = "start",
            double turn = 0, std::string_view tip = "") {
    out_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + std::string(css) + "\"";
    if (anchor != "start") out_ += " text-anchor=\"" + std::string(anchor) + "\"";
    if (turn != 0) {
      out_ += " transform=\"rotate(" + number(turn) + " " + number(x) + " " + number(y) + ")\"";
    }
    out_ += ">" + escape_html(words) + (tip.empty() ? "" : "<title>" + escape_html(tip) + "</title>") + "</text>\n";
  }
  void raw(std::string_view markup) { out_ += markup; }

  std::string close() && {
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  void close_with_tip(std::string_view element, std::string_view tip) {
    if (tip.empty()) {
      out_ += "/>\n";
    } else {
      out_ += "><title>" + escape_html(tip) + "</title></" + std::string(element) + ">\n";
    }
  }
  std::string out_;
};

// A drawing for wide screens and one for phones; the style sheet shows the one that fits.
inline std::string wide_and_narrow(const std::string& wide, const std::string& narrow) {
  return "<div class=\"wide\">" + wide + "</div><div class=\"narrow\">" + narrow + "</div>\n";
}

// What stands in the place of a chart without a single number.
inline std::string no_data_box(std::string_view what) {
  return "<p class=\"empty\">No data: " + escape_html(what) + "</p>\n";
}

}  // namespace thaw::inline v0
