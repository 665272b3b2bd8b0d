// Element types that a safetensors file may hold, with their names and sizes.
//
//   tensor_type_name(TensorType::f32);   // "F32"
//   tensor_type_size(TensorType::bf16);  // 2
//
// The list is the format's own, less its types below one byte. Not the list of types this library computes in.
#pragma once

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

enum class TensorType : std::uint8_t {
  boolean,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  f64,
  i64,
  u64,
  c64
};

inline constexpr int kTensorTypes = 16;

inline const char* tensor_type_name(TensorType type) {
  constexpr const char* kNames[kTensorTypes] = {"BOOL", "U8",  "I8",  "F8_E5M2", "F8_E4M3", "I16", "U16", "F16",
                                                "BF16", "I32", "U32", "F32",     "F64",     "I64", "U64", "C64"};
  return kNames[static_cast<int>(type)];
}

// Bytes of one element.
constexpr std::size_t tensor_type_size(TensorType type) {
  constexpr unsigned char kSizes[kTensorTypes] = {1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8, 8};
  return kSizes[static_cast<int>(type)];
}

// The file type that holds values of a C++ type as they lie in memory.
template <class T>
struct TensorTypeOf;
template <>
struct TensorTypeOf<float> {
  static constexpr TensorType value = TensorType::f32;
};
template <>
struct TensorTypeOf<double> {
  static constexpr TensorType value = TensorType::f64;
};
template <>
struct TensorTypeOf<std::int8_t> {
  static constexpr TensorType value = TensorType::i8;
};
template <>
struct TensorTypeOf<std::uint8_t> {
  static constexpr TensorType value = TensorType::u8;
};
template <>
struct TensorTypeOf<std::int16_t> {
  static constexpr TensorType value = TensorType::i16;
};
template <>
struct TensorTypeOf<std::uint16_t> {
  static constexpr TensorType value = TensorType::u16;
};
template <>
struct TensorTypeOf<std::int32_t> {
  static constexpr TensorType value = TensorType::i32;
};
template <>
struct TensorTypeOf<std::uint32_t> {
  static constexpr TensorType value = TensorType::u32;
};
template <>
struct TensorTypeOf<std::int64_t> {
  static constexpr TensorType value = TensorType::i64;
};
template <>
struct TensorTypeOf<std::uint64_t> {
  static constexpr TensorType value = TensorType::u64;
};

}  // namespace thaw::inline v0
