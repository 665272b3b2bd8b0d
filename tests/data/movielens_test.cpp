#include "thaw/data/movielens.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "tests/temporary_folder.hpp"
#include "thaw/data/cold_start_split.hpp"
#include "thaw/data/cold_start_states.hpp"

using thaw_test::contains;
using thaw_test::TemporaryFolder;

namespace {

// Three users and three films in the form of the real files.
struct SmallMovielens {
  TemporaryFolder files;

  SmallMovielens() {
    files.write("users.dat", "1::F::1::10::48067\n2::M::56::16::70072-1234\n3::M::25::15::55117\n");
    files.write(
        "movies.dat",
        "1::Toy Story (1995)::Animation|Children's|Comedy\n73::Mis\xe9rables, Les (1995)::Drama\n9::Untitled::Drama\n");
    files.write("ratings.dat", "1::73::5::978300760\n1::1::3::978302109\n3::1::4::978301968\n");
  }
  // Film metadata in the same folder; film 9 has none.
  void write_extra() {
    files.write("m_gender.txt", "M\r\nF");
    files.write("m_age.txt", "1\r\n18\r\n25\r\n35\r\n45\r\n50\r\n56\r\n");
    std::string occupations;
    for (int i = 0; i < 21; ++i) occupations += std::to_string(i) + "\r\n";
    files.write("m_occupation.txt", occupations);
    files.write("m_zipcode.txt", "70072\r\n55117\r\n");
    files.write("m_rate.txt", "PG\r\nR\r\n");
    files.write("m_genre.txt", "Comedy\r\nnan\r\nAnimation\r\n");
    files.write("m_director.txt", "nan\r\nAnn Lee\r\nBo Ek\r\n");
    files.write("m_actor.txt", "Tom\r\nZo\xc3\xab\r\n");
    files.write("movies_extrainfos.dat",
                "1::Toy Story::1995::R::x::Animation, Comedy::Bo Ek (co-director), Ann Lee::w::Zo\xc3\xab, Nobody, "
                "Tom::p::u\r\n"
                "73::Mis\xc3\xa9rables::1998::PG::x::N/A::N/A::w::Nobody::p::u\r\n");
  }
  thaw::Result<thaw::Dataset> read(bool with_extra) const {
    thaw::MovielensOptions options;
    options.use_extra = with_extra;
    options.extra_folder = files.path();
    options.actor_rows = 5;
    return thaw::read_movielens_1m(files.path(), options);
  }
};

std::vector<std::string> values(const thaw::Attribute& attribute, std::int32_t entity) {
  std::vector<std::string> texts;
  for (const std::int32_t number : attribute.of(entity)) texts.push_back(attribute.values.text(number));
  return texts;
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("GroupLens' three files: ids, titles, years, attributes, times") {
  const SmallMovielens small;
  const auto result = small.read(false);
  CHECK_MESSAGE(result.ok(), (result ? "" : result.fault().text));
  if (!result) return;
  const thaw::Dataset& data = result.value();
  CHECK(data.users.ids.texts() == Texts{"1", "2", "3"});
  CHECK(data.items.ids.texts() == Texts{"1", "73", "9"});
  CHECK(data.items.title(1) == "Mis\xc3\xa9rables, Les (1995)");
  CHECK(data.items.years == std::vector<std::int32_t>{1995, 1995, 0});
  CHECK(data.times == std::vector<std::int64_t>{978300760, 978302109, 978301968});
  CHECK(data.ratings.size() == 3);
  CHECK(data.ratings[0].item == 1);
  CHECK(data.ratings[2].user == 2);
  CHECK(data.lowest == 1.0f);
  CHECK(data.users.attributes.size() == 4);
  CHECK(data.items.attributes.size() == 2);
  CHECK(values(data.users.attributes[0], 0) == Texts{"F"});
  CHECK(values(data.users.attributes[1], 1) == Texts{"56+"});
  CHECK(values(data.users.attributes[2], 0) == Texts{"pupil"});
  CHECK(values(data.users.attributes[3], 1) == Texts{"70072"});
  CHECK(values(data.items.attributes[0], 0) == Texts{"Animation", "Children's", "Comedy"});
  CHECK(values(data.items.attributes[1], 0) == Texts{"1995"});
  CHECK(data.items.attributes[1].of(2).empty());
}

TEST_CASE("film metadata takes the slots and numbers of the vocabulary files") {
  SmallMovielens small;
  small.write_extra();
  const auto result = small.read(true);
  CHECK_MESSAGE(result.ok(), (result ? "" : result.fault().text));
  if (!result) return;
  const auto& items = result.value().items;
  CHECK(items.attributes.size() == 4);
  if (items.attributes.size() != 4) return;
  CHECK(items.attributes[0].of(0)[0] == 1);
  CHECK(values(items.attributes[1], 0) == Texts{"Animation", "Comedy"});
  CHECK(values(items.attributes[1], 1) == Texts{"nan"});
  CHECK(values(items.attributes[2], 0) == Texts{"Bo Ek", "Ann Lee"});
  CHECK(values(items.attributes[2], 1) == Texts{"nan"});
  CHECK(values(items.attributes[3], 0) == Texts{"Zo\xc3\xab", "Tom"});
  CHECK(items.attributes[3].of(1).empty());
  CHECK(items.attributes[3].cardinality() == 5);
  for (const thaw::Attribute& attribute : items.attributes) CHECK(attribute.of(2).empty());
  CHECK(items.years == std::vector<std::int32_t>{1995, 1998, 0});
  const auto& users = result.value().users;
  CHECK(users.attributes[0].of(0)[0] == 1);  // line numbers: M 0, F 1
  CHECK(users.attributes[3].of(0).empty());  // a zip that the vocabulary lacks
  CHECK(users.attributes[3].of(1)[0] == 0);
}

TEST_CASE("MovieLens files that cannot be used") {
  const auto fault_with = [](std::string_view name, std::string_view bytes) {
    SmallMovielens small;
    small.write_extra();
    small.files.write(name, bytes);
    const auto result = small.read(true);
    return result ? std::string() : std::string(result.fault().text);
  };
  CHECK(contains(fault_with("users.dat", "1::F::1::10\n"), "users.dat, line 1: expected 5 columns"));
  CHECK(
      contains(fault_with("users.dat", "1::F::2::10::48067\n"), "users.dat, line 1, column 3 (age): expected a code"));
  CHECK(contains(fault_with("users.dat", "1::F::1::10::1\n1::F::1::10::1\n"),
                 "users.dat, line 2, column 1 (user): expected an id that is not listed above"));
  CHECK(contains(fault_with("ratings.dat", "4::73::5::978300760\n"),
                 "ratings.dat: user \"4\" is not in the list of users"));
  CHECK(contains(fault_with("ratings.dat", "1::74::5::978300760\n"),
                 "ratings.dat: film \"74\" is not in the list of films"));
  CHECK(contains(fault_with("ratings.dat", "1::73::6::978300760\n"), "expected a rating inside the scale"));
  CHECK(contains(fault_with("m_rate.txt", "PG\nPG\n"), "m_rate.txt, line 2: expected each value once"));
  CHECK(contains(fault_with("movies_extrainfos.dat", "1::x::soon::R::x::a::b::c::d::e::f\n"),
                 "line 1, column 3 (year): expected a year"));
  CHECK(contains(fault_with("movies_extrainfos.dat", "2::x::1995::R::x::a::b::c::d::e::f\n"),
                 "line 1, column 1 (film): expected an id listed in movies.dat"));
  const auto missing = thaw::read_movielens_1m("/nowhere");
  CHECK(!missing.ok());
  if (!missing) CHECK(missing.fault().kind == thaw::FaultKind::not_found);
}

TEST_CASE("a state keeps the order of its file, users of the two files are matched by id") {
  const SmallMovielens small;
  const auto data = small.read(false);
  CHECK(data.ok());
  if (!data) return;
  const auto state = thaw::detail::parse_state(R"({"3": ["1"], "1": ["73", "1"], "2": []})", "f.json",
                                               R"({ "1":[5,3.0],"2":[],"3" : [4] })", "y.json", data.value());
  CHECK_MESSAGE(state.ok(), (state ? "" : state.fault().text));
  if (!state) return;
  CHECK(state.value().users == std::vector<std::int32_t>{2, 0, 1});
  CHECK(state.value().ratings.size() == 3);
  CHECK(state.value().ratings[0].user == 2);
  CHECK(state.value().ratings[1].item == 1);
  CHECK(state.value().ratings[1].value == 5.0f);
}

TEST_CASE("states that cannot be used") {
  const SmallMovielens small;
  const auto data = small.read(false);
  CHECK(data.ok());
  if (!data) return;
  const auto fault = [&data](std::string_view films, std::string_view ratings) {
    const auto state = thaw::detail::parse_state(films, "f.json", ratings, "y.json", data.value());
    return state ? std::string() : std::string(state.fault().text);
  };
  CHECK(contains(fault("", "{}"), "f.json, line 1, byte 1: expected '{', found \"the end"));
  CHECK(contains(fault(R"({"1": ["1"})", "{}"), "f.json, line 1, byte 11: expected ',' or ']', found \"}\""));
  CHECK(contains(fault(R"({"1": ["\u0031"]})", "{}"), "expected a text or a number"));
  CHECK(contains(fault(R"({"1": [true]})", "{}"), "expected a text or a number"));
  CHECK(contains(fault("{} {}", "{}"), "f.json, line 1, byte 4: expected the end of the file"));
  CHECK(contains(fault(R"({"1": ["1"]})", "{}"), "y.json: expected 1 users as in the list of films, found 0"));
  CHECK(contains(fault(R"({"1": ["1"]})", R"({"2": [3]})"), "f.json: user \"1\" has no ratings in y.json"));
  CHECK(contains(fault(R"({"8": ["1"]})", R"({"8": [3]})"), "f.json: user \"8\" is not in the data set"));
  CHECK(contains(fault(R"({"1": ["2"]})", R"({"1": [3]})"), "f.json: user \"1\": film \"2\" is not in the data set"));
  CHECK(contains(fault(R"({"1": ["1"]})", R"({"1": [3, 4]})"),
                 "y.json: user \"1\": expected 1 ratings, one a film, found 2"));
  CHECK(contains(fault(R"({"1": ["1"]})", R"({"1": [6]})"), "expected a rating between 1 and 5, found \"6\""));
  CHECK(contains(fault(R"({"1": ["1"]})", R"({"1": ["x"]})"), "expected a rating between 1 and 5, found \"x\""));
}

TEST_CASE("MovieLens-1M and its published split have the published sizes") {
  const char* root = std::getenv("THAW_DATA");
  if (root == nullptr || !thaw::file_exists(thaw::join_path(root, "ml-1m/users.dat"))) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m and ml-1m-melu");
    return;
  }
  const auto result = thaw::read_movielens_1m(thaw::join_path(root, "ml-1m"));
  CHECK_MESSAGE(result.ok(), (result ? "" : result.fault().text));
  if (!result) return;
  const thaw::Dataset& data = result.value();
  CHECK(data.users.size() == 6040);
  CHECK(data.items.size() == 3883);
  CHECK(data.ratings.size() == 1000209);
  std::set<std::int32_t> rated;
  std::vector<int> count(6, 0);
  for (const thaw::Rating& r : data.ratings) rated.insert(r.item), ++count[static_cast<std::size_t>(r.value)];
  CHECK(rated.size() == 3706);
  CHECK(count == std::vector<int>{0, 56174, 107557, 261197, 348971, 226310});
  // 218,944 embedding parameters of width 16, the rating's five rows included.
  std::int64_t rows = 5;
  for (const thaw::Entities* side : {&data.users, &data.items})
    for (const thaw::Attribute& attribute : side->attributes) rows += attribute.cardinality();
  CHECK(16 * rows == 218944);

  const auto states = thaw::read_cold_start_states(thaw::join_path(root, "ml-1m-melu"), data);
  CHECK_MESSAGE(states.ok(), (states ? "" : states.fault().text));
  if (!states) return;
  const auto check = [&data](const thaw::ColdStartState& state, std::size_t users, std::size_t items,
                             std::size_t ratings, int first_year, int last_year) {
    CHECK(state.users.size() == users);
    CHECK(state.ratings.size() == ratings);
    std::set<std::int32_t> films;
    for (const thaw::Rating& r : state.ratings) {
      films.insert(r.item);
      const int year = data.items.years[static_cast<std::size_t>(r.item)];
      if (year < first_year || year > last_year) CHECK(data.items.title(r.item) == "a film of another year");
    }
    CHECK(films.size() == items);
  };
  check(states.value().warm, 4832, 2954, 640448, 1900, 1997);
  check(states.value().user_cold, 1208, 2757, 163702, 1900, 1997);
  check(states.value().item_cold, 4769, 733, 157456, 1998, 2000);
  check(states.value().both_cold, 1197, 682, 38603, 1998, 2000);

  const thaw::ColdStartSplit split = thaw::split_from_states(states.value(), data);
  CHECK(split.unused.size() == 4);  // (1267, 811), (4169, 811), (2860, 811), (195, 1741) are listed twice
  std::set<std::int32_t> training_users;
  for (const thaw::Rating& r : split.train) training_users.insert(r.user);
  CHECK(training_users.size() == 4228);
  CHECK(split.validation[0].targets.size() == 604);
  CHECK(split.validation[1].hidden.empty());
}
