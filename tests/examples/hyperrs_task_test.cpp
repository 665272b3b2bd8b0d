#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "hyperrs/task.hpp"
#include "tests/heap_counter.hpp"
#include "tests/temporary_folder.hpp"

using thaw::ItemSet;
using thaw::UserGroup;
using thaw_test::contains;

namespace {

std::string fault_of(const std::string& name, const hyperrs::TaskOptions& options = {}) {
  const auto task = hyperrs::load_task(name, options);
  return task ? std::string() : std::string(task.fault().text);
}

// What must hold of a task whatever the data.
void check_leak_free(const hyperrs::Task& task) {
  const hyperrs::World world = task.world();
  CHECK(world.data == &task.data);
  const thaw::EpisodeSampler sampler = task.sampler({});
  for (const UserGroup group : {UserGroup::validation, UserGroup::test})
    for (const std::int32_t user : task.split.users(group)) CHECK(world.train.by_user.row(user).empty());
  for (const std::int32_t item : task.candidates(ItemSet::cold)) CHECK(world.train.by_item.row(item).empty());
  for (const std::int32_t item : task.candidates(ItemSet::known)) CHECK_FALSE(world.train.by_item.row(item).empty());
  for (const ItemSet set : {ItemSet::known, ItemSet::cold}) {
    const auto episodes = sampler.held_out(UserGroup::test, set);
    CHECK_MESSAGE(episodes.ok(), (episodes ? "" : episodes.fault().text));
    if (!episodes) continue;
    for (const thaw::Episode& e : episodes.value())
      for (const thaw::Episode::Part* part : {&e.support, &e.query}) {
        for (const std::int32_t item : part->items)
          CHECK(world.train.by_item.row(item).empty() == (set == ItemSet::cold));
        for (const std::int32_t item : part->negatives) CHECK(sampler.records().find(e.user, item) == nullptr);
      }
  }
}

}  // namespace

TEST_CASE("a generated task is leak-free and the same for the same seed") {
  const auto a = hyperrs::load_task("generated", {.seed = 4}), b = hyperrs::load_task("generated", {.seed = 4});
  CHECK((a.ok() && b.ok()));
  if (!a || !b) return;
  check_leak_free(a.value());
  CHECK(a.value().split.test_users == b.value().split.test_users);
  CHECK(a.value().split.train.size() == b.value().split.train.size());
  CHECK(a.value().generator.has_value());
  CHECK(a.value().data.items.attributes.size() == 4);
}

TEST_CASE("drawing into used episodes takes nothing from the heap") {
  const auto task = hyperrs::load_task("generated");
  CHECK(task.ok());
  if (!task) return;
  const thaw::EpisodeSampler sampler = task.value().sampler({.support = 5, .query = 5});
  thaw::Episode episode;
  for (const std::int32_t user : sampler.training_users()) sampler.draw(0, user, episode);
  const long before = thaw_test::heap_allocations();
  for (const std::int32_t user : sampler.training_users()) sampler.draw(1, user, episode);
  CHECK(thaw_test::heap_allocations() == before);
}

TEST_CASE("any ratings file is a task; without a rating column records count 1") {
  thaw_test::TemporaryFolder files;
  std::string rated = "user,item,rating,timestamp\n", events = "user,item\n";
  for (int u = 0; u < 30; ++u)
    for (int k = 0; k < 40; ++k) {
      const std::string pair = std::to_string(u) + ",i" + std::to_string((u * 7 + k * 3) % 60);
      if (k < 20) rated += pair + "," + std::to_string(1 + (u + k) % 5) + "," + std::to_string(1000 - k) + "\n";
      if (k < 20) events += pair + "\n";
    }
  const auto task = hyperrs::load_task(files.write("r.csv", rated));
  CHECK_MESSAGE(task.ok(), (task ? "" : task.fault().text));
  if (!task) return;
  CHECK(task.value().histories.chronological);
  CHECK(task.value().text == "histories in time order, ties at random");
  const thaw::EpisodeSampler sampler = task.value().sampler({.support = 5, .query = 3});
  const auto tests = sampler.held_out(UserGroup::test, ItemSet::known);
  CHECK_MESSAGE(tests.ok(), (tests ? "" : tests.fault().text));
  const std::string path = files.write("e.csv", events);
  const auto unrated = hyperrs::load_task(path);
  CHECK_MESSAGE(unrated.ok(), (unrated ? "" : unrated.fault().text));
  if (unrated) CHECK(unrated.value().data.ratings[0].value == 1.0f);
  CHECK(contains(fault_of(path, {.objective = hyperrs::Objective::rating}), "every rating is 1; there is nothing"));
  CHECK(contains(fault_of(files.write("one.csv", "user,item,rating\n1,2,3\n"), {.cold_items = 0.9}),
                 "no training user has a record"));
}

