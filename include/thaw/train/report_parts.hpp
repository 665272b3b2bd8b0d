// The sections of a report in HTML that are words and tables: verdict, comparison tables, one new user.
//
//   std::string html = thaw::verdict_html(report.scores);
//
// Each function returns balanced markup with every text escaped. Part of report.hpp; not a page by itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/train/report_data.hpp"
#include "thaw/train/report_svg.hpp"

namespace thaw::inline v0 {

namespace detail {

inline std::string element(std::string_view name, std::string_view escaped, std::string_view css = "") {
  const std::string open(name);
  return "<" + open + (css.empty() ? "" : " class=\"" + std::string(css) + "\"") + ">" + std::string(escaped) + "</" +
         open + ">";
}

inline const char* outcome_class(Outcome outcome) {
  return outcome == Outcome::ahead    ? "ahead"
         : outcome == Outcome::behind ? "behind"
         : outcome == Outcome::level  ? "level"
                                      : "unknown";
}

inline std::string measure_html(const Measure& measure, int decimals, bool is_best) {
  if (!std::isfinite(measure.mean)) return "<span class=\"spread-number\">no data</span>";
  std::string html = fixed_text(measure.mean, decimals);
  if (is_best) html = "<b>" + html + "</b>";
  if (std::isfinite(measure.spread))
    html += " <span class=\"spread-number\">\u00b1 " + fixed_text(measure.spread, decimals) + "</span>";
  return html;
}

inline std::string interval_text(const Margin& margin, int decimals) {
  return signed_text(margin.low, decimals) + " to " + signed_text(margin.high, decimals);
}

// "New users: ahead of item mean, 0.3120 against 0.2911 (+7.2 %, 95 % bootstrap interval +0.0101 to +0.0312)."
inline std::string verdict_sentence(const Scores& scores, const ScoredScenario& scenario,
                                    const Comparison& comparison) {
  const Metric& metric = scores.metrics[0];
  if (comparison.outcome == Outcome::unknown)
    return element("span", escape_html(scenario.name), "call unknown") + ": no data to compare.";
  const double ours = comparison.model_value.mean, theirs = comparison.baseline_value.mean;
  const char* relation = comparison.outcome == Outcome::ahead    ? ": better than "
                         : comparison.outcome == Outcome::behind ? ": worse than "
                                                                 : ": not separable from ";
  std::string text =
      element("span", escape_html(scenario.name), std::string("call ") + outcome_class(comparison.outcome)) + relation +
      escape_html(scores.systems[comparison.baseline].name) + ", " + fixed_text(ours, metric.decimals) + " against " +
      fixed_text(theirs, metric.decimals) + " (";
  if (theirs != 0) text += signed_text(100 * (ours - theirs) / std::abs(theirs), 1) + "\u00a0%, ";
  text += comparison.has_interval ? escape_html(scores.interval_text) + " of the margin " +
                                        interval_text(comparison.margin, metric.decimals)
                                  : "judged by the spread alone";
  return text + ").";
}

inline std::string headline(const Scores& scores, std::size_t model, int ahead, int behind, int judged) {
  const std::string name = escape_html(scores.systems[model].name);
  const std::string metric = escape_html(scores.metrics[0].name);
  const std::string of = " of " + std::to_string(judged) + (judged == 1 ? " scenario" : " scenarios");
  if (judged == 0) return "No scenario has numbers for " + name + " and a baseline: there is no verdict.";
  if (behind > 0) {
    return name + " loses to a simple baseline in " + std::to_string(behind) + of + " on " + metric +
           (ahead > 0 ? " and wins in " + std::to_string(ahead) + "." : ".");
  }
  if (ahead == judged) {
    return judged == 1 ? name + " beats every simple baseline on " + metric + "."
                       : name + " beats every simple baseline in all " + std::to_string(judged) + " scenarios on " +
                             metric + ".";
  }
  if (ahead > 0) return name + " beats every simple baseline in " + std::to_string(ahead) + of + " on " + metric + ".";
  return name + " is not separable from the strongest baseline on " + metric + ".";
}

}  // namespace detail

// What the numbers say, in words: the first model against the strongest baseline of each scenario, by the first
// metric. A loss is named in the first sentence and colours the box.
inline std::string verdict_html(const Scores& scores) {
  if (scores.metrics.empty() || scores.scenarios.empty() || scores.systems.empty()) return {};
  int ahead = 0, behind = 0, judged = 0;
  std::size_t model = scores.systems.size();
  std::string sentences;
  for (const ScoredScenario& scenario : scores.scenarios) {
    const Comparison comparison = compare_to_baseline(scores, scenario, 0);
    model = comparison.model;
    ahead += comparison.outcome == Outcome::ahead;
    behind += comparison.outcome == Outcome::behind;
    judged += comparison.outcome != Outcome::unknown;
    sentences += "<p>" + detail::verdict_sentence(scores, scenario, comparison) + "</p>\n";
  }
  if (model == scores.systems.size()) return {};
  const Outcome overall = judged == 0  ? Outcome::unknown
                          : behind > 0 ? Outcome::behind
                          : ahead > 0  ? Outcome::ahead
                                       : Outcome::level;
  return "<div class=\"verdict " + std::string(detail::outcome_class(overall)) + "\" role=\"note\">\n<p><strong>" +
         detail::headline(scores, model, ahead, behind, judged) + "</strong></p>\n" + sentences + "</div>\n";
}

namespace detail {

inline std::string score_row(const Scores& scores, const ScoredScenario& scenario, std::size_t system,
                             const std::vector<double>& best) {
  const ScoredSystem& shown = scores.systems[system];
  const char* css = shown.kind == SystemKind::model ? "model" : shown.kind == SystemKind::reference ? "reference" : "";
  std::string html = std::string("<tr class=\"") + css + "\"><th scope=\"row\">" + escape_html(shown.name) +
                     (shown.kind == SystemKind::reference ? " (reference)" : "") + "</th>";
  for (std::size_t metric = 0; metric < scores.metrics.size(); ++metric) {
    const Measure measure = measure_of(scores, scenario, system, metric);
    const bool is_best = shown.kind != SystemKind::reference && measure.mean == best[metric];
    html += "<td>" + measure_html(measure, scores.metrics[metric].decimals, is_best) + "</td>";
  }
  return html + "</tr>\n";
}

inline std::string margin_row(const Scores& scores, const ScoredScenario& scenario) {
  std::string html = "<tr><th scope=\"row\">Margin over the strongest baseline</th>";
  for (std::size_t metric = 0; metric < scores.metrics.size(); ++metric) {
    const Comparison comparison = compare_to_baseline(scores, scenario, metric);
    if (comparison.outcome == Outcome::unknown) {
      html += "<td><span class=\"badge unknown\">no data</span></td>";
      continue;
    }
    const int decimals = scores.metrics[metric].decimals;
    html += "<td>" + signed_text(comparison.margin.difference, decimals) + " <span class=\"badge " +
            outcome_class(comparison.outcome) + "\">" +
            (comparison.outcome == Outcome::ahead    ? "better"
             : comparison.outcome == Outcome::behind ? "worse"
                                                     : "not separable") +
            "</span>";
    if (comparison.has_interval)
      html += "<span class=\"interval\">" + interval_text(comparison.margin, decimals) + "</span>";
    html += "<span class=\"interval\">over " + escape_html(scores.systems[comparison.baseline].name) + "</span></td>";
  }
  return html + "</tr>\n";
}

inline std::string optimum_row(const Scores& scores, const ScoredScenario& scenario) {
  std::string html = "<tr class=\"reference\"><th scope=\"row\">Planted optimum</th>";
  bool has_any = false;
  for (std::size_t metric = 0; metric < scores.metrics.size(); ++metric) {
    const double value = metric < scenario.optimum.size() ? scenario.optimum[metric] : kNoData;
    has_any = has_any || std::isfinite(value);
    html += "<td>" + (std::isfinite(value) ? fixed_text(value, scores.metrics[metric].decimals) : "") + "</td>";
  }
  return has_any ? html + "</tr>\n" : std::string();
}

}  // namespace detail

// One scenario: a row for each system, a column for each metric, the best in bold, the margin at the foot.
inline std::string score_table_html(const Scores& scores, const ScoredScenario& scenario) {
  const std::string name = escape_html(scenario.name);
  std::string html = "<h3>" + name + "</h3>\n";
  if (!scenario.note.empty()) html += "<p class=\"note\">" + escape_html(scenario.note) + "</p>\n";
  html += "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + name + "\">\n<table>\n<caption>" +
          name + "</caption>\n";
  html += "<thead><tr><th scope=\"col\">System</th>";
  std::vector<double> best;
  for (std::size_t metric = 0; metric < scores.metrics.size(); ++metric) {
    const Metric& column = scores.metrics[metric];
    html +=
        "<th scope=\"col\">" + escape_html(column.name) + (column.higher_is_better ? " \u2191" : " \u2193") + "</th>";
    double highest = kNoData;
    for (const SystemKind kind : {SystemKind::model, SystemKind::baseline}) {
      const std::size_t system = best_system(scores, scenario, metric, kind);
      if (system == scores.systems.size()) continue;
      const double value = measure_of(scores, scenario, system, metric).mean;
      if (is_better(column, value, highest)) highest = value;
    }
    best.push_back(highest);
  }
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t system = 0; system < scores.systems.size(); ++system)
    html += detail::score_row(scores, scenario, system, best);
  html += detail::optimum_row(scores, scenario) + "</tbody>\n<tfoot>\n" + detail::margin_row(scores, scenario);
  return html + "</tfoot>\n</table>\n</div>\n";
}

