// Trains ELMRec on item sequences and prints tables, the model beside the methods that need no training.
//
//   thaw_elmrec_train                                                        # generated data, a minute or two
//   thaw_elmrec_train --data amazon-beauty --minutes 60 --checkpoint elmrec.run
//   thaw_elmrec_train --variant paper --data amazon-beauty
//   thaw_elmrec_train --help
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "command_line/parse.hpp"
#include "elmrec/data_options.hpp"
#include "elmrec/learned_rivals.hpp"
#include "elmrec/run.hpp"
#include "elmrec/tables.hpp"
#include "elmrec/tokenizer.hpp"
#include "elmrec/vectors_file.hpp"
#include "elmrec/worlds.hpp"

namespace {

using namespace elmrec;

enum class Vectors : std::uint8_t { none, random, lightgcn };

struct Options {
  std::string data = "generated", data_dir, tokenizer, vectors_file;
  bool paper = false, leaky = false, cold = false, parts = false;
  Vectors vectors = Vectors::lightgcn;
  TrainerOptions trainer;
  RunOptions run;
  RivalsOptions rivals;
  std::size_t fit_negatives = 999;
  std::int32_t validation_users = 1000, test_users = 0;
};

int complain(const thaw::Fault& fault) {
  std::fprintf(stderr, "thaw_elmrec_train: %s\n", fault.text);
  return 1;
}

// T5's pieces where the file is, else a small vocabulary of its own.
thaw::Result<std::unique_ptr<TextTokenizer>> make_tokenizer(const Options& o) {
  const char* variable = std::getenv("THAW_DATA");
  const std::string root = !o.data_dir.empty() ? o.data_dir : variable != nullptr ? variable : "data";
  const std::string path = o.tokenizer.empty() ? thaw::join_path(root, "t5-tokenizer/spiece.model") : o.tokenizer;
  if (o.tokenizer.empty() && !thaw::file_exists(path)) {
    std::printf("tokenizer: plain pieces, as there is no %s\n", path.c_str());
    return std::unique_ptr<TextTokenizer>(std::make_unique<PlainTokenizer>());
  }
  auto opened = Tokenizer::open(path);
  if (!opened) return opened.fault();
  return std::unique_ptr<TextTokenizer>(std::make_unique<Tokenizer>(std::move(opened.value())));
}

// What a run learns from: two runs of the same text may share a checkpoint and a file of vectors.
std::string identity_of(const Options& o, const thaw::ItemSequences& learn, const thaw::Interactions& edges) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  const auto add = [&](const auto& numbers) {
    for (const auto n : numbers) hash = (hash ^ static_cast<std::uint64_t>(n)) * 1099511628211ull;
  };
  add(learn.lists.ids), add(learn.lists.offsets), add(edges.by_user.ids), add(edges.by_user.offsets);
  char text[200];
  std::snprintf(text, sizeof text, "%s%s%s, %zu edges, %016llx, %s vectors, %d epochs, seed %llu", learn.name.c_str(),
                o.cold ? " with new users and items" : "", o.leaky ? " [leaky graph]" : "", edges.by_user.ids.size(),
                static_cast<unsigned long long>(hash),
                o.vectors == Vectors::none     ? "no"
                : o.vectors == Vectors::random ? "random"
                                               : "LightGCN",
                o.rivals.lightgcn_epochs, static_cast<unsigned long long>(o.trainer.seed));
  return text;
}

thaw::Result<std::vector<float>> make_vectors(const Options& o, const Questions& validation,
                                              const thaw::Interactions& edges, const thaw::PropagationGraph& graph,
                                              const std::string& identity) {
  const Index width = o.trainer.model.graph_width;
  if (width == 0) return std::vector<float>{};
  if (o.vectors == Vectors::random) {
    const GraphFeatures features(graph, {.width = width, .layers = o.trainer.layers, .seed = o.trainer.seed});
    return std::vector<float>(features.all().begin(), features.all().end());
  }
  const auto size = static_cast<std::size_t>(graph.nodes() * width);
  if (!o.vectors_file.empty() && thaw::file_exists(o.vectors_file))
    return read_vectors(o.vectors_file, size, width, identity);
  auto trained = train_lightgcn(edges, validation, o.rivals);
  if (!trained || o.vectors_file.empty()) return trained;
  if (const auto kept = write_vectors(o.vectors_file, trained.value(), width, identity); !kept) return kept.fault();
  return trained;
}

