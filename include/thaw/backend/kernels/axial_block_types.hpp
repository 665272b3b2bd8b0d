// Shapes, parameters and the work plan of the fused transformer block along one axis.
//
//   AxialBlockShape shape{.outer = 8, .tokens = 32, .inner = 32, .width = 144, .heads = 8, .hidden = 576};
//   std::size_t bytes = axial_block_saved_bytes(shape);
//
// Not the computation: that is axial_block.hpp. Not an array type: plain pointers only.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

// Input and output are contiguous (outer, tokens, inner, width). Attention runs along `tokens`; there are
// outer * inner groups, each with its own attention map.
struct AxialBlockShape {
  Index outer = 1;
  Index tokens = 1;
  Index inner = 1;
  Index width = 1;
  Index heads = 1;
  Index hidden = 1;
};

// The eighteen parameter tensors; matrices are row-major (out, in). `Pointer` is `const float*` for weights and
// `float*` for gradients, so both go by the same names.
template <class Pointer>
struct AxialBlockParams {
  Pointer norm_query_weight{}, norm_query_bias{};    // (width)
  Pointer query_weight{}, query_bias{};              // (width, width), (width)
  Pointer key_weight{}, key_bias{};                  // (width, width), (width)
  Pointer value_weight{}, value_bias{};              // (width, width), (width)
  Pointer output_weight{}, output_bias{};            // (width, width), (width)
  Pointer residual_weight{}, residual_bias{};        // (width, width), (width)
  Pointer norm_hidden_weight{}, norm_hidden_bias{};  // (width)
  Pointer expand_weight{}, expand_bias{};            // (hidden, width), (hidden)
  Pointer contract_weight{}, contract_bias{};        // (width, hidden), (width)
};

// Which instructions to use. `automatic` takes the best that the processor has; results agree to rounding.
enum class AxialInstructions : std::uint8_t { automatic, portable, avx2, avx512 };

struct AxialBlockOptions {
  float scale = 1.0F;      // multiplies queries times keys
  float epsilon = 1e-12F;  // of both layer norms
  float dropout = 0.0F;    // in [0, 1); 0 while not training
  std::uint64_t key = 0;   // of the dropout decisions
  std::uint32_t site = 0;  // sites site .. site + 3: attention, attention output, hidden, feed-forward output
  int threads = 1;         // used only where the compiler has OpenMP on
  AxialInstructions instructions = AxialInstructions::automatic;
};

namespace detail {

// Sixteen tokens side by side, feature by feature: element (feature, lane) at feature * 16 + lane. Every
// intermediate is held in such tiles, whatever the instruction set, so a saved buffer fits them all.
inline constexpr Index kAxialLanes = 16;
// Enough tiles to use each weight read from the outer caches often, few enough that a block stays in L2.
inline constexpr Index kAxialBlockTiles = 4;

constexpr Index axial_round_up(Index count, Index multiple) { return (count + multiple - 1) / multiple * multiple; }

// How the tokens of a shape are dealt to tiles. Lanes run along the tokens of one group, or, where that wastes
// fewer lanes, across sixteen groups ("across"), with one tile for each token.
struct AxialPlan {
  AxialBlockShape shape;
  Index groups, head_width, units, unit_tiles, block_units, block_tiles, padded_width, padded_hidden;
  bool across;
  // One saved tile, in floats: query, key, value, attention output, sum, hidden, then bits of the kept elements.
  Index saved_query, saved_key, saved_value, saved_attended, saved_sum, saved_hidden;
  Index saved_map_bits, saved_output_bits, saved_hidden_bits, saved_final_bits, saved_tile;

  explicit constexpr AxialPlan(const AxialBlockShape& s)
      : shape(s), groups(s.outer * s.inner), head_width(s.width / s.heads) {
    const Index along_tiles = groups * ((s.tokens + kAxialLanes - 1) / kAxialLanes);
    const Index across_tiles = (groups + kAxialLanes - 1) / kAxialLanes * s.tokens;
    across = across_tiles < along_tiles && s.tokens * s.width <= 2048;
    units = across ? (groups + kAxialLanes - 1) / kAxialLanes : groups;
    unit_tiles = across ? s.tokens : (s.tokens + kAxialLanes - 1) / kAxialLanes;
    const Index wanted = (s.width <= 32 ? 4 : 1) * kAxialBlockTiles;
    block_units = unit_tiles >= wanted ? 1 : wanted / unit_tiles;
    if (block_units > units) block_units = units;
    block_tiles = block_units * unit_tiles;
    padded_width = axial_round_up(s.width, kAxialLanes);
    padded_hidden = axial_round_up(s.hidden, kAxialLanes);
    saved_query = 0;
    saved_key = saved_query + s.width * kAxialLanes;
    saved_value = saved_key + s.width * kAxialLanes;
    saved_attended = saved_value + s.width * kAxialLanes;
    saved_sum = saved_attended + s.width * kAxialLanes;
    saved_hidden = saved_sum + s.width * kAxialLanes;
    saved_map_bits = saved_hidden + s.hidden * kAxialLanes;
    saved_output_bits = saved_map_bits + s.heads * bit_words(s.tokens);
    saved_hidden_bits = saved_output_bits + bit_words(s.width);
    saved_final_bits = saved_hidden_bits + bit_words(s.hidden);
    saved_tile = saved_final_bits + bit_words(s.width);
  }
  // Words that hold one bit for each (feature, lane) of a tile: bit f % 32 of word (f / 32, lane).
  static constexpr Index bit_words(Index features) { return (features + 31) / 32 * kAxialLanes; }
  constexpr Index tiles() const { return units * unit_tiles; }
};

}  // namespace detail
}  // namespace thaw::inline v0
