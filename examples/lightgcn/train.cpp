// Trains LightGCN on a published split and prints one table: the simple methods, and the model at the epoch that
// validation chose.
//
//   thaw_lightgcn_train --data lastfm-lightgcnpp --threads 2
//   thaw_lightgcn_train --data gowalla --batch 8192 --rate 0.005 --minutes 45 --refit --threads 2 --checkpoint g.run
//   thaw_lightgcn_train --help
#include <string>

#include "command_line/parse.hpp"
#include "lightgcn/run.hpp"

namespace {

using namespace lightgcn;

int complain(const thaw::Fault& fault) {
  std::fprintf(stderr, "thaw_lightgcn_train: %s\n", fault.text);
  return 1;
}

// One row of the table; false after a fault.
template <class Scorer>
bool print_row(const char* name, const Task& task, const Scorer& scorer) {
  const auto scores = measure(task.test, task, scorer);
  if (!scores) {
    complain(scores.fault());
    return false;
  }
  std::printf("%-44s %.4f     %.4f\n", name, scores.value().recall, scores.value().ndcg);
  std::fflush(stdout);
  return true;
}

bool print_simple(const Task& task) {
  const thaw::RatingGraph all = task.lists.train_and_valid_graph();
  if (!print_row("popularity", task, thaw::PopularityPredictor(all.by_item))) return false;
  const auto walk = thaw::RandomWalkPredictor::fit(all);
  return !walk || print_row("P3alpha, alpha = 1", task, walk.value());
}

int run(const Options& o) {
  Task task;
  const auto loaded = load_task(o, task);
  if (!loaded) return complain(loaded.fault());
  const thaw::LightGcnOptions& m = o.model;
  std::printf("%s\nLightGCN: %d layers, width %td, batch %td, %s, rate %g to %g, decay %g, seed %llu\n",
              task.text.c_str(), m.layers, m.width, m.batch, loss_text(m).c_str(), m.learning_rate,
              m.learning_rate * o.last_rate, m.regularization, static_cast<unsigned long long>(m.seed));
  std::fflush(stdout);
  auto found = Run(o, task, task.train, true).train(o.epochs, o.epochs);
  if (!found) return complain(found.fault());
  const Trained chosen = std::move(found.value());
  std::printf("best epoch %d of %d: validation Recall@20 %.4f, NDCG@20 %.4f; %.0f s of training, %.2f s an epoch\n\n",
              chosen.epoch, chosen.epochs_run, chosen.validation.recall, chosen.validation.ndcg, chosen.seconds,
              chosen.seconds / (std::max)(1, chosen.epochs_run));
  std::printf("%-44s %s\n", "test, all items not seen before", "Recall@20  NDCG@20");
  if (!print_simple(task)) return 1;
  const std::int32_t users = task.lists.users();
  if (chosen.epoch > 0 &&
      !print_row("LightGCN, training part alone", task, thaw::DotScorer(chosen.vectors, users, m.width)))
    return 1;
  if (!o.refit || chosen.epoch == 0) return 0;
  auto again = Run(o, task, task.train_and_valid, false).train(chosen.epoch, o.epochs);
  if (!again) return complain(again.fault());
  std::fprintf(stderr, "trained once more in %.0f s\n", again.value().seconds);
  return print_row("LightGCN, with the validation part", task, thaw::DotScorer(again.value().vectors, users, m.width))
             ? 0
             : 1;
}

void declare(CLI::App& app, Options& o) {
  using command_line::positive_number;
  using command_line::whole_number;
  constexpr std::uint64_t kMost = 1'000'000'000;
  app.option_defaults()->always_capture_default();
  app.add_option("--data", o.data, "a folder with train.txt, test.txt and perhaps valid.txt");
  app.add_option("--data-dir", o.data_dir, "where data sets are (default: THAW_DATA, then ./data)");
  app.add_option("--layers", o.model.layers, "rounds of propagation")->check(whole_number(0, 16));
  app.add_option("--width", o.model.width, "numbers of a vector")->check(whole_number(1, 4096));
  app.add_option("--batch", o.model.batch, "triples of a step")->check(whole_number(1, kMost));
  app.add_option("--rate", o.model.learning_rate, "Adam's")->check(positive_number());
  app.add_option("--last-rate", o.last_rate, "the share of it that a cosine ends with")->check(CLI::Range(1e-9, 1.0));
  app.add_option("--decay", o.model.regularization, "of the batch's embeddings")->check(CLI::NonNegativeNumber);
  app.add_option("--epochs", o.epochs, "at most")->check(whole_number(1, kMost));
  app.add_option("--every", o.every, "epochs between two validations")->check(whole_number(1, kMost));
  app.add_option("--patience", o.patience, "validations without a gain before the end; 0: never")
      ->check(whole_number(0, kMost));
  app.add_option("--minutes", o.minutes, "end after so much training; 0: no limit")->check(CLI::NonNegativeNumber);
  app.add_option("--hold-out", o.hold_out, "share of training items for validation where the split has none")
      ->check(CLI::Range(1e-6, 0.5));
  app.add_option("--validation-users", o.validation_users, "how many users validation asks")
      ->check(whole_number(1, kMost));
  app.add_flag("--refit", o.refit, "train once more on training and validation, for the epochs found");
  app.add_option("--draw", o.draw, "what positives are drawn by")->check(CLI::IsMember({"users", "interactions"}));
  app.add_option("--candidates", o.model.candidates, "others drawn for a triple, the hardest of them is kept")
      ->check(whole_number(1, 4096));
  app.add_option("--loss", o.loss, "pairwise, or a liked item against all that a batch shares")
      ->check(CLI::IsMember({"bpr", "softmax"}));
  app.add_option("--temperature", o.model.temperature, "softmax: scores are divided by it")->check(positive_number());
  app.add_option("--similarity", o.similarity, "softmax: what scores are while training")
      ->check(CLI::IsMember({"product", "cosine"}));
  app.add_option("--negatives", o.model.negatives, "softmax: items drawn uniformly for all users of a batch")
      ->check(whole_number(0, 1 << 24));
  app.add_flag("--in-batch", o.model.in_batch, "softmax: the batch's liked items are negatives too");
  app.add_option("--checkpoint", o.checkpoint, "saved at every validation, and resumed from where it exists");
  app.add_option("--seed", o.model.seed, "of vectors and draws")->check(whole_number(0));
  app.add_option("--threads", o.model.threads, "to compute with")->check(whole_number(1, 256));
}

}  // namespace

int main(int count, char** words) {
  Options options;
  int status = 0;
  CLI::App app{"LightGCN on a published split, the epoch chosen on validation; Recall@20 and NDCG@20 of test."};
  declare(app, options);
  if (!command_line::parse(app, count, words, status)) return status;
  options.model.draw = options.draw == "users" ? thaw::BprDraw::users : thaw::BprDraw::interactions;
  options.model.loss = options.loss == "softmax" ? thaw::LightGcnLoss::softmax : thaw::LightGcnLoss::bpr;
  options.model.cosine = options.similarity == "cosine";
  return run(options);
}
