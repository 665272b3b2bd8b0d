#include "thaw/data/douban_book.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/temporary_folder.hpp"

using thaw_test::contains;

namespace {

using Texts = std::vector<std::string>;

struct SmallDouban {
  thaw_test::TemporaryFolder files;

  SmallDouban() {
    files.write("user_book.tsv", "1\t7\t4\n1\t8\t0\n2\t7\t5\n3\t9\t0\n");
    files.write("book_author.dat", "8\t20\n7\t21\n");
    files.write("book_publisher.dat", "7\t30\n");
    files.write("book_year.dat", "7\t16\n9\t15\n");
    files.write("user_location.dat", "3\t33\n");
  }
  thaw::Result<thaw::DoubanBook> read() const { return thaw::read_douban_book(files.path()); }
};

}  // namespace

TEST_CASE("pairs whose rating is unknown are counted and no ratings; everybody gets a number") {
  const SmallDouban small;
  const auto set = small.read();
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::Dataset& data = set.value().data;
  CHECK(set.value().unknown_ratings == 2);
  CHECK(data.users.ids.texts() == Texts{"1", "2", "3"});
  CHECK(data.items.ids.texts() == Texts{"7", "8", "9"});
  CHECK(data.ratings.size() == 2);
  CHECK((data.ratings[1].user == 1 && data.ratings[1].item == 0 && data.ratings[1].value == 5));
  CHECK((data.lowest == 1 && data.highest == 5));
  CHECK(data.items.attributes.size() == 3);
  CHECK(data.items.attributes[0].name == "author");
  CHECK(data.items.attributes[0].values.text(data.items.attributes[0].of(1)[0]) == "20");
  CHECK(data.items.attributes[1].of(1).empty());
  CHECK(data.items.attributes[2].of(2).size() == 1);
  CHECK(data.users.attributes[0].of(2).size() == 1);
  CHECK(data.users.attributes[0].of(0).empty());
}

TEST_CASE("Douban files that cannot be used") {
  const auto fault_with = [](std::string_view name, const std::string& bytes) {
    SmallDouban small;
    small.files.write(name, bytes);
    const auto set = small.read();
    return set ? std::string() : std::string(set.fault().text);
  };
  CHECK(contains(fault_with("user_book.tsv", "1\t7\t6\n"),
                 "user_book.tsv, line 1, column 3 (rating): expected a rating "
                 "inside the scale"));
  CHECK(contains(fault_with("user_book.tsv", "1\t7\t0.5\n"), "expected a rating from 1 to 5, or 0 for unknown"));
  CHECK(contains(fault_with("user_book.tsv", "1\t7\n"), "expected a column for the rating"));
  CHECK(contains(fault_with("book_author.dat", "6\t1\n"),
                 "book_author.dat, line 1, column 1 (id): expected an id of user_book.tsv, found \"6\""));
  CHECK(contains(fault_with("book_year.dat", "7\t1\n7\t2\n"),
                 "book_year.dat, line 2, column 1 (id): expected each id once, found \"7\" again"));
  CHECK(contains(fault_with("book_publisher.dat", "7\t\n"), "column 2 (publisher): expected an id, found nothing"));
  CHECK(contains(fault_with("user_location.dat", "3\n"), "user_location.dat, line 1: expected 2 columns"));
  const auto missing = thaw::read_douban_book("/nowhere");
  CHECK(!missing.ok());
  if (!missing) CHECK(missing.fault().kind == thaw::FaultKind::not_found);
}

TEST_CASE("Douban Book has the sizes that its description gives") {
  const char* root = std::getenv("THAW_DATA");
  const std::string folder = thaw::join_path(root == nullptr ? "" : root, "douban-book");
  if (root == nullptr || !thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, "user_book.tsv")))) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds douban-book");
    return;
  }
  const auto set = thaw::read_douban_book(folder);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::Dataset& data = set.value().data;
  CHECK(data.ratings.size() == 649381);
  CHECK(set.value().unknown_ratings == 142681);
  CHECK(data.users.size() == 13024);
  CHECK(data.items.size() == 22347);
  const std::int32_t values[] = {10805, 1815, 64};
  const std::size_t rows[] = {21907, 21773, 21192};
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(data.items.attributes[a].values.size() == values[a]);
    CHECK(data.items.attributes[a].ids.size() == rows[a]);
  }
  CHECK(data.users.attributes[0].values.size() == 453);
  CHECK(data.users.attributes[0].ids.size() == 10592);
  std::int64_t count[6] = {};
  for (const thaw::Rating& rating : data.ratings) ++count[static_cast<int>(rating.value)];
  CHECK((count[1] == 3261 && count[2] == 13865 && count[3] == 142247 && count[4] == 274087 && count[5] == 215921));
}
