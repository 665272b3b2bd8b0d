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
#include <cstdlib>
#include <cstring>

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

}  // namespace

int main(int count, char** words) {
  const thaw::Result<recommend::Options> read = recommend::read_options(count, words);
  if (!read) return complain(read.fault().text);
  const recommend::Options& o = read.value();
  if (o.help) return std::fputs(recommend::kHelp, stdout), 0;
  if (o.example_rows > 0) return recommend::print_example(o.example_rows, stdout), 0;

  const Clock clock;
  zero_shot::Network network(zero_shot::kFeatures, 1);
  const thaw::Result<thaw::Done> loaded = network.load(o.weights);
  if (!loaded) return complain(loaded.fault().text);
  if (!o.quiet) std::fprintf(stderr, "reading %s ...", o.path.c_str());
  thaw::Result<thaw::Dataset> data = thaw::read_ratings(o.path, recommend::reader_options(o));
  if (!o.quiet) std::fputs(data ? " " : "\n", stderr);
  if (!data) return complain(data.fault().text);
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
  const auto answer = recommend::answer(prepared.value(), network, o.request);
  if (!answer) return complain(answer.fault().text);
  if (!o.quiet) {
    std::fprintf(stderr, "%zu items in the history, %d users share some; %.1f s, %.0f MB\n",
                 answer.value().history.size(), answer.value().people, clock.seconds(), peak_megabytes());
    if (answer.value().people < 1)
      std::fputs("nobody else has an item of this history: the list is what is popular\n", stderr);
  }
  std::fputs(recommend::listing(prepared.value(), answer.value()).c_str(), stdout);
  return 0;
}
