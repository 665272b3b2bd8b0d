#include "thaw/file/safetensors_write.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/file/safetensors_bytes.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/file/load.hpp"
#include "thaw/file/metadata.hpp"
#include "thaw/file/safetensors_file.hpp"

using namespace file_test;
using namespace thaw_test;
using thaw::FileLayout;
using thaw::Index;
using thaw::SafetensorsFile;
using thaw::SafetensorsWriter;
using thaw::TensorEntry;
using thaw::TensorType;

namespace {

// What the independent reader in read_safetensors.py prints for a file; "" when there is no Python to run it.
std::string python_listing(const std::string& path) {
  std::FILE* pipe = ::popen(("python3 tests/file/read_safetensors.py '" + path + "' 2>&1").c_str(), "r");
  if (pipe == nullptr) return "";
  std::string out;
  char part[512];
  while (std::fgets(part, sizeof part, pipe) != nullptr) out += part;
  if (::pclose(pipe) == 0) return out;
  return mentions(out, "not found") ? "" : "failed: " + out;
}

std::string hex(const std::string& text) {
  std::string out;
  for (const char c : text) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += two;
  }
  return out;
}

const float* seven() {
  static constexpr float kValues[7] = {1, -2, 3, -4, 5, -6, 7.5f};
  return kValues;
}

// A writer with tensors whose sizes are not multiples of 64, and names and texts that need escapes.
SafetensorsWriter awkward() {
  static constexpr std::uint8_t kBytes[3] = {1, 2, 255};
  static constexpr double kReal[1] = {0.1};
  static constexpr std::int64_t kWhole[2] = {INT32_MIN, 7};
  static constexpr std::uint16_t kHalf[1] = {0x3C00};
  SafetensorsWriter writer;
  writer.add("bytes", {3}, kBytes);
  writer.add("quote\"back\\slash\n\x01/\xC3\xA9\xF0\x9F\x98\x80", {7, 1}, seven());
  writer.add("scalar", {}, kReal);
  writer.add("empty", {0, 4}, seven());
  writer.add("whole", {2}, kWhole);
  const Index one[1] = {1};
  writer.add("half", TensorType::f16, one, 1, kHalf);
  writer.set_metadata("k", "1");
  writer.set_metadata("k", "line\nquote\" \xE2\x82\xAC");
  writer.set_metadata("", "");
  return writer;
}

}  // namespace

TEST_CASE("an independent reader finds what was written") {
  const TemporaryFolder folder;
  for (const FileLayout layout : {FileLayout::aligned, FileLayout::compact}) {
    const std::string path = folder / "model.safetensors";
    const auto written = awkward().write(path, layout);
    CHECK(written.ok());
    const std::string listing = python_listing(path);
    if (listing.empty()) {
      MESSAGE("python3 not found: the cross check is left out");
      return;
    }
    CAPTURE(listing);
    // Weighted by (position mod 7) + 1, as the script does.
    const std::string strange = hex("quote\"back\\slash\n\x01/\xC3\xA9\xF0\x9F\x98\x80");
    const bool aligned = layout == FileLayout::aligned;
    const auto row = [&](const std::string& name, const char* rest) {
      return mentions(listing, ("tensor " + name + " " + rest).c_str());
    };
    CHECK(row(hex("bytes"), aligned ? "U8 3 0 770\n" : "U8 3 54 770\n"));
    CHECK(row(strange, aligned ? "F32 7x1 0 31.5\n" : "F32 7x1 24 31.5\n"));
    CHECK(row(hex("scalar"), "F64  0 0.10000000000000001\n"));
    CHECK(row(hex("empty"), "F32 0x4 "));
    CHECK(row(hex("whole"), aligned ? "I64 2 0 -2147483634\n" : "I64 2 8 -2147483634\n"));
    CHECK(row(hex("half"), aligned ? "F16 1 0 1\n" : "F16 1 52 1\n"));
    CHECK(mentions(listing, ("metadata " + hex("k") + " " + hex("line\nquote\" \xE2\x82\xAC") + "\n").c_str()));
    CHECK(mentions(listing, "metadata  \n"));
    CHECK(mentions(listing, hex("__pad.").c_str()) == aligned);
  }
}

