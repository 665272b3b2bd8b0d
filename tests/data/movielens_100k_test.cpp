#include "thaw/data/movielens_100k.hpp"

#include <set>

#include "tests/data/reader_fixture.hpp"
#include "thaw/data/histories.hpp"

using namespace thaw_test;

namespace {

// Genre flags of u.item: 19 columns, those in `set` are 1.
std::string flags(std::set<int> set) {
  std::string text;
  for (int g = 0; g < 19; ++g) text += set.count(g) != 0 ? "|1" : "|0";
  return text + "\n";
}

struct Small100k {
  TemporaryFolder files;

  Small100k() {
    files.write("u.user", "1|24|M|technician|85711\n2|56|F|other|V3N4P1\n3|7|M|student|10309\n");
    files.write("u.item", "1|Usual Suspects, The (1995)|01-Jan-1995||u" + flags({6, 16}) +
                              "2|Mis\xe9rables, Les (1995)|01-Jan-1995||u" + flags({8}) + "3|unknown|||" + flags({0}) +
                              "4|Seven (Se7en) (1995)|01-Jan-1995||u" + flags({}));
    files.write("u.data", "2\t1\t5\t881250949\n1\t2\t3\t891717742\n1\t1\t1\t878887116\n");
  }
  void write_extra() {
    files.write("movies_extrainfos.dat",
                "50::The Usual Suspects::1996::R::x::Crime::Ann Lee (co-director), Bo Ek::w::Tom, Zo\xc3\xab::p::u\r\n"
                "60::The Usual Suspects::2005::R::x::Crime::Nobody::w::Nobody::p::u\r\n"
                "47::Se7en::1995::R::x::Crime::Bo Ek::w::N/A::p::u\r\n");
  }
  thaw::Result<thaw::Movielens100k> read(bool with_extra) const {
    thaw::Movielens100kOptions options;
    options.use_extra = with_extra;
    options.extra_folder = options.titles_folder = files.path();
    return thaw::read_movielens_100k(files.path() + "/", options);
  }
};

}  // namespace

TEST_CASE("u.data, u.user and u.item: ids, times, titles in Latin-1, genre flags") {
  const Small100k small;
  const auto set = small.read(false);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::Dataset& data = set.value().data;
  CHECK(data.users.ids.texts() == Texts{"1", "2", "3"});
  CHECK(data.items.ids.texts() == Texts{"1", "2", "3", "4"});
  CHECK(data.items.title(1) == "Mis\xc3\xa9rables, Les (1995)");
  CHECK(data.items.years == std::vector<std::int32_t>{1995, 1995, 0, 1995});
  CHECK(data.ratings.size() == 3);
  CHECK(data.ratings[0].user == 1);
  CHECK(data.times == std::vector<std::int64_t>{881250949, 891717742, 878887116});
  CHECK(data.items.attributes.size() == 2);
  CHECK(values(data.items.attributes[0], 0) == Texts{"Crime", "Thriller"});
  CHECK(values(data.items.attributes[0], 2) == Texts{"unknown"});
  CHECK(values(data.items.attributes[0], 3).empty());
  CHECK(values(data.items.attributes[1], 0) == Texts{"1995"});
  CHECK(values(data.items.attributes[1], 2).empty());
  CHECK(values(data.users.attributes[0], 0) == Texts{"18-24"});
  CHECK(values(data.users.attributes[0], 1) == Texts{"56+"});
  CHECK(values(data.users.attributes[1], 1) == Texts{"F"});
  CHECK(values(data.users.attributes[2], 0) == Texts{"technician"});
  CHECK(values(data.users.attributes[3], 1) == Texts{"V3N4P"});
}

TEST_CASE("directors and actors come by title and year, through MovieLens-1M's titles where they are") {
  Small100k small;
  small.write_extra();
  auto set = small.read(true);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  CHECK(set.value().films_joined == 1);
  CHECK(set.value().data.items.attributes.size() == 4);
  if (set.value().data.items.attributes.size() != 4) return;
  const thaw::Attribute& director = set.value().data.items.attributes[2];
  CHECK(director.name == "director");
  CHECK(values(director, 0) == Texts{"Ann Lee", "Bo Ek"});
  CHECK(values(director, 1).empty());
  CHECK(values(set.value().data.items.attributes[3], 0) == Texts{"Tom", "Zo\xc3\xab"});
  CHECK(values(set.value().data.items.attributes[3], 3).empty());

  small.files.write("movies.dat", "47::Seven (Se7en) (1995)::Crime\n2::Jumanji (1995)::Comedy\n");
  const auto with_titles = small.read(true);
  CHECK(with_titles.ok());
  if (!with_titles) return;
  CHECK(with_titles.value().films_joined == 2);
  CHECK(values(with_titles.value().data.items.attributes[2], 3) == Texts{"Bo Ek"});
  CHECK(values(with_titles.value().data.items.attributes[3], 3).empty());  // N/A
}

