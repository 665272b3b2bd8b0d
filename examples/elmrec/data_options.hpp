// Options that every program on next-item data has: which data, how items are numbered, which graph.
#pragma once

#include <string>

#include "command_line/parse.hpp"
#include "thaw/data/item_sequences.hpp"

namespace elmrec {

// The variables must live until the line is parsed.
inline void declare_data(CLI::App& app, std::string& data, std::string& data_dir, thaw::ItemNumbering& numbering,
                         bool& leaky) {
  app.add_option("--data", data, "generated, or a folder with sequential.txt: amazon-beauty, amazon-sports")
      ->capture_default_str();
  app.add_option("--data-dir", data_dir, "where data sets are (default: THAW_DATA, then ./data)");
  app.add_option_function<std::string>(
         "--numbering",
         [&numbering](const std::string& name) {
           numbering = name == "training"   ? thaw::ItemNumbering::training_order
                       : name == "official" ? thaw::ItemNumbering::as_given
                                            : thaw::ItemNumbering::random;
         },
         "of items")
      ->check(CLI::IsMember({"random", "training", "official"}))
      ->default_str("random");
  app.add_option_function<std::string>(
         "--graph", [&leaky](const std::string& name) { leaky = name == "leaky"; },
         "clean: training edges; leaky: a random share of everything, for reproduction only")
      ->check(CLI::IsMember({"clean", "leaky"}))
      ->default_str("clean");
}

}  // namespace elmrec
