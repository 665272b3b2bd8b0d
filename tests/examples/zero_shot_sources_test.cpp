#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "tests/temporary_folder.hpp"
#include "zero_shot/sources.hpp"

namespace {

std::vector<std::int32_t> row(const thaw::IdLists& lists, std::int32_t user) {
  return {lists.row(user).begin(), lists.row(user).end()};
}

}  // namespace

TEST_CASE("a training file with a name of its own is read beside test.txt") {
  thaw_test::TemporaryFolder files;
  std::error_code failed;
  std::filesystem::create_directory(files / "yelp2018-part", failed);
  CHECK(!failed);
  files.write("yelp2018-part/train_users_0_13454.txt", "0 0 1 2\n1 2 3\n");
  files.write("yelp2018-part/test.txt", "0 3\n1 0\n2 1\n");
  const auto split = zero_shot::load_source("yelp2018-part", files.path());
  CHECK_MESSAGE(split.ok(), (split ? "" : split.fault().text));
  if (!split) return;
  CHECK(split.value().name == "yelp2018-part");
  CHECK(split.value().items == 4);
  CHECK(row(split.value().train, 0) == std::vector<std::int32_t>{0, 1, 2});
  CHECK(row(split.value().train, 1) == std::vector<std::int32_t>{2, 3});
  CHECK(row(split.value().train, 2).empty());
  CHECK(row(split.value().test, 2) == std::vector<std::int32_t>{1});
}

TEST_CASE("ratings of any file: of two ratings of an item the last counts, ids are text") {
  thaw_test::TemporaryFolder files;
  std::error_code failed;
  std::filesystem::create_directory(files / "book-crossing", failed);
  CHECK(!failed);
  std::string rows = "7\t034542252X\t0\n7\t034542252X\t8\n";
  for (int i = 0; i < 30; ++i) rows += "9\tbook " + std::to_string(i) + "\t5\n";
  files.write("book-crossing/ratings_all.tsv", rows);
  const auto split = zero_shot::load_source("book-crossing", files.path());
  CHECK_MESSAGE(split.ok(), (split ? "" : split.fault().text));
  if (!split) return;
  CHECK(split.value().users() == 2);
  CHECK(split.value().items == 31);
  const thaw::IdLists visible = zero_shot::visible_lists(split.value());
  CHECK(visible.ids.size() + split.value().test.ids.size() == 31);
  CHECK(!split.value().test.row(1).empty());
}

TEST_CASE("a set that is not known, and one whose file is missing, are named") {
  const auto unknown = zero_shot::load_source("netflix", "nowhere");
  CHECK(!unknown.ok());
  if (!unknown) CHECK(thaw_test::contains(unknown.fault().text, "netflix: no such data set; there are lastfm"));
  const auto missing = zero_shot::load_source("yelp2018-part", "nowhere");
  CHECK(!missing.ok());
  if (!missing) CHECK(thaw_test::contains(missing.fault().text, "nowhere/yelp2018-part/train_users_0_13454.txt"));
}
