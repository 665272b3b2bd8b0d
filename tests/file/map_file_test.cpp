#include "thaw/file/map_file.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/file/safetensors_bytes.hpp"
#include "tests/temporary_folder.hpp"

using namespace file_test;
using namespace thaw_test;
using thaw::MapMode;
using thaw::MappedFile;

namespace {

std::string text_of(const MappedFile& file) {
  return file.size() == 0 ? std::string() : std::string(reinterpret_cast<const char*>(file.data()), file.size());
}

}  // namespace

TEST_CASE("mapped and copied files hold the bytes of the file, aligned") {
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 10000; ++i) bytes += static_cast<char>(i * i);
  for (const std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(64), std::size_t(4096), bytes.size()}) {
    CHECK(put_file(folder / "in", bytes.substr(0, size)));
    for (const MapMode mode : {MapMode::map, MapMode::copy}) {
      const auto file = MappedFile::open(folder / "in", mode);
      CHECK(file.ok());
      if (!file) return;
      CHECK(text_of(file.value()) == bytes.substr(0, size));
      CHECK(reinterpret_cast<std::uintptr_t>(file.value().data()) % thaw::kAlignment == 0);
      CHECK(file.value().mapped() == (mode == MapMode::map && size > 0));
    }
  }
}

TEST_CASE("a move keeps the address and empties the source") {
  const TemporaryFolder folder;
  CHECK(put_file(folder / "a", "first"));
  CHECK(put_file(folder / "b", "second"));
  auto a = MappedFile::open(folder / "a");
  auto b = MappedFile::open(folder / "b", MapMode::copy);
  CHECK((a.ok() && b.ok()));
  if (!a || !b) return;
  const std::byte* address = a.value().data();
  MappedFile moved = std::move(a.value());
  CHECK(moved.data() == address);
  CHECK(a.value().data() == nullptr);
  CHECK(a.value().size() == 0);
  moved = std::move(b.value());
  CHECK(text_of(moved) == "second");
}

TEST_CASE("a file replaced by rename does not change a mapping of the old one") {
  const TemporaryFolder folder;
  CHECK(put_file(folder / "a", "first"));
  const auto old = MappedFile::open(folder / "a");
  CHECK(old.ok());
  if (!old) return;
  auto next = thaw::AtomicFile::create(folder / "a");
  CHECK(next.ok());
  if (!next) return;
  next.value().write("other", 5);
  CHECK(next.value().commit().ok());
  CHECK(text_of(old.value()) == "first");
  CHECK(contents_of(folder / "a") == "other");
}

TEST_CASE("what cannot be opened says why") {
  const TemporaryFolder folder;
  const auto missing = MappedFile::open(folder / "none");
  CHECK_FALSE(missing.ok());
  CHECK(missing.fault().kind == thaw::FaultKind::not_found);
  CHECK(mentions(missing.fault().text, "none: no such file or folder; check the path"));
  const auto is_folder = MappedFile::open(folder / "");
  CHECK_FALSE(is_folder.ok());
  CHECK(mentions(is_folder.fault().text, "it is a folder; give the path of a file"));
  const auto device = MappedFile::open("/dev/null");
  CHECK_FALSE(device.ok());
  CHECK(device.fault().kind == thaw::FaultKind::unsupported);
  CHECK(mentions(device.fault().text, "it is not a regular file"));
}