TEST_CASE("a file written by the independent writer is read") {
  const auto file = SafetensorsFile::open("tests/file/python_written.safetensors");
  if (!file) MESSAGE(std::string(file.fault().text));
  CHECK(file.ok());
  if (!file) return;
  thaw::SafetensorsView view = file.value().view();
  // The listing of read_safetensors.py for that file.
  const struct {
    const char* name;
    TensorType type;
    std::vector<Index> dims;
    double weighted;
  } tensors[] = {
      {"brain", TensorType::bf16, {4}, -14.875},
      {"double", TensorType::f64, {2, 2}, 12.25},
      {"empty", TensorType::f32, {0, 9}, 0},
      {"half", TensorType::f16, {7}, -97.75},
      {"quote\"back\\slash", TensorType::i64, {3}, 28},
      {"scalar", TensorType::f32, {}, 7.75},
      {"six", TensorType::i16, {1, 2, 1, 2, 1, 2}, 666},
      {"weights/\xC3\xA9t\xC3\xA9", TensorType::f32, {3, 5}, 132.875},
      {"\xF0\x9F\x8E\xAC", TensorType::u8, {5}, 590},
  };
  CHECK(view.tensor_count() == 10);
  for (const auto& tensor : tensors) {
    CAPTURE(tensor.name);
    const auto entry = view.find(tensor.name);
    CHECK(entry.ok());
    if (!entry) continue;
    CHECK(entry.value().type == tensor.type);
    CHECK(thaw::check_dims(entry.value(), tensor.dims.data(), static_cast<int>(tensor.dims.size())).ok());
    std::vector<double> values(entry.value().count());
    if (tensor.type == TensorType::i64 || tensor.type == TensorType::i16 || tensor.type == TensorType::u8) {
      std::vector<std::int64_t> whole(values.size());
      CHECK(thaw::copy_tensor(entry.value(), whole.data(), whole.size()).ok());
      values.assign(whole.begin(), whole.end());
    } else {
      CHECK(thaw::copy_tensor(entry.value(), values.data(), values.size()).ok());
    }
    double weighted = 0;
    for (std::size_t i = 0; i < values.size(); ++i) weighted += static_cast<double>(i % 7 + 1) * values[i];
    CHECK(weighted == tensor.weighted);
  }
  const auto flags = view.find("flags");
  CHECK(flags.ok());
  if (flags) CHECK(flags.value().type == TensorType::boolean);
  const auto titles = thaw::metadata_list(view, "titles");
  CHECK(titles.ok());
  if (titles) CHECK(titles.value() == std::vector<std::string>{"Toy \"Story\"", "Am\xC3\xA9lie", "\xF0\x9F\x98\x80\n"});
}

TEST_CASE("aligned layout: every tensor and the data begin at 64 bytes; both layouts keep the values") {
  const TemporaryFolder folder;
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 1.0f);
  for (const FileLayout layout : {FileLayout::aligned, FileLayout::compact}) {
    SafetensorsWriter writer;
    for (Index n = 1; n <= 40; ++n) writer.add("t" + std::to_string(n), {n}, values.data() + n);
    for (Index n = 1; n <= 9; ++n)
      writer.add("b" + std::to_string(n), {n}, reinterpret_cast<const std::int8_t*>(values.data()));
    CHECK(writer.write(folder / "f", layout).ok());
    const auto file = SafetensorsFile::open(folder / "f");
    CHECK(file.ok());
    if (!file) return;
    CHECK(file.value().view().header_size() % 64 == 0);
    CHECK(file.value().view().tensor_count() == 49);
    for (Index n = 1; n <= 40; ++n) {
      const std::string name = "t" + std::to_string(n);
      const auto bound =
          thaw::bind_f32(file.value().view(), name.c_str(), &n, 1, layout == FileLayout::aligned ? 64 : 4);
      CHECK(bound.ok());
      if (!bound) continue;
      CHECK(std::memcmp(bound.value(), values.data() + n, static_cast<std::size_t>(n) * 4) == 0);
    }
  }
}

