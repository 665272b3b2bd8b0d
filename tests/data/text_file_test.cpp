#include "thaw/data/text_file.hpp"

#include <doctest/doctest.h>

#include "tests/temporary_folder.hpp"

using namespace std::string_literals;
using namespace std::string_view_literals;
using thaw_test::contains;
using thaw_test::TemporaryFolder;

namespace {

// Written by Python's gzip.compress(b"1::2::3\n", mtime=0) and of b"4::5::1\n".
constexpr std::string_view kFirst =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\xb4\xb2\x32\xb2\xb2\x32\xe6\x02\x00\x16\x4d\x82\xfc\x08\x00\x00\x00"sv;
constexpr std::string_view kSecond =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\xb1\xb2\x32\xb5\xb2\x32\xe4\x02\x00\xe0\xfd\x74\x34\x08\x00\x00\x00"sv;

}  // namespace

TEST_CASE("a plain file is read byte for byte") {
  TemporaryFolder files;
  const std::string bytes = "a\r\nb\0c\xff"s.append(3u << 20, 'x');
  const auto text = thaw::read_text_file(files.write("plain.gz", bytes));  // the name does not make it gzip
  CHECK(text.ok());
  if (!text) return;
  CHECK(text.value() == bytes);
}

TEST_CASE("gzip is found by its first bytes, whatever the name") {
  TemporaryFolder files;
  const auto text = thaw::read_text_file(files.write("ratings.dat", kFirst));
  CHECK(text.ok());
  if (!text) return;
  CHECK(text.value() == "1::2::3\n");
}

TEST_CASE("gzip members one after another are one text, and zeros behind them are padding") {
  TemporaryFolder files;
  const std::string two = std::string(kFirst).append(kSecond);
  const auto text = thaw::read_text_file(files.write("two.gz", two));
  const auto padded = thaw::read_text_file(files.write("padded.gz", two + std::string(512, '\0')));
  CHECK(text.ok());
  CHECK(padded.ok());
  if (!text || !padded) return;
  CHECK(text.value() == "1::2::3\n4::5::1\n");
  CHECK(padded.value() == text.value());
}

TEST_CASE("every way to cut or damage a gzip file is a fault that names it, or the whole text") {
  TemporaryFolder files;
  for (std::size_t size = 2; size < kFirst.size(); ++size) {
    const auto text = thaw::read_text_file(files.write("cut.gz", kFirst.substr(0, size)));
    CHECK(!text.ok());
    if (text) continue;
    CHECK(contains(text.fault().text, "cut.gz: not a readable gzip file: the compressed data ends too early"));
  }
  for (std::size_t at = 0; at < kFirst.size(); ++at) {
    std::string damaged(kFirst);
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    const auto text = thaw::detail::gunzip("damaged.gz", damaged, 1 << 20);
    if (text) CHECK(text.value() == "1::2::3\n");
    if (!text) CHECK(contains(text.fault().text, "damaged.gz: not a readable gzip file"));
    const bool checked_by_gzip = at < 4 || at >= 10;  // time and system bytes of the header may be anything
    if (checked_by_gzip) CHECK(!text.ok());
  }
  const auto followed = thaw::detail::gunzip("followed.gz", std::string(kFirst).append("more"), 1 << 20);
  CHECK(!followed.ok());
  if (!followed) CHECK(contains(followed.fault().text, "other bytes follow"));
}

TEST_CASE("a small file that decompresses to more than the limit is a fault") {
  TemporaryFolder files;
  std::string many;
  for (int i = 0; i < 100; ++i) many.append(kFirst);
  const std::string path = files.write("bomb.gz", many);
  CHECK(thaw::read_text_file(path, 2800).ok());
  const auto text = thaw::read_text_file(path, 799);
  CHECK(!text.ok());
  const auto unpacked = thaw::detail::gunzip("bomb.gz", many, 799);
  CHECK(!unpacked.ok());
  if (unpacked) return;
  CHECK(contains(unpacked.fault().text, "bomb.gz: not a readable gzip file: it decompresses to more than the limit"));
}

TEST_CASE("files that cannot be read say why") {
  TemporaryFolder files;
  const auto missing = thaw::read_text_file(files.path() + "/nowhere.csv");
  CHECK(!missing.ok());
  if (!missing) CHECK(missing.fault().kind == thaw::FaultKind::not_found);
  if (!missing) CHECK(contains(missing.fault().text, "nowhere.csv: no such file"));
  const auto folder = thaw::read_text_file(files.path());
  CHECK(!folder.ok());
  if (!folder) CHECK(folder.fault().kind == thaw::FaultKind::unreadable);
  const auto large = thaw::read_text_file(files.write("large.csv", std::string(1001, 'x')), 1000);
  CHECK(!large.ok());
  if (!large) CHECK(contains(large.fault().text, "large.csv: larger than the limit of 1000 bytes"));
  CHECK(thaw::read_text_file(files.write("fits.csv", std::string(1000, 'x')), 1000).ok());
}

TEST_CASE("a compressed file stands in for a plain one that is missing") {
  TemporaryFolder files;
  const std::string compressed = files.write("a.dat.gz", kFirst);
  const std::string wanted = thaw::join_path(files.path(), "a.dat");
  CHECK(thaw::plain_or_gzip(wanted) == compressed);
  files.write("a.dat", "x");
  CHECK(thaw::plain_or_gzip(wanted) == wanted);
}
