#include "thaw/file/safetensors_scan.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/file/safetensors_bytes.hpp"

using namespace file_test;
using thaw::SafetensorsView;
using thaw::TensorEntry;
using thaw::TensorType;

namespace {

// Two tensors in the reverse order of their data, metadata between them.
std::string good_file() {
  return file_of("{" + record_of("b", "F32", "2,3", "8,32") + ", \"__metadata__\": {\"k\": \"v\\n\"},\n" +
                     record_of("a", "I64", "", "0,8") + "}  ",
                 32);
}

}  // namespace

TEST_CASE("a file is read in the order of its header") {
  const std::string file = good_file();
  auto opened = SafetensorsView::open(file.data(), file.size());
  CHECK(opened.ok());
  if (!opened) return;
  SafetensorsView view = opened.value();
  CHECK(view.tensor_count() == 2);
  TensorEntry entry;
  CHECK(view.next(entry));
  CHECK(name_of(entry) == "b");
  CHECK(entry.type == TensorType::f32);
  CHECK(entry.rank == 2);
  CHECK(entry.dims[0] == 2);
  CHECK(entry.dims[1] == 3);
  CHECK(entry.bytes == 24);
  CHECK(entry.count() == 6);
  CHECK(entry.offset == file.size() - 24);
  CHECK(static_cast<const void*>(entry.data) == file.data() + entry.offset);
  CHECK(view.next(entry));
  CHECK(name_of(entry) == "a");
  CHECK(entry.rank == 0);
  CHECK(entry.count() == 1);
  CHECK_FALSE(view.next(entry));
  CHECK_FALSE(view.next(entry));
  view.rewind();
  CHECK(view.next(entry));
  CHECK(name_of(entry) == "b");
}

TEST_CASE("find and metadata") {
  const std::string file = good_file();
  auto opened = SafetensorsView::open(file.data(), file.size());
  CHECK(opened.ok());
  if (!opened) return;
  const SafetensorsView& view = opened.value();
  const auto found = view.find("a");
  CHECK(found.ok());
  CHECK(found.value().bytes == 8);
  const auto missing = view.find("c");
  CHECK_FALSE(missing.ok());
  CHECK(missing.fault().kind == thaw::FaultKind::not_found);
  CHECK(mentions(missing.fault().text, "no tensor 'c' in the file, which has 2"));
  const auto value = view.metadata("k");
  CHECK(value.ok());
  CHECK(value.value().equals({"v\n", 2}));
  CHECK_FALSE(view.metadata("b").ok());
  CHECK_FALSE(view.find("__metadata__").ok());
  CHECK(view.metadata_count() == 1);
}

TEST_CASE("files that are odd but valid") {
  const std::string good[] = {
      file_of("{}", 0),
      file_of("{ } \n\t ", 0),
      file_of("{\"__metadata__\":{}}", 0),
      file_of("{" + record_of("empty", "F32", "0,9", "0,0") + "}", 0),
      file_of("{" + record_of("e1", "F32", "0", "4,4") + "," + record_of("x", "F32", "1", "0,4") + "," +
                  record_of("e2", "U8", "0", "4,4") + "," + record_of("e3", "U8", "0", "0,0") + "}",
              4),
      file_of("{" + record_of("", "U8", "1,1,1,1,1,1", "0,1") + "}", 1),
      file_of("{" + record_of(std::string(255, 'n'), "U8", "1", "0,1") + "}", 1),
      file_of("{\"x\" : { \"data_offsets\" : [ 0 , 2 ] , \"shape\" : [ 1 ] , \"dtype\" : \"BF16\" } }", 2),
      file_of("{" + record_of("\\u00e9\\ud83d\\ude00", "U8", "1", "0,1") + "}", 1),
  };
  for (const std::string& file : good) {
    CAPTURE(file);
    CHECK(problem_of(file) == "");
  }
}

