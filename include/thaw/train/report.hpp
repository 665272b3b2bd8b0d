// A training run as one page: report.html, complete in itself, readable without scripts, on paper and on a phone.
//
//   thaw::Report report;      // see report_data.hpp for its parts
//   report.title = "Cold-start recommendation on MovieLens-1M";
//   thaw::Result<thaw::Done> written = thaw::write_report("report.html", report);
//   if (!written) std::fputs(written.fault().text, stderr);
//
// Verdict, learning curves, metric bars, tables with margins, one new user, attention maps and provenance; a part
// without data is left out, a single missing number reads "no data". Not a dashboard: it is written once, at the end.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include "thaw/core/error.hpp"
#include "thaw/train/report_charts.hpp"
#include "thaw/train/report_data.hpp"
#include "thaw/train/report_heat_map.hpp"
#include "thaw/train/report_parts.hpp"
#include "thaw/train/report_style.hpp"
#include "thaw/train/text.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace thaw::inline v0 {

namespace detail {

inline std::string section(std::string_view heading, std::string_view intro, const std::string& body) {
  return "<section>\n<h2>" + escape_html(heading) + "</h2>\n" +
         (intro.empty() ? "" : "<p class=\"subtitle\">" + escape_html(intro) + "</p>\n") + body + "</section>\n";
}

inline std::string figure(std::string_view title, const std::string& drawing, std::string_view caption) {
  std::string html = "<figure>\n";
  if (!title.empty()) html += "<h3>" + escape_html(title) + "</h3>\n";
  html += drawing;
  if (!caption.empty()) html += "<figcaption>" + escape_html(caption) + "</figcaption>\n";
  return html + "</figure>\n";
}

inline std::string facts_html(const std::vector<Fact>& facts) {
  if (facts.empty()) return {};
  std::string html = "<dl class=\"facts\">\n";
  for (const Fact& fact : facts)
    html += "<div><dt>" + escape_html(fact.label) + "</dt><dd>" + escape_html(fact.value) + "</dd></div>\n";
  return html + "</dl>\n";
}

inline std::string curves_section(const Report& report) {
  if (report.curves.empty()) return {};
  std::string body;
  for (const CurveChart& chart : report.curves)
    body +=
        figure(chart.title, wide_and_narrow(curve_chart_svg(chart, kWideChart), curve_chart_svg(chart, kNarrowChart)),
               chart.caption);
  return section("How it learned", "", body);
}

inline std::string bars_key(const Scores& scores) {
  bool has_kind[3] = {false, false, false}, has_optimum = false, has_spread = false;
  for (const ScoredSystem& system : scores.systems) has_kind[static_cast<std::size_t>(system.kind)] = true;
  for (const ScoredScenario& scenario : scores.scenarios) {
    for (const double value : scenario.optimum) has_optimum = has_optimum || std::isfinite(value);
    for (const Measure& value : scenario.values) has_spread = has_spread || std::isfinite(value.spread);
  }
  std::string html = "<ul class=\"key\">\n";
  if (has_kind[0]) html += "<li><i class=\"model\"></i>trained here</li>\n";
  if (has_kind[1]) html += "<li><i class=\"baseline\"></i>baseline</li>\n";
  if (has_kind[2]) html += "<li><i class=\"reference\"></i>reference, not compared</li>\n";
  if (has_spread) html += "<li><i class=\"spread\"></i>" + escape_html(scores.spread_text) + "</li>\n";
  if (has_optimum) html += "<li><i class=\"dashed\"></i>planted optimum</li>\n";
  return html + "</ul>\n";
}

inline std::string scores_section(const Report& report) {
  const Scores& scores = report.scores;
  if (scores.metrics.empty() || scores.systems.empty() || scores.scenarios.empty()) return {};
  std::string body = bars_key(scores);
  for (std::size_t metric = 0; metric < scores.metrics.size(); ++metric) {
    const MetricBars bars = metric_bars(scores, metric);
    body +=
        figure(bars.title + (bars.higher_is_better ? ", higher is better" : ", lower is better"),
               wide_and_narrow(metric_bars_svg(bars, kWideChart), metric_bars_svg(bars, kNarrowChart)), bars.caption);
  }
  std::string tables;
  for (const ScoredScenario& scenario : scores.scenarios) tables += score_table_html(scores, scenario);
  return section("How good it is", report.protocol, body) +
         section("The numbers",
                 "Mean \u00b1 " + scores.spread_text + "; best in bold; margins of the first model with the " +
                     scores.interval_text + " where one was computed.",
                 tables);
}

inline std::string rankings_section(const Report& report) {
  if (report.rankings.empty()) return {};
  std::string body;
  for (const Ranking& ranking : report.rankings) body += ranking_html(ranking);
  return section(report.rankings.size() == 1 ? "One new user" : "New users", "", body);
}

inline std::string heat_maps_section(const Report& report) {
  if (report.heat_maps.empty()) return {};
  std::string body;
  for (const HeatMap& map : report.heat_maps) {
    const std::string wide = heat_map_svg(map, kWideChart);
    const bool has_two_sizes = has_data(map) && map.column_labels.size() <= detail::kManyColumns;
    const std::string drawing = has_two_sizes ? wide_and_narrow(wide, heat_map_svg(map, kNarrowChart)) : wide;
    const std::string scroll = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"";
    body += figure(map.title, scroll + escape_html(map.title) + "\">\n" + drawing + "</div>\n", map.caption);
  }
  return section("What it attends to", "", body);
}

inline std::string version_text() {
  return "thaw " + std::to_string(THAW_VERSION_MAJOR) + "." + std::to_string(THAW_VERSION_MINOR) + "." +
         std::to_string(THAW_VERSION_PATCH);
}

inline std::string provenance_html(const Provenance& provenance) {
  std::string html = "<h2>Where this page comes from</h2>\n<dl class=\"source\">\n";
  const auto row = [&](const std::string& label, const std::string& value, bool is_code = false) {
    if (value.empty()) return;
    const std::string text = escape_html(value);
    html += "<dt>" + escape_html(label) + "</dt><dd>" + (is_code ? "<code>" + text + "</code>" : text) + "</dd>\n";
  };
  row("Command", provenance.command, true);
  row("Data", provenance.data);
  row("Seeds", provenance.seeds);
  row("Date", provenance.date);
  row("Machine", provenance.machine);
  row("Version", version_text());
  for (const Fact& fact : provenance.more) row(fact.label, fact.value);
  html += "</dl>\n";
  if (!provenance.reproduce.empty())
    html += "<h3>To get the same numbers again</h3>\n<pre>" + escape_html(provenance.reproduce) + "</pre>\n";
  return html;
}

}  // namespace detail

