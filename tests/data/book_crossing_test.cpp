#include "thaw/data/book_crossing.hpp"

#include "tests/data/reader_fixture.hpp"

using namespace thaw_test;

namespace {

// Lines of the real files, and some of their oddities.
struct SmallBooks {
  TemporaryFolder files;

  SmallBooks() {
    files.write("BX-Books.csv",
                "ISBN,Book-Title,Book-Author,Year-Of-Publication,Book-Publisher\n"
                "0449003787,\"\\O\\\"\" Is for Outlaw\"\"\",SUE GRAFTON,2001,Ballantine Books\n"
                "0804115613,\"A, B\",Sue Grafton,0, Ballantine books \n");
    files.write("BX-Users.csv",
                "User-ID,User-City,User-State,User-Country,User-Age\n"
                "8,timmins, ontario,\" canada\"\"\",\n"
                "19,weston, ,,\"14\"\"\"\n"
                "20,x, ,\" Canada\"\"\",244\n"
                "36656,manila,\" \\\"\"n/a`\",\" n/a\"\"\",28\n");
    files.write("BX-Ratings.csv", "User-ID,ISBN,Book-Rating\n19,0804115613,10\n8,0804115613,1\n8,0449003787,5\n");
    files.write("BX-NewBooks.csv",
                "ISBN,Book-Title,Book-Author,Year-Of-Publication,Book-Publisher\n"
                "1,T,Sue Grafton,1999,P\n");
    files.write("BX-NewBooksUsers.csv", "User-ID,User-City,User-State,User-Country,User-Age\n8,x,y,\" usa\"\"\",30\n");
    files.write("BX-NewBooksRatings.csv", "User-ID,ISBN,Book-Rating\n8,1,7\n77,1,8\n");
  }
  thaw::Result<thaw::Dataset> read(bool new_books) const {
    return thaw::read_book_crossing(files.path(), {.new_books = new_books});
  }
};

}  // namespace

TEST_CASE("books and users: stray quotes and blanks go, case does not count, impossible ages are unknown") {
  const SmallBooks small;
  const auto data = small.read(false);
  CHECK_MESSAGE(data.ok(), (data ? "" : data.fault().text));
  if (!data) return;
  const thaw::Entities& items = data.value().items;
  CHECK(items.ids.texts() == Texts{"0449003787", "0804115613"});
  CHECK(items.titles == Texts{"\\O\\\" Is for Outlaw\"", "A, B"});
  CHECK(items.years == std::vector<std::int32_t>{2001, 0});
  CHECK(items.attributes.size() == 3);
  CHECK(values(items.attributes[0], 0) == Texts{"SUE GRAFTON"});
  CHECK(values(items.attributes[0], 1) == Texts{"SUE GRAFTON"});
  CHECK(items.attributes[1].values.size() == 1);
  CHECK(values(items.attributes[2], 0) == Texts{"2001"});
  CHECK(values(items.attributes[2], 1).empty());
  const thaw::Entities& users = data.value().users;
  CHECK(users.ids.texts() == Texts{"8", "19", "20", "36656"});
  CHECK(values(users.attributes[0], 0) == Texts{"canada"});
  CHECK(values(users.attributes[0], 1).empty());
  CHECK(values(users.attributes[0], 2) == Texts{"canada"});
  CHECK(values(users.attributes[0], 3).empty());
  CHECK(values(users.attributes[1], 0).empty());
  CHECK(values(users.attributes[1], 1) == Texts{"under 18"});
  CHECK(values(users.attributes[1], 2).empty());
  CHECK(values(users.attributes[1], 3) == Texts{"25-34"});
  CHECK(data.value().ratings.size() == 3);
  CHECK(data.value().ratings[0].user == 1);
  CHECK(data.value().ratings[0].item == 1);
  CHECK(data.value().ratings[0].value == 10.0f);
  CHECK(data.value().highest == 10.0f);
}

TEST_CASE("new books join the first part: users keep their attributes, unlisted readers have none") {
  const SmallBooks small;
  const auto data = small.read(true);
  CHECK_MESSAGE(data.ok(), (data ? "" : data.fault().text));
  if (!data) return;
  CHECK(data.value().items.ids.texts() == Texts{"0449003787", "0804115613", "1"});
  CHECK(data.value().users.ids.texts() == Texts{"8", "19", "20", "36656", "77"});
  CHECK(values(data.value().users.attributes[0], 0) == Texts{"canada"});
  CHECK(values(data.value().users.attributes[0], 4).empty());
  CHECK(values(data.value().items.attributes[0], 2) == Texts{"SUE GRAFTON"});
  CHECK(data.value().ratings.size() == 5);
  CHECK(data.value().ratings[4].user == 4);
}

