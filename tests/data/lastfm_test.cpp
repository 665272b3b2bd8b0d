#include "thaw/data/lastfm.hpp"

#include <numeric>

#include "tests/data/reader_fixture.hpp"

using namespace thaw_test;

namespace {

struct SmallLastfm {
  TemporaryFolder files;

  SmallLastfm() {
    files.write("artists.dat", "id\tname\turl\tpictureURL\n51\tDuran \"D\" Duran\tu\tp\n52\tBj\xc3\xb6rk\tu\t\n");
    files.write("user_artists.dat", "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t7\r\n9\t52\t1\r\n");
    files.write("tags.dat",
                "tagID\ttagValue\r\n1\tmetal\r\n13\trock fran\xe7"
                "ais\r\n24\tpop\r\n");
    files.write("user_taggedartists-timestamps.dat",
                "userID\tartistID\ttagID\ttimestamp\r\n2\t52\t13\t1238536800000\r\n2\t52\t1\t1\r\n"
                "9\t52\t24\t-428720400000\r\n9\t52\t1\t1\r\n9\t51\t24\t1\r\n9\t77\t1\t1\r\n");
  }
  thaw::Result<thaw::Lastfm> read() const { return thaw::read_lastfm(files.path()); }
};

}  // namespace

TEST_CASE("plays are interactions, tags and taggings are read, with CRLF and Latin-1") {
  const SmallLastfm small;
  const auto set = small.read();
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::Dataset& data = set.value().data;
  CHECK(data.users.ids.texts() == Texts{"2", "9"});
  CHECK(data.items.ids.texts() == Texts{"51", "52"});
  CHECK(data.items.titles == Texts{"Duran \"D\" Duran", "Bj\xc3\xb6rk"});
  CHECK(data.items.attributes.empty());
  CHECK(data.times.empty());
  CHECK(data.ratings.size() == 3);
  for (const thaw::Rating& r : data.ratings) CHECK(r.value == 1.0f);
  CHECK(data.ratings[2].user == 1);
  CHECK(data.ratings[2].item == 1);
  CHECK(set.value().plays == std::vector<float>{13883, 7, 1});
  CHECK(set.value().tags.texts() == Texts{"metal",
                                          "rock fran\xc3\xa7"
                                          "ais",
                                          "pop"});
  CHECK(set.value().taggings.size() == 5);
  CHECK(set.value().taggings_left_out == 1);
}

TEST_CASE("the tag attribute knows the taggings of the given users and no others") {
  const SmallLastfm small;
  const auto set = small.read();
  CHECK(set.ok());
  if (!set) return;
  const std::vector<std::int32_t> first{0}, second{1}, both{0, 1};
  const thaw::Attribute of_first = thaw::tag_attribute(set.value(), first);
  CHECK(of_first.name == "tag");
  CHECK(of_first.offsets.size() == 3);
  CHECK(values(of_first, 0).empty());
  CHECK(values(of_first, 1) == Texts{"metal",
                                     "rock fran\xc3\xa7"
                                     "ais"});
  CHECK(of_first.values.find("pop") == thaw::Vocabulary::kUnknown);
  CHECK(values(thaw::tag_attribute(set.value(), second), 0) == Texts{"pop"});
  // Two users gave "metal": it comes first, and alone when one tag is asked for.
  CHECK(values(thaw::tag_attribute(set.value(), both), 1) == Texts{"metal",
                                                                   "rock fran\xc3\xa7"
                                                                   "ais",
                                                                   "pop"});
  CHECK(values(thaw::tag_attribute(set.value(), both, {.most = 1}), 1) == Texts{"metal"});
  CHECK(thaw::tag_attribute(set.value(), {}).values.size() == 0);
}

TEST_CASE("Last.FM files that cannot be used") {
  const auto fault_with = [](std::string_view name, std::string_view bytes) {
    SmallLastfm small;
    small.files.write(name, bytes);
    return fault_text(small.read());
  };
  CHECK(contains(fault_with("artists.dat", "51\tA\tu\tp\n"),
                 "artists.dat, line 1, column 1 (header): expected a header that starts with \"id\", found \"51\""));
  CHECK(contains(fault_with("artists.dat", "id\tname\turl\tpictureURL\n51\tA\n"),
                 "artists.dat, line 2: expected 4 columns separated by \"tab\", found 2"));
  CHECK(
      contains(fault_with("artists.dat", "id\tname\turl\tpictureURL\n"), "artists.dat: expected records, found none"));
  CHECK(contains(fault_with("user_artists.dat", "userID\tartistID\tweight\n2\t53\t1\n"),
                 "user_artists.dat: artist \"53\" is not in the list of artists"));
  CHECK(contains(fault_with("user_artists.dat", "userID\tartistID\tweight\n2\t51\toften\n"),
                 "user_artists.dat, line 2, column 3 (rating): expected a number, found \"often\""));
  CHECK(contains(fault_with("user_artists.dat", "userID\tartistID\tweight\n2\t51\t0\n"),
                 "user_artists.dat, line 2, column 3 (rating): expected a rating inside the scale"));
  CHECK(contains(fault_with("user_artists.dat", "userID\tartistID\tweight\n2\t51\t1\n2\t51\t2\n"),
                 "user_artists.dat, line 3: expected one rating of user \"2\" for item \"51\""));
  CHECK(contains(fault_with("tags.dat", "tagID\ttagValue\n1\tpop\n2\tpop\n"),
                 "tags.dat, line 3, column 2 (tag): expected each tag once, found \"pop\" again"));
  CHECK(contains(fault_with("tags.dat", "tagID\ttagValue\n1\tpop\n1\trock\n"),
                 "tags.dat, line 3, column 1 (tag): expected an id that is not listed above, found \"1\""));
  const char* name = "user_taggedartists-timestamps.dat";
  CHECK(contains(fault_with(name, "userID\tartistID\ttagID\ttimestamp\n3\t51\t1\t0\n"),
                 "line 2, column 1 (user): expected a user of user_artists.dat, found \"3\""));
  CHECK(contains(fault_with(name, "userID\tartistID\ttagID\ttimestamp\n2\t51\t99\t0\n"),
                 "line 2, column 3 (tag): expected a tag of tags.dat, found \"99\""));
  check_not_found(thaw::read_lastfm("/nowhere"));
}

TEST_CASE("Last.FM has the published sizes") {
  const std::string folder = real_data("lastfm", "artists.dat");
  if (folder.empty()) return;
  const auto set = thaw::read_lastfm(folder);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  CHECK(set.value().data.users.size() == 1892);
  CHECK(set.value().data.items.size() == 17632);
  CHECK(set.value().data.ratings.size() == 92834);
  CHECK(set.value().tags.size() == 11946);
  CHECK(set.value().taggings.size() + static_cast<std::size_t>(set.value().taggings_left_out) == 186479);
  CHECK(set.value().taggings_left_out == 1538);
  std::vector<std::int32_t> everyone(1892);
  std::iota(everyone.begin(), everyone.end(), 0);
  const thaw::Attribute all = thaw::tag_attribute(set.value(), everyone);
  const thaw::Attribute half = thaw::tag_attribute(set.value(), std::span(everyone).first(946));
  CHECK(half.ids.size() < all.ids.size());
  MESSAGE(all.values.size() << " tags of everyone in use, " << half.values.size() << " of half the users");
}
