#include "thaw/data/ratings_reader.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/data/bad_ratings.hpp"
#include "tests/temporary_folder.hpp"

using thaw_test::contains;
using thaw_test::TemporaryFolder;

namespace {

// "user item rating time" for each rating in raw ids, or the fault.
std::string summary(const thaw::Result<thaw::Dataset>& result) {
  if (!result) return result.fault().text;
  const thaw::Dataset& data = result.value();
  std::string text;
  for (std::size_t i = 0; i < data.ratings.size(); ++i) {
    const thaw::Rating& r = data.ratings[i];
    char number[32];
    std::snprintf(number, sizeof number, "%g", static_cast<double>(r.value));
    text.append(data.users.ids.text(r.user)).append(" ").append(data.items.ids.text(r.item)).append(" ").append(number);
    if (!data.times.empty()) text.append(" ").append(std::to_string(data.times[i]));
    text.append("|");
  }
  return text;
}
std::string summary(std::string_view text, std::string_view name, const thaw::RatingsOptions& options = {}) {
  return summary(thaw::parse_ratings(text, name, options));
}

}  // namespace

TEST_CASE("one table in every format is one data set") {
  const std::string with_times = "1 1193 5 978300760|1 661 3 978302109|2 1193 4 978298413|";
  CHECK(summary("1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n", "ratings.dat") == with_times);
  CHECK(
      summary(
          "userId,movieId,rating,timestamp\r\n1,1193,5.0,978300760\r\n1,661,3.0,978302109\r\n2,1193,4.0,978298413\r\n",
          "ratings.csv") == with_times);
  CHECK(summary("1,1193,5,978300760\n1,661,3,978302109\n2,1193,4,978298413", "r") == with_times);
  CHECK(summary("1\t1193\t5\t978300760\n1\t661\t3\t978302109\n2\t1193\t4\t978298413\n", "u.data") == with_times);
  CHECK(summary("1 1193 5  978300760\n1  661 3 978302109\n2 1193 4 978298413\n", "u.txt") == with_times);
  CHECK(summary("user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
                "1\t1193\t5\t978300760\n1\t661\t3.0\t978302109.0\n2\t1193\t4\t9.78298413e8\n",
                "ml.inter") == with_times);
  CHECK(
      summary("\"User-ID\";\"ISBN\";\"Book-Rating\"\n\"1\";\"1193\";\"5\"\n\"1\";\"661\";\"3\"\n\"2\";\"1193\";\"4\"\n",
              "BX.csv") == "1 1193 5|1 661 3|2 1193 4|");
  CHECK(summary(
            "\xef\xbb\xbftimestamp,rating,item_id,user_id\n978300760,5,1193,1\n978302109,3,661,1\n978298413,4,1193,2\n",
            "r.csv") == with_times);
}

TEST_CASE("ids are text, whatever they look like") {
  CHECK(summary("99999999999999999999,\"a,b\",1\n007,\"say \"\"hi\"\"\",2\n7,\xc3\xa9\xe2\x82\xac,3\n", "r.csv") ==
        "99999999999999999999 a,b 1|007 say \"hi\" 2|7 \xc3\xa9\xe2\x82\xac 3|");
}

TEST_CASE("the scale is what the file holds, or what the caller says") {
  const auto found = thaw::parse_ratings("1,1,0.5\n1,2,4\n", "r.csv");
  CHECK(found.ok());
  if (!found) return;
  CHECK(found.value().lowest == 0.5f);
  CHECK(found.value().highest == 4.0f);
  thaw::RatingsOptions options;
  options.lowest = 1.0f;
  options.highest = 5.0f;
  const auto told = thaw::parse_ratings("1,1,1\n1,2,4\n", "r.csv", options);
  CHECK(told.ok());
  if (told) CHECK(told.value().highest == 5.0f);
  CHECK(contains(summary("1,1,1\n1,2,6\n", "r.csv", options),
                 "r.csv, line 2, column 3 (rating): expected a rating inside the scale"));
}

