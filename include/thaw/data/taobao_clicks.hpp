// Taobao's display advertisements (Ali_Display_Ad_Click of Tianchi): impressions of ads with clicks, eight days of
// 2017.
//
//   thaw::Result<thaw::TaobaoClicks> set = thaw::read_taobao_clicks("Ali_Display_Ad_Click");
//   const thaw::ClickLog& log = set.value().log;
//
// Reads three comma-separated files with the headers that were published, each plain or gzip:
//   raw_sample.csv    user,time_stamp,adgroup_id,pid,nonclk,clk
//   ad_feature.csv    adgroup_id,cate_id,campaign_id,customer,brand,price
//   user_profile.csv  userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,shopping_level,occupation,
//                     new_user_class_level
// An item is an ad; a label is clk, which must be one where nonclk is zero and the other way round. Empty fields and
// NULL are unknown. Prices are in ten bins of about equally many ads. Users and ads that only the samples name have no
// attributes and are counted. The files are read whole: the published ones take 3 GB while reading. Not for the
// behaviour log that was published beside them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/attribute_reader.hpp"
#include "thaw/data/clicks.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/table.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct TaobaoClicks {
  ClickLog log;
  std::int32_t users_without_profile = 0;
  std::int32_t ads_without_features = 0;
};

namespace detail {

// Calls `use(records)` for each record behind a header that must name these columns; blanks around names do not count.
template <class Use>
Result<Done> for_each_named_record(std::string_view name, std::string_view text,
                                   std::span<const std::string_view> columns, const Use& use) {
  bool is_header = true;
  std::int64_t count = 0;
  const auto check = [&](const DelimitedText& records) -> Result<Done> {
    if (!is_header) {
      ++count;
      return use(records);
    }
    is_header = false;
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (trimmed(records.fields()[c]) != columns[c])
        return records.column_fault(c, "header", "expected the column ", Quoted{columns[c]}, ", found ",
                                    Quoted{records.fields()[c]});
    return Done{};
  };
  const Result<Done> read = for_each_record(name, text, {.separator = ","}, columns.size(), "", check);
  if (!read) return read.fault();
  if (count == 0)
    return make_fault(FaultKind::malformed, shown_path(name), ": expected records, found none; is the file cut short?");
  return Done{};
}

// One value of a table whose empty fields and NULL are unknown.
inline std::int32_t known_value(Vocabulary& values, std::string_view field) {
  const std::string_view text = trimmed(field);
  return text.empty() || text == "NULL" ? Vocabulary::kUnknown : values.add(text);
}

// The number of an id, which gets a row without attributes where no table lists it.
inline Result<std::int32_t> listed_or_new(const DelimitedText& records, std::size_t column, std::string_view what,
                                          Entities& entities, std::int32_t& unlisted) {
  const std::string_view id = trimmed(records.fields()[column]);
  if (id.empty()) return records.column_fault(column, what, "expected an id, found nothing");
  const std::int32_t before = entities.size(), number = entities.ids.add(id);
  if (number != before) return number;
  ++unlisted;
  for (Attribute& attribute : entities.attributes) attribute.append({});
  return number;
}

class TaobaoReader {
 public:
  // Texts of the three files and what messages call them.
  struct Text {
    std::string name;
    std::string_view text;
  };
  TaobaoReader(Text samples, Text ads, Text profiles)
      : samples_(std::move(samples)), ads_(std::move(ads)), profiles_(std::move(profiles)) {}

  Result<TaobaoClicks> read() {
    set_.log.name = "taobao display ads";
    for (const auto step : {&TaobaoReader::read_ads, &TaobaoReader::read_profiles, &TaobaoReader::read_samples}) {
      const Result<Done> done = (this->*step)();
      if (!done) return done.fault();
    }
    set_.log.clicks.user_count = set_.log.users.size();
    set_.log.clicks.item_count = set_.log.items.size();
    return std::move(set_);
  }

 private:
  static constexpr std::array<std::string_view, 6> kAdColumns{"adgroup_id", "cate_id", "campaign_id",
                                                              "customer",   "brand",   "price"};
  static constexpr std::array<std::string_view, 9> kProfileColumns{
      "userid",       "cms_segid",      "cms_group_id", "final_gender_code",   "age_level",
      "pvalue_level", "shopping_level", "occupation",   "new_user_class_level"};
  static constexpr std::array<std::string_view, 6> kSampleColumns{"user", "time_stamp", "adgroup_id",
                                                                  "pid",  "nonclk",     "clk"};