// The whole page. The policy in its head lets a browser load nothing and run nothing.
inline std::string report_html(const Report& report) {
  const std::string title = escape_html(report.title.empty() ? "Training report" : report.title);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"generator\" content=\"" +
      detail::version_text() + "\">\n<title>" + title + "</title>\n<style>" + detail::kReportStyle +
      "</style>\n</head>\n<body>\n<header>\n<h1>" + title + "</h1>\n";
  if (!report.subtitle.empty()) html += "<p class=\"subtitle\">" + escape_html(report.subtitle) + "</p>\n";
  html += verdict_html(report.scores) + detail::facts_html(report.facts) + "</header>\n<main>\n";
  const std::string body = detail::scores_section(report) + detail::curves_section(report) +
                           detail::rankings_section(report) + detail::heat_maps_section(report);
  html += body.empty() ? detail::section("Nothing to show", "", no_data_box("this run recorded nothing")) : body;
  html += "</main>\n<footer>\n" + detail::provenance_html(report.provenance) + "</footer>\n</body>\n</html>\n";
  return html;
}

// The day and time now in UTC, "2025-03-01 14:05 UTC", for Provenance::date.
inline std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
#if defined(_WIN32)
  gmtime_s(&parts, &now);
#else
  gmtime_r(&now, &parts);
#endif
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return std::string(text, size);
}

// Writes the page to `path`: first to a file beside it, then moved into place, so that nobody reads half a page and
// an old report survives a full disk. Fault: unreadable, with the system's reason.
inline Result<Done> write_report(const std::string& path, const Report& report) {
  const std::string html = report_html(report);
#if defined(__unix__) || defined(__APPLE__)
  const std::string temporary = path + ".part-" + std::to_string(::getpid());
#else
  const std::string temporary = path + ".part";
#endif
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (file == nullptr) {
    return make_fault(FaultKind::unreadable, "cannot create ", temporary.c_str(), ": ", std::strerror(errno),
                      "; give a path in a folder that exists and can be written");
  }
  bool is_written = std::fwrite(html.data(), 1, html.size(), file) == html.size() && std::fflush(file) == 0;
#if defined(__unix__) || defined(__APPLE__)
  // A device or pipe cannot be flushed to disk, and need not be: EINVAL is no failure.
  is_written = is_written && (::fsync(::fileno(file)) == 0 || errno == EINVAL);
#endif
  const int reason = errno;
  is_written = std::fclose(file) == 0 && is_written;
  if (!is_written) {
    std::remove(temporary.c_str());
    return make_fault(FaultKind::unreadable, "cannot write ", temporary.c_str(), ": ", std::strerror(reason),
                      "; is the disk full?");
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int rename_reason = errno;
    std::remove(temporary.c_str());
    return make_fault(FaultKind::unreadable, "cannot move the report to ", path.c_str(), ": ",
                      std::strerror(rename_reason), "; is it a folder?");
  }
  return Done{};
}

}  // namespace thaw::inline v0
