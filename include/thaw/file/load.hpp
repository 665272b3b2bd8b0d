// From a file's tensor to numbers: bind in place without copying, or copy with conversion.
//
//   const Index dims[2] = {64, 32};
//   Result<const float*> weight = bind_f32(view, "tower.0.weight", dims, 2);   // points into the file
//   if (!weight) ...  // wrong type or place: copy instead
//   Result<Done> copied = copy_tensor(entry, buffer, 64 * 32);                 // F64, F32, F16, BF16 to float
//
// Allocates nothing; runs on a device. Not a model loader: names and shapes come from the caller's plan.
#pragma once

#include <bit>

#include "thaw/file/safetensors_scan.hpp"

namespace thaw::inline v0 {

namespace detail {

// Little-endian bytes to a number, at any alignment and on any host.
template <class Bits>
Bits read_bits(const std::byte* bytes) {
  Bits bits = 0;
  for (std::size_t i = sizeof(Bits); i-- > 0;)
    bits = static_cast<Bits>(static_cast<std::uint64_t>(bits) << 8 | static_cast<std::uint64_t>(bytes[i]));
  return bits;
}

inline float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1Fu;
  const std::uint32_t fraction = bits & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float subnormal = static_cast<float>(fraction) * 0x1p-24f;  // exact: subnormal halves are normal floats
  return sign != 0 ? -subnormal : subnormal;
}

inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// convert(i) for every element; the type is looked at once.
template <class Real, class Convert>
void convert_all(Real* out, std::size_t count, const Convert& convert) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<Real>(convert(i));
}

inline Fault other_type(const TensorEntry& entry, const char* wanted, const char* advice) {
  return make_fault(FaultKind::mismatch, "tensor '", entry.name(), "' holds ", tensor_type_name(entry.type),
                    ", expected ", wanted, "; ", advice);
}

inline bool check_count(const TensorEntry& entry, std::size_t count, Fault& fault) {
  if (entry.count() == count) return true;
  fault = make_fault(FaultKind::mismatch, "tensor '", entry.name(), "' has ", entry.count(), " elements, expected ",
                     count, "; the file belongs to another model or configuration");
  return false;
}

// "(64, 32)" into a message.
struct DimsText {
  const Index* dims;
  int rank;
  void describe(Fault& fault) const {
    fault.add('(');
    for (int i = 0; i < rank; ++i) {
      if (i > 0) fault.add(", ");
      fault.add(dims[i]);
    }
    fault.add(')');
  }
};

}  // namespace detail

// Copies a tensor of floating-point numbers, converted to `Real` (rounded to nearest where it is narrower, so a
// double beyond the range of float becomes infinity).
// `count` must be the tensor's own number of elements. Any alignment, any host.
template <class Real>
requires(std::is_floating_point_v<Real>) Result<Done> copy_tensor(const TensorEntry& entry, Real* out,
                                                                  std::size_t count) {
  Fault fault;
  if (!detail::check_count(entry, count, fault)) return fault;
  const std::byte* data = entry.data;
  if (std::endian::native == std::endian::little && entry.type == TensorTypeOf<Real>::value) {
    if (count > 0) __builtin_memcpy(out, data, entry.bytes);
    return Done{};
  }
  switch (entry.type) {
    case TensorType::f64:
      detail::convert_all(out, count, [=](std::size_t i) {
        return std::bit_cast<double>(detail::read_bits<std::uint64_t>(data + 8 * i));
      });
      return Done{};
    case TensorType::f32:
      detail::convert_all(out, count, [=](std::size_t i) {
        return std::bit_cast<float>(detail::read_bits<std::uint32_t>(data + 4 * i));
      });
      return Done{};
    case TensorType::f16:
      detail::convert_all(out, count, [=](std::size_t i) {
        return detail::half_to_float(detail::read_bits<std::uint16_t>(data + 2 * i));
      });
      return Done{};
    case TensorType::bf16:
      detail::convert_all(out, count, [=](std::size_t i) {
        return detail::bfloat16_to_float(detail::read_bits<std::uint16_t>(data + 2 * i));
      });
      return Done{};
    default:
      return detail::other_type(entry, "F64, F32, F16 or BF16", "convert it when the file is written");
  }
}

namespace detail {

template <class Stored, class Whole>
Result<Done> copy_whole(const TensorEntry& entry, Whole* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    using Bits = std::make_unsigned_t<Stored>;
    const auto value = static_cast<Stored>(read_bits<Bits>(entry.data + sizeof(Stored) * i));
    out[i] = static_cast<Whole>(value);
    if (static_cast<Stored>(out[i]) == value && (out[i] < Whole(0)) == (value < Stored(0))) continue;
    return make_fault(FaultKind::out_of_range, "tensor '", entry.name(), "', element ", i, ": ", value,
                      " does not fit the type asked for");
  }
  return Done{};
}

}  // namespace detail