  Result<Done> read_ads() {
    Entities& ads = set_.log.items;
    ads.attributes.resize(kAdColumns.size() - 1);
    for (std::size_t a = 0; a < ads.attributes.size(); ++a) ads.attributes[a].name = std::string(kAdColumns[a + 1]);
    std::vector<double> prices;
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, ads.ids, "ad");
      if (!listed) return listed.fault();
      for (std::size_t a = 0; a + 1 < ads.attributes.size(); ++a)
        append_value(ads.attributes[a], known_value(ads.attributes[a].values, records.fields()[a + 1]));
      double price = std::nan("");
      const std::string_view text = trimmed(records.fields()[5]);
      if (!text.empty() && text != "NULL" && (!parse_number(text, price) || !std::isfinite(price)))
        return records.column_fault(5, "price", "expected a finite number or nothing, found ", Quoted{text});
      prices.push_back(price);
      return Done{};
    };
    const Result<Done> read = for_each_named_record(ads_.name, ads_.text, kAdColumns, use);
    if (!read) return read.fault();
    bin_prices(prices, ads.attributes.back());
    return Done{};
  }

  static void bin_prices(const std::vector<double>& prices, Attribute& attribute) {
    std::vector<double> known;
    for (const double price : prices)
      if (!std::isnan(price)) known.push_back(price);
    const std::vector<double> edges = quantile_edges(std::move(known), 10);
    for (std::size_t bin = 0; bin < edges.size(); ++bin) {
      std::string text = bin_name(edges, bin);
      while (attribute.values.find(text) != Vocabulary::kUnknown) text.push_back('\'');
      attribute.values.add(text);
    }
    for (const double price : prices)
      append_value(
          attribute,
          std::isnan(price)
              ? Vocabulary::kUnknown
              : static_cast<std::int32_t>(std::upper_bound(edges.begin(), edges.end(), price) - edges.begin()) - 1);
  }

  Result<Done> read_profiles() {
    Entities& users = set_.log.users;
    users.attributes.resize(kProfileColumns.size() - 1);
    for (std::size_t a = 0; a < users.attributes.size(); ++a)
      users.attributes[a].name = std::string(kProfileColumns[a + 1]);
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, users.ids, "user");
      if (!listed) return listed.fault();
      for (std::size_t a = 0; a < users.attributes.size(); ++a)
        append_value(users.attributes[a], known_value(users.attributes[a].values, records.fields()[a + 1]));
      return Done{};
    };
    return for_each_named_record(profiles_.name, profiles_.text, kProfileColumns, use);
  }

  Result<Done> read_samples() {
    Clicks& clicks = set_.log.clicks;
    clicks.context.resize(1);
    clicks.context[0].name = "pid";
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const std::vector<std::string_view>& fields = records.fields();
      const auto user = listed_or_new(records, 0, "user", set_.log.users, set_.users_without_profile);
      if (!user) return user.fault();
      const auto ad = listed_or_new(records, 2, "ad", set_.log.items, set_.ads_without_features);
      if (!ad) return ad.fault();
      std::int64_t time = 0;
      if (!parse_integer(fields[1], time) || time < 0)
        return records.column_fault(1, "time", "expected a Unix time, found ", Quoted{fields[1]});
      const std::string_view no = trimmed(fields[4]), yes = trimmed(fields[5]);
      if (!((no == "1" && yes == "0") || (no == "0" && yes == "1")))
        return records.record_fault("expected nonclk and clk to be 0 and 1 or 1 and 0, found ", Quoted{no}, " and ",
                                    Quoted{yes});
      clicks.users.push_back(user.value());
      clicks.items.push_back(ad.value());
      clicks.labels.push_back(yes == "1" ? 1.0f : 0.0f);
      clicks.times.push_back(time);
      clicks.context[0].ids.push_back(known_value(clicks.context[0].values, fields[3]));
      return Done{};
    };
    return for_each_named_record(samples_.name, samples_.text, kSampleColumns, use);
  }

  Text samples_, ads_, profiles_;
  TaobaoClicks set_;
};

}  // namespace detail

// Texts that are already in memory.
inline Result<TaobaoClicks> parse_taobao_clicks(std::string_view samples, std::string_view ads,
                                                std::string_view profiles) {
  return detail::TaobaoReader({"raw_sample.csv", samples}, {"ad_feature.csv", ads}, {"user_profile.csv", profiles})
      .read();
}

inline Result<TaobaoClicks> read_taobao_clicks(const std::string& folder) {
  std::array<std::string, 3> names, texts;
  constexpr std::string_view kFiles[] = {"raw_sample.csv", "ad_feature.csv", "user_profile.csv"};
  for (std::size_t f = 0; f < 3; ++f) {
    names[f] = plain_or_gzip(join_path(detail::plain_folder(folder), kFiles[f]));
    Result<std::string> text = read_text_file(names[f]);
    if (!text) return text.fault();
    texts[f] = std::move(text.value());
  }
  return detail::TaobaoReader({names[0], texts[0]}, {names[1], texts[1]}, {names[2], texts[2]}).read();
}

}  // namespace thaw::inline v0