// Trains on `learn`, then print(edges, graph, trainer).
template <class Print>
int train(const Options& o, const thaw::ItemSequences& learn, const Questions& validation, const Print& print) {
  const auto tokenizer = make_tokenizer(o);
  if (!tokenizer) return complain(tokenizer.fault());
  const auto edges = o.leaky ? thaw::leaky_interactions(learn, o.rivals.leaky_share, o.trainer.seed)
                             : thaw::training_interactions(learn);
  if (!edges) return complain(edges.fault());
  const thaw::PropagationGraph graph(edges.value());
  RunOptions run = o.run;
  run.identity = identity_of(o, learn, edges.value());
  const auto vectors = make_vectors(o, validation, edges.value(), graph, run.identity);
  if (!vectors) return complain(vectors.fault());
  TrainerOptions options = o.trainer;
  if (o.paper) options.model.own_nodes = graph.nodes();
  Trainer trainer(learn, graph, vectors.value(), *tokenizer.value(), options);
  std::printf("%s: %d users, %d items; %lld weights, %d pieces, trie of %d nodes\n", learn.name.c_str(), learn.users(),
              learn.items, static_cast<long long>(trainer.parameter_count()),
              static_cast<int>(trainer.options().model.language.vocab_size), trainer.trie().nodes());
  std::fflush(stdout);
  Run training(trainer, run, validation, validation);
  const auto done = training.train();
  if (!done) return complain(done.fault());
  std::printf("best at step %lld of %lld\n", static_cast<long long>(training.best_step()),
              static_cast<long long>(trainer.steps()));
  print(edges.value(), graph, trainer);
  return 0;
}

int run(const Options& o) {
  const auto read = load_sequences(o.data, o.data_dir);
  if (!read) return complain(read.fault());
  const thaw::ItemSequences& data = read.value();
  if (o.cold) {
    if (o.paper || o.trainer.model.graph_width == 0)
      return complain(thaw::make_fault(thaw::FaultKind::unsupported,
                                       "--cold needs --variant best and --vectors lightgcn or random: nothing else "
                                       "gives new items a vector"));
    if (o.leaky || o.parts)
      return complain(thaw::make_fault(thaw::FaultKind::unsupported,
                                       "--cold goes with neither --graph leaky, whose edges know the answers, nor "
                                       "--parts, which takes known users apart"));
    HoldOut held = hold_out(data, {.seed = o.trainer.seed});
    const Questions validation = held.validation(data, {.seed = 2025, .most_users = o.validation_users});
    return train(o, held.learn, validation, [&](const auto& edges, const auto& graph, Trainer& trainer) {
      print_new(held, data, edges, graph, trainer, validation, o.fit_negatives);
    });
  }
  const Questions validation = validation_questions(data, {.most_users = o.validation_users}),
                  test = test_questions(data, {.most_users = o.test_users});
  return train(o, data, validation, [&](const auto& edges, const auto& graph, Trainer& trainer) {
    print_known(o.paper ? "ELMRec, paper" : "ELMRec, best", o.leaky ? " [leaky graph]" : "", data, edges, graph,
                trainer, validation, test, o.parts, o.fit_negatives);
  });
}

// What options of the variants are unless they are given.
void set_defaults(Options& o, bool paper) {
  TrainerOptions& t = o.trainer;
  o.rivals.lightgcn_epochs = 20;
  t.model.language = {
      .d_model = 64, .d_kv = 16, .num_heads = 4, .d_ff = paper ? 256 : 128, .num_layers = 2, .num_decoder_layers = 2};
  if (paper) return;
  t.model.alpha = 8;
  t.text_weight = 0.3;
  t.sequential_text = false;
  t.direct_every = 8;
  t.batch = 128;
  t.dropout = 0.3;
  t.steps = 2000;
}

// What a variant is.
void apply_variant(Options& o) {
  TrainerOptions& t = o.trainer;
  t.model.graph_width = o.vectors == Vectors::none || o.paper ? 0 : 64;
  t.prior = !o.paper;
  if (!o.paper) return;
  t.model.evidence = false;
  t.direct_nodes = true;
  t.sequential_nodes = false;
  t.short_items = false;
}

