// How ELMRec is trained and asked; every field has a default that suits small data.
#pragma once

#include <cstdint>

#include "elmrec/elmrec.hpp"
#include "thaw/data/item_sequences.hpp"

namespace elmrec {

struct TrainerOptions {
  ElmRecConfig model;
  bool short_items = true;       // "45" in place of "item_45"
  bool sequential_nodes = true;  // graph vectors in sequential prompts too; in the published model only in direct ones
  bool direct_nodes = false;
  bool prior = false;           // a table of items, histories as prompts, what is found ordered by the prior too
  double text_weight = 1;       // of the answers' tokens in the loss beside the prior's; 0: numbers are not learnt
  bool sequential_text = true;  // with a prior: numbers are learnt in sequential prompts too
  Index negatives = 2048;       // of the prior's loss, shared by a batch
  Index direct_every = 2;       // one prompt of so many is a direct one
  thaw::ItemNumbering numbering = thaw::ItemNumbering::random;
  Index batch = 64;             // prompts
  std::size_t candidates = 20;  // of a direct training prompt
  std::size_t history = 20;     // items of a sequential prompt, at most
  double rate = 2e-3;
  Index steps = 3000, warm_up = 200;
  double clip = 1;
  double dropout = 0.1;
  double decay = 0.01;
  int layers = 4;  // of propagation of a trained table
  std::int32_t beams = 20;
  int threads = 1;
  std::uint64_t seed = 1;
};

}  // namespace elmrec