TEST_CASE("Book-Crossing files that cannot be used") {
  const auto fault_with = [](std::string_view name, const std::string& bytes) {
    SmallBooks small;
    small.files.write(name, bytes);
    return fault_text(small.read(false));
  };
  const std::string books = "ISBN,Book-Title,Book-Author,Year-Of-Publication,Book-Publisher\n";
  const std::string users = "User-ID,User-City,User-State,User-Country,User-Age\n";
  CHECK(contains(fault_with("BX-Books.csv", "1,T,A,1999,P\n"),
                 "BX-Books.csv, line 1, column 1 (header): expected a header that starts with \"ISBN\", found \"1\""));
  CHECK(contains(fault_with("BX-Books.csv", books + "1,T,A,1999\n"),
                 "BX-Books.csv, line 2: expected 5 columns separated by \",\", found 4"));
  CHECK(contains(fault_with("BX-Books.csv", books + "1,T,A,soon,P\n"),
                 "BX-Books.csv, line 2, column 4 (year): expected a year or 0, found \"soon\""));
  CHECK(contains(fault_with("BX-Books.csv", books + "1,T,A,1999,P\n1,T,A,1999,P\n"),
                 "BX-Books.csv, line 3, column 1 (book): expected an id that is not listed above, found \"1\""));
  CHECK(contains(fault_with("BX-Books.csv", books + "1,\"T,A,1999,P\n"),
                 "BX-Books.csv, line 2: column 2: a quote is opened and never closed"));
  CHECK(contains(fault_with("BX-Users.csv", users + "8,x,y,z,young\n"),
                 "BX-Users.csv, line 2, column 5 (age): expected a whole number or nothing, found \"young\""));
  CHECK(contains(fault_with("BX-Users.csv", users + "8,x,y,z,\n8,x,y,z,\n"),
                 "BX-Users.csv, line 3, column 1 (user): expected an id that is not listed above, found \"8\""));
  CHECK(contains(fault_with("BX-Users.csv", users), "BX-Users.csv: expected records, found none"));
  CHECK(contains(fault_with("BX-Ratings.csv", "User-ID,ISBN,Book-Rating\n8,0449003787,0\n"),
                 "BX-Ratings.csv, line 2, column 3 (rating): expected a rating inside the scale"));
  CHECK(contains(fault_with("BX-Ratings.csv", "User-ID,ISBN,Book-Rating\n5,0449003787,1\n"),
                 "BX-Ratings.csv: user \"5\" is not in the list of users"));
  CHECK(contains(fault_with("BX-Ratings.csv", "User-ID,ISBN,Book-Rating\n8,9,1\n"),
                 "BX-Ratings.csv: book \"9\" is not in the list of books"));
  check_not_found(thaw::read_book_crossing("/nowhere"));
}

TEST_CASE("the Book-Crossing subset has the sizes that its description gives") {
  const std::string folder = real_data("book-crossing", "subset/BX-Books.csv");
  if (folder.empty()) return;
  const auto data = thaw::read_book_crossing(folder);
  CHECK_MESSAGE(data.ok(), (data ? "" : data.fault().text));
  if (!data) return;
  CHECK(data.value().ratings.size() == 204164);
  CHECK(data.value().users.size() == 48299);
  CHECK(data.value().items.size() == 18185);
  std::int64_t aged = 0;
  for (std::int32_t u = 0; u < data.value().users.size(); ++u)
    aged += data.value().users.attributes[1].of(u).empty() ? 0 : 1;
  CHECK(aged <= 29347);  // users with an age; those outside 5 to 100 do not count
  CHECK(aged > 29000);
  CHECK(data.value().items.attributes[0].values.size() <= 6032);
  MESSAGE(aged << " users with an age, " << data.value().items.attributes[0].values.size() << " authors, "
               << data.value().items.attributes[1].values.size() << " publishers");
  const auto all = thaw::read_book_crossing(folder, {.new_books = true});
  CHECK_MESSAGE(all.ok(), (all ? "" : all.fault().text));
  if (!all) return;
  CHECK(all.value().ratings.size() == 204164 + 26772);
  CHECK(all.value().items.size() == 18185 + 8924);
}
