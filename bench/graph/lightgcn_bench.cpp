// LightGCN on a random graph of Gowalla's size with skewed degrees: propagation alone, and a whole training step. One
// JSON line a case; `bytes` counts what the gathers of full passes read.
//
//   lightgcn_bench [threads, 1] [seconds a case, 3] [batch, 2048] [gowalla folder, optional]
//   lightgcn_bench dump graph.safetensors [batch]    the graph, a step's start, triples and results, for the peer
#include <cstring>
#include <string>

#include "measure.hpp"
#include "thaw/data/split_lists.hpp"
#include "thaw/file/safetensors_write.hpp"
#include "thaw/graph/lightgcn.hpp"

namespace {

constexpr std::int32_t kUsers = 29858, kItems = 40981, kEdges = 810128;

// Distinct pairs; squares of uniform numbers, so that a few users and items have most of them.
thaw::Interactions random_graph() {
  thaw::Philox rng(1);
  std::vector<std::int32_t> user_of(kUsers), item_of(kItems);
  for (std::int32_t u = 0; u < kUsers; ++u) user_of[static_cast<std::size_t>(u)] = u;
  for (std::int32_t i = 0; i < kItems; ++i) item_of[static_cast<std::size_t>(i)] = i;
  rng.shuffle(user_of);
  rng.shuffle(item_of);
  std::vector<std::int64_t> pairs;
  while (pairs.size() < kEdges) {
    for (std::size_t missing = kEdges - pairs.size() + 20000; missing > 0; --missing) {
      const double a = rng.uniform(), b = rng.uniform();
      const auto u = user_of[static_cast<std::size_t>(a * a * kUsers)];
      const auto i = item_of[static_cast<std::size_t>(b * b * kItems)];
      pairs.push_back(std::int64_t{u} * kItems + i);
    }
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  }
  rng.shuffle(pairs);
  pairs.resize(kEdges);
  std::vector<thaw::Rating> ratings;
  for (const std::int64_t p : pairs)
    ratings.push_back({static_cast<std::int32_t>(p / kItems), static_cast<std::int32_t>(p % kItems), 1});
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, kUsers, kItems)).value();
}

int dump(const std::string& path, thaw::Index batch) {
  const thaw::Interactions x = random_graph();
  auto model = thaw::LightGcn::make(x, {.batch = batch, .draw = thaw::BprDraw::interactions}).value();
  const thaw::Index nodes = model.graph().nodes();
  std::vector<std::int32_t> pairs, triples;
  for (std::int32_t u = 0; u < kUsers; ++u)
    for (const std::int32_t i : x.by_user.row(u)) pairs.insert(pairs.end(), {u, i});
  for (thaw::Index i = 0; i < batch; ++i) {
    const auto t = model.triples().at(0, static_cast<std::uint64_t>(i));
    triples.insert(triples.end(), {t.user, t.liked, t.other});
  }
  std::vector<float> start(static_cast<std::size_t>(nodes * 64)), final_rows(start.size()), moved(start.size());
  model.own_vectors(start);
  model.final_vectors(final_rows);
  const auto loss = static_cast<float>(model.step());
  model.own_vectors(moved);
  thaw::SafetensorsWriter file;
  file.add("pairs", {kEdges, 2}, pairs.data());
  file.add("triples", {batch, 3}, triples.data());
  file.add("start", {nodes, 64}, start.data());
  file.add("final", {nodes, 64}, final_rows.data());
  file.add("moved", {nodes, 64}, moved.data());
  file.add("loss", {1}, &loss);
  const auto written = file.write(path);
  if (!written) std::fprintf(stderr, "%s\n", written.fault().text);
  return written ? 0 : 1;
}

void line(const char* name, int threads, const bench::Times& t, double bytes) {
  std::printf(
      "{\"case\": \"%s\", \"side\": \"thaw\", \"threads\": %d, \"ms\": %.4g, \"ms_min\": %.4g, \"steps\": %d, "
      "\"gather_gb_per_s\": %.3g}\n",
      name, threads, 1e3 * t.median, 1e3 * t.fastest, t.count, 1e-9 * bytes / t.median);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  if (count > 2 && std::strcmp(words[1], "dump") == 0) return dump(words[2], count > 3 ? std::atoi(words[3]) : 2048);
  const int threads = count > 1 ? std::atoi(words[1]) : 1;
  const double seconds = count > 2 ? std::atof(words[2]) : 3;
  const thaw::Index batch = count > 3 ? std::atoi(words[3]) : 2048;
  thaw::Interactions x;
  if (count > 4) {
    const auto lists = thaw::read_split_lists(words[4]);
    if (!lists) return std::fprintf(stderr, "%s\n", lists.fault().text), 1;
    x = thaw::Interactions::from_graph(lists.value().train_graph()).value();
  } else {
    x = random_graph();
  }
  auto model =
      thaw::LightGcn::make(x, {.batch = batch, .draw = thaw::BprDraw::interactions, .threads = threads}).value();
  std::vector<float> out(static_cast<std::size_t>(model.graph().nodes() * 64));
  const double pass = 256.0 * static_cast<double>(model.graph().edges());
  line("lightgcn propagate", threads, bench::times(5, seconds, [&] { model.final_vectors(out); }), 3 * pass);
  line("lightgcn train", threads, bench::times(5, seconds, [&] { model.step(); }), 4 * pass);
}
