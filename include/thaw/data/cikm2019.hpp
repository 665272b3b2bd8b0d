// CIKM 2019 E-Commerce AI challenge (Tianchi, ECommAI_EUIR): what users of a shop looked at, saved and bought.
//
//   thaw::Result<thaw::Cikm2019> set = thaw::read_cikm2019("ECommAI_EUIR_round2_train");
//   const thaw::ClickLog& log = set.value().log;
//
// Reads three comma-separated files without headers, each plain or gzip, in the order of columns that was published:
//   user_behavior.csv  user, item, behaviour (pv, cart, fav or buy), time
//   user.csv           user, gender, age, purchasing power
//   item.csv           item, category, shop, brand
// An impression is an event; its label is 1 for buy and 0 for the others. Ages are in the groups of MovieLens-1M. Empty
// fields are unknown. Users and items that only events name have no attributes and are counted. The files are read
// whole. Not for the challenge's own task, which was ranking.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/clicks.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/table.hpp"
#include "thaw/data/taobao_clicks.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct Cikm2019 {
  ClickLog log;
  std::int32_t users_unlisted = 0;
  std::int32_t items_unlisted = 0;
};

namespace detail {

class Cikm2019Reader {
 public:
  struct Text {
    std::string name;
    std::string_view text;
  };
  Cikm2019Reader(Text events, Text users, Text items)
      : events_(std::move(events)), users_(std::move(users)), items_(std::move(items)) {}

  Result<Cikm2019> read() {
    set_.log.name = "cikm 2019";
    for (const auto step : {&Cikm2019Reader::read_users, &Cikm2019Reader::read_items, &Cikm2019Reader::read_events}) {
      const Result<Done> done = (this->*step)();
      if (!done) return done.fault();
    }
    set_.log.clicks.user_count = set_.log.users.size();
    set_.log.clicks.item_count = set_.log.items.size();
    return std::move(set_);
  }

 private:
  Result<Done> read_users() {
    Entities& users = set_.log.users;
    users.attributes.resize(3);
    users.attributes[0].name = "gender";
    users.attributes[1] = age_attribute();
    users.attributes[2].name = "purchasing power";
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, users.ids, "user");
      if (!listed) return listed.fault();
      const std::string_view age = trimmed(records.fields()[2]);
      std::int64_t years = 0;
      if (!age.empty() && !parse_integer(age, years))
        return records.column_fault(2, "age", "expected a whole number or nothing, found ", Quoted{age});
      append_value(users.attributes[0], known_value(users.attributes[0].values, records.fields()[1]));
      append_value(users.attributes[1], age.empty() ? Vocabulary::kUnknown : age_group(years));
      append_value(users.attributes[2], known_value(users.attributes[2].values, records.fields()[3]));
      return Done{};
    };
    return for_each_record(users_.name, users_.text, {.separator = ","}, 4, "", use);
  }

  Result<Done> read_items() {
    Entities& items = set_.log.items;
    items.attributes.resize(3);
    constexpr std::string_view kNames[] = {"category", "shop", "brand"};
    for (std::size_t a = 0; a < 3; ++a) items.attributes[a].name = std::string(kNames[a]);
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const Result<Done> listed = list_id(records, items.ids, "item");
      if (!listed) return listed.fault();
      for (std::size_t a = 0; a < 3; ++a)
        append_value(items.attributes[a], known_value(items.attributes[a].values, records.fields()[a + 1]));
      return Done{};
    };
    return for_each_record(items_.name, items_.text, {.separator = ","}, 4, "", use);
  }

  Result<Done> read_events() {
    Clicks& clicks = set_.log.clicks;
    const auto use = [&](const DelimitedText& records) -> Result<Done> {
      const std::vector<std::string_view>& fields = records.fields();
      const auto user = listed_or_new(records, 0, "user", set_.log.users, set_.users_unlisted);
      if (!user) return user.fault();
      const auto item = listed_or_new(records, 1, "item", set_.log.items, set_.items_unlisted);
      if (!item) return item.fault();
      const std::string_view behaviour = trimmed(fields[2]);
      if (behaviour != "pv" && behaviour != "cart" && behaviour != "fav" && behaviour != "buy")
        return records.column_fault(2, "behaviour", "expected pv, cart, fav or buy, found ", Quoted{behaviour});
      std::int64_t time = 0;
      if (!parse_integer(fields[3], time) || time < 0)
        return records.column_fault(3, "time", "expected a whole number from 0 on, found ", Quoted{fields[3]});
      clicks.users.push_back(user.value());
      clicks.items.push_back(item.value());
      clicks.labels.push_back(behaviour == "buy" ? 1.0f : 0.0f);
      clicks.times.push_back(time);
      return Done{};
    };
    return for_each_record(events_.name, events_.text, {.separator = ","}, 4, "", use);
  }

  Text events_, users_, items_;
  Cikm2019 set_;
};

}  // namespace detail

// Texts that are already in memory.
inline Result<Cikm2019> parse_cikm2019(std::string_view events, std::string_view users, std::string_view items) {
  return detail::Cikm2019Reader({"user_behavior.csv", events}, {"user.csv", users}, {"item.csv", items}).read();
}

inline Result<Cikm2019> read_cikm2019(const std::string& folder) {
  std::array<std::string, 3> names, texts;
  constexpr std::string_view kFiles[] = {"user_behavior.csv", "user.csv", "item.csv"};
  for (std::size_t f = 0; f < 3; ++f) {
    names[f] = plain_or_gzip(join_path(detail::plain_folder(folder), kFiles[f]));
    Result<std::string> text = read_text_file(names[f]);
    if (!text) return text.fault();
    texts[f] = std::move(text.value());
  }
  return detail::Cikm2019Reader({names[0], texts[0]}, {names[1], texts[1]}, {names[2], texts[2]}).read();
}

}  // namespace thaw::inline v0
