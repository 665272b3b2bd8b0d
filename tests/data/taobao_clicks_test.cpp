#include "thaw/data/taobao_clicks.hpp"

#include <doctest/doctest.h>

#include "tests/temporary_folder.hpp"

using thaw_test::contains;

namespace {

using Texts = std::vector<std::string>;

const std::string kSampleHeader = "user,time_stamp,adgroup_id,pid,nonclk,clk\n";
const std::string kAdHeader = "adgroup_id,cate_id,campaign_id,customer,brand,price\n";
// The published header ends in a blank.
const std::string kProfileHeader =
    "userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,shopping_level,occupation,"
    "new_user_class_level \n";
const std::string kSamples = kSampleHeader +
                             "581738,1494137644,63133,430548_1007,1,0\n"
                             "234,1494638778,63133,430539_1007,0,1\n"
                             "9,1494000000,77,430548_1007,0,1\n"
                             "234,1494000001,63133,,1,0\n";
const std::string kAds = kAdHeader +
                         "63133,6406,83237,1,95471,170.0\n"
                         "313401,6406,83237,1,NULL,199.0\n"
                         "5,12,,7,3,\n";
const std::string kProfiles = kProfileHeader + "234,0,5,2,5,,3,0,3\n581738,5,2,2,2,1,3,1,\n";

std::string fault_of(const std::string& samples, const std::string& ads, const std::string& profiles) {
  const auto set = thaw::parse_taobao_clicks(samples, ads, profiles);
  return set ? std::string() : std::string(set.fault().text);
}

Texts values(const thaw::Attribute& attribute, std::int32_t entity) {
  Texts texts;
  for (const std::int32_t number : attribute.of(entity)) texts.push_back(attribute.values.text(number));
  return texts;
}

}  // namespace

TEST_CASE("impressions, ads and profiles in the published layout") {
  const auto set = thaw::parse_taobao_clicks(kSamples, kAds, kProfiles);
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (!set) return;
  const thaw::ClickLog& log = set.value().log;
  CHECK(log.items.ids.texts() == Texts{"63133", "313401", "5", "77"});
  CHECK(log.users.ids.texts() == Texts{"234", "581738", "9"});
  CHECK(set.value().users_without_profile == 1);
  CHECK(set.value().ads_without_features == 1);
  CHECK(log.clicks.users == std::vector<std::int32_t>{1, 0, 2, 0});
  CHECK(log.clicks.items == std::vector<std::int32_t>{0, 0, 3, 0});
  CHECK(log.clicks.labels == std::vector<float>{0, 1, 1, 0});
  CHECK(log.clicks.times[1] == 1494638778);
  CHECK(log.clicks.context[0].name == "pid");
  CHECK(log.clicks.context[0].ids == std::vector<std::int32_t>{0, 1, 0, -1});
  CHECK(thaw::check_clicks(log.clicks).ok());
  CHECK(log.items.attributes.size() == 5);
  CHECK(log.users.attributes.size() == 8);
  CHECK(log.users.attributes[7].name == "new_user_class_level");
  CHECK(values(log.items.attributes[0], 1) == Texts{"6406"});
  CHECK(values(log.items.attributes[3], 1).empty());  // NULL
  CHECK(values(log.items.attributes[1], 2).empty());  // nothing
  CHECK(values(log.items.attributes[4], 0) == Texts{"170 to 199"});
  CHECK(values(log.items.attributes[4], 1) == Texts{"199 and above"});
  CHECK(values(log.items.attributes[4], 2).empty());
  CHECK(values(log.users.attributes[4], 0).empty());  // pvalue_level
  CHECK(values(log.users.attributes[4], 1) == Texts{"1"});
  for (const thaw::Attribute& attribute : log.users.attributes) CHECK(attribute.of(2).empty());
  CHECK(log.items.attributes[0].of(3).empty());
}

TEST_CASE("Taobao files that cannot be used") {
  CHECK(contains(fault_of("user,time\n", kAds, kProfiles), "raw_sample.csv, line 1: expected 6 columns"));
  CHECK(contains(fault_of("user,time_stamp,adgroup_id,pid,clk,nonclk\n1,2,3,4,0,1\n", kAds, kProfiles),
                 "raw_sample.csv, line 1, column 5 (header): expected the column \"nonclk\", found \"clk\""));
  CHECK(contains(fault_of(kSampleHeader, kAds, kProfiles), "raw_sample.csv: expected records, found none"));
  CHECK(contains(fault_of(kSampleHeader + "1,2,3,4,1,1\n", kAds, kProfiles),
                 "raw_sample.csv, line 2: expected nonclk and clk to be 0 and 1 or 1 and 0, found \"1\" and \"1\""));
  CHECK(contains(fault_of(kSampleHeader + "1,-2,3,4,0,1\n", kAds, kProfiles),
                 "raw_sample.csv, line 2, column 2 (time): expected a Unix time, found \"-2\""));
  CHECK(contains(fault_of(kSampleHeader + ",2,3,4,0,1\n", kAds, kProfiles), "column 1 (user): expected an id"));
  CHECK(contains(fault_of(kSampleHeader + "1,2, ,4,0,1\n", kAds, kProfiles), "column 3 (ad): expected an id"));
  CHECK(contains(fault_of(kSampleHeader + "1,2,3,4,0\n", kAds, kProfiles), "line 2: expected 6 columns separated by"));
  CHECK(contains(fault_of(kSamples, kAdHeader + "1,2,3,4,5,cheap\n", kProfiles),
                 "ad_feature.csv, line 2, column 6 (price): expected a finite number or nothing, found \"cheap\""));
  CHECK(contains(fault_of(kSamples, kAdHeader + "1,2,3,4,5,6\n1,2,3,4,5,6\n", kProfiles),
                 "ad_feature.csv, line 3, column 1 (ad): expected an id that is not listed above"));
  CHECK(contains(fault_of(kSamples, kAds, kProfileHeader + "1,2\n"), "user_profile.csv, line 2: expected 9 columns"));
  CHECK(contains(fault_of(kSamples, "", kProfiles), "ad_feature.csv: expected records, found none"));
}

TEST_CASE("the folder's files, and its absence") {
  thaw_test::TemporaryFolder files;
  files.write("raw_sample.csv", kSamples), files.write("ad_feature.csv", kAds);
  const auto half = thaw::read_taobao_clicks(files.path());
  CHECK_FALSE(half.ok());
  if (!half) CHECK(contains(half.fault().text, "user_profile.csv: no such file"));
  files.write("user_profile.csv", kProfiles);
  const auto set = thaw::read_taobao_clicks(files.path() + "/");
  CHECK_MESSAGE(set.ok(), (set ? "" : set.fault().text));
  if (set) CHECK(set.value().log.clicks.size() == 4);
}
