#include "thaw/eval/result_table.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

TEST_CASE("ResultTable: aligned text and Markdown") {
  thaw::ResultTable table("Title", {"P@5", "MAE"});
  const std::vector<thaw::Spread> ours{{3, 0.456649, 0.0031}, {3, 0.78, 0.01234}};
  table.add_row("ours", ours);
  const std::vector<thaw::Spread> order_only{{1, 1.0, 0}, {}};
  table.add_row("popularity", order_only);
  CHECK(table.text() ==
        "Title\n"
        "method               P@5              MAE\n"
        "-----------------------------------------\n"
        "ours        45.66 ± 0.31  0.7800 ± 0.0123\n"
        "popularity        100.00                -\n");
  CHECK(table.markdown() ==
        "**Title**\n\n"
        "| method     |          P@5 |             MAE |\n"
        "|------------|-------------:|----------------:|\n"
        "| ours       | 45.66 ± 0.31 | 0.7800 ± 0.0123 |\n"
        "| popularity |       100.00 |               - |\n");
}

TEST_CASE("ResultTable: rows from an evaluation") {
  // Precision@2 is 1/2 and 1, the mean absolute errors are 5/4 and 5/2.
  const std::vector<thaw::UserScores> scores{{1, {10, 11, 12, 13}, {1, 3, 2, 4}, {1, 5, 4, 3}},
                                             {2, {10, 11}, {2, 1}, {4, 4}}};
  const auto metrics = thaw::evaluate(scores, {.depths = {2}});
  thaw::ResultTable table("t", {"P@2", "MAE"});
  table.add_row("a", metrics);
  table.add_row("b", metrics, false);
  CHECK(table.text() ==
        "t\n"
        "method    P@2     MAE\n"
        "---------------------\n"
        "a       75.00  1.8750\n"
        "b       75.00       -\n");
}

}  // namespace
