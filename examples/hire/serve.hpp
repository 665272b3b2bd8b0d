// Serving: a saved model recommends to somebody who is in no file, from what she says of herself and her first ratings.
//
//   auto loaded = hire::load_model_file("out/hire.safetensors", 1);
//   auto guest = hire::seat_guest(*loaded.value(), {{"The Velvet Bridge", 5}}, {{"age group", "25-34"}});
//   auto best = hire::best_first(guest.value(), hire::score_candidates(guest.value(), *guest.value().stage,
//                                                                      loaded.value()->model));
//
// The model file is not changed: whoever wants to keep her ratings trains with them.
#pragma once

#include <chrono>
#include <utility>

#include "hire/model_file.hpp"
#include "hire/new_user.hpp"

namespace hire {

struct ServeOptions {
  std::string model = "out/hire.safetensors";
  std::vector<std::string> rates, facts;  // "ITEM=RATING", "NAME=VALUE"
  int top = 10, threads = 1;
};

namespace detail {

inline std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// An item by id, by title, or by the only title that contains the text.
inline thaw::Result<std::int32_t> find_item(const thaw::Entities& items, const std::string& text) {
  if (const std::int32_t item = items.ids.find(text); item != thaw::Vocabulary::kUnknown) return item;
  const std::string wanted = lower_case(text);
  std::vector<std::int32_t> found;
  for (std::int32_t i = 0; i < items.size() && !wanted.empty(); ++i) {
    const std::string title = lower_case(items.title(i));
    if (title == wanted) return i;
    if (title.find(wanted) != std::string::npos) found.push_back(i);
  }
  if (found.size() == 1) return found[0];
  std::string some;
  for (std::size_t i = 0; i < (std::min)(found.size(), std::size_t{4}); ++i)
    some += (i > 0 ? ", '" : "'") + items.title(found[i]) + "'";
  return thaw::make_fault(thaw::FaultKind::not_found, "no item has the id or title '", text.c_str(), "'",
                          found.empty() ? "" : "; did you mean one of ", some.c_str());
}

// Puts one more user behind the others, with the attribute values that she gave.
inline thaw::Result<thaw::Done> add_user(thaw::Entities& users,
                                         const std::vector<std::pair<std::string, std::string>>& facts) {
  std::vector<std::vector<std::int32_t>> values(users.attributes.size());
  for (const auto& [name, value] : facts) {
    std::string names;
    std::size_t a = 0;
    for (; a < users.attributes.size() && users.attributes[a].name != name; ++a)
      names += (a > 0 ? ", '" : "'") + users.attributes[a].name + "'";
    if (a == users.attributes.size())
      return thaw::make_fault(thaw::FaultKind::not_found, "users have no attribute '", name.c_str(), "'; they have ",
                              names.empty() ? "none" : names.c_str());
    const thaw::Vocabulary& possible = users.attributes[a].values;
    const std::int32_t number = possible.find(value);
    std::string some;
    for (std::int32_t v = 0; v < (std::min)(possible.size(), 12); ++v)
      some += (v > 0 ? ", '" : "'") + possible.text(v) + "'";
    if (number == thaw::Vocabulary::kUnknown)
      return thaw::make_fault(thaw::FaultKind::not_found, "nobody's ", name.c_str(), " is '", value.c_str(),
                              "'; it may be ", some.c_str());
    values[a].push_back(number);
  }
  std::string id = "guest";
  while (users.ids.find(id) != thaw::Vocabulary::kUnknown) id += "'";
  users.ids.add(id);
  if (!users.titles.empty()) users.titles.push_back(id);
  if (!users.years.empty()) users.years.push_back(0);
  for (std::size_t a = 0; a < values.size(); ++a) users.attributes[a].append(values[a]);
  return thaw::Done{};
}

}  // namespace detail

// Adds her to a loaded model's users and prepares what scoring her needs. `ratings`: item (id or title) and rating.
inline thaw::Result<NewUser> seat_guest(Loaded& loaded, const std::vector<std::pair<std::string, float>>& ratings,
                                        const std::vector<std::pair<std::string, std::string>>& facts) {
  thaw::Dataset& data = loaded.data;
  std::vector<std::uint8_t> is_taken(static_cast<std::size_t>(data.items.size()), 1);
  for (const thaw::Rating& r : data.ratings) is_taken[static_cast<std::size_t>(r.item)] = 0;
  NewUser her;
  her.user = data.users.size();
  for (const auto& [text, value] : ratings) {
    const thaw::Result<std::int32_t> item = detail::find_item(data.items, text);
    if (!item) return item.fault();
    const std::string& title = data.items.title(item.value());
    if (!(value >= data.lowest && value <= data.highest))
      return thaw::make_fault(thaw::FaultKind::out_of_range, "the rating of '", title.c_str(), "' is ",
                              static_cast<double>(value), "; ratings go from ", static_cast<double>(data.lowest),
                              " to ", static_cast<double>(data.highest));
    for (const thaw::Rating& r : her.ratings)
      if (r.item == item.value())
        return thaw::make_fault(thaw::FaultKind::mismatch, "'", title.c_str(), "' is rated twice");
    her.ratings.push_back({her.user, item.value(), value});
    is_taken[static_cast<std::size_t>(item.value())] = 1;
  }
  const thaw::Result<thaw::Done> added = detail::add_user(data.users, facts);
  if (!added) return added.fault();
  // The packer numbers everybody.
  loaded.model.packer = std::make_unique<ContextPacker>(make_packer(data, data.ratings, loaded.recipe));
  for (std::int32_t i = 0; i < data.items.size(); ++i)
    if (is_taken[static_cast<std::size_t>(i)] == 0) her.candidates.push_back(i);
  her.scenario.kind = thaw::Scenario::Kind::user_cold;
  her.scenario.visible = her.ratings;
  her.scenario.targets = {her.user};
  her.stage = Stage::make(data, data.ratings, her.scenario, loaded.recipe);
  return her;
}

namespace detail {

// "name=value" at its last "=": titles may hold one.
inline thaw::Result<std::pair<std::string, std::string>> split_pair(const std::string& text, const char* form) {
  const std::size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    return thaw::make_fault(thaw::FaultKind::malformed, "expected ", form, ", found '", text.c_str(), "'");
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

inline thaw::Result<NewUser> seat_guest(Loaded& loaded, const ServeOptions& options) {
  std::vector<std::pair<std::string, float>> ratings;
  std::vector<std::pair<std::string, std::string>> facts;
  for (const std::string& rate : options.rates) {
    const auto pair = split_pair(rate, "ITEM=RATING");
    if (!pair) return pair.fault();
    const thaw::Result<double> value = thaw::decode_real(pair.value().second);
    if (!value)
      return thaw::make_fault(thaw::FaultKind::malformed, "expected a number behind '=', found '", rate.c_str(), "'");
    ratings.emplace_back(pair.value().first, static_cast<float>(value.value()));
  }
  for (const std::string& fact : options.facts) {
    auto pair = split_pair(fact, "NAME=VALUE");
    if (!pair) return pair.fault();
    facts.push_back(std::move(pair.value()));
  }
  return hire::seat_guest(loaded, ratings, facts);
}

}  // namespace detail

// The subcommand `recommend`.
inline int recommend_to_guest(const ServeOptions& options) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto complain = [](const thaw::Fault& fault) {
    std::fprintf(stderr, "dev demo recommend: %s\n", fault.text);
    return 1;
  };
  const auto start = Clock::now();
  const auto loaded = load_model_file(options.model, options.threads);
  if (!loaded) return complain(loaded.fault());
  const thaw::Result<NewUser> guest = detail::seat_guest(*loaded.value(), options);
  if (!guest) return complain(guest.fault());
  const NewUser& her = guest.value();
  const thaw::Dataset& data = loaded.value()->data;
  const double ready = since(start);
  const auto scoring = Clock::now();
  const auto best = best_first(her, score_candidates(her, *her.stage, loaded.value()->model));
  const double scored = since(scoring);
  const std::string known = attributes_text(data.users, her.user);
  std::printf("A guest%s%s, %zu ratings\n\n", known.empty() ? "" : ", ", known.c_str(), her.ratings.size());
  for (std::size_t i = 0; i < (std::min)(best.size(), static_cast<std::size_t>(options.top)); ++i)
    std::printf("  %3zu  %-44s %.2f\n", i + 1, thaw::shorten_text(data.items.title(best[i].item), 44).c_str(),
                static_cast<double>(best[i].score));
  std::printf("\nModel and biases ready in %.2f s; %zu items scored in %.1f ms\n", ready, best.size(), 1e3 * scored);
  return 0;
}

}  // namespace hire
