// T5-small's training step and forward pass, 16 prompts of 64 tokens and answers of 16, and constrained decoding for 16
// users and for one, beside this machine's peak.
//
//   g++ -std=c++20 -O2 -fopenmp -Iinclude -Iexamples -Ibench -I/usr/include/eigen3 bench/t5/t5_bench.cpp -o t5_bench
//   ./t5_bench [threads] [seconds] [wanted case]
//   ./t5_bench dump step.safetensors        # weights, inputs and results for bench/peers/t5_peer.py
#include <cstdlib>
#include <cstring>

#include "elmrec/decoder.hpp"
#include "elmrec/t5_file.hpp"
#include "measure.hpp"
#include "t5/t5_problem.hpp"
#include "thaw/decode/constrained_beam_search.hpp"

namespace {

using bench::T5Problem;
using thaw::Index;

// 20 beams for each prompt over 12,101 items that are spelled as two tokens and the end, like Beauty's: item i is
// (100 + i / 63, 400 + i % 63).
class Decoding {
 public:
  static constexpr std::int32_t kBeams = 20, kItems = 12101, kSecond = 63;

  Decoding(T5Problem& problem, int threads, Index users = T5Problem::kBatch)
      : problem_(problem),
        users_(users),
        net_(problem.net()),
        decoder_(net_, threads),
        trie_(build()),
        allowed_(static_cast<std::size_t>(users), {&trie_, nullptr}),
        search_({.beams = kBeams, .results = kBeams}) {}
  void run() {
    const std::span<const std::int32_t> all(problem_.read);
    decoder_.start(all.first(static_cast<std::size_t>(users_ * T5Problem::kRead)), {problem_.read_rows.data(), users_},
                   kBeams, 2);
    search_.run(decoder_, allowed_);
  }
  thaw::FoundId found(Index prompt, Index rank) const {
    return search_.found(static_cast<std::size_t>(prompt))[static_cast<std::size_t>(rank)];
  }
  // The encoder and the keys of its memory; one row a prompt in the first step, all beams in the second; the end is
  // certain and takes no step.
  double flop() const {
    const auto users = static_cast<double>(users_);
    const double in = users * T5Problem::kRead, out = users * (1 + kBeams), inner = 512;
    const double block = 2 * (4 * 512 * inner + 2 * 512 * 2048);
    return 6 * (in * block + 4 * in * T5Problem::kRead * inner + 4 * in * 512 * inner) +
           6 * out * (block + 2 * 2 * 512 * inner + 4 * T5Problem::kRead * inner);
  }

 private:
  static thaw::TokenTrie build() {
    thaw::TokenSequences spelled;
    for (std::int32_t i = 0; i < kItems; ++i) {
      const std::int32_t tokens[] = {100 + i / kSecond, 400 + i % kSecond};
      spelled.add(tokens);
    }
    return thaw::TokenTrie::build(spelled, elmrec::kEnd).value();
  }

  T5Problem& problem_;
  Index users_;
  elmrec::T5<T5Problem::A> net_;
  elmrec::T5Decoder<T5Problem::Backend> decoder_;
  thaw::TokenTrie trie_;
  std::vector<thaw::AllowedIds> allowed_;
  thaw::ConstrainedBeamSearch search_;
};

// Weights under their published names, ids, every logit of the first answer, and the losses of steps.
int dump(const char* path) {
  T5Problem problem(1);
  thaw::SafetensorsWriter writer;
  std::vector<std::vector<float>> kept;  // the weights before the steps
  thaw::for_each_tensor(
      [&](const thaw::Path& name, const auto& tensor) {
        kept.emplace_back(tensor.begin(), tensor.end());
        writer.add("weights." + elmrec::t5_tensor_name(name), thaw::TensorType::f32, tensor.shape.dims,
                   tensor.shape.rank, kept.back().data());
      },
      problem.parameters().values());
  const auto ids = [&](const char* name, const std::vector<std::int32_t>& list) {
    writer.add(name, {T5Problem::kBatch, static_cast<Index>(list.size()) / T5Problem::kBatch}, list.data());
  };
  ids("input.read", problem.read);
  ids("input.previous", problem.previous);
  ids("input.answer", problem.answer);
  const Index vocabulary = elmrec::kT5Small.vocab_size;
  std::vector<float> logits;
  {
    thaw::ArenaScope scope(problem.arena());
    const auto all = problem.logits(problem.net());
    logits.assign(all.begin(), all.begin() + T5Problem::kWritten * vocabulary);
  }
  writer.add("output.logits", {T5Problem::kWritten, vocabulary}, logits.data());
  std::vector<std::int32_t> items;
  std::vector<float> scores;
  Decoding decoding(problem, 1);
  decoding.run();
  for (Index i = 0; i < T5Problem::kBatch * Decoding::kBeams; ++i) {
    const thaw::FoundId found = decoding.found(i / Decoding::kBeams, i % Decoding::kBeams);
    items.push_back(found.id);
    scores.push_back(static_cast<float>(found.score));
  }
  writer.add("output.items", {T5Problem::kBatch, Decoding::kBeams}, items.data());
  writer.add("output.scores", {T5Problem::kBatch, Decoding::kBeams}, scores.data());
  std::vector<double> losses;
  for (int step = 0; step < 4; ++step) losses.push_back(problem.train());
  writer.add("output.losses", {static_cast<Index>(losses.size())}, losses.data());
  const auto done = writer.write(path);
  if (!done) std::fprintf(stderr, "%s\n", done.fault().text);
  return done ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "dump") == 0) return dump(argv[2]);
  const int threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  const char* wanted = argc > 3 ? argv[3] : "";
  const double peak = bench::peak() * threads;
  T5Problem problem(threads);
  const auto run = [&](const char* name, double flop, const auto& call) {
    if (*wanted != '\0' && std::strcmp(wanted, name) != 0) return;
    bench::print(name, "thaw", threads, bench::times(3, seconds, call), flop, peak);
  };
  run("t5 forward", problem.forward_flop(), [&] { problem.forward(); });
  Decoding decoding(problem, threads), single(problem, threads, 1);
  run("t5 decode", decoding.flop(), [&] { decoding.run(); });
  run("t5 decode one user", single.flop(), [&] { single.run(); });
  run("t5 train", 3 * problem.forward_flop(), [&] { problem.train(); });
  std::fprintf(stderr, "peak memory %.0f MB\n", 1e-6 * static_cast<double>(problem.peak_bytes()));
}