TEST_CASE("data that are not there are named") {
  CHECK(contains(fault_of("netflix"), "netflix: no such data set and no such file; expected ml-1m, ml-100k"));
  CHECK(contains(fault_of("ml-1m", {.folder = "/nowhere"}), "/nowhere/ml-1m/users.dat: no such file"));
  CHECK(contains(fault_of("ml-100k", {.folder = "/nowhere"}), "/nowhere/ml-100k/u.user: no such file"));
  CHECK(contains(fault_of("lastfm", {.folder = "/nowhere"}), "/nowhere/lastfm/artists.dat: no such file"));
  CHECK(contains(fault_of("book-crossing", {.folder = "/nowhere"}), "/nowhere/book-crossing/BX-Books.csv: no such"));
}

TEST_CASE("the four public sets: leak-free, with the attributes of the paper's roles") {
  const char* root = std::getenv("THAW_DATA");
  const std::pair<std::string, std::vector<std::string>> sets[] = {{"ml-1m", {"genre", "director", "actor"}},
                                                                   {"ml-100k", {"genre", "director", "actor"}},
                                                                   {"book-crossing", {"author", "publisher", "year"}},
                                                                   {"lastfm", {"tag"}}};
  for (const auto& [name, attributes] : sets) {
    const auto task = root == nullptr ? hyperrs::load_task("/nowhere") : hyperrs::load_task(name, {.folder = root});
    if (!task && task.fault().kind == thaw::FaultKind::not_found) {
      MESSAGE("skipped: set THAW_DATA to a folder that holds " << name);
      continue;
    }
    CHECK_MESSAGE(task.ok(), (task ? "" : task.fault().text));
    if (!task) continue;
    check_leak_free(task.value());
    std::vector<std::string> found;
    for (const thaw::Attribute& attribute : task.value().data.items.attributes) {
      found.push_back(attribute.name);
      CHECK(attribute.offsets.size() == static_cast<std::size_t>(task.value().data.items.size()) + 1);
    }
    CHECK(found == attributes);
    CHECK(task.value().histories.chronological == (name == "ml-1m" || name == "ml-100k"));
    for (const ItemSet set : {ItemSet::known, ItemSet::cold})
      for (const std::int32_t support : {5, 10, 15}) {
        const auto tests = task.value().sampler({.support = support}).held_out(UserGroup::test, set);
        CHECK(tests.ok());
        if (!tests) continue;
        std::size_t asked = 0;
        for (const thaw::Episode& e : tests.value()) asked += e.query.items.size();
        MESSAGE(name << ", " << task.value().text << ", " << std::string(set == ItemSet::known ? "known" : "cold")
                     << ", support " << support << ": " << tests.value().size() << " test users, " << asked
                     << " query records, " << task.value().candidates(set).size() << " candidates");
      }
  }
}

TEST_CASE("MovieLens-1M in time order: the ratings from 3 on, and no lower one as a negative") {
  const char* root = std::getenv("THAW_DATA");
  const auto task = root == nullptr ? hyperrs::load_task("/nowhere") : hyperrs::load_task("ml-1m", {.folder = root});
  if (!task && task.fault().kind == thaw::FaultKind::not_found) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m");
    return;
  }
  CHECK(task.ok());
  if (!task) return;
  CHECK(task.value().histories.items.size() == 835789);
  CHECK(task.value().data.ratings.size() == 1000209);
  const thaw::EpisodeSampler sampler = task.value().sampler({});
  CHECK(sampler.records().edges.size() == 1000209);
  thaw::Episode e;
  for (const std::int32_t user : sampler.training_users()) {
    CHECK(sampler.draw(0, user, e));
    for (const float label : e.support.labels) CHECK(label >= 3.0f);
    for (const std::int32_t item : e.support.negatives) CHECK(sampler.records().find(user, item) == nullptr);
  }
}