TEST_CASE("the same content gives the same bytes") {
  const TemporaryFolder folder;
  CHECK(awkward().write(folder / "a").ok());
  CHECK(awkward().write(folder / "b").ok());
  CHECK(contents_of(folder / "a").size() > 0);
  CHECK(contents_of(folder / "a") == contents_of(folder / "b"));
}

TEST_CASE("what cannot be written is refused and the old file stays") {
  const TemporaryFolder folder;
  const std::string path = folder / "f";
  CHECK(put_file(path, "old"));
  const auto message = [&](auto&& fill) {
    SafetensorsWriter writer;
    fill(writer);
    const auto done = writer.write(path);
    CHECK(contents_of(path) == "old");
    CHECK(folder.files() == 1);
    return done ? std::string() : std::string(done.fault().text);
  };
  const Index seven_dims[7] = {1, 1, 1, 1, 1, 1, 1};
  const Index negative[1] = {-1};
  const Index huge[3] = {Index(1) << 30, Index(1) << 30, 16};
  const Index one[1] = {1};
  using W = SafetensorsWriter;
  CHECK(
      mentions(message([&](W& w) { w.add("x", TensorType::f32, seven_dims, 7, seven()); }), "more than 6 dimensions"));
  CHECK(mentions(message([&](W& w) { w.add("x", TensorType::f32, negative, 1, seven()); }), "negative dimension"));
  CHECK(mentions(message([&](W& w) { w.add("x", TensorType::f32, huge, 3, seven()); }), "does not fit this machine"));
  CHECK(mentions(message([&](W& w) { w.add("x", TensorType::f32, one, 1, nullptr); }),
                 "tensor 'x' cannot be written: it has no data"));
  CHECK(mentions(message([&](W& w) { w.add("__metadata__", {1}, seven()); }), "this name is reserved"));
  CHECK(mentions(message([&](W& w) { w.add("__pad.7", {1}, seven()); }), "this name is reserved"));
  CHECK(mentions(message([&](W& w) { w.add(std::string(256, 'n'), {1}, seven()); }), "longer than 255 bytes"));
  CHECK(mentions(message([&](W& w) { w.add("\xE9t\xE9", {1}, seven()); }), "its name is not valid UTF-8"));
  CHECK(mentions(message([&](W& w) { w.set_metadata("title", "Am\xE9lie"); }),
                 "metadata 'title' cannot be written: it is not valid UTF-8; convert it"));
  CHECK(mentions(message([&](W& w) {
                   w.add("x", {1}, seven());
                   w.add("x", {1}, seven());
                 }),
                 "there is one of this name already"));
  CHECK(mentions(message([&](W& w) {
                   for (int i = 0; i < 257; ++i) w.set_metadata(std::to_string(i), "");
                 }),
                 "more than 256 metadata entries"));
  CHECK(mentions(message([&](W& w) {
                   for (int i = 0; i < 2049; ++i) w.add(std::to_string(i), {1}, seven());
                 }),
                 "more than 4096 tensors"));
}

TEST_CASE("messages of a file on disk begin with its path") {
  const TemporaryFolder folder;
  CHECK(put_file(folder / "f", "123"));
  const auto cut = SafetensorsFile::open(folder / "f");
  CHECK_FALSE(cut.ok());
  CHECK(std::string(cut.fault().text) ==
        (folder / "f") + ": not a safetensors file: 3 bytes, at least 8 are needed; the file is empty or cut");
  CHECK(put_file(folder / "empty", ""));
  const auto empty = SafetensorsFile::open(folder / "empty");
  CHECK_FALSE(empty.ok());
  CHECK(mentions(empty.fault().text, "empty: not a safetensors file: 0 bytes"));
}