void declare(CLI::App& app, Options& o) {
  using command_line::positive_number;
  using command_line::whole_number;
  constexpr std::uint64_t kMost = 1'000'000'000;
  TrainerOptions& t = o.trainer;
  app.option_defaults()->always_capture_default();
  declare_data(app, o.data, o.data_dir, o.trainer.numbering, o.leaky);
  app.add_flag("--parts", o.parts,
               "rows for the number alone too, through the trie and as free text (the published way)");
  app.add_flag("--cold", o.cold, "new users and new items instead: 10 % of both held out entirely (best)");
  app.add_option("--tokenizer", o.tokenizer, "T5's spiece.model (default: t5-tokenizer/spiece.model among the data)");
  app.add_option_function<std::string>(
         "--variant", [&o](const std::string& name) { o.paper = name == "paper"; },
         "paper: a trained table propagated at every step, no evidence")
      ->check(CLI::IsMember({"best", "paper"}))
      ->default_str("best");
  app.add_option_function<std::string>(
         "--vectors",
         [&o](const std::string& name) {
           o.vectors = name == "none" ? Vectors::none : name == "random" ? Vectors::random : Vectors::lightgcn;
         },
         "of users and items for the variant best")
      ->check(CLI::IsMember({"none", "random", "lightgcn"}))
      ->default_str("lightgcn");
  app.add_option("--lightgcn-epochs", o.rivals.lightgcn_epochs, "for --vectors lightgcn")
      ->check(whole_number(1, kMost));
  app.add_option("--width", t.model.language.d_model, "of the language model")->check(whole_number(8, 4096));
  app.add_option("--hidden", t.model.language.d_ff, "of the feed-forward layers")->check(whole_number(8, 65536));
  app.add_option("--blocks", t.model.language.num_layers, "of encoder and decoder, each")->check(whole_number(1, 24));
  app.add_option("--alpha", t.model.alpha, "what vectors of entities are multiplied with")->check(positive_number());
  app.add_option("--sigma", t.model.sigma, "of the start of the trained table (paper)")->check(positive_number());
  app.add_option("--batch", t.batch, "prompts of a step")->check(whole_number(2, kMost));
  app.add_option("--candidates", t.candidates, "in a direct training prompt")->check(whole_number(2, 1000));
  app.add_option("--direct-every", t.direct_every, "one prompt of so many is a direct one")
      ->check(whole_number(1, kMost));
  app.add_option("--text-weight", t.text_weight, "of the answers' numbers in the loss (best); 0: not learnt")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--sequential-text,!--no-sequential-text", t.sequential_text,
               "learn numbers in sequential prompts too (best)");
  app.add_option("--negatives", t.negatives, "of the prior's loss, shared by a batch (best)")
      ->check(whole_number(1, kMost));
  app.add_option("--history", t.history, "items of a prompt, at most")->check(whole_number(1, 200));
  app.add_option("--decay", t.decay, "of all weights, decoupled")->check(CLI::NonNegativeNumber);
  app.add_option("--rate", t.rate, "Adam's, after warming up; falls to 0 by a cosine")->check(positive_number());
  app.add_option("--dropout", t.dropout, "of the language model")->check(CLI::Range(0.0, 0.9));
  app.add_option("--steps", t.steps, "in all")->check(whole_number(1, kMost));
  app.add_option("--minutes", o.run.minutes, "of this run at most; 0: no limit")->check(CLI::NonNegativeNumber);
  app.add_option("--validate-every", o.run.validate_every, "steps")->check(whole_number(1, kMost));
  app.add_option("--validation-users", o.validation_users, "how many choose the best step")
      ->check(whole_number(1, kMost));
  app.add_option("--fit-negatives", o.fit_negatives, "the weights for all items are fitted among (best)")
      ->check(whole_number(1, kMost));
  app.add_option("--test-users", o.test_users, "0: all")->check(whole_number(0, kMost));
  app.add_option("--beams", t.beams, "of the search")->check(whole_number(1, 1000));
  app.add_option("--vectors-file", o.vectors_file, "where LightGCN's vectors are kept, and read from where it exists");
  app.add_option("--checkpoint", o.run.checkpoint, "saved at every validation, and resumed from where it exists");
  app.add_option("--seed", t.seed, "of numbering, start and samples");
  app.add_option("--threads", t.threads, "to compute with")->check(whole_number(1, 256));
}

}  // namespace

int main(int count, char** words) {
  Options options;
  const std::vector<std::string> all(words, words + count);
  set_defaults(options, std::any_of(all.begin(), all.end(), [](const std::string& word) {
                 return word == "paper" || word == "--variant=paper";
               }));
  int status = 0;
  CLI::App app{"ELMRec on next-item data: a T5 that answers with numbers of items, and only with those."};
  declare(app, options);
  if (!command_line::parse(app, count, words, status)) return status;
  T5Config& language = options.trainer.model.language;
  language.d_kv = language.d_model / language.num_heads;
  language.num_decoder_layers = language.num_layers;
  options.rivals.lightgcn.seed = options.trainer.seed;
  options.rivals.lightgcn.threads = options.trainer.threads;
  apply_variant(options);
  return run(options);
}
