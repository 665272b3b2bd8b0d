// Tables of attributes with and without types. Expected values are written by hand from the texts; the counts of the
// public MovieLens set are GroupLens' own (its README).
#include "thaw/data/attribute_reader.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace {

using Texts = std::vector<std::string>;

thaw::Entities entities_of(const Texts& ids) {
  thaw::Entities entities;
  for (const std::string& id : ids) entities.ids.add(id);
  return entities;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("CSV attributes without types: titles, lists, categories and numbers are told apart") {
  thaw::Entities films = entities_of({"2", "9"});
  std::string text = "movieId,title,genres,colour,minutes\n1,\"Heat, the film\",Crime|Drama,yes,170\n2,Babe,,no,\n";
  for (int i = 3; i <= 14; ++i)
    text += std::to_string(i) + ",Film," + (i % 2 ? "Drama" : "Crime|War") + ",yes,9" + std::to_string(i) + "\n";
  const auto read = thaw::parse_attributes(text, "movies.csv", films);
  CHECK_MESSAGE(read.ok(), (read ? "" : read.fault().text));
  if (!read || films.attributes.size() != 3) return;
  CHECK(films.size() == 14);  // 9 was known before
  CHECK(films.titles[0] == "Babe");
  CHECK(films.titles[static_cast<std::size_t>(films.ids.find("1"))] == "Heat, the film");
  const thaw::Attribute &genres = films.attributes[0], &colour = films.attributes[1], &minutes = films.attributes[2];
  CHECK(genres.name == "genres");
  CHECK(genres.values.size() == 3);
  CHECK(genres.of(films.ids.find("1")).size() == 2);
  CHECK(genres.of(films.ids.find("2")).empty());
  CHECK(genres.of(films.ids.find("4")).size() == 2);
  CHECK(colour.values.texts() == Texts{"no", "yes"});  // in the order of dense ids: film 2 is the first
  CHECK(minutes.values.size() == 10);                  // bins: more than ten different numbers
  CHECK(minutes.of(films.ids.find("2")).empty());
  CHECK(minutes.of(films.ids.find("1")).size() == 1);
}

TEST_CASE("few different numbers are categories, and a skipped column is left out") {
  thaw::Entities users;
  thaw::AttributeOptions options;
  options.skip = {"zip"};
  const auto read =
      thaw::parse_attributes("user;age;zip\n7;18;1234\n8;25;5678\n9;18;9999\n", "users.csv", users, options);
  CHECK(read.ok());
  CHECK(users.attributes.size() == 1);
  if (users.attributes.size() != 1) return;
  CHECK(users.attributes[0].values.texts() == Texts{"18", "25"});
  options.bins = 1;
  thaw::Entities binned;
  CHECK(thaw::parse_attributes("user;age;zip\n7;18;1234\n8;25;5678\n", "users.csv", binned, options).ok());
  CHECK(binned.attributes[0].values.texts() == Texts{"18 and above"});
}

TEST_CASE("a CSV may have RecBole's types: numbers can be kept as categories") {
  thaw::Entities users;
  std::string text = "user_id:token,zip:token\n";
  for (int i = 0; i < 30; ++i) text += std::to_string(i) + "," + std::to_string(1000 + i) + "\n";
  CHECK(thaw::parse_attributes(text, "users.csv", users).ok());
  CHECK(users.attributes.size() == 1);
  if (users.attributes.size() == 1) CHECK(users.attributes[0].values.size() == 30);
}

TEST_CASE("bad CSV attributes get a message with line and column") {
  const auto fault = [](std::string_view text) {
    thaw::Entities entities;
    const auto read = thaw::parse_attributes(text, "u.csv", entities);
    return read ? std::string() : std::string(read.fault().text);
  };
  CHECK(contains(fault(""), "u.csv: expected a header"));
  // Without a header the first user would be lost in silence.
  CHECK(contains(fault("1,M,25\n2,F,30\n"),
                 "u.csv, line 1, column 1 (header): expected the name of a column, found \"1\""));
  CHECK(contains(fault("user,age,\n1,2,3\n"), "u.csv, line 1, column 3 (header): expected the name of a column"));
  CHECK(contains(fault("user,age\n1\n"), "u.csv, line 2: expected 2 columns as in line 1, found 1"));
  CHECK(contains(fault("user,age\n,1\n"), "u.csv, line 2, column 1 (user): expected an id, found nothing"));
  CHECK(contains(fault("user,age\n1,2\n1,3\n"), "u.csv, line 3, column 1 (user): expected each id once"));
  CHECK(contains(fault("user,v:float_seq,age:float\n1,2,3\n"), "column 1 (header): expected a name with the type"));
  CHECK(contains(fault("user,age\nJos\xe9,1\n"), "u.csv, line 2, byte 4: expected UTF-8"));
}

TEST_CASE("MovieLens' movies.csv gives titles and genres [slow]") {
  const char* data = std::getenv("THAW_DATA");
  const std::string path =
      thaw::plain_or_gzip(std::string(data == nullptr ? "." : data) + "/ml-latest-small/movies.csv");
  if (data == nullptr || !thaw::file_exists(path)) {
    MESSAGE("skipped: THAW_DATA names no folder with ml-latest-small");
    return;
  }
  thaw::Entities films;
  const auto read = thaw::read_attributes(path, films);
  CHECK_MESSAGE(read.ok(), (read ? "" : read.fault().text));
  if (!read || films.attributes.size() != 1) return;
  CHECK(films.size() == 9742);
  CHECK(films.attributes[0].name == "genres");
  CHECK(films.attributes[0].values.size() == 20);  // 19 genres and "(no genres listed)"
  CHECK(films.title(films.ids.find("1")) == "Toy Story (1995)");
  CHECK(films.attributes[0].of(films.ids.find("1")).size() == 5);
}
