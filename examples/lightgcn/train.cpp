// Trains LightGCN on a published split and prints one table: the simple methods, and the model at the epoch that
// validation chose.
//
//   thaw_lightgcn_train --data lastfm-lightgcnpp --threads 2
//   thaw_lightgcn_train --data gowalla --batch 8192 --rate 0.005 --minutes 45 --refit --threads 2 --checkpoint g.run
//   thaw_lightgcn_train --help
#include <cstring>

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
  std::printf("%s\nLightGCN: %d layers, width %td, batch %td, rate %g to %g, decay %g, seed %llu\n", task.text.c_str(),
              m.layers, m.width, m.batch, m.learning_rate, m.learning_rate * o.last_rate, m.regularization,
              static_cast<unsigned long long>(m.seed));
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

}  // namespace

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "--help") == 0) {
    std::fputs(lightgcn::kHelp, stdout);
    return 0;
  }
  const auto options = lightgcn::read_options(count, words);
  if (!options) return complain(options.fault());
  return run(options.value());
}