TEST_CASE("columns by name and by position") {
  thaw::RatingsOptions options;
  options.user_column = "reader";
  options.item_column = "book";
  options.rating_column = "mark";
  CHECK(summary("mark,reader,book\n4,ann,dune\n", "r.csv", options) == "ann dune 4|");
  CHECK(contains(summary("mark,who,book\n4,ann,dune\n", "r.csv", options),
                 "line 1: expected a column for the user named or numbered reader"));
  options.user_column = "3";
  options.item_column = "2";
  options.rating_column = "1";
  CHECK(summary("4,dune,ann\n", "r.csv", options) == "ann dune 4|");
  options.rating_column = "9";
  CHECK(contains(summary("4,dune,ann\n", "r.csv", options),
                 "expected a column for the rating named or numbered 9, found 3 columns"));
}

TEST_CASE("events without ratings, and columns that are no time") {
  thaw::RatingsOptions options;
  options.rating_when_absent = 1.0f;
  CHECK(summary("ann dune\nbob dune\n", "r.txt", options) == "ann dune 1|bob dune 1|");
  options = {};
  options.read_times = false;
  CHECK(summary("1\t2\t3\ttrain\n", "r.tsv", options) == "1 2 3|");
  CHECK(summary("1 2 3 x y\n", "r.txt") == "1 2 3|");
  options = {};
  options.user_column = "1", options.item_column = "2", options.time_column = "4";
  CHECK(summary("1::2::3::77::1\n", "r.dat", options) == "1 2 3 77|");
}

TEST_CASE("the later of two ratings wins where the caller says so") {
  thaw::RatingsOptions options;
  options.duplicates = thaw::DuplicatePolicy::keep_last;
  CHECK(summary("1,2,3,10\n1,3,4,11\n1,2,5,12\n2,2,1,13\n1,2,2,14\n", "r.csv", options) ==
        "1 3 4 11|2 2 1 13|1 2 2 14|");
  const auto read = thaw::parse_ratings("1,2,3,10\n1,3,4,11\n1,2,5,12\n2,2,1,13\n1,2,2,14\n", "r.csv", options);
  CHECK(read.ok());
  if (read) CHECK(read.value().replaced == 2);
}

TEST_CASE("bad ratings get a message with file, line and column") {
  const bool print = std::getenv("THAW_PRINT_MESSAGES") != nullptr;
  for (const thaw_test::BadRatings& bad : thaw_test::kBadRatings) {
    const auto result = thaw::parse_ratings(bad.bytes, bad.name);
    CHECK_MESSAGE(!result.ok(), std::string(bad.what));
    if (result) continue;
    CHECK_MESSAGE(contains(result.fault().text, bad.message), (std::string(bad.what) + ": " + result.fault().text));
    if (print)
      std::printf("| %.*s | `%s` |\n", static_cast<int>(bad.what.size()), bad.what.data(), result.fault().text);
  }
}

TEST_CASE("every cut of a good file is a fault or the lines that are whole") {
  const std::string_view whole = "user,item,rating\n12,\"3\"\"4\",4.5\n56,78,2\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string text = summary(whole.substr(0, size), "r.csv");
    const bool read = text == "12 3\"4 4|" || text == "12 3\"4 4.5|" || text == "12 3\"4 4.5|56 78 2|";
    CHECK_MESSAGE((read || text.starts_with("r.csv")), text);
  }
}

TEST_CASE("a long text in a message is cut between characters") {
  std::string text = "1,2,x";
  for (int i = 0; i < 30; ++i) text.append("\xc3\xa9");
  const std::string message = summary(text + "\n", "r.csv");
  CHECK(contains(message, "\xc3\xa9...\""));
  CHECK(thaw::detail::find_invalid_utf8(message) == std::string_view::npos);
}

TEST_CASE("a path that is too long keeps its end in the message") {
  const std::string name = std::string(4000, 'x') + "/last.csv";
  CHECK(contains(summary("1,2,x\n", name), "x/last.csv, line 1, column 3 (rating): expected a number"));
}

