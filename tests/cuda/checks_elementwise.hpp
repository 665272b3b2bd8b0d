// Checks of functions of single numbers, of moves and of sums.
#pragma once

#include <algorithm>

#include "tests/cuda/report.hpp"
#include "thaw/nn/factorization_machine.hpp"
#include "thaw/ops/elementwise.hpp"
#include "thaw/ops/normalize.hpp"

namespace device_checks {

template <class B, class R>
void check_functions(Side<B, R> side) {
  const Input any{3, 35}, above{Shape{4, 9}, 0.2, 3.0};
  side.compare("tanh", {any}, [](const auto* x) { return thaw::tanh(x[0]); });
  side.compare("sigmoid", {any}, [](const auto* x) { return thaw::sigmoid(x[0]); });
  side.compare("relu", {any}, [](const auto* x) { return thaw::relu(x[0]); });
  side.compare("gelu", {any}, [](const auto* x) { return thaw::gelu(x[0]); });
  side.compare("exp", {any}, [](const auto* x) { return thaw::exp(x[0]); });
  side.compare("log", {above}, [](const auto* x) { return thaw::log(x[0]); });
  side.compare("sqrt", {above}, [](const auto* x) { return thaw::sqrt(x[0]); });
  side.compare("square", {any}, [](const auto* x) { return thaw::square(x[0]); });
  side.compare("softplus", {any}, [](const auto* x) { return thaw::softplus(x[0]); });
  side.compare("erf", {any}, [](const auto* x) { return thaw::erf(x[0]); });
  side.compare("abs", {any}, [](const auto* x) { return thaw::abs(x[0]); });
  side.compare("scale and shift", {any}, [](const auto* x) { return thaw::shift(thaw::scale(x[0], -3), 2); });
  side.compare("tanh of many numbers", {{70001}}, [](const auto* x) { return thaw::tanh(x[0]); });
  side.compare("tanh of nothing", {{0, 3}}, [](const auto* x) { return thaw::tanh(x[0]); });
}

template <class B, class R>
void check_pairs(Side<B, R> side) {
  side.compare("add, stretched", {{2, 1, 5}, {3, 1}}, [](const auto* x) { return thaw::add(x[0], x[1]); });
  side.compare("sub, stretched", {{4, 3}, {3}}, [](const auto* x) { return thaw::sub(x[0], x[1]); });
  side.compare("mul, stretched", {{1, 7}, {6, 1}}, [](const auto* x) { return thaw::mul(x[0], x[1]); });
  side.compare("div", {{5, 6}, {Shape{5, 6}, 0.5, 2.0}}, [](const auto* x) { return thaw::div(x[0], x[1]); });
}

template <class B, class R>
void check_moves(Side<B, R> side) {
  side.compare("permute", {{3, 4, 5, 2}}, [](const auto* x) {
    return thaw::square(thaw::permute(x[0], {2, 0, 3, 1}));
  });
  side.compare("transpose", {{33, 65}}, [](const auto* x) { return thaw::square(thaw::permute(x[0], {1, 0})); });
  side.compare("slice", {{3, 9, 4}}, [](const auto* x) { return thaw::square(thaw::slice(x[0], 1, 2, 5)); });
  side.compare("slice of nothing", {{3, 9}}, [](const auto* x) { return thaw::square(thaw::slice(x[0], 1, 2, 0)); });
  side.compare("pad", {{3, 4}}, [](const auto* x) { return thaw::square(thaw::pad(x[0], 0, 2, 9)); });
  side.compare("concat", {{3, 4}, {3, 1}, {3, 7}}, [](const auto* x) { return thaw::square(thaw::concat(x, 3, 1)); });
  side.compare("reshape", {{3, 4}}, [](const auto* x) { return thaw::square(thaw::reshape(x[0], {2, 6})); });
  side.compare("broadcast_to", {{1, 5, 1}}, [](const auto* x) {
    return thaw::square(thaw::broadcast_to(x[0], {4, 5, 6}));
  });
}

template <class B, class R>
void check_sums(Side<B, R> side) {
  const auto to = [&](const char* name, const Shape& from, const Shape& onto) {
    side.compare(name, {Input(from, -1, 1)}, [onto](const auto* x) { return thaw::sum_to(thaw::square(x[0]), onto); });
  };
  to("sum of one number", {1}, {});
  to("sum of rows, short", {40, 7}, {40, 1});
  to("sum of rows, not a multiple of 32", {5, 100}, {5, 1});
  to("sum of rows, long", {3, 5000}, {3, 1});
  to("sum of columns, tall", {5000, 3}, {1, 3});
  to("sum of columns, wide", {7, 3000}, {1, 3000});
  to("sum of the outer and inner axis", {6, 5, 33}, {1, 5, 1});
  to("sum of the middle axis", {4, 33, 6}, {4, 1, 6});
  to("sum of everything", {300, 401}, {});
  to("sum of nothing", {0, 4}, {1, 4});
}

template <class B, class R>
void check_rows(Side<B, R> side) {
  for (const Index columns : {1, 2, 31, 33, 64, 200, 2500}) {
    const std::string wide = ", rows of " + std::to_string(columns);
    side.compare("softmax" + wide, {{9, columns}}, [](const auto* x) { return thaw::softmax(x[0]); });
    side.compare("log_sum_exp" + wide, {{9, columns}}, [](const auto* x) { return thaw::log_sum_exp(x[0]); });
    if (columns == 1) continue;  // a deviation of zero
    side.compare(
        "layer_norm" + wide, {{5, columns}, {columns}, {columns}},
        [](const auto* x) { return thaw::layer_norm(x[0], x[1], x[2], 1e-2); }, 2, columns < 3 ? 10 : 1);
  }
  side.compare("softmax, no rows", {{0, 5}}, [](const auto* x) { return thaw::softmax(x[0]); });
  side.compare("layer_norm, many rows", {{300, 20}, {20}, {20}},
               [](const auto* x) { return thaw::layer_norm(x[0], x[1], x[2], 1e-5); });
  const auto rule = thaw::DropoutRule::make(0.3, thaw::Key{42}, 3);
  side.compare("dropout", {{7, 21}}, [&](const auto* x) { return thaw::square(thaw::dropout(x[0], rule)); });
}

// Which column of each row is the largest: exact, with equal numbers and rows longer than a block.
template <class B, class R>
void check_largest(Side<B, R> side) {
  thaw::ContextScope<typename B::Context> memory(side.context);
  const Arrays<B, R> arrays{side.context};
  for (const Index columns : {1, 7, 600}) {
    Numbers numbers = draw<R>(Input{9, columns}, 21);
    for (double& x : numbers) x = std::floor(2 * x);  // many are equal
    Numbers expected, got;
    for (auto row = numbers.begin(); row != numbers.end(); row += columns)
      expected.push_back(static_cast<double>(std::max_element(row, row + columns) - row));
    std::int32_t found[9] = {};
    B::largest_columns(side.context, Index(9), columns, arrays.make({9, columns}, numbers).data, found);
    got.assign(found, found + 9);
    side.report.add("largest of " + std::to_string(columns) + side.type(), error_of(got, expected), 0);
  }
}

template <class B, class R>
void check_fields(Side<B, R> side) {
  for (const Index width : {1, 16, 40})
    side.compare("pairwise_sum, width " + std::to_string(width), {{Shape{37, 3, width}, -1, 1}},
                 [](const auto* x) { return thaw::square(thaw::pairwise_sum(x[0])); });
  check_largest(side);
}

template <class B, class R>
void check_elementwise(Side<B, R> side) {
  check_functions(side);
  check_pairs(side);
  check_moves(side);
  check_sums(side);
  check_rows(side);
  check_fields(side);
}

}  // namespace device_checks
