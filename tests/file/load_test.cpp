#include "thaw/file/load.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "tests/file/safetensors_bytes.hpp"

using namespace file_test;
using thaw::Index;
using thaw::TensorEntry;
using thaw::TensorType;

namespace {

template <class Stored>
TensorEntry entry_of(TensorType type, const std::vector<Stored>& values, std::string& storage, std::size_t shift = 0) {
  storage.assign(shift, '#');
  storage.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Stored));
  TensorEntry entry;
  entry.name_text[0] = 'x';
  entry.name_size = 1;
  entry.type = type;
  entry.rank = 1;
  entry.dims[0] = static_cast<Index>(values.size());
  entry.data = reinterpret_cast<const std::byte*>(storage.data()) + shift;
  entry.bytes = storage.size() - shift;
  return entry;
}

}  // namespace

TEST_CASE("all 65536 half-precision numbers, by the definition of the format") {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  std::string storage;
  const TensorEntry entry = entry_of(TensorType::f16, bits, storage);
  std::vector<double> values(65536);
  CHECK(thaw::copy_tensor(entry, values.data(), values.size()).ok());
  int wrong = 0;
  for (int i = 0; i < 65536; ++i) {
    const int exponent = (i >> 10) & 31;
    const int fraction = i & 1023;
    const double sign = i >= 32768 ? -1 : 1;
    const double value = values[static_cast<std::size_t>(i)];
    if (exponent == 31 && fraction != 0) {
      wrong += !std::isnan(value);
      continue;
    }
    const double expected = exponent == 31  ? sign * std::numeric_limits<double>::infinity()
                            : exponent == 0 ? sign * std::ldexp(fraction, -24)
                                            : sign * std::ldexp(1024 + fraction, exponent - 25);
    wrong += value != expected || std::signbit(value) != (sign < 0);
  }
  CHECK(wrong == 0);
}

TEST_CASE("every floating-point type at every misalignment") {
  const std::vector<double> expected = {0.0, -0.0, 1.5, -2.25, 65280.0};
  const std::vector<float> singles = {0.0f, -0.0f, 1.5f, -2.25f, 65280.0f};
  const std::vector<std::uint16_t> halves = {0x0000, 0x8000, 0x3E00, 0xC080, 0x7BF8};
  const std::vector<std::uint16_t> brains = {0x0000, 0x8000, 0x3FC0, 0xC010, 0x477F};
  std::string storage;
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const auto check = [&](const TensorEntry& entry) {
      float narrow[5];
      double wide[5];
      CHECK(thaw::copy_tensor(entry, narrow, 5).ok());
      CHECK(thaw::copy_tensor(entry, wide, 5).ok());
      for (std::size_t i = 0; i < 5; ++i) {
        CHECK(wide[i] == expected[i]);
        CHECK(narrow[i] == static_cast<float>(expected[i]));
        CHECK(std::signbit(wide[i]) == std::signbit(expected[i]));
      }
    };
    check(entry_of(TensorType::f64, expected, storage, shift));
    check(entry_of(TensorType::f32, singles, storage, shift));
    check(entry_of(TensorType::f16, halves, storage, shift));
    check(entry_of(TensorType::bf16, brains, storage, shift));
  }
}

TEST_CASE("doubles are rounded to nearest when copied to float") {
  std::string storage;
  const TensorEntry entry = entry_of(TensorType::f64, std::vector<double>{0.1, 1.0 + 0x1p-25, 16777217.0}, storage);
  float out[3];
  CHECK(thaw::copy_tensor(entry, out, 3).ok());
  CHECK(out[0] == 0.1f);
  CHECK(out[1] == 1.0f);
  CHECK(out[2] == 16777216.0f);
}

TEST_CASE("whole numbers are copied exactly or refused") {
  std::string storage;
  const std::vector<std::int64_t> large = {-1, 127, INT64_MIN, INT64_MAX};
  std::int64_t back[4];
  CHECK(thaw::copy_tensor(entry_of(TensorType::i64, large, storage), back, 4).ok());
  CHECK(std::memcmp(back, large.data(), sizeof back) == 0);
  std::int32_t narrow[4];
  const auto cut = thaw::copy_tensor(entry_of(TensorType::i64, large, storage), narrow, 4);
  CHECK_FALSE(cut.ok());
  CHECK(mentions(cut.fault().text, "tensor 'x', element 2: -9223372036854775808 does not fit"));
  const auto negative = thaw::copy_tensor(entry_of(TensorType::i8, std::vector<std::int8_t>{3, -1}, storage),
                                          reinterpret_cast<std::uint64_t*>(back), 2);
  CHECK_FALSE(negative.ok());
  CHECK(mentions(negative.fault().text, "element 1: -1 does not fit"));
  const auto above =
      thaw::copy_tensor(entry_of(TensorType::u64, std::vector<std::uint64_t>{UINT64_MAX}, storage), back, 1);
  CHECK_FALSE(above.ok());
  CHECK(thaw::copy_tensor(entry_of(TensorType::u16, std::vector<std::uint16_t>{65535}, storage, 1), narrow, 1).ok());
  CHECK(narrow[0] == 65535);
}