TEST_CASE("RecBole attribute files beside the ratings are read") {
  TemporaryFolder files;
  files.write("ml.user", "user_id:token\tage:float\tgender:token\n2\t30\tF\n1\t20\tM\n9\t\t\n");
  files.write("ml.item",
              "item_id:token\tmovie_title:token_seq\tclass:token_seq\trelease_year:token\n"
              "a\tToy Story\tAnimation Comedy Animation\t1995\nb\tHeat\t\t1995\n");
  const std::string path = files.write("ml.inter", "user_id:token\titem_id:token\trating:float\n1\ta\t5\n2\tc\t3\n");
  const auto result = thaw::read_ratings(path);
  CHECK_MESSAGE(result.ok(), (result ? "" : result.fault().text));
  if (!result) return;
  const thaw::Dataset& data = result.value();
  CHECK(data.name == "ml");
  CHECK(data.users.ids.texts() == std::vector<std::string>{"1", "2", "9"});
  CHECK(data.items.ids.texts() == std::vector<std::string>{"a", "c", "b"});
  CHECK(data.items.titles == std::vector<std::string>{"Toy Story", "c", "Heat"});
  CHECK(data.users.attributes.size() == 2);
  CHECK(data.items.attributes.size() == 2);
  if (data.users.attributes.size() != 2 || data.items.attributes.size() != 2) return;
  const thaw::Attribute& age = data.users.attributes[0];
  CHECK(age.values.texts() == std::vector<std::string>{"20 to 30", "30 and above"});
  CHECK(age.ids == std::vector<std::int32_t>{0, 1});
  CHECK(age.of(2).empty());
  const thaw::Attribute& genre = data.items.attributes[0];
  CHECK(genre.name == "class");
  CHECK(genre.of(0).size() == 2);
  CHECK(genre.of(1).empty());
  CHECK(genre.of(2).empty());
  CHECK(data.items.attributes[1].offsets.size() == 4);
}

TEST_CASE("quantile bins hold equally many values and keep equal values together") {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  CHECK(thaw::detail::quantile_edges(values, 10) == std::vector<double>{1, 11, 21, 31, 41, 51, 61, 71, 81, 91});
  CHECK(thaw::detail::quantile_edges({5, 5, 5}, 10) == std::vector<double>{5});
  CHECK(thaw::detail::quantile_edges({}, 10).empty());
  CHECK(thaw::detail::quantile_edges({2, 1}, 10) == std::vector<double>{1, 2});
}

TEST_CASE("bad attribute files get a message with file, line and column") {
  const auto fault = [](std::string_view text) {
    thaw::Entities entities;
    entities.ids.add("1");
    const auto read = thaw::parse_attributes(text, "u.user", entities);
    return read ? std::string() : std::string(read.fault().text);
  };
  CHECK(contains(fault(""), "u.user: expected a header such as"));
  CHECK(contains(fault("user_id\tage\n"), "u.user, line 1, column 1 (header): expected a name with the type"));
  CHECK(contains(fault("user_id:token\tv:float_seq\n"),
                 "u.user, line 1, column 2 (header): expected a name with the type"));
  CHECK(contains(fault("user_id:token\tage:float\n1\told\n"),
                 "u.user, line 2, column 2 (age): expected a finite number"));
  CHECK(contains(fault("user_id:token\tage:float\n1\tnan\n"),
                 "u.user, line 2, column 2 (age): expected a finite number"));
  CHECK(contains(fault("user_id:token\tage:float\n1\n"), "u.user, line 2: expected 2 columns as in line 1, found 1"));
  CHECK(contains(fault("user_id:token\tage:float\n\t3\n"), "u.user, line 2, column 1 (user_id): expected an id"));
  CHECK(contains(fault("user_id:token\tage:float\n2\t3\n2\t4\n"), "line 3, column 1 (user_id): expected each id once"));
  thaw::Entities entities;
  thaw::AttributeOptions options;
  options.skip = {"v"};
  CHECK(thaw::parse_attributes("user_id:token\tv:float_seq\n1\t0.1 0.2\n", "u.user", entities, options).ok());
  CHECK(entities.attributes.empty());
}