TEST_CASE("files that are refused, each with its message") {
  const auto one = [](const char* type, const char* shape, const char* offsets, std::size_t data) {
    return file_of("{" + record_of("x", type, shape, offsets) + "}", data);
  };
  std::string huge_length = file_of("{}", 0);
  huge_length[7] = '\x80';  // 2^63
  std::string long_length = file_of("{}", 0);
  long_length[0] = 3;
  const std::string a = record_of("a", "U8", "2", "0,2");
  const struct {
    std::string file;
    const char* message;
  } cases[] = {
      {"", "0 bytes, at least 8 are needed; the file is empty or cut"},
      {"1234567", "7 bytes, at least 8"},
      {huge_length, "more than 100000000; this is not a safetensors file"},
      {long_length, "the header has 3 bytes and the file only 2"},
      {std::string(8, '\0'), "does not begin with '{'"},
      {file_of(" {}", 0), "does not begin with '{'"},
      {file_of("[]", 0), "does not begin with '{'"},
      {file_of("{", 0), "byte 9: expected '\"'"},
      {file_of("{} x", 0), "text after the closing '}'"},
      {file_of("{}{}", 0), "text after the closing '}'"},
      {file_of("{,}", 0), "byte 9: expected '\"'"},
      {file_of("{" + a + ",}", 2), "expected '\"'"},
      {file_of("{" + a + a + "}", 2), "expected ',' or '}'"},
      {file_of("{\"a\"}", 0), "expected ':' after a name"},
      {file_of("{\"a\":null}", 0), "expected '{' before the fields of a tensor"},
      {file_of("{\"a\":{}}", 0), "needs the fields dtype, shape and data_offsets"},
      {file_of("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0), "given twice"},
      {file_of("{\"a\":{\"strides\":[1]}}", 0), "and no other"},
      {file_of(std::string(50000, '{'), 0), "expected '\"'"},
      {file_of("{\"a\":" + std::string(50000, '['), 0), "expected '{' before the fields of a tensor"},
      {file_of("{\"a\":{\"shape\":" + std::string(50000, '['), 0), "expected a whole number"},
      {one("F31", "1", "0,4", 4), "unknown element type"},
      {one("F32", "1,1,1,1,1,1,1", "0,4", 4), "more than 6 dimensions"},
      {one("F32", "-1", "0,4", 4), "expected a whole number"},
      {one("F32", "1.0", "0,4", 4), "without fraction or exponent"},
      {one("F32", "01", "0,4", 4), "may not begin with a zero"},
      {one("F32", "1,", "0,4", 4), "expected a whole number"},
      {one("F32", "1", "0,4,4", 4), "expected ']' after the two data offsets"},
      {one("F32", "1", "0", 4), "expected ',' between the two data offsets"},
      {one("F32", "1", "4,0", 4), "ends before it begins"},
      {one("F32", "2", "0,8", 4), "reaches past the end of the file"},
      {one("F32", "1", "0,8", 8), "do not have the size of its shape and type"},
      {one("F32", "9223372036854775808", "0,4", 4), "too large for this machine"},
      {one("F32", "18446744073709551616", "0,4", 4), "does not fit 64 bits"},
      {one("F32", "4611686018427387904", "0,0", 0), "the size of its shape does not fit 64 bits"},
      {one("U8", "4294967296,4294967296", "0,0", 0), "the size of its shape does not fit 64 bits"},
      {one("U8", "4294967296,4294967297", "0,4294967296", 9), "the size of its shape does not fit 64 bits"},
      {one("F32", "1", "0,18446744073709551615", 4), "reaches past the end of the file"},
      {one("U8", "1", "1,2", 2), "no tensor holds the bytes at data offset 0"},
      {one("U8", "1", "0,1", 2), "no tensor holds the bytes at data offset 1"},
      {file_of("{}", 1), "no tensor holds the bytes at data offset 0"},
      {file_of("{" + a + "," + record_of("b", "U8", "2", "0,2") + "}", 2), "two tensors overlap at data offset 2"},
      {file_of("{" + a + "," + record_of("b", "U8", "2", "1,3") + "}", 3), "two tensors overlap at data offset 2"},
      {file_of("{" + a + "," + record_of("b", "U8", "0", "1,1") + "}", 2), "two tensors overlap"},
      {file_of("{" + a + "," + record_of("\\u0061", "U8", "1", "2,3") + "}", 3), "tensor 'a' is in the header twice"},
      {file_of("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0), "metadata 'k' is in the header twice"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "__metadata__ is given twice"},
      {file_of("{\"__metadata__\":{\"k\":1}}", 0), "expected '\"'"},
      {file_of("{\"__metadata__\":{\"k\":{\"k\":{}}}}", 0), "expected '\"'"},
      {file_of("{\"__metadata__\":\"k\"}", 0), "expected '{' before the metadata"},
      {file_of("{" + record_of(std::string(256, 'n'), "U8", "1", "0,1") + "}", 1), "longer than 255 bytes"},
      {file_of("{" + record_of("\xFF", "U8", "1", "0,1") + "}", 1), "not valid UTF-8"},
      {file_of("{" + a + std::string(5u << 20, ' ') + "}", 2), "write it without blanks"},
  };
  for (const auto& bad : cases) {
    const std::string problem = problem_of(bad.file);
    CAPTURE(bad.file.substr(0, 120));
    CAPTURE(problem);
    CHECK(mentions(problem, bad.message));
  }
}

TEST_CASE("a file cut at any byte is refused") {
  const std::string file = good_file();
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK(problem_of(file.substr(0, size)) != "");
  }
  CHECK(problem_of(file + "x") != "");
  CHECK(problem_of(file) == "");
}

TEST_CASE("a flipped bit is refused or leaves every tensor inside the file") {
  const std::string file = good_file();
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * (file.size() - 32); ++bit) {
    std::string broken = file;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    auto opened = SafetensorsView::open(broken.data(), broken.size());
    if (!opened) {
      ++refused;
      continue;
    }
    TensorEntry entry;
    std::size_t bytes = 0;
    while (opened.value().next(entry)) {
      CHECK(entry.offset + entry.bytes <= broken.size());
      bytes += entry.bytes;
    }
    CHECK(bytes == 32);
  }
  CHECK(refused > 1000);
}

TEST_CASE("many tensors in a shuffled order: no name twice, no hole, no overlap") {
  // 1000 tensors of 1 to 5 bytes; place i of the header holds tensor (617 i) mod 1000.
  constexpr int kTensors = 1000;
  const auto header = [](int renamed, int moved) {
    std::vector<std::string> records;
    int offset = 0;
    for (int i = 0; i < kTensors; ++i) {
      const int size = 1 + i % 5;
      const int begin = i == moved ? offset - 1 : offset;
      records.push_back(record_of("t" + std::to_string(i == renamed ? 3 : i), "U8", std::to_string(size),
                                  std::to_string(begin) + "," + std::to_string(begin + size)));
      offset += size;
    }
    std::string text;
    for (int i = 0; i < kTensors; ++i)
      text += (i > 0 ? "," : "{") + records[static_cast<std::size_t>(617 * i % kTensors)];
    return text + "}";
  };
  CHECK(problem_of(file_of(header(-1, -1), 3000)) == "");
  for (const int i : {0, 64, 500, 999}) {
    CHECK(mentions(problem_of(file_of(header(i, -1), 3000)), "tensor 't3' is in the header twice"));
    if (i > 0) CHECK(mentions(problem_of(file_of(header(-1, i), 3000)), "overlap"));
  }
}

TEST_CASE("limits on the number of tensors and metadata entries") {
  const auto tensors = [](int count) {
    std::string text = "{";
    for (int i = 0; i < count; ++i)
      text +=
          (i > 0 ? "," : "") + record_of(std::to_string(i), "U8", "1", std::to_string(i) + "," + std::to_string(i + 1));
    return file_of(text + "}", static_cast<std::size_t>(count));
  };
  CHECK(problem_of(tensors(4096)) == "");
  CHECK(mentions(problem_of(tensors(4097)), "more than 4096 tensors"));
  const auto metadata = [](int count) {
    std::string text = "{\"__metadata__\":{";
    for (int i = 0; i < count; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
    return file_of(text + "}}", 0);
  };
  CHECK(problem_of(metadata(256)) == "");
  CHECK(mentions(problem_of(metadata(257)), "more than 256 metadata entries"));
}

TEST_CASE("padding tensors are checked but not shown") {
  const std::string file =
      file_of("{" + record_of("__pad.0", "U8", "3", "0,3") + "," + record_of("x", "U8", "1", "3,4") + "}", 4);
  auto opened = SafetensorsView::open(file.data(), file.size());
  CHECK(opened.ok());
  if (!opened) return;
  CHECK(opened.value().tensor_count() == 1);
  TensorEntry entry;
  CHECK(opened.value().next(entry));
  CHECK(name_of(entry) == "x");
  CHECK_FALSE(opened.value().next(entry));
  CHECK_FALSE(opened.value().find("__pad.0").ok());
}
