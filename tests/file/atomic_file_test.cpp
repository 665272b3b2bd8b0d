#include "thaw/file/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <string>

#include "tests/file/safetensors_bytes.hpp"
#include "tests/temporary_folder.hpp"

using namespace file_test;
using namespace thaw_test;
using thaw::AtomicFile;

TEST_CASE("the file appears with commit and not before") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  CHECK(put_file(path, "old"));
  CHECK(::chmod(path.c_str(), 0640) == 0);
  {
    auto file = AtomicFile::create(path);
    CHECK(file.ok());
    if (!file) return;
    file.value().write("ne", 2);
    file.value().write("w\0!", 3);
    CHECK(contents_of(path) == "old");
    CHECK(file.value().commit().ok());
  }
  CHECK(contents_of(path) == std::string("new\0!", 5));
  CHECK(folder.files() == 1);
  struct stat status;
  CHECK(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);  // as the file it replaced
}

TEST_CASE("a dropped file leaves nothing, also after a move") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  CHECK(put_file(path, "old"));
  {
    auto file = AtomicFile::create(path);
    CHECK(file.ok());
    if (!file) return;
    AtomicFile moved = std::move(file.value());
    moved.write("new", 3);
    CHECK(folder.files() == 2);
  }
  CHECK(folder.files() == 1);
  CHECK(contents_of(path) == "old");
}

TEST_CASE("two writers at once do not mix") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  auto first = AtomicFile::create(path);
  auto second = AtomicFile::create(path);
  CHECK((first.ok() && second.ok()));
  if (!first || !second) return;
  first.value().write("first", 5);
  second.value().write("second", 6);
  CHECK(second.value().commit().ok());
  CHECK(contents_of(path) == "second");
  CHECK(first.value().commit().ok());
  CHECK(contents_of(path) == "first");
  CHECK(folder.files() == 1);
}

TEST_CASE("what cannot be created says why") {
  const TemporaryFolder folder;
  const auto no_folder = AtomicFile::create(folder / "none/out");
  CHECK_FALSE(no_folder.ok());
  CHECK(no_folder.fault().kind == thaw::FaultKind::not_found);
  CHECK(mentions(no_folder.fault().text, "none/out: no such file or folder; check the folder"));
  const auto is_folder = AtomicFile::create(folder / "");
  CHECK_FALSE(is_folder.ok());
  CHECK(mentions(is_folder.fault().text, "it is a folder; give the path of a file"));
  CHECK(put_file(folder / "plain", "x"));
  const auto below_file = AtomicFile::create(folder / "plain/out");
  CHECK_FALSE(below_file.ok());
  CHECK(mentions(below_file.fault().text, "a part of the path is not a folder"));
  const auto forbidden = AtomicFile::create("/proc/thaw_out");
  CHECK_FALSE(forbidden.ok());
  const auto too_long = AtomicFile::create(folder / std::string(300, 'n').c_str());
  CHECK_FALSE(too_long.ok());
  CHECK(mentions(too_long.fault().text, "the path is too long"));
}

TEST_CASE("a write that the system refuses leaves the old file") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  CHECK(put_file(path, "old"));
  // A limit on file sizes stands in for a full disk: the write fails in the middle of the data.
  struct rlimit before;
  CHECK(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit tight = before;
  tight.rlim_cur = 1000;
  CHECK(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  std::string message;
  {
    auto file = AtomicFile::create(path);
    if (file) {
      const std::string bytes(5000, 'x');
      file.value().write(bytes.data(), bytes.size());
      file.value().write(bytes.data(), bytes.size());
      const auto done = file.value().commit();
      if (!done) message = done.fault().text;
    }
  }
  CHECK(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(
      mentions(message, "out: the file is larger than the system allows; the file that was there before is unchanged"));
  CHECK(contents_of(path) == "old");
  CHECK(folder.files() == 1);
}
