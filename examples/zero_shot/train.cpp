// Trains the zero-shot recommender on some data sets and measures it on others.
//
//   thaw_zero_shot_train --sources lastfm-lightgcnpp,amazon-beauty --targets ml-1m-mulsetrank
//   thaw_zero_shot_train --save weights.safetensors --sources shippable --targets none
//   thaw_zero_shot_train --help
//
// A target is never among the sources of the network that is measured on it. Training-free methods stand beside it.
#include <cstdio>
#include <cstring>

#include "zero_shot/comparison.hpp"
#include "zero_shot/train_options.hpp"

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "--help") == 0) {
    std::fputs(zero_shot::kTrainHelp, stdout);
    return 0;
  }
  const auto options = zero_shot::read_train_options(count, words);
  const auto run = [&]() -> thaw::Result<thaw::Done> {
    if (!options) return options.fault();
    if (options.value().variant == "paper") return zero_shot::Experiment<zero_shot::PaperSystem>(options.value()).run();
    return zero_shot::Experiment<zero_shot::BestSystem>(options.value()).run();
  };
  const thaw::Result<thaw::Done> done = run();
  if (done) return 0;
  std::fprintf(stderr, "thaw_zero_shot_train: %s\n", done.fault().text);
  return 1;
}
