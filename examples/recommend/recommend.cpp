// Recommends from a ratings file, without training: the network came with the program and never saw the file.
//
//   thaw_recommend ratings.csv --user 42
//   thaw_recommend ratings.inter --items "50,181" --top 20
//   thaw_recommend --help
//
// The list goes to the standard output, progress to the error stream.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "command_line/parse.hpp"
#include "recommend/options.hpp"
#include "recommend/text.hpp"
#include "thaw/data/ratings_reader.hpp"

namespace {

int complain(const char* text) {
  std::fprintf(stderr, "thaw_recommend: %s\n", text);
  return 1;
}

class Clock {
 public:
  double seconds() const { return std::chrono::duration<double>(now() - start_).count(); }

 private:
  static std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
  std::chrono::steady_clock::time_point start_ = now();
};

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void declare(CLI::App& app, recommend::Options& o) {
  using command_line::whole_number;
  app.add_option("FILE", o.path,
                 "user, item and (if there are) rating and time: CSV, tab or blank separated, MovieLens .dat, RecBole "
                 ".inter; plain or gzip");
  app.add_option("--user", o.request.user, "whom to recommend to, as the file calls her");
  app.add_option("--items", o.request.items, "A,B,...: items of the history, of a stranger or besides those of --user")
      ->delimiter(',');
  app.add_option("--columns", o.columns,
                 "USER,ITEM or USER,ITEM,RATING: names of the header or positions from 1, where they are not the usual")
      ->delimiter(',')
      ->expected(1, 3);
  app.add_option("--titles", o.titles,
                 "a table with a header: item ids in the first column, titles in one called title or name");
  app.add_option("--new", o.new_items,
                 "A,B,...: items that were launched lately: few interactions do not count against them")
      ->delimiter(',');
  app.add_option("--top", o.request.most, "length of the list")->check(whole_number(1, 1000))->capture_default_str();
  app.add_option("--like-from", o.like_from, "ratings below are no interactions (default: all count)");
  app.add_option_function<std::vector<float>>(
         "--scale", [&o](const std::vector<float>& ends) { o.lowest = ends[0], o.highest = ends[1]; },
         "LOW,HIGH: the rating scale; a rating outside it is an error")
      ->delimiter(',')
      ->expected(2);
  app.add_option("--weights", o.weights, "other weights than those that came with the program");
  app.add_option("--example", o.example_rows, "print a generated ratings file of about that many rows instead")
      ->check(whole_number(1, 100'000'000));
  app.add_flag("--quiet", o.quiet, "no progress");
}

}  // namespace

int main(int count, char** words) {
  recommend::Options o;
  int status = 0;
  CLI::App app{"A ranked list for one user of a ratings file, with reasons, without training."};
  declare(app, o);
  if (!command_line::parse(app, count, words, status)) return status;
  if (const std::string wrong = recommend::problem(o); !wrong.empty()) return complain(wrong.c_str());
  if (o.example_rows > 0) return recommend::print_example(o.example_rows, stdout), 0;

  const Clock clock;
  zero_shot::Network network(zero_shot::kFeatures, 1);
  const thaw::Result<thaw::Done> loaded = network.load(o.weights);
  if (!loaded) return complain(loaded.fault().text);
  if (!o.quiet) std::fprintf(stderr, "reading %s ...", o.path.c_str());
  thaw::Result<thaw::Dataset> data = thaw::read_ratings(o.path, recommend::reader_options(o));
  if (!o.quiet) std::fputs(data ? " " : "\n", stderr);
  if (!data) {
    complain(data.fault().text);
    if (const char* hint = recommend::hint(o, data.fault().text); *hint != '\0') complain(hint);
    return 1;
  }
  if (!o.quiet)
    std::fprintf(stderr, "%zu ratings, %d users, %d items, %.1f s\n", data.value().ratings.size(),
                 data.value().users.size(), data.value().items.size(), clock.seconds());
  if (!o.quiet && data.value().replaced > 0)
    std::fprintf(stderr, "%lld rows repeat a user and an item; the last one counts\n",
                 static_cast<long long>(data.value().replaced));
  if (!o.titles.empty())
    if (const auto titled = recommend::read_titles(o.titles, data.value().items); !titled)
      return complain(titled.fault().text);
  if (!o.quiet) std::fputs("counting who shares what ...", stderr);
  const auto prepared =
      recommend::prepare(std::move(data.value()), {.like_from = o.like_from, .new_items = o.new_items});
  if (!o.quiet) std::fprintf(stderr, prepared ? " %.1f s\n" : "\n", clock.seconds());
  if (!prepared) return complain(prepared.fault().text);
  if (const std::string note = recommend::first_line_note(prepared.value()); !note.empty() && !o.quiet)
    std::fprintf(stderr, "%s\n", note.c_str());
  const auto answer = recommend::answer(prepared.value(), network, o.request);
  if (!answer) return complain(answer.fault().text);
  if (!o.quiet) {
    std::fprintf(stderr, "%zu items in the history, %d users share some; %.1f s, %.0f MB\n",
                 answer.value().history.size(), answer.value().people, clock.seconds(), peak_megabytes());
    if (answer.value().people < 1)
      std::fputs("nobody else has an item of this history: the list is what is popular\n", stderr);
    std::fputs("item, score, what moved it there (by how much it would fall without), nearest items of the history:\n",
               stderr);
  }
  std::fputs(recommend::listing(prepared.value(), answer.value()).c_str(), stdout);
  return 0;
}