// Copies a tensor of whole numbers. A value that does not fit `Whole` is a fault, never cut.
template <class Whole>
requires(std::is_integral_v<Whole> && !std::is_same_v<Whole, bool>) Result<Done> copy_tensor(const TensorEntry& entry,
                                                                                             Whole* out,
                                                                                             std::size_t count) {
  Fault fault;
  if (!detail::check_count(entry, count, fault)) return fault;
  switch (entry.type) {
    case TensorType::i64:
      return detail::copy_whole<std::int64_t>(entry, out, count);
    case TensorType::u64:
      return detail::copy_whole<std::uint64_t>(entry, out, count);
    case TensorType::i32:
      return detail::copy_whole<std::int32_t>(entry, out, count);
    case TensorType::u32:
      return detail::copy_whole<std::uint32_t>(entry, out, count);
    case TensorType::i16:
      return detail::copy_whole<std::int16_t>(entry, out, count);
    case TensorType::u16:
      return detail::copy_whole<std::uint16_t>(entry, out, count);
    case TensorType::i8:
      return detail::copy_whole<std::int8_t>(entry, out, count);
    case TensorType::u8:
      return detail::copy_whole<std::uint8_t>(entry, out, count);
    default:
      return detail::other_type(entry, "a type of whole numbers", "convert it when the file is written");
  }
}

// A fault names both shapes when they differ.
inline Result<Done> check_dims(const TensorEntry& entry, const Index* dims, int rank) {
  bool same = entry.rank == rank;
  for (int i = 0; same && i < rank; ++i) same = entry.dims[i] == dims[i];
  if (same) return Done{};
  return make_fault(FaultKind::mismatch, "tensor '", entry.name(), "' has shape ",
                    detail::DimsText{entry.dims, entry.rank}, ", expected ", detail::DimsText{dims, rank},
                    "; the file belongs to another model or configuration");
}

// The tensor's numbers where they lie in the file. `alignment`: what the caller's code needs, at least alignof(T).
template <class T>
Result<const T*> bind_entry(const TensorEntry& entry, const Index* dims, int rank, std::size_t alignment = alignof(T)) {
  if constexpr (std::endian::native != std::endian::little)
    return make_fault(FaultKind::unsupported, "tensor '", entry.name(),
                      "' cannot be bound on a big-endian machine; use copy_tensor");
  if (Result<Done> dims_checked = check_dims(entry, dims, rank); !dims_checked) return dims_checked.fault();
  if (entry.type != TensorTypeOf<T>::value)
    return detail::other_type(entry, tensor_type_name(TensorTypeOf<T>::value), "copy_tensor converts, bind does not");
  const auto address = reinterpret_cast<std::uintptr_t>(entry.data);
  if (address % (alignment < alignof(T) ? alignof(T) : alignment) != 0)
    return make_fault(FaultKind::unsupported, "tensor '", entry.name(), "' lies at file offset ", entry.offset,
                      ", which is not a multiple of ", alignment,
                      " in memory; use copy_tensor, or write the file again with this library");
  return reinterpret_cast<const T*>(entry.data);
}

// Finds a tensor of a plan by name and binds it.
template <class T>
Result<const T*> bind_tensor(const SafetensorsView& view, TextView name, const Index* dims, int rank,
                             std::size_t alignment = alignof(T)) {
  const Result<TensorEntry> entry = view.find(name);
  if (!entry) return entry.fault();
  return bind_entry<T>(entry.value(), dims, rank, alignment);
}
inline Result<const float*> bind_f32(const SafetensorsView& view, TextView name, const Index* dims, int rank,
                                     std::size_t alignment = alignof(float)) {
  return bind_tensor<float>(view, name, dims, rank, alignment);
}
inline Result<const float*> bind_f32(const SafetensorsView& view, const char* name, const Index* dims, int rank,
                                     std::size_t alignment = alignof(float)) {
  return bind_tensor<float>(view, text_view(name), dims, rank, alignment);
}

// A fault names the first NaN or infinity. The format allows them, so reading does not look; ask when it matters.
// Types without infinities pass.
inline Result<Done> all_finite(const TensorEntry& entry) {
  const bool wide = entry.type == TensorType::f64;
  std::uint64_t exponent = 0;  // all ones in the exponent: NaN or infinity
  if (wide) exponent = 0x7FF0000000000000u;
  if (entry.type == TensorType::f32) exponent = 0x7F800000u;
  if (entry.type == TensorType::f16) exponent = 0x7C00u;
  if (entry.type == TensorType::bf16) exponent = 0x7F80u;
  if (exponent == 0) return Done{};
  const std::size_t size = tensor_type_size(entry.type);
  for (std::size_t i = 0; i < entry.count(); ++i) {
    const std::byte* at = entry.data + size * i;
    const std::uint64_t bits = wide        ? detail::read_bits<std::uint64_t>(at)
                               : size == 4 ? detail::read_bits<std::uint32_t>(at)
                                           : detail::read_bits<std::uint16_t>(at);
    if ((bits & exponent) == exponent)
      return make_fault(FaultKind::out_of_range, "tensor '", entry.name(), "', element ", i,
                        " is not a finite number; the training that wrote it diverged");
  }
  return Done{};
}
inline Result<Done> all_finite(SafetensorsView view) {
  TensorEntry entry;
  view.rewind();
  while (view.next(entry))
    if (Result<Done> finite = all_finite(entry); !finite) return finite;
  return Done{};
}

}  // namespace thaw::inline v0
