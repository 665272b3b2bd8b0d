#include "thaw/train/report.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "markup.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <dirent.h>
#include <sys/stat.h>
#endif

using namespace thaw;

namespace {

Report full_report() {
  Report report;
  report.title = "Cold start <on> \"films\" & books";
  report.subtitle = "five seeds";
  report.facts = {{"Users", "6 040"}};
  report.curves = {{"Loss", "caption", "step", "loss", {{"training", {1, 2, 3}, {3, 2, 1}}}}};
  Scores& scores = report.scores;
  scores.systems = {{"Model <1>", SystemKind::model}, {"Item mean"}, {"Oracle", SystemKind::reference}};
  scores.metrics = {{"NDCG@10"}, {"MAE", false, 3}};
  ScoredScenario users{
      "New users", "", {{0.3123, 0.004}, {0.7, 0.01}, {0.2911, 0.002}, {0.8, 0.01}, {0.9}, {0.1}}, {}, {}};
  ScoredScenario items{"New items", "", {{0.25, 0.001}, {0.9, 0.01}, {0.27, 0.001}, {0.8, 0.01}, {0.9}, {0.1}}, {}, {}};
  users.margins = {{0, 1, 0.0212, 0.0101, 0.0323}};
  scores.scenarios = {users, items};
  report.rankings = {{"User 1", "", 5, {{"Alien", 5}}, {{"A"}, {"B"}, {"C"}}, {{"C"}, {"B"}, {"D", 4.5, 5}, {"A"}}}};
  report.heat_maps = {
      {"Attention", "rows sum to one", "from", "to", {"user", "age"}, {"user", "age"}, {1, 0, 0.5, 0.5}}};
  report.provenance = {"train --data 'x' && y", "cmake -B build\nmake", "MovieLens-1M", "1, 2", "2025-03-01", "",
                       {{"Rate", "0.1"}}};
  return report;
}

std::string read_all(const std::string& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("the whole page is well formed, escaped and loads nothing") {
  const std::string page = report_html(full_report());
  CHECK(markup::fault(page) == "");
  CHECK(markup::has(page, "<title>Cold start &lt;on&gt; &quot;films&quot; &amp; books</title>"));
  CHECK(!markup::has(page, "Model <1>"));
  CHECK(markup::has(page, "train --data &#39;x&#39; &amp;&amp; y"));
  for (const char* outside : {"http://", "https://", "src=", "href=", "url(", "@import", "<script"})
    CHECK(!markup::has(page, outside));
  CHECK(markup::has(page, "scope=\"col\""));
  CHECK(markup::has(page, "scope=\"row\""));
  CHECK(markup::count(page, "<svg") == markup::count(page, "<desc>"));
}

TEST_CASE("the checker of these tests finds what it should") {
  CHECK(markup::fault("<p><b>x</p></b>") != "");
  CHECK(markup::fault("<p>a & b</p>") != "");
  CHECK(markup::fault("<p>a < b</p>") != "");
  CHECK(markup::fault("<p class=x>a</p>") != "");
  CHECK(markup::fault("<p>a") != "");
  CHECK(markup::fault("<p title=\"a<b\">a</p>") != "");
  CHECK(markup::fault("<p class=\"x\">a &amp; b<meta charset=\"utf-8\"></p>") == "");
}

TEST_CASE("the verdict names the loss first and gives the numbers of both") {
  Report report = full_report();
  const std::string lost = verdict_html(report.scores);
  CHECK(markup::has(lost, "class=\"verdict behind\""));
  CHECK(markup::has(lost, "Model &lt;1&gt; loses to a simple baseline in 1 of 2 scenarios on NDCG@10 and wins in 1."));
  CHECK(
      markup::has(lost, "worse than Item mean, 0.2500 against 0.2700 (\u22127.4\u00a0%, judged by the spread alone)."));
  CHECK(markup::has(lost, "0.3123 against 0.2911 (+7.3\u00a0%"));
  CHECK(markup::has(lost, "+0.0101 to +0.0323"));
  report.scores.scenarios.pop_back();
  const std::string won = verdict_html(report.scores);
  CHECK(markup::has(won, "class=\"verdict ahead\""));
  CHECK(markup::has(won, "beats every simple baseline on NDCG@10."));
  report.scores.scenarios[0].margins[0].low = -0.01;
  CHECK(markup::has(verdict_html(report.scores), "class=\"verdict level\""));
  CHECK(markup::has(verdict_html(report.scores), "is not separable from the strongest baseline"));
  report.scores.scenarios[0].values.clear();
  CHECK(markup::has(verdict_html(report.scores), "there is no verdict"));
}

TEST_CASE("tables: best in bold without references, spread, margin and its word") {
  const Report report = full_report();
  const std::string table = score_table_html(report.scores, report.scores.scenarios[0]);
  CHECK(markup::fault(table) == "");
  CHECK(markup::has(table, "<b>0.3123</b> <span class=\"spread-number\">\u00b1 0.0040</span>"));
  CHECK(markup::has(table, "<b>0.700</b>"));
  CHECK(!markup::has(table, "<b>0.9000</b>"));
  CHECK(markup::has(table, "+0.0212 <span class=\"badge ahead\">better</span>"));
  CHECK(markup::has(table, "\u22120.100 <span class=\"badge ahead\">better</span>"));
  const std::string lost = score_table_html(report.scores, report.scores.scenarios[1]);
  CHECK(markup::has(lost, "<b>0.2700</b>"));
  CHECK(markup::has(lost, "\u22120.0200 <span class=\"badge behind\">worse</span>"));
}

TEST_CASE("the list after says how each item moved") {
  const std::string html = ranking_html(full_report().rankings[0]);
  CHECK(markup::fault(html) == "");
  CHECK(markup::has(html, "aria-label=\"up 2 from place 3\""));
  CHECK(markup::has(html, "aria-label=\"same place as before\""));
  CHECK(markup::has(html, "new: not among the first 3 before"));
  CHECK(markup::has(html, "aria-label=\"down 3 from place 1\""));
  CHECK(markup::has(html, "score 4.50, she gave it 5"));
  Ranking twins{"", "", 5, {}, {{"Same", 1, kNoData, 7}, {"Same", 1, kNoData, 8}}, {{"Same", 1, kNoData, 8}}};
  CHECK(earlier_place(twins, twins.after[0]) == 1);
}

TEST_CASE("empty and broken data give a page that says so") {
  CHECK(markup::fault(report_html({})) == "");
  CHECK(markup::has(report_html({}), "No data"));
  Report report = full_report();
  report.curves[0].curves[0].y = {kNoData, kNoData, kNoData};
  for (ScoredScenario& scenario : report.scores.scenarios) scenario.values.assign(6, {});
  report.heat_maps[0].values.clear();
  report.rankings[0] = {};
  const std::string page = report_html(report);
  CHECK(markup::fault(page) == "");
  CHECK(markup::has(page, "No data: Loss"));
  CHECK(markup::has(page, "No data: NDCG@10"));
  CHECK(markup::has(page, "No data: Attention"));
  CHECK(markup::has(page, "No data: no ranking was made"));
  CHECK(!markup::has(page, ">nan<"));
}

#if defined(__unix__) || defined(__APPLE__)
TEST_CASE("writing replaces the old report whole and leaves nothing else behind") {
  char folder[] = "/tmp/thaw_report_XXXXXX";
  CHECK(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/report.html";
  Report report = full_report();
  for (const char* title : {"first", "second"}) {
    report.title = title;
    const Result<Done> written = write_report(path, report);
    CHECK(written.ok());
    CHECK(read_all(path) == report_html(report));
  }
  int files = 0;
  DIR* listing = ::opendir(folder);
  while (const dirent* entry = ::readdir(listing)) files += entry->d_name[0] != '.';
  ::closedir(listing);
  CHECK(files == 1);
  std::remove(path.c_str());

  // A folder in the place of the file: the fault says so and no temporary file stays.
  CHECK(::mkdir(path.c_str(), 0700) == 0);
  const Result<Done> refused = write_report(path, report);
  CHECK(!refused.ok());
  if (!refused.ok()) CHECK(markup::has(refused.fault().text, "report.html"));
  ::rmdir(path.c_str());
  CHECK(::rmdir(folder) == 0);  // only an empty folder can be removed
}

TEST_CASE("a folder that does not exist is named in the fault") {
  const Result<Done> missing = write_report("/nonexistent/report.html", full_report());
  CHECK(!missing.ok());
  if (missing.ok()) return;
  CHECK(missing.fault().kind == FaultKind::unreadable);
  CHECK(markup::has(missing.fault().text, "/nonexistent/report.html"));
}
#endif

TEST_CASE("dates look like dates") {
  const std::string date = date_now();
  CHECK(date.size() == 20);
  CHECK(date.substr(16) == " UTC");
}
