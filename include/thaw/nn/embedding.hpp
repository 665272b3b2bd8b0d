// Embedding: rows of a table by id; bags of ids give the mean or the sum of their rows.
//
//   auto genre = embedding(thaw::Bags{ids, offsets, films, /*mean*/ true});   // (films, width)
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/index.hpp"

namespace thaw::inline v0 {

template <Value T>
struct Embedding {
  T table;  // (rows, width)

  // (bags.count, width); an id below zero adds nothing.
  T operator()(const Bags& bags) const { return gather(table, bags); }
  static void each(auto&& visit, auto&... m) { visit("table", m.table...); }
};

// Uniform start in +-1/sqrt(rows): what a bias-free linear map of one-hot inputs has in PyTorch. `row_table`:
// optimisers step only the rows that a batch touched; else the table is part of the dense block.
inline Embedding<Spec> embedding_spec(Index rows, Index width, bool row_table = false) {
  Spec table{{rows, width}, {Init::Kind::uniform, 1.0 / __builtin_sqrt(static_cast<double>(rows))}};
  table.row_table = row_table;
  return {table};
}

}  // namespace thaw::inline v0
