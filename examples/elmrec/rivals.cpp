// Everything that ELMRec has to beat, in one harness: one table for known users, one for new users and new items.
//
//   thaw_elmrec_rivals                                                    # generated data
//   thaw_elmrec_rivals --data amazon-beauty --numbering official          # shows what the numbering gives away
//   thaw_elmrec_rivals --data amazon-beauty --leak-test --lightgcn-epochs 0 --sasrec-epochs 0
//   thaw_elmrec_rivals --data amazon-beauty --cold
#include <cstdio>
#include <string>

#include "command_line/parse.hpp"
#include "elmrec/data_options.hpp"
#include "elmrec/hold_out.hpp"
#include "elmrec/learned_rivals.hpp"
#include "elmrec/worlds.hpp"
#include "thaw/eval/result_table.hpp"

namespace {

using namespace elmrec;

int complain(const thaw::Fault& fault) {
  std::fprintf(stderr, "thaw_elmrec_rivals: %s\n", fault.text);
  return 1;
}

std::vector<thaw::Spread> cells(const Quality& q) {
  std::vector<thaw::Spread> out;
  for (const double* values : {q.hits, q.ndcg})
    for (int d = 0; d < 3; ++d) {
      if (values == q.ndcg && d == 0) continue;  // NDCG@1 is HR@1
      out.push_back({1, values[d], 0});
    }
  return out;
}
const std::vector<std::string> kMetrics{"HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10"};

// Rows of two tables at once.
class Tables {
 public:
  Tables(const std::string& what, std::span<const std::int32_t> items, std::size_t negatives)
      : items_(items),
        sampled_(what + ", the answer among " + std::to_string(negatives) + " negatives, %", kMetrics),
        all_(what + ", all items that the user does not have, %", kMetrics) {}
  template <class Scorer>
  void add(const std::string& name, const Questions& questions, Scorer&& scorer) {
    sampled_.add_row(name, cells(rank_sampled(questions, scorer)));
    all_.add_row(name, cells(rank_all(questions, scorer, items_)));
  }
  void print() const {
    std::printf("%s\n%s\n", sampled_.text().c_str(), all_.text().c_str());
    std::fflush(stdout);
  }

