#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "recommend/options.hpp"
#include "recommend/text.hpp"
#include "tests/temporary_folder.hpp"

namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// The weights that come with the program.
const zero_shot::Network& shipped() {
  static zero_shot::Network network(zero_shot::kFeatures, 1);
  static const bool loaded = [] {
    const auto done = network.load("examples/recommend/weights.safetensors");
    CHECK_MESSAGE(done.ok(), (done ? "" : done.fault().text));
    return done.ok();
  }();
  CHECK(loaded);
  return network;
}

// From the text of a file to a list, as the program does it.
struct Run {
  std::string fault;
  recommend::Answer answer;
  std::vector<std::string> items;  // ids of the suggestions
  std::int64_t replaced = 0;
  std::string listing;

  Run(std::string_view text, const recommend::Request& request, const recommend::Options& options = {},
      std::string_view name = "ratings.csv") {
    thaw::Result<thaw::Dataset> data = thaw::parse_ratings(text, name, recommend::reader_options(options));
    if (!data) {
      fault = data.fault().text;
      return;
    }
    replaced = data.value().replaced;
    const auto prepared = recommend::prepare(std::move(data.value()), {.like_from = options.like_from});
    if (!prepared) {
      fault = prepared.fault().text;
      return;
    }
    auto answered = recommend::answer(prepared.value(), shipped(), request);
    if (!answered) {
      fault = answered.fault().text;
      return;
    }
    answer = std::move(answered.value());
    listing = recommend::listing(prepared.value(), answer);
    for (const recommend::Suggestion& s : answer.suggestions)
      items.push_back(prepared.value().data.items.ids.text(s.item));
  }
};

// Two groups of users who like tea and coffee things, and one who has nothing in common with anybody.
std::string tea_and_coffee() {
  std::string text = "user,item,rating\n";
  const char* const tea[] = {"assam", "sencha", "oolong", "mate", "rooibos"};
  const char* const coffee[] = {"arabica", "robusta", "mocha", "liberica", "excelsa"};
  for (int u = 0; u < 12; ++u)
    for (int i = 0; i < 5; ++i) {
      if ((u + i) % 4 == 0) continue;
      text += "tea drinker " + std::to_string(u) + "," + tea[i] + ",5\n";
      text += "coffee drinker " + std::to_string(u) + "," + coffee[i] + ",4\n";
    }
  return text + "J\xc3\xbcrgen,cocoa,3\nJ\xc3\xbcrgen,milk,3\n";
}

recommend::Request of_user(const char* user, int most = 10) {
  recommend::Request request;
  request.user = user;
  request.most = most;
  return request;
}

recommend::Options scale(float low, float high) {
  recommend::Options options;
  options.lowest = low, options.highest = high;
  return options;
}

}  // namespace

