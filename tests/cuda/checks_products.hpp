// Checks of matrix products, look-ups, attention and the loss over tokens.
#pragma once

#include "tests/cuda/report.hpp"
#include "thaw/ops/axial_block.hpp"
#include "thaw/ops/cross_entropy.hpp"
#include "thaw/ops/relu_projection.hpp"
#include "thaw/ops/rms_norm.hpp"
#include "thaw/ops/segment_attention.hpp"

namespace device_checks {

// Sums of many products of either sign: what a float keeps of them falls with their number.
template <class B, class R>
void check_products(Side<B, R> side) {
  using thaw::Transpose;
  for (const Transpose t : {Transpose::none, Transpose::first, Transpose::second, Transpose::both}) {
    const bool first = thaw::op::has(t, Transpose::first), second = thaw::op::has(t, Transpose::second);
    const auto product = [t](const auto* x) { return thaw::matmul(x[0], x[1], t); };
    const std::string name =
        std::string("matmul") + (first ? ", first turned" : "") + (second ? ", second turned" : "");
    const auto shape = [](bool turned, Index rows, Index columns) {
      return turned ? Input{columns, rows} : Input{rows, columns};
    };
    side.compare(name + ", small", {shape(first, 3, 5), shape(second, 5, 7)}, product);
    side.compare(name, {shape(first, 45, 70), shape(second, 70, 33)}, product);
  }
  const auto plain = [](const auto* x) { return thaw::matmul(x[0], x[1]); };
  side.compare("matmul, batch", {{6, 33, 20}, {6, 20, 17}}, plain);
  side.compare("matmul, one row", {{1, 300}, {300, 200}}, plain);
  side.compare("matmul, one column", {{300, 200}, {200, 1}}, plain);
  side.compare("matmul, one inner", {{300, 1}, {1, 200}}, plain);
  side.compare("matmul, no rows", {{0, 5}, {5, 3}}, plain);
  side.compare("linear, small", {{4, 3}, {2, 3}, {2}}, [](const auto* x) { return thaw::linear(x[0], x[1], x[2]); });
  side.compare("linear", {{5, 20, 65}, {40, 65}, {40}}, [](const auto* x) { return thaw::linear(x[0], x[1], x[2]); });
  side.compare("relu_projection", {{50, 40}, {30, 40}},
               [](const auto* x) { return thaw::relu_projection(x[0], x[1]); });
  for (const Index columns : {1, 31, 64, 2500})
    side.compare(
        "rms_norm, rows of " + std::to_string(columns), {{70, columns}, {columns}},
        [](const auto* x) { return thaw::rms_norm(x[0], x[1], 1e-2); }, 2, 2);
}

namespace lookups {
inline constexpr std::int32_t kIds[] = {3, -1, 0, 3, 3, 6, 2, -1, 1, 3};
inline constexpr std::int32_t kOffsets[] = {0, 2, 2, 5, 9, 10}, kLater[] = {2, 5, 5, 10};
inline constexpr std::int32_t kColumns[] = {2, 0, 1, 2}, kNone[] = {-1, -1};
}  // namespace lookups

template <class B, class R>
void check_lookups(Side<B, R> side) {
  const std::int32_t* const ids = lookups::kIds;
  const auto look = [&](const char* name, const thaw::Bags& bags) {
    side.compare(std::string("gather, ") + name, {{7, 33}},
                 [bags](const auto* x) { return thaw::square(thaw::gather(x[0], bags)); });
    side.compare(std::string("scatter, ") + name, {{bags.count, 33}},
                 [bags](const auto* x) { return thaw::square(thaw::scatter(x[0], bags, 7)); });
  };
  look("one id each", {ids, nullptr, 10, false});
  look("bags", {ids, lookups::kOffsets, 5, false});
  look("means of bags", {ids, lookups::kOffsets, 5, true});
  look("bags that start later", {ids, lookups::kLater, 3, true});
  look("nothing", {ids, nullptr, 0, false});
  side.compare("pick", {{4, 3}}, [](const auto* x) { return thaw::square(thaw::pick(x[0], lookups::kColumns)); });
  side.compare("place", {{4}}, [](const auto* x) { return thaw::square(thaw::place(x[0], lookups::kColumns, 3)); });
  side.compare("token_cross_entropy", {{10, 9}},
               [](const auto* x) { return thaw::token_cross_entropy(x[0], lookups::kIds); });
  side.compare("token_cross_entropy, no class", {{2, 9}},
               [](const auto* x) { return thaw::token_cross_entropy(x[0], lookups::kNone); });
}

template <class B, class R>
void check_attention(Side<B, R> side) {
  side.compare("attention along an axis", {{2, 5, 3, 8}, {2, 7, 3, 8}, {2, 7, 3, 8}}, [](const auto* x) {
    return thaw::attention_mix(thaw::softmax(thaw::attention_scores(x[0], x[1], 4)), x[2]);
  });
  side.compare("attention over 40 tokens", {{1, 40, 2, 6}, {1, 40, 2, 6}, {1, 40, 2, 6}}, [](const auto* x) {
    return thaw::attention_mix(thaw::softmax(thaw::attention_scores(x[0], x[1], 2)), x[2]);
  });
  static constexpr std::int32_t rows[] = {0, 4, 4, 40, 41}, seen[] = {0, 6, 9, 45, 80};
  thaw::SegmentAttentionSettings plain{{rows, 4}, {rows, 4}, 2, 40};
  const Input q{41, 6}, bias{2, 81};
  const auto attend = [&](const char* name, const thaw::SegmentAttentionSettings& s) {
    side.compare(
        std::string("segment_attention, ") + name, {q, q, q, bias},
        [s](const auto* x) { return thaw::segment_attention(x[0], x[1], x[2], x[3], s); }, 2, 2);
  };
  side.compare(
      "segment_attention, no bias", {q, q, q},
      [&](const auto* x) { return thaw::segment_attention(x[0], x[1], x[2], plain); }, 2, 2);
  attend("biased", plain);
  thaw::SegmentAttentionSettings other = plain;
  other.causal = true;
  other.scale = 0.5;
  attend("causal and scaled", other);
  other.dropout = thaw::DropoutRule::make(0.2, thaw::Key{7}, 1);
  attend("causal and dropped", other);
  const thaw::SegmentAttentionSettings across{{rows, 4}, {seen, 4}, 3};
  side.compare(
      "segment_attention, other keys", {q, {80, 6}, {80, 6}},
      [&](const auto* x) { return thaw::segment_attention(x[0], x[1], x[2], across); }, 2, 2);
}

template <class B, class R>
void check_axial_block(Side<B, R> side) {
  const Index width = 8, hidden = 16;
  const Input square{Shape{width, width}, -0.4, 0.4}, row{width};
  const std::vector<Input> inputs = {{2, 5, 3, width},
                                     row,
                                     row,
                                     square,
                                     row,
                                     square,
                                     row,
                                     square,
                                     row,
                                     square,
                                     row,
                                     square,
                                     row,
                                     row,
                                     row,
                                     {Shape{hidden, width}, -0.4, 0.4},
                                     {hidden},
                                     {Shape{width, hidden}, -0.4, 0.4},
                                     row};
  thaw::AxialBlockSettings settings{2, 0.35, 1e-5, thaw::DropoutRule::make(0.1, thaw::Key{3}, 1), nullptr};
  side.compare(
      "axial_block", inputs,
      [settings](const auto* x) {
        return thaw::op::AxialBlock::compose(settings, x, thaw::op::AxialBlock::input_count);
      },
      2, 10);
}

template <class B, class R>
void check_operations(Side<B, R> side) {
  check_products(side);
  check_lookups(side);
  check_attention(side);
  check_axial_block(side);
}

}  // namespace device_checks
