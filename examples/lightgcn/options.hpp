// Command line of the LightGCN trainer.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "thaw/graph/lightgcn.hpp"

namespace lightgcn {

struct Options {
  std::string data = "lastfm-lightgcnpp", data_dir, checkpoint;
  thaw::LightGcnOptions model;
  int epochs = 200;        // at most
  int every = 5;           // epochs between two validations
  int patience = 10;       // validations without a better one before the end; 0: never
  double hold_out = 0.05;  // share of each user's training items for validation where the split has no such part
  double minutes = 0;      // of training, then the end; 0: no limit
  double last_rate = 1;    // the learning rate falls to this share of itself, by a cosine over all epochs
  int validation_users = 4000;
  bool refit = false;  // with the epochs found, once more on training and validation together
};

inline constexpr const char* kHelp =
    "thaw_lightgcn_train: LightGCN on a published split, the epoch chosen on validation; Recall@20 and NDCG@20 of "
    "test\n"
    "  --data NAME          a folder with train.txt, test.txt and perhaps valid.txt (lastfm-lightgcnpp)\n"
    "  --data-dir FOLDER    where data sets are (THAW_DATA, then ./data)\n"
    "  --layers N, --width N (3, 64)\n"
    "  --batch N            triples of a step (2048)\n"
    "  --rate R, --last-rate S   Adam's, and the share of it that a cosine ends with (0.001, 1)\n"
    "  --decay R            of the batch's embeddings (0.0001)\n"
    "  --epochs N, --every N, --patience N   at most, between validations, validations without a gain (200, 5, 10)\n"
    "  --minutes M          end after so much training (no limit)\n"
    "  --hold-out S         share of training items for validation where the split has none (0.05)\n"
    "  --validation-users N how many users validation asks (4000)\n"
    "  --refit              train once more on training and validation, for the epochs found\n"
    "  --draw users|interactions   what positives are drawn by (users)\n"
    "  --checkpoint FILE    saved at every validation, and resumed from where it exists\n"
    "  --seed S, --threads N (1, 1)\n";

inline thaw::Result<Options> read_options(int count, char** words) {
  Options o;
  const auto wrong = [](const std::string& what, const char* expected) {
    return thaw::make_fault(thaw::FaultKind::mismatch, what.c_str(), ": ", expected, "; see --help");
  };
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--refit") {
      o.refit = true;
      continue;
    }
    if (i + 1 >= count) return wrong(name, "no such option, or its value is missing");
    const std::string value = words[++i];
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool is_number = end != value.c_str() && *end == '\0' && number >= 0 && number < 1e9;
    const auto whole = is_number ? static_cast<int>(number) : 0;
    if (name == "--data")
      o.data = value;
    else if (name == "--data-dir")
      o.data_dir = value;
    else if (name == "--checkpoint")
      o.checkpoint = value;
    else if (name == "--draw" && (value == "users" || value == "interactions"))
      o.model.draw = value == "users" ? thaw::BprDraw::users : thaw::BprDraw::interactions;
    else if (!is_number)
      return wrong(name + " " + value, "no such option, or not a number");
    else if (name == "--layers")
      o.model.layers = whole;
    else if (name == "--width")
      o.model.width = whole;
    else if (name == "--batch")
      o.model.batch = whole;
    else if (name == "--rate")
      o.model.learning_rate = number;
    else if (name == "--last-rate")
      o.last_rate = number;
    else if (name == "--decay")
      o.model.regularization = number;
    else if (name == "--epochs")
      o.epochs = whole;
    else if (name == "--every")
      o.every = whole;
    else if (name == "--patience")
      o.patience = whole;
    else if (name == "--minutes")
      o.minutes = number;
    else if (name == "--hold-out")
      o.hold_out = number;
    else if (name == "--validation-users")
      o.validation_users = whole;
    else if (name == "--seed")
      o.model.seed = static_cast<std::uint64_t>(number);
    else if (name == "--threads")
      o.model.threads = whole;
    else
      return wrong(name, "no such option");
  }
  if (o.epochs < 1 || o.every < 1 || o.validation_users < 1 || !(o.hold_out > 0) || o.hold_out > 0.5 ||
      !(o.last_rate > 0) || o.last_rate > 1)
    return wrong("--epochs, --every, --validation-users, --hold-out, --last-rate",
                 "expected numbers above 0, the last two at most 0.5 and 1");
  return o;
}

}  // namespace lightgcn