TEST_CASE("MovieLens-100K files that cannot be used") {
  const auto fault_with = [](std::string_view name, const std::string& bytes) {
    Small100k small;
    small.write_extra();
    small.files.write(name, bytes);
    return fault_text(small.read(true));
  };
  CHECK(contains(fault_with("u.user", "1|24|M|technician\n"),
                 "u.user, line 1: expected 5 columns separated by \"|\", found 4"));
  CHECK(contains(fault_with("u.user", "1|old|M|x|1\n"),
                 "u.user, line 1, column 2 (age): expected a whole number, found \"old\""));
  CHECK(contains(fault_with("u.user", "1|20|X|x|1\n"), "u.user, line 1, column 3 (gender): expected M or F"));
  CHECK(contains(fault_with("u.user", "1|20|M|x|1\n1|20|M|x|1\n"),
                 "u.user, line 2, column 1 (user): expected an id that is not listed above"));
  CHECK(contains(fault_with("u.user", ""), "u.user: expected records, found none; is the file cut short?"));
  CHECK(contains(fault_with("u.item", "1|A|d||u|0|1\n"),
                 "u.item, line 1: expected 24 columns separated by \"|\", found 7"));
  std::string bad_flag = "1|A (1990)|d||u" + flags({});
  bad_flag[bad_flag.size() - 2] = '7';
  CHECK(contains(fault_with("u.item", bad_flag), "u.item, line 1, column 24 (Western): expected 0 or 1, found \"7\""));
  CHECK(contains(fault_with("u.data", "9\t1\t5\t881250949\n"), "u.data: user \"9\" is not in the list of users"));
  CHECK(contains(fault_with("u.data", "1\t9\t5\t881250949\n"), "u.data: film \"9\" is not in the list of films"));
  CHECK(contains(fault_with("u.data", "1\t1\t6\t881250949\n"), "u.data, line 1, column 3 (rating): expected a rating"));
  CHECK(contains(fault_with("movies_extrainfos.dat", "1::x::soon::R::x::a::b::c::d::e::f\n"),
                 "movies_extrainfos.dat, line 1, column 3 (year): expected a year, found \"soon\""));
  check_not_found(thaw::read_movielens_100k("/nowhere"));
}

TEST_CASE("MovieLens-100K has the published sizes and finds nearly all films in the metadata") {
  const std::string folder = real_data("ml-100k", "u.user");
  if (folder.empty()) return;
  const auto set = thaw::read_movielens_100k(folder);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::Dataset& data = set.value().data;
  CHECK(data.users.size() == 943);
  CHECK(data.items.size() == 1682);
  CHECK(data.ratings.size() == 100000);
  std::vector<int> count(6, 0);
  for (const thaw::Rating& r : data.ratings) ++count[static_cast<std::size_t>(r.value)];
  CHECK(count == std::vector<int>{0, 6110, 11370, 27145, 34174, 21201});
  const auto histories = thaw::make_histories(data);
  CHECK(histories.ok());
  if (histories) CHECK(histories.value().chronological);
  if (data.items.attributes.size() != 4) return;
  MESSAGE(set.value().films_joined << " of 1682 films found, " << data.items.attributes[2].values.size()
                                   << " directors, " << data.items.attributes[3].values.size() << " actors");
  CHECK(set.value().films_joined >= 1617);  // with titles that are letter by letter those of MovieLens-1M
  const std::int32_t toy_story = data.items.ids.find("1");
  CHECK(values(data.items.attributes[2], toy_story) == Texts{"John Lasseter"});
  CHECK(values(data.items.attributes[3], toy_story) == Texts{"Tom Hanks", "Tim Allen", "Don Rickles", "Jim Varney"});
}
