// One new user: what she would be recommended knowing her attributes alone, and with her first ratings.
//
//   std::optional<hire::NewUser> her = hire::choose_new_user(task.data, task.split);
//   hire::recommend(*her, task.data, known, model);       // fills before and after
//   std::fputs(hire::new_user_text(*her, task.data).c_str(), stdout);
#pragma once

#include <cstdio>

#include "hire/learn.hpp"
#include "hire/task.hpp"
#include "thaw/train/report_data.hpp"

namespace hire {

struct Recommended {
  std::int32_t item = 0;
  float score = 0;
};

struct NewUser {
  std::int32_t user = 0;
  std::vector<thaw::Rating> ratings;       // those she gave first
  std::vector<thaw::Rating> later;         // hidden from the model: how she rated other items
  std::vector<std::int32_t> candidates;    // known items that she did not rate first
  std::vector<Recommended> before, after;  // best first
  std::unique_ptr<Stage> stage;            // what is known with her ratings
  thaw::Scenario scenario;                 // the same, as ratings
};

// The new user with the full number of visible ratings, different in value if possible, and most hidden ones.
inline std::optional<NewUser> choose_new_user(const thaw::Dataset& data, const thaw::ColdStartSplit& split) {
  const thaw::Scenario& scenario = split.test[0];
  struct Known {
    std::size_t visible = 0, hidden = 0;
    float lowest = 1e9F, highest = -1e9F;
  };
  std::vector<Known> users(static_cast<std::size_t>(data.users.size()));
  for (const auto& r : scenario.visible) {
    Known& known = users[static_cast<std::size_t>(r.user)];
    ++known.visible;
    known.lowest = (std::min)(known.lowest, r.value);
    known.highest = (std::max)(known.highest, r.value);
  }
  for (const auto& r : scenario.hidden) ++users[static_cast<std::size_t>(r.user)].hidden;
  const auto worth = [](const Known& k) {
    return std::tuple(k.visible, (std::min)(k.highest - k.lowest, 2.0F), k.hidden);
  };
  std::size_t best = 0;
  for (std::size_t u = 1; u < users.size(); ++u)
    if (worth(users[u]) > worth(users[best])) best = u;
  if (users.empty() || users[best].visible == 0) return std::nullopt;
  NewUser her;
  her.user = static_cast<std::int32_t>(best);
  her.scenario.kind = scenario.kind;
  her.scenario.visible = scenario.visible;
  her.scenario.targets = {her.user};
  std::vector<std::uint8_t> taken(static_cast<std::size_t>(data.items.size()), 0);
  for (const auto& r : scenario.visible)
    if (r.user == her.user) her.ratings.push_back(r), taken[static_cast<std::size_t>(r.item)] = 1;
  for (const auto& r : scenario.hidden)
    if (r.user == her.user) her.later.push_back(r);
  // Only items that somebody rated: the same list before and after.
  std::vector<std::uint8_t> rated(taken.size(), 0);
  for (const auto& r : split.train) rated[static_cast<std::size_t>(r.item)] = 1;
  for (std::int32_t i = 0; i < data.items.size(); ++i)
    if (rated[static_cast<std::size_t>(i)] != 0 && taken[static_cast<std::size_t>(i)] == 0) her.candidates.push_back(i);
  return her;
}

// Scores of all candidates for her, in their order.
inline std::vector<float> score_candidates(const NewUser& her, const Stage& stage, Recommender& model) {
  const thaw::Query query{her.user, her.candidates, std::vector<float>(her.candidates.size(), 0.0F)};
  return score_queries(stage, {query}, model)[0].predictions;
}

inline std::vector<Recommended> best_first(const NewUser& her, const std::vector<float>& scores) {
  std::vector<Recommended> list;
  for (std::size_t i = 0; i < scores.size(); ++i) list.push_back({her.candidates[i], scores[i]});
  std::stable_sort(list.begin(), list.end(),
                   [](const Recommended& a, const Recommended& b) { return a.score > b.score; });
  return list;
}

inline void recommend(NewUser& her, const thaw::Dataset& data, const std::vector<thaw::Rating>& known,
                      Recommender& model) {
  thaw::Scenario without = her.scenario;
  std::erase_if(without.visible, [&](const thaw::Rating& r) { return r.user == her.user; });
  const std::unique_ptr<Stage> stage = Stage::make(data, known, without, model.recipe());
  her.before = best_first(her, score_candidates(her, *stage, model));
  her.stage = Stage::make(data, known, her.scenario, model.recipe());
  her.after = best_first(her, score_candidates(her, *her.stage, model));
}

// "age group 25-34, household couple" of one entity.
inline std::string attributes_text(const thaw::Entities& side, std::int32_t entity) {
  std::string text;
  for (const thaw::Attribute& attribute : side.attributes) {
    const auto values = attribute.of(entity);
    if (values.empty()) continue;
    text += (text.empty() ? "" : "; ") + attribute.name + ": ";
    for (std::size_t i = 0; i < (std::min)(values.size(), std::size_t{3}); ++i)
      text += (i > 0 ? ", " : "") + attribute.values.text(values[i]);
  }
  return text;
}

inline double later_rating(const NewUser& her, std::int32_t item) {
  for (const auto& r : her.later)
    if (r.item == item) return static_cast<double>(r.value);
  return thaw::kNoData;
}

inline thaw::Ranking ranking_of(const NewUser& her, const thaw::Dataset& data) {
  thaw::Ranking ranking;
  ranking.title = "User " + data.users.ids.text(her.user);
  const std::string attributes = attributes_text(data.users, her.user);
  ranking.caption =
      (attributes.empty() ? "" : "Known of her: " + attributes + ". ") + "She is in no training rating. Ranked are " +
      grouped(static_cast<std::int64_t>(her.candidates.size())) +
      " items; where she rated one later, unseen by the model, that rating is shown. Scores are predicted "
      "ratings, not cut off at the ends of the scale.";
  ranking.highest_rating = static_cast<double>(data.highest);
  for (const auto& r : her.ratings) ranking.ratings.push_back({data.items.title(r.item), static_cast<double>(r.value)});
  const auto fill = [&](const std::vector<Recommended>& from, std::vector<thaw::RankedItem>& to) {
    for (const Recommended& r : from)
      to.push_back({data.items.title(r.item), static_cast<double>(r.score), later_rating(her, r.item), r.item});
  };
  fill(her.before, ranking.before);
  fill(her.after, ranking.after);
  return ranking;
}

// Her ratings and the two top tens, for a terminal.
inline std::string new_user_text(const NewUser& her, const thaw::Dataset& data) {
  std::string text = "A new user, " + data.users.ids.text(her.user) + "\n";
  if (const std::string known = attributes_text(data.users, her.user); !known.empty()) text += "  " + known + "\n";
  const auto list = [&](const std::vector<Recommended>& items, bool has_moves) {
    for (std::size_t place = 0; place < (std::min)(items.size(), std::size_t{10}); ++place) {
      const Recommended& r = items[place];
      char line[512];
      std::string move;
      if (has_moves) {
        const auto was =
            std::find_if(her.before.begin(), her.before.end(), [&](const Recommended& b) { return b.item == r.item; });
        const std::ptrdiff_t up = was - her.before.begin() - static_cast<std::ptrdiff_t>(place);
        move = up == 0 ? "  stays" : (up > 0 ? "  up " : "  down ") + std::to_string(up > 0 ? up : -up);
      }
      const double later = later_rating(her, r.item);
      const std::string truth =
          std::isfinite(later) ? "  (later she gave " + thaw::significant_text(later, 3) + ")" : "";
      std::snprintf(line, sizeof line, "  %3zu  %-44s %.2f%s%s\n", place + 1,
                    thaw::shorten_text(data.items.title(r.item), 44).c_str(), static_cast<double>(r.score),
                    move.c_str(), truth.c_str());
      text += line;
    }
  };
  text += "\nTop ten before she rated anything\n";
  list(her.before, false);
  text += "\nHer first ratings\n";
  for (const auto& r : her.ratings)
    text +=
        "       " + data.items.title(r.item) + ": " + thaw::significant_text(static_cast<double>(r.value), 3) + "\n";
  text += "\nTop ten after these ratings\n";
  list(her.after, true);
  return text;
}

}  // namespace hire