TEST_CASE("wrong type or number of elements") {
  std::string storage;
  float out[2];
  const auto type = thaw::copy_tensor(entry_of(TensorType::i32, std::vector<std::int32_t>{1, 2}, storage), out, 2);
  CHECK_FALSE(type.ok());
  CHECK(mentions(type.fault().text, "tensor 'x' holds I32, expected F64, F32, F16 or BF16"));
  const auto count = thaw::copy_tensor(entry_of(TensorType::f32, std::vector<float>{1, 2, 3}, storage), out, 2);
  CHECK_FALSE(count.ok());
  CHECK(count.fault().kind == thaw::FaultKind::mismatch);
  CHECK(mentions(count.fault().text, "tensor 'x' has 3 elements, expected 2; the file belongs to another model"));
  std::int32_t whole[1];
  const auto real = thaw::copy_tensor(entry_of(TensorType::f32, std::vector<float>{1}, storage), whole, 1);
  CHECK_FALSE(real.ok());
  CHECK(mentions(real.fault().text, "holds F32, expected a type of whole numbers"));
}

TEST_CASE("bind points into the file, and says what is in the way") {
  std::string header = "{" + record_of("w", "F32", "2,3", "0,24") + "," + record_of("h", "F16", "2", "24,28") + "," +
                       record_of("one", "U8", "1", "28,29") + "," + record_of("late", "F32", "1", "29,33") + "}";
  header.resize(64 * ((header.size() + 8 + 63) / 64) - 8, ' ');
  const std::string bytes = file_of(header, 33);
  std::vector<std::byte> storage(bytes.size() + 64);
  std::byte* place = storage.data();
  while (reinterpret_cast<std::uintptr_t>(place) % 64 != 0) ++place;
  std::memcpy(place, bytes.data(), bytes.size());
  const auto view = thaw::SafetensorsView::open(place, bytes.size());
  CHECK(view.ok());
  if (!view) return;
  const Index dims[2] = {2, 3};
  const auto bound = thaw::bind_f32(view.value(), "w", dims, 2, 64);
  CHECK(bound.ok());
  CHECK(static_cast<const void*>(bound.value()) == place + 8 + header.size());
  const auto message = [&](const char* name, const Index* shape, int rank) {
    const auto result = thaw::bind_f32(view.value(), name, shape, rank);
    return result ? std::string() : std::string(result.fault().text);
  };
  const Index other[2] = {3, 2};
  const Index two[1] = {2};
  const Index one[1] = {1};
  CHECK(mentions(message("w", other, 2), "tensor 'w' has shape (2, 3), expected (3, 2)"));
  CHECK(mentions(message("w", two, 1), "has shape (2, 3), expected (2)"));
  CHECK(mentions(message("h", two, 1), "tensor 'h' holds F16, expected F32; copy_tensor converts, bind does not"));
  CHECK(mentions(message("late", one, 1), "which is not a multiple of 4 in memory; use copy_tensor"));
  CHECK(mentions(message("none", one, 1), "no tensor 'none'"));
}

TEST_CASE("all_finite finds NaN and infinity in every floating-point type") {
  std::string storage;
  const auto message = [](const TensorEntry& entry) {
    const auto result = thaw::all_finite(entry);
    return result ? std::string() : std::string(result.fault().text);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(message(entry_of(TensorType::f32, std::vector<float>{1, 3e38f, -1e-45f}, storage)) == "");
  CHECK(mentions(message(entry_of(TensorType::f32, std::vector<float>{1, nan}, storage)),
                 "tensor 'x', element 1 is not a finite number"));
  CHECK(message(entry_of(TensorType::f32, std::vector<float>{-infinity}, storage)) != "");
  CHECK(message(entry_of(TensorType::f64, std::vector<double>{1, double(nan)}, storage)) != "");
  CHECK(message(entry_of(TensorType::f64, std::vector<double>{1e308}, storage)) == "");
  CHECK(message(entry_of(TensorType::f16, std::vector<std::uint16_t>{0x7BFF}, storage)) == "");
  CHECK(message(entry_of(TensorType::f16, std::vector<std::uint16_t>{0x7C00}, storage)) != "");
  CHECK(message(entry_of(TensorType::bf16, std::vector<std::uint16_t>{0x7F7F}, storage)) == "");
  CHECK(message(entry_of(TensorType::bf16, std::vector<std::uint16_t>{0xFF80}, storage)) != "");
  CHECK(message(entry_of(TensorType::i32, std::vector<std::int32_t>{-1}, storage)) == "");

  // A file with a NaN is read; only the question finds it.
  std::string file =
      file_of("{" + record_of("a", "F32", "1", "0,4") + "," + record_of("b", "F32", "1", "4,8") + "}", 8);
  std::memcpy(file.data() + file.size() - 4, &nan, 4);
  const auto view = thaw::SafetensorsView::open(file.data(), file.size());
  CHECK(view.ok());
  if (!view) return;
  const auto whole = thaw::all_finite(view.value());
  CHECK_FALSE(whole.ok());
  CHECK(mentions(whole.fault().text, "tensor 'b', element 0"));
}