TEST_CASE("the shipped weights: kilobytes, sources named, none of those whose terms forbid it") {
  const auto file = thaw::SafetensorsFile::open("examples/recommend/weights.safetensors");
  CHECK(file.ok());
  if (!file) return;
  CHECK(file.value().bytes().size() < 32'000);
  const auto sources = thaw::metadata_list(file.value().view(), "sources");
  CHECK(sources.ok());
  if (!sources) return;
  CHECK(sources.value().size() >= 2);
  for (const std::string& name : sources.value()) {
    const zero_shot::SourceEntry* entry = zero_shot::find_source(name);
    CHECK(entry != nullptr);
    if (entry != nullptr) CHECK(entry->may_ship);
  }
}

TEST_CASE("ids as text: a tea drinker gets tea, with reasons and what of her history is near") {
  const Run run(tea_and_coffee(), of_user("tea drinker 3", 1));
  CHECK(run.fault == "");
  if (!run.fault.empty()) return;
  const std::set<std::string> tea{"assam", "sencha", "oolong", "mate", "rooibos"};
  CHECK(run.items.size() == 1);
  CHECK(tea.count(run.items[0]) == 1);
  const recommend::Suggestion& first = run.answer.suggestions[0];
  CHECK(!first.reasons.empty());
  for (const recommend::Reason& reason : first.reasons) CHECK(reason.moved > 0);
  CHECK(!first.near.empty());
  CHECK(has(run.listing, "1. " + run.items[0]));
  CHECK(has(run.listing, "near "));
}

TEST_CASE("a list holds no item of the history, each once, best first, and is the same at every run") {
  const Run run(tea_and_coffee(), of_user("coffee drinker 1")), again(tea_and_coffee(), of_user("coffee drinker 1"));
  CHECK(run.listing == again.listing);
  std::set<std::int32_t> seen(run.answer.history.begin(), run.answer.history.end());
  for (std::size_t i = 0; i < run.answer.suggestions.size(); ++i) {
    CHECK(seen.insert(run.answer.suggestions[i].item).second);
    if (i > 0) CHECK(run.answer.suggestions[i].score <= run.answer.suggestions[i - 1].score);
  }
}

TEST_CASE("a stranger is known by her items alone") {
  recommend::Request request;
  request.items = {"arabica", "mocha"};
  request.most = 3;
  const Run run(tea_and_coffee(), request);
  CHECK(run.fault == "");
  CHECK(run.answer.people == 12);
  const std::set<std::string> coffee{"robusta", "liberica", "excelsa"};
  for (const std::string& item : run.items) CHECK(coffee.count(item) == 1);
}

TEST_CASE("no overlap: the list is what is popular, and the answer says that nobody shares anything") {
  const Run run(tea_and_coffee(), of_user("J\xc3\xbcrgen", 3));
  CHECK(run.fault == "");
  CHECK(run.answer.people == 0);
  CHECK(run.items.size() == 3);
  for (const recommend::Suggestion& s : run.answer.suggestions) CHECK(s.near.empty());
}

TEST_CASE("bad files get a clear answer") {
  CHECK(has(Run("", of_user("1")).fault, "ratings.csv: expected ratings, found an empty file"));
  CHECK(has(Run("\n\n", of_user("1")).fault, "found an empty file"));
  CHECK(has(Run("user,item,rating\n", of_user("1")).fault, "found only a header"));
  CHECK(has(Run("user,item,rating\nann,a,5\nann,b,4\n", of_user("ann")).fault, "all ratings are of one user, \"ann\""));
  CHECK(has(Run("user,item,rating\nann,a,5\nbob,a,4\n", of_user("ann")).fault, "all ratings are of one item, \"a\""));
  CHECK(has(Run("user,item,rating\nann,a,many\n", of_user("ann")).fault, "line 2, column 3"));
}

TEST_CASE("unknown ids, and nothing left to recommend") {
  const std::string text = "user,item,rating\nann,a,5\nann,b,4\nbob,b,3\n";
  CHECK(has(Run(text, of_user("carol")).fault,
            "user \"carol\" is not in the file; its 2 users are called \"ann\", \"bob\""));
  recommend::Request request;
  request.items = {"z"};
  CHECK(has(Run(text, request).fault, "item \"z\" is not in the file"));
  CHECK(has(Run(text, of_user("ann")).fault, "has every item of the file already"));
}

TEST_CASE("a row twice: the last one counts, and the answer says how many") {
  const std::string text = "user,item,rating\nann,a,5\nann,a,2\nbob,a,3\nbob,b,3\n";
  const Run run(text, of_user("ann"));
  CHECK(run.fault == "");
  CHECK(run.replaced == 1);
  CHECK(run.items == std::vector<std::string>{"b"});
}

TEST_CASE("ratings outside a given scale are named; below the limit of a like they do not count") {
  const std::string text = "user,item,rating\nann,a,5\nbob,a,3\nbob,b,9\n";
  CHECK(has(Run(text, of_user("ann"), scale(1, 5)).fault, "line 4, column 3"));
  CHECK(Run(text, of_user("ann")).fault == "");
  recommend::Options picky;
  picky.like_from = 10;
  CHECK(has(Run(text, of_user("ann"), picky).fault, "none of 3 ratings reaches the limit"));
  picky.like_from = 4;  // bob's a is no like: nobody shares anything with ann
  CHECK(Run(text, of_user("ann"), picky).answer.people == 0);
}

TEST_CASE("files of other forms, and files without ratings") {
  CHECK(Run("1::10::5::9\n1::11::4::9\n2::10::3::9\n2::12::3::9\n", of_user("1"), {}, "ratings.dat").items ==
        std::vector<std::string>{"12"});
  CHECK(Run("user_id:token\titem_id:token\na\tx\na\ty\nb\tx\nb\tz\n", of_user("a"), {}, "events.inter").items ==
        std::vector<std::string>{"z"});
}

TEST_CASE("columns that are not called as usual are named, and a header that was read as data is pointed out") {
  const std::string text = "when,who,what,how\n9,a,x,5\n9,a,y,4\n9,b,x,3\n9,b,z,1\n";
  recommend::Options options;
  const std::string fault = Run(text, of_user("a")).fault;
  CHECK(has(fault, "line 1, column 3"));
  CHECK(has(recommend::hint(options, fault), "--columns USER,ITEM,RATING"));
  CHECK(std::string_view(recommend::hint(options, "ratings.csv, line 12: bad")).empty());
  options.columns = {"who", "what", "how"};
  CHECK(Run(text, of_user("a"), options).items == std::vector<std::string>{"z"});
  options.columns = {"2", "3", "4"};
  CHECK(Run(text.substr(text.find('\n') + 1), of_user("a"), options).items == std::vector<std::string>{"z"});
  const auto note = [](std::string_view rows) {
    thaw::Result<thaw::Dataset> data = thaw::parse_ratings(rows, "clicks.tsv", recommend::reader_options({}));
    CHECK(data.ok());
    if (!data) return std::string("no data");
    const auto prepared = recommend::prepare(std::move(data.value()));
    CHECK(prepared.ok());
    return prepared ? recommend::first_line_note(prepared.value()) : std::string("no statistics");
  };
  CHECK(has(note("listener\tsong\na\tx\na\ty\nb\tx\n"), "the item 'song' of the user 'listener'"));
  CHECK(note("a\tx\na\ty\nb\tx\n").empty());
  CHECK(note("user\titem\na\tx\nb\ty\nb\tx\n").empty());
}

TEST_CASE("titles stand in for ids; a table without titles, or of other items, is refused") {
  thaw_test::TemporaryFolder files;
  thaw::Entities items;
  for (const char* id : {"7", "12", "30"}) items.ids.add(id);
  const std::string path =
      files.write("movies.csv", "movieId,title,genres\n12,\"Heat, part 1\",Crime\n99,Casino,Crime\n7,Toys,Fun|Play\n");
  CHECK(recommend::read_titles(path, items).ok());
  CHECK(items.titles == std::vector<std::string>{"Toys", "Heat, part 1", "30"});
  CHECK(items.size() == 3);
  const auto fault = [&](const char* name, const char* text) {
    const auto read = recommend::read_titles(files.write(name, text), items);
    return read ? std::string() : std::string(read.fault().text);
  };
  CHECK(has(fault("genres.csv", "movieId,genres\n12,Crime\n"), "a column called title or name"));
  CHECK(has(fault("others.csv", "movieId,title\n98,Casino\n99,Heat\n"), "none of its 2 ids is one of the 3 items"));
  CHECK(!recommend::read_titles(path + ".no", items).ok());
}

TEST_CASE("an item that is known to be new comes nearer to the top, where those who have it are alike") {
  // Matcha came last week: one tea drinker has it. A coffee of the same number belongs to the other group.
  const std::string text = tea_and_coffee() + "tea drinker 5,matcha,5\ncoffee drinker 5,geisha,5\n";
  // How far an item's score is behind the first one's.
  const auto behind = [&](const std::vector<std::string>& new_items, const char* id) {
    thaw::Result<thaw::Dataset> data = thaw::parse_ratings(text, "ratings.csv", recommend::reader_options({}));
    CHECK(data.ok());
    if (!data) return 99.0f;
    const auto prepared = recommend::prepare(std::move(data.value()), {.new_items = new_items});
    CHECK_MESSAGE(prepared.ok(), (prepared ? "" : prepared.fault().text));
    if (!prepared) return 99.0f;
    const auto list = recommend::answer(prepared.value(), shipped(), of_user("tea drinker 3", 20));
    CHECK(list.ok());
    if (!list) return 99.0f;
    const auto& found = list.value().suggestions;
    for (const recommend::Suggestion& s : found)
      if (prepared.value().data.items.ids.text(s.item) == id) return found[0].score - s.score;
    return 99.0f;
  };
  CHECK(behind({"matcha", "geisha"}, "matcha") < behind({}, "matcha"));
  CHECK(behind({"matcha", "geisha"}, "matcha") < behind({"matcha", "geisha"}, "geisha"));
  thaw::Result<thaw::Dataset> data = thaw::parse_ratings(text, "ratings.csv", recommend::reader_options({}));
  if (!data) return;
  const auto unknown = recommend::prepare(std::move(data.value()), {.new_items = {"gold"}});
  CHECK(!unknown.ok());
  if (!unknown) CHECK(has(unknown.fault().text, "item \"gold\" is not in the file"));
}

TEST_CASE("options that do not go together are named") {
  recommend::Options o;
  CHECK(has(recommend::problem(o), "expected a path"));
  o.path = "ratings.csv";
  CHECK(has(recommend::problem(o), "expected whom to recommend to"));
  o.request.user = "1";
  CHECK(recommend::problem(o).empty());
  o.columns = {"who"};
  CHECK(has(recommend::problem(o), "expected two or three"));
  o.columns.clear();
  o.lowest = 5.0f, o.highest = 5.0f;
  CHECK(has(recommend::problem(o), "expected the lowest and the highest"));
  recommend::Options example;
  example.example_rows = 10;
  CHECK(recommend::problem(example).empty());
}