 private:
  std::span<const std::int32_t> items_;
  thaw::ResultTable sampled_, all_;
};

std::vector<std::int32_t> all_items(std::int32_t count) {
  std::vector<std::int32_t> items(static_cast<std::size_t>(count));
  for (std::int32_t i = 0; i < count; ++i) items[static_cast<std::size_t>(i)] = i;
  return items;
}

thaw::Result<thaw::Interactions> edges(const thaw::ItemSequences& data, const RivalsOptions& o, bool validation) {
  return o.leaky ? thaw::leaky_interactions(data, o.leaky_share, o.seed)
                 : thaw::training_interactions(data, validation);
}

// HR@1 of the cosine of vectors that nothing was learnt for: what the graph gives away.
int leak_test(const thaw::ItemSequences& data, const RivalsOptions& o) {
  const Questions test = test_questions(data, o.questions);
  std::printf("leak test: random features (256 numbers, mean of layers 0 to 4), cosine, answer among %zu negatives\n",
              o.questions.negatives);
  for (const bool leaky : {false, true}) {
    const auto x = leaky ? thaw::leaky_interactions(data, o.leaky_share, o.seed) : thaw::training_interactions(data);
    if (!x) return complain(x.fault());
    std::int64_t held_out = 0;
    for (std::int32_t user = 0; user < data.users(); ++user) {
      const auto row = x.value().by_user.row(user);
      for (const std::int32_t item : data.of(user).subspan(data.train(user).size()))
        held_out += std::binary_search(row.begin(), row.end(), item) ? 1 : 0;
    }
    const thaw::PropagationGraph graph(x.value());
    const GraphFeatures features(graph, {.width = 256, .layers = 4, .seed = o.seed});
    const Quality q = rank_sampled(test, NodeScorer(unit_rows(features.all(), 256), graph.users(), 256));
    std::printf("  %s graph: HR@1 %.4f, HR@10 %.4f, NDCG@10 %.4f; %lld held-out pairs among %zu edges\n",
                leaky ? "leaky" : "clean", q.hits[0], q.hits[2], q.ndcg[2], static_cast<long long>(held_out),
                x.value().by_user.ids.size());
  }
  std::printf("\n");
  return 0;
}

int known_users(const thaw::ItemSequences& data, const RivalsOptions& o) {
  const std::vector<std::int32_t> items = all_items(data.items), number = thaw::number_items(data, o.numbering, o.seed);
  const Questions test = test_questions(data, o.questions), validation = validation_questions(data, o.questions);
  const auto clean = edges(data, o, false), more = edges(data, o, true);
  if (!clean) return complain(clean.fault());
  if (!more) return complain(more.fault());
  const thaw::PropagationGraph graph(clean.value()), wider(more.value());
  const std::string mark = o.leaky ? " [leaky graph]" : "";
  Tables tables(data.name, items, o.questions.negatives);
  tables.add("popularity", test, PopularityScorer(clean.value()));
  tables.add("largest number + 1, + 2, ...", test, LargestPlusOne(number));
  tables.add("walks of 3 steps" + mark, test, WalkScorer(graph));
  if (!o.leaky) tables.add("walks, validation edges too", test, WalkScorer(wider));
  if (o.lightgcn_epochs > 0) {
    const auto vectors = train_lightgcn(clean.value(), validation, o);
    if (!vectors) return complain(vectors.fault());
    tables.add("LightGCN" + mark, test, NodeScorer(vectors.value(), data.users(), o.lightgcn.width));
  }
  if (o.sasrec_epochs > 0) {
    QuestionOptions fewer = o.questions;
    fewer.most_users = o.validation_users;
    SasRec model(data.items, o.sasrec);
    const auto trained = train_sasrec(model, data, validation_questions(data, fewer), items, o);
    if (!trained) return complain(trained.fault());
    const std::vector<float> hidden = model.read(test);
    tables.add("SASRec", test, QuestionScorer(model.item_vectors(), hidden, o.sasrec.width));
  }
  tables.print();
  return 0;
}

// Vectors of new users, one a question, from their histories alone.
std::vector<float> inductive(const GraphFeatures& features, const Questions& questions) {
  const auto width = static_cast<std::size_t>(features.width());
  std::vector<float> out(questions.list.size() * width);
  for (const Question& q : questions.list) features.new_user(q.history, std::span(out).subspan(q.index * width, width));
  return out;
}

int new_ones(const thaw::ItemSequences& data, const RivalsOptions& o) {
  HoldOut held = hold_out(data, {.seed = o.seed});
  const auto x = thaw::training_interactions(held.learn);
  if (!x) return complain(x.fault());
  const thaw::PropagationGraph graph(x.value());
  const Index width = o.lightgcn.width;
  QuestionOptions fewer = o.questions;
  fewer.most_users = o.validation_users;
  // Chosen on old users' validation items; those that are new are no candidates there, and count as not found.
  const Questions validation = validation_questions(held.learn, fewer);
  std::vector<float> trained(static_cast<std::size_t>(graph.nodes() * width));
  std::vector<std::int32_t> known;
  for (std::int32_t i = 0; i < data.items; ++i)
    if (held.is_new_item[static_cast<std::size_t>(i)] == 0) known.push_back(i);
  if (o.lightgcn_epochs > 0) {
    auto made = train_lightgcn(x.value(), validation, o);
    if (!made) return complain(made.fault());
    trained = std::move(made.value());
  }
  SasRec model(data.items, o.sasrec);
  if (o.sasrec_epochs > 0)
    if (const auto done = train_sasrec(model, held.learn, validation, known, o); !done) return complain(done.fault());
  const auto items_of = [&](const std::vector<float>& table) {
    return std::span<const float>(table).subspan(static_cast<std::size_t>(graph.users() * width));
  };
  const GraphFeatures one_step(graph, {.width = width, .layers = 1, .without_own = true}, trained);
  for (const std::size_t shown : {1u, 2u, 3u}) {
    const Questions questions = held.new_users(data, shown, o.questions);
    Tables tables(data.name + ", new users, " + std::to_string(shown) + " shown", known, o.questions.negatives);
    tables.add("popularity", questions, PopularityScorer(x.value()));
    tables.add("walks of 3 steps", questions, WalkScorer(graph, true));
    if (o.lightgcn_epochs > 0)
      tables.add("LightGCN, one step to the user", questions,
                 QuestionScorer(items_of(trained), inductive(one_step, questions), width));
    if (o.sasrec_epochs > 0)
      tables.add("SASRec", questions, QuestionScorer(model.item_vectors(), model.read(questions), o.sasrec.width));
    tables.print();
  }
  const Questions questions = held.new_items(data, o.questions);
  thaw::ResultTable table(data.name + ", new items among other new items, %", kMetrics);
  for (const std::size_t shown : {1u, 3u}) {
    const auto seen = held.with_evidence(shown);
    if (!seen) return complain(seen.fault());
    const thaw::PropagationGraph wider(seen.value());
    const std::string with = ", " + std::to_string(shown) + " interactions of each";
    table.add_row("popularity" + with, cells(rank_sampled(questions, PopularityScorer(seen.value()))));
    table.add_row("walks of 3 steps" + with, cells(rank_sampled(questions, WalkScorer(wider))));
    if (o.lightgcn_epochs == 0) continue;
    std::vector<float> vectors = trained;
    for (std::int32_t item = 0; item < data.items; ++item)
      if (held.is_new_item[static_cast<std::size_t>(item)] != 0)
        one_step.new_item(held.evidence(item, shown),
                          std::span(vectors).subspan(static_cast<std::size_t>((graph.users() + item) * width),
                                                     static_cast<std::size_t>(width)));
    table.add_row("LightGCN, one step" + with,
                  cells(rank_sampled(questions, NodeScorer(vectors, graph.users(), width))));
  }
  std::printf("%s\n", table.text().c_str());
  return 0;
}

int run(const RivalsOptions& o) {
  const auto read = load_sequences(o.data, o.data_dir);
  if (!read) return complain(read.fault());
  const thaw::ItemSequences& data = read.value();
  std::printf("%s: %d users, %d items, %lld interactions\n\n", data.name.c_str(), data.users(), data.items,
              static_cast<long long>(data.interactions()));
  if (o.leak_test) {
    const int failed = leak_test(data, o);
    if (failed != 0) return failed;
  }
  return o.cold ? new_ones(data, o) : known_users(data, o);
}

void declare(CLI::App& app, RivalsOptions& o) {
  using command_line::positive_number;
  using command_line::whole_number;
  constexpr std::uint64_t kMost = 1'000'000'000;
  app.option_defaults()->always_capture_default();
  declare_data(app, o.data, o.data_dir, o.numbering, o.leaky);
  app.add_option("--leaky-share", o.leaky_share, "of interactions in the leaky graph")->check(CLI::Range(0.01, 1.0));
  app.add_flag("--leak-test", o.leak_test, "what vectors without learning find in a clean and in a leaky graph");
  app.add_flag("--cold", o.cold, "new users and new items instead: 10 % of both held out entirely");
  app.add_option("--negatives", o.questions.negatives, "candidates beside the answer")->check(whole_number(1, kMost));
  app.add_option("--negatives-seed", o.questions.seed, "what they are drawn by");
  app.add_option("--lightgcn-epochs", o.lightgcn_epochs, "at most; 0: leave it out")->check(whole_number(0, kMost));
  app.add_option("--lightgcn-rate", o.lightgcn.learning_rate, "Adam's")->check(positive_number());
  app.add_option("--sasrec-epochs", o.sasrec_epochs, "at most; 0: leave it out")->check(whole_number(0, kMost));
  app.add_option("--sasrec-rate", o.sasrec.rate, "Adam's")->check(positive_number());
  app.add_option("--sasrec-dropout", o.sasrec.dropout, "of inputs, attention and blocks")->check(CLI::Range(0.0, 0.9));
  app.add_option("--sasrec-negatives", o.sasrec.negatives, "shared by a batch; 0: all items")
      ->check(whole_number(0, kMost));
  app.add_option("--sasrec-width", o.sasrec.width, "numbers of a vector")->check(whole_number(2, 4096));
  app.add_option("--every", o.every, "epochs between validations")->check(whole_number(1, kMost));
  app.add_option("--patience", o.patience, "validations without a gain before the end")->check(whole_number(1, kMost));
  app.add_option("--validation-users", o.validation_users, "how many choose SASRec's epoch")
      ->check(whole_number(1, kMost));
  app.add_option("--seed", o.seed, "of numberings, vectors and draws");
  app.add_option("--threads", o.lightgcn.threads, "to compute with")->check(whole_number(1, 256));
}

}  // namespace

int main(int count, char** words) {
  RivalsOptions options;
  int status = 0;
  CLI::App app{"What ELMRec has to beat on next-item data, the epochs chosen on validation."};
  declare(app, options);
  if (!command_line::parse(app, count, words, status)) return status;
  options.lightgcn.seed = options.sasrec.seed = options.seed;
  options.sasrec.threads = options.lightgcn.threads;
  return run(options);
}
