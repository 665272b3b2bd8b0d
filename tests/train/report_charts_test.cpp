#include "thaw/train/report_charts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "markup.hpp"

using namespace thaw;

namespace {

CurveChart noisy_chart() {
  CurveChart chart{"Loss & more", "", "step", "loss", {}, MarkBest::lowest};
  Curve loss{"training <loss>", {}, {}, 0.9, false};
  Curve points{"validation", {}, {}, 0, true};
  for (int i = 1; i <= 5000; ++i) {
    loss.x.push_back(i);
    loss.y.push_back(1 + std::exp(-i / 300.0) + 0.1 * std::sin(i * 12.9898) + (i < 20 ? 50 : 0));
    if (i % 500 == 0) {
      points.x.push_back(i);
      points.y.push_back(i == 3500 ? 0.9512 : 1.1);
    }
  }
  chart.curves = {loss, points};
  return chart;
}

}  // namespace

TEST_CASE("ticks are round, cover the range and print without noise") {
  const Ticks ticks = make_ticks(0.13, 0.92, 6);
  CHECK(ticks.step == doctest::Approx(0.2));
  CHECK(ticks.at(0) == doctest::Approx(0));
  CHECK(ticks.last() == doctest::Approx(1));
  CHECK(ticks.text(3) == "0.6");
  CHECK(make_ticks(0, 6000, 7).text(6) == "6000");
  CHECK(make_ticks(-0.5, 0.5, 3).text(1) == "0.0");
  CHECK(make_ticks(0, 25, 6).text(1) == "5");
  CHECK(make_ticks(0, 0.025, 6).text(1) == "0.005");
  for (const double low : {-1e6, -3.0, 0.0, 1e-7, 17.0, 1e9}) {
    for (const double size : {1e-6, 0.37, 5.0, 1e8}) {
      for (int wanted = 2; wanted < 12; ++wanted) {
        const Ticks some = make_ticks(low, low + size, wanted);
        CHECK(some.at(0) <= low + 1e-6 * size);
        CHECK(some.last() >= low + size - 1e-6 * size);
        CHECK(some.count >= 2);
        CHECK(some.count <= 2 * wanted + 2);
      }
    }
  }
  CHECK(make_ticks(3, 3, 5).count >= 2);
}

TEST_CASE("smoothing is a running mean without bias, in closed form, with gaps kept") {
  const std::vector<double> mean = detail::smoothed({4, 1, kNoData, 7}, 0.5);
  CHECK(mean[0] == doctest::Approx(4));
  CHECK(mean[1] == doctest::Approx((0.25 * 4 + 0.5 * 1) / 0.75));
  CHECK(std::isnan(mean[2]));
  CHECK(mean[3] == doctest::Approx((0.125 * 4 + 0.25 * 1 + 0.5 * 7) / 0.875));
}

TEST_CASE("a path breaks at gaps and keeps spikes when it is thinned out") {
  const detail::Scale same{0, 1, 0, 1};
  CHECK(detail::curve_path({0, 1, 2, 3}, {5, 6, kNoData, 7}, 4, same, same) == "M0 5L1 6M3 7");
  std::vector<double> x(10000), y(10000, 1.0);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i);
  y[7777] = 99;
  y[3333] = -99;
  const std::string path = detail::curve_path(x, y, x.size(), same, same);
  CHECK(markup::has(path, "L7777 99"));
  CHECK(markup::has(path, "L3333 -99"));
  CHECK(markup::count(path, "L") < 1000);
}

TEST_CASE("curve chart: well formed, named, best point marked, first steps cut and named") {
  for (const double width : {kWideChart, kNarrowChart}) {
    const std::string svg = curve_chart_svg(noisy_chart(), width);
    CHECK(markup::fault(svg) == "");
    CHECK(markup::has(svg, "<title>Loss &amp; more</title>"));
    CHECK(markup::has(svg, "training &lt;loss&gt;"));
    CHECK(markup::has(svg, "best 0.9512 at 3500"));
    CHECK(markup::has(svg, "not shown"));
    CHECK(!markup::has(svg, "nan"));
    for (const double y : markup::attribute_values(svg, "y")) CHECK((y >= 0 && y <= 320));
    for (const double x : markup::attribute_values(svg, "cx")) CHECK((x >= 0 && x <= width));
  }
}

