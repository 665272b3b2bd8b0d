#include "thaw/data/cikm2019.hpp"

#include <doctest/doctest.h>

#include "tests/temporary_folder.hpp"

using thaw_test::contains;

namespace {

using Texts = std::vector<std::string>;

const std::string kEvents =
    "1,10,pv,5\n"
    "1,10,buy,9\n"
    "2,11,fav,100\n"
    "3,12,cart,7\n";
const std::string kUsers = "1,0,25,3\n2,1,,7\n";
const std::string kItems = "10,100,200,300\n11,100,201,\n";

std::string fault_of(const std::string& events, const std::string& users, const std::string& items) {
  const auto set = thaw::parse_cikm2019(events, users, items);
  return set ? std::string() : std::string(set.fault().text);
}

}  // namespace

TEST_CASE("events, users and items in the published order of columns; buying is the label") {
  const auto set = thaw::parse_cikm2019(kEvents, kUsers, kItems);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::ClickLog& log = set.value().log;
  CHECK(log.clicks.users == std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(log.clicks.items == std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(log.clicks.labels == std::vector<float>{0, 1, 0, 0});
  CHECK(log.clicks.times == std::vector<std::int64_t>{5, 9, 100, 7});
  CHECK(set.value().users_unlisted == 1);
  CHECK(set.value().items_unlisted == 1);
  CHECK(thaw::check_clicks(log.clicks).ok());
  const auto value = [](const thaw::Attribute& attribute, std::int32_t entity) {
    return attribute.of(entity).empty() ? std::string("none") : attribute.values.text(attribute.of(entity)[0]);
  };
  CHECK(value(log.users.attributes[1], 0) == "25-34");
  CHECK(value(log.users.attributes[1], 1) == "none");
  CHECK(value(log.users.attributes[2], 1) == "7");
  CHECK(value(log.users.attributes[0], 2) == "none");
  CHECK(value(log.items.attributes[1], 1) == "201");
  CHECK(value(log.items.attributes[2], 1) == "none");
  CHECK(log.items.attributes[0].name == "category");
}

TEST_CASE("CIKM 2019 files that cannot be used") {
  CHECK(contains(fault_of("1,10,click,5\n", kUsers, kItems),
                 "user_behavior.csv, line 1, column 3 (behaviour): expected pv, cart, fav or buy, found \"click\""));
  CHECK(contains(fault_of("1,10,pv,soon\n", kUsers, kItems),
                 "user_behavior.csv, line 1, column 4 (time): expected a whole number from 0 on, found \"soon\""));
  CHECK(contains(fault_of("1,10,pv,-1\n", kUsers, kItems), "from 0 on, found \"-1\""));
  CHECK(contains(fault_of("1,10,pv\n", kUsers, kItems), "user_behavior.csv, line 1: expected 4 columns"));
  CHECK(contains(fault_of("1,,pv,3\n", kUsers, kItems), "column 2 (item): expected an id, found nothing"));
  CHECK(contains(fault_of("", kUsers, kItems), "user_behavior.csv: expected records, found none"));
  CHECK(contains(fault_of(kEvents, "1,0,old,3\n", kItems),
                 "user.csv, line 1, column 3 (age): expected a whole number or nothing, found \"old\""));
  CHECK(
      contains(fault_of(kEvents, kUsers + "1,0,20,3\n", kItems), "user.csv, line 3, column 1 (user): expected an id"));
  CHECK(contains(fault_of(kEvents, kUsers, "10,1,2\n"), "item.csv, line 1: expected 4 columns"));
}

TEST_CASE("the folder's files, and their absence") {
  thaw_test::TemporaryFolder files;
  files.write("user_behavior.csv", kEvents), files.write("user.csv", kUsers);
  const auto half = thaw::read_cikm2019(files.path());
  CHECK_FALSE(half.ok());
  if (!half) CHECK(contains(half.fault().text, "item.csv: no such file"));
  files.write("item.csv", kItems);
  CHECK(thaw::read_cikm2019(files.path()).ok());
}
