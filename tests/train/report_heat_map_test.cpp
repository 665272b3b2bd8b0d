#include "thaw/train/report_heat_map.hpp"

#include <doctest/doctest.h>

#include "markup.hpp"

using namespace thaw;

TEST_CASE("heat map: a cell for each value, strength proportional, labels whole in the tooltip") {
  HeatMap map{"Attention", "", "from", "to", {"user <id>", "age"}, {"item", "a very long label that is cut somewhere"},
              {}};
  map.values = {0.5, 0.25, 0, 0.125};
  for (const double width : {kWideChart, kNarrowChart}) {
    const std::string svg = heat_map_svg(map, width);
    CHECK(markup::fault(svg) == "");
    const std::vector<double> strength = markup::attribute_values(svg, "fill-opacity");
    CHECK(strength.size() == 4 + 24);  // the cells and the scale
    CHECK(strength[0] == doctest::Approx(1));
    CHECK(strength[1] == doctest::Approx(0.52));
    CHECK(strength[2] == doctest::Approx(0.04));
    CHECK(markup::has(svg, "user &lt;id&gt; \u2192 a very long label that is cut somewhere: 0.25"));
  }
}

TEST_CASE("heat map: 9 and 32 a side stay inside their drawing, labels do not touch") {
  for (const int side : {9, 32}) {
    HeatMap map{"Attention", "", "from", "to", {}, {}, std::vector<double>(static_cast<std::size_t>(side * side), 0.1)};
    for (int i = 0; i < side; ++i) map.row_labels.push_back("The Fellowship of the Ring (2001) " + std::to_string(i));
    map.column_labels = map.row_labels;
    for (const double width : {kWideChart, kNarrowChart}) {
      const detail::HeatLayout layout = detail::heat_layout(map, width);
      CHECK(layout.cell >= layout.label_size);
      CHECK(layout.left + layout.cell * side <= layout.width);
      CHECK(markup::fault(heat_map_svg(map, width)) == "");
    }
  }
}

TEST_CASE("heat map: negative values have their own hue, a missing one says so, sizes must fit") {
  HeatMap map{"Weights", "", "", "", {"a"}, {"b", "c", "d"}, {-1, 0.5, kNoData}};
  const std::string svg = heat_map_svg(map, kWideChart);
  CHECK(markup::has(svg, "cell below"));
  CHECK(markup::has(svg, "a \u2192 d: no data"));
  map.values.pop_back();
  CHECK(markup::has(heat_map_svg(map, kWideChart), "No data: Weights"));
  CHECK(markup::has(heat_map_svg({"Nothing"}, kWideChart), "No data: Nothing"));
  HeatMap zeros{"Zeros", "", "", "", {"a"}, {"b"}, {0}};
  CHECK(!markup::has(heat_map_svg(zeros, kWideChart), "nan"));
}