// Where an item of the list after was in the list before: its place from 0, or before.size().
inline std::size_t earlier_place(const Ranking& ranking, const RankedItem& item) {
  std::size_t place = 0;
  while (place < ranking.before.size()) {
    const RankedItem& other = ranking.before[place];
    const bool is_same = item.item >= 0 && other.item >= 0 ? item.item == other.item : item.title == other.title;
    if (is_same) break;
    ++place;
  }
  return place;
}

namespace detail {

// An arrow with the number of places, and the same in words for those who do not see the arrow.
inline std::string move_html(const Ranking& ranking, const RankedItem& item, std::size_t place) {
  const std::size_t earlier = earlier_place(ranking, item);
  const auto mark = [](const char* css, const std::string& words, const std::string& sign) {
    return "<span class=\"mark " + std::string(css) + "\" role=\"img\" aria-label=\"" + words + "\" title=\"" + words +
           "\">" + sign + "</span>";
  };
  if (earlier == ranking.before.size())
    return mark("fresh", "new: not among the first " + std::to_string(ranking.before.size()) + " before", "new");
  if (earlier == place) return mark("same", "same place as before", "=");
  const bool is_up = earlier > place;
  const std::string places = std::to_string(is_up ? earlier - place : place - earlier);
  return is_up ? mark("up", "up " + places + " from place " + std::to_string(earlier + 1), "\u25b2 " + places)
               : mark("down", "down " + places + " from place " + std::to_string(earlier + 1), "\u25bc " + places);
}

inline std::string ranked_list(const Ranking& ranking, const std::vector<RankedItem>& items, bool has_marks) {
  if (items.empty()) return no_data_box("no ranking was made");
  std::string html = "<ol class=\"ranks\">\n";
  for (std::size_t place = 0; place < items.size() && place < ranking.shown; ++place) {
    const RankedItem& item = items[place];
    html += "<li><span class=\"place\">" + std::to_string(place + 1) + "</span><span class=\"name\">" +
            escape_html(item.title);
    if (std::isfinite(item.score) || std::isfinite(item.truth)) {
      html += "<small>";
      if (std::isfinite(item.score)) html += "score " + fixed_text(item.score, 2);
      if (std::isfinite(item.score) && std::isfinite(item.truth)) html += ", ";
      if (std::isfinite(item.truth)) html += "she gave it " + significant_text(item.truth, 2);
      html += "</small>";
    }
    html += "</span>" + (has_marks ? move_html(ranking, item, place) : std::string("<span></span>")) + "</li>\n";
  }
  return html + "</ol>\n";
}

inline std::string rated_list(const Ranking& ranking) {
  if (ranking.ratings.empty()) return no_data_box("she has rated nothing yet");
  std::string html = "<ul class=\"ranks rated\">\n";
  for (const RatedItem& item : ranking.ratings) {
    const double share = std::isfinite(item.rating) && ranking.highest_rating > 0
                             ? (std::min)((std::max)(item.rating / ranking.highest_rating, 0.0), 1.0)
                             : 0;
    const std::string rating = std::isfinite(item.rating) ? significant_text(item.rating, 2) : "no data";
    html += "<li><span class=\"name\">" + escape_html(item.title) +
            "</span><span class=\"stars\"><i style=\"--share:" + Svg::number(100 * share) + "%\"></i>" + rating +
            "</span></li>\n";
  }
  return html + "</ul>\n";
}

}  // namespace detail

// Her ratings, the list before and the list after, side by side where there is room.
inline std::string ranking_html(const Ranking& ranking) {
  std::string html = ranking.title.empty() ? "" : "<h3>" + escape_html(ranking.title) + "</h3>\n";
  if (!ranking.caption.empty()) html += "<p>" + escape_html(ranking.caption) + "</p>\n";
  html += "<div class=\"columns\">\n<div><h3>What she rated</h3>\n" + detail::rated_list(ranking) + "</div>\n";
  html += "<div><h3>Recommended before</h3>\n" + detail::ranked_list(ranking, ranking.before, false) + "</div>\n";
  html += "<div><h3>Recommended after</h3>\n" + detail::ranked_list(ranking, ranking.after, true) + "</div>\n";
  return html + "</div>\n";
}

}  // namespace thaw::inline v0
