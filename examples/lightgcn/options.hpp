// What the LightGCN trainer is asked for; train.cpp reads it from the command line.
#pragma once

#include <string>

#include "thaw/graph/lightgcn.hpp"

namespace lightgcn {

struct Options {
  std::string data = "lastfm-lightgcnpp", data_dir, checkpoint, draw = "users", loss = "bpr", similarity = "product";
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

}  // namespace lightgcn
