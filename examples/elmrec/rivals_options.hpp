// Command line of the rivals' program.
#pragma once

#include <cstdint>
#include <string>

#include "elmrec/sasrec.hpp"
#include "thaw/data/item_sequences.hpp"
#include "thaw/graph/lightgcn.hpp"

namespace elmrec {

struct RivalsOptions {
  std::string data = "generated", data_dir;
  thaw::ItemNumbering numbering = thaw::ItemNumbering::random;
  bool leaky = false;
  double leaky_share = 0.535;  // of interactions that become edges of the leaky graph
  bool leak_test = false, cold = false;
  QuestionOptions questions;
  thaw::LightGcnOptions lightgcn{.batch = 8192, .learning_rate = 2e-3, .draw = thaw::BprDraw::interactions};
  int lightgcn_epochs = 100, sasrec_epochs = 60, every = 5, patience = 4;
  SasRecOptions sasrec;
  std::int32_t validation_users = 4000;
  std::uint64_t seed = 1;
};

}  // namespace elmrec