TEST_CASE("curve chart: nothing, only NaN, one point, lists of unequal length") {
  CHECK(markup::has(curve_chart_svg({"Loss"}, kWideChart), "No data: Loss"));
  CurveChart chart{"Loss", "", "step", "loss", {{"a", {1, 2}, {kNoData, kNoData}}}};
  CHECK(markup::has(curve_chart_svg(chart, kWideChart), "No data"));
  chart.curves = {{"a", {1}, {0.5}, 0, true}};
  CHECK(markup::fault(curve_chart_svg(chart, kWideChart)) == "");
  CHECK(!markup::has(curve_chart_svg(chart, kWideChart), "nan"));
  chart.curves = {{"a", {1, 2, 3}, {0.5}, 0.9}, {"b", {1}, {0.5, 3, 4}}};
  CHECK(markup::fault(curve_chart_svg(chart, kNarrowChart)) == "");
}

TEST_CASE("bars: lengths are proportional to values and start at zero") {
  MetricBars bars{"NDCG@10", "", {{"Model", SystemKind::model}, {"Item mean"}}, {{"New users", {{0.4}, {0.2}}}}};
  for (const double width : {kWideChart, kNarrowChart}) {
    const std::string svg = metric_bars_svg(bars, width);
    const std::vector<double> lengths = markup::attribute_values(svg, "width");
    CHECK(lengths.size() == 2);
    if (lengths.size() != 2) return;
    CHECK(lengths[0] == doctest::Approx(2 * lengths[1]).epsilon(0.001));
    CHECK(markup::attribute_values(svg, "x")[0] > -1);
    CHECK(markup::has(svg, "0.4000"));
    CHECK(markup::has(svg, "class=\"bar model\""));
    CHECK(!markup::has(svg, "whisker"));
  }
}

TEST_CASE("bars: they start at the axis of zero, on the left edge, or on the right where all values are negative") {
  MetricBars bars{"Score", "", {{"Model", SystemKind::model}, {"Item mean"}}, {{"New users", {{0.4}, {0.2}}}}};
  const std::vector<double> x = markup::attribute_values(metric_bars_svg(bars, kNarrowChart), "x");
  const std::vector<double> axis = markup::attribute_values(metric_bars_svg(bars, kNarrowChart), "x1");
  CHECK(!axis.empty());
  if (axis.empty()) return;
  CHECK(axis[0] == doctest::Approx(4));
  CHECK(std::count(x.begin(), x.end(), axis[0]) >= 2);
  bars.groups[0].values = {{-0.4}, {-0.2}};
  const std::string svg = metric_bars_svg(bars, kNarrowChart);
  const std::vector<double> lengths = markup::attribute_values(svg, "width");
  CHECK(lengths.size() == 2);
  if (lengths.size() != 2) return;
  CHECK(lengths[0] == doctest::Approx(2 * lengths[1]).epsilon(0.001));
  CHECK(lengths[0] < kNarrowChart);
  for (const double place : markup::attribute_values(svg, "x")) CHECK((place >= 0 && place <= kNarrowChart));
}

TEST_CASE("bars: whiskers, optimum, missing and negative values, many scenarios") {
  MetricBars bars{"Correlation", "", {{"Model & co", SystemKind::model}, {"Random"}}, {}, 2};
  for (int i = 0; i < 5; ++i)
    bars.groups.push_back({"ScoredScenario " + std::to_string(i), {{0.5, 0.1}, {-0.2, 0.1}}, 0.8});
  bars.groups[3].values[1] = {};
  bars.groups[4].values.pop_back();
  for (const double width : {kWideChart, kNarrowChart}) {
    const std::string svg = metric_bars_svg(bars, width);
    CHECK(markup::fault(svg) == "");
    CHECK(markup::count(svg, "no data") == 2);
    CHECK(markup::count(svg, "optimum 0.80") == 5);
    CHECK(markup::count(svg, "\"whisker\"") == 3 * 8);
    CHECK(!markup::has(svg, "nan"));
    for (const double x : markup::attribute_values(svg, "x")) CHECK((x >= 0 && x <= width));
  }
  CHECK(markup::has(metric_bars_svg({"Empty"}, kWideChart), "No data: Empty"));
  CHECK(markup::has(metric_bars_svg({"Empty", "", {{"A"}}, {{"S", {{}}}}}, kWideChart), "No data"));
}
