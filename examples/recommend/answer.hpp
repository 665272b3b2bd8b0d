// answer: a ranked list for one user of a ratings file that the network never saw, with reasons.
//
//   thaw::Result<recommend::Prepared> data = recommend::prepare(ratings);                 // once a file
//   thaw::Result<recommend::Answer> list = recommend::answer(data.value(), network, {.user = "42"});
//   for (const recommend::Suggestion& s : list.value().suggestions) use(s.item, s.score, s.reasons, s.near);
//
// Every rating counts as an interaction, whatever its value, unless `like_from` is set. A reason is a piece of evidence
// and by how much the item's score falls without it; `near` are items of the history that many users have together with
// the item. Not a service: a program that answers many users keeps the Prepared and one Workspace.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "zero_shot/recommender.hpp"

namespace recommend {

struct PrepareOptions {
  float like_from = -std::numeric_limits<float>::infinity();  // ratings below are not interactions
  std::vector<std::string> new_items = {};  // ids: their few interactions do not mean that few want them
  zero_shot::StatisticsOptions statistics = {};
};

struct Prepared {
  thaw::Dataset data;  // ids and titles; its ratings are released
  zero_shot::Statistics statistics;
  std::int64_t interactions = 0, disliked = 0;
};

namespace detail {

inline thaw::Fault unknown(std::string_view what, const std::string& id, const thaw::Vocabulary& ids) {
  thaw::Fault fault =
      thaw::make_fault(thaw::FaultKind::not_found, thaw::detail::view_of(what), " ", thaw::detail::Quoted{id},
                       " is not in the file; its ", ids.size(), " ", thaw::detail::view_of(what), "s are called ");
  for (std::int32_t i = 0; i < (std::min)(3, ids.size()); ++i)
    fault.add(i > 0 ? ", " : "").add(thaw::detail::Quoted{ids.text(i)});
  return fault.add(ids.size() > 3 ? ", ..." : "");
}

inline thaw::Result<std::vector<char>> marked(const thaw::Dataset& data, const std::vector<std::string>& ids) {
  std::vector<char> marks;
  if (ids.empty()) return marks;
  marks.assign(static_cast<std::size_t>(data.items.size()), 0);
  for (const std::string& id : ids) {
    const std::int32_t item = data.items.ids.find(id);
    if (item == thaw::Vocabulary::kUnknown) return unknown("item", id, data.items.ids);
    marks[static_cast<std::size_t>(item)] = 1;
  }
  return marks;
}

}  // namespace detail

// Fails for a file of one user or one item: there is nobody, or nothing, to compare with; for a new item that the file
// does not have.
inline thaw::Result<Prepared> prepare(thaw::Dataset data, const PrepareOptions& options = {}) {
  const auto before = static_cast<std::int64_t>(data.ratings.size());
  std::erase_if(data.ratings, [&](const thaw::Rating& r) { return r.value < options.like_from; });
  const auto kept = static_cast<std::int64_t>(data.ratings.size());
  const thaw::detail::Quoted name{data.name};
  if (kept == 0)
    return thaw::make_fault(thaw::FaultKind::out_of_range, name, ": none of ", before,
                            " ratings reaches the limit for a like; the highest rating is ",
                            static_cast<double>(data.highest));
  if (data.users.size() < 2)
    return thaw::make_fault(thaw::FaultKind::out_of_range, name, ": all ratings are of one user, ",
                            thaw::detail::Quoted{data.users.ids.text(0)},
                            "; recommendations need other users, who have some of the same items");
  if (data.items.size() < 2)
    return thaw::make_fault(thaw::FaultKind::out_of_range, name, ": all ratings are of one item, ",
                            thaw::detail::Quoted{data.items.ids.text(0)}, "; there is nothing to choose from");
  thaw::Result<std::vector<char>> is_new = detail::marked(data, options.new_items);
  if (!is_new) return is_new.fault();
  zero_shot::StatisticsOptions settings = options.statistics;
  settings.is_new = std::move(is_new.value());
  const auto fit = [&] {
    const auto graph = thaw::RatingGraph::from_ratings(data.ratings, data.users.size(), data.items.size());
    std::vector<thaw::Rating>().swap(data.ratings);  // the graph holds them
    std::vector<std::int64_t>().swap(data.times);
    return zero_shot::Statistics::fit(graph, settings);
  };
  thaw::Result<zero_shot::Statistics> statistics = fit();
  if (!statistics) return statistics.fault();
  return Prepared{std::move(data), std::move(statistics.value()), kept, before - kept};
}

struct Request {
  std::string user;                // an id of the file; or
  std::vector<std::string> items;  // a history of somebody who is not in it
  int most = 10;
};

struct Reason {
  zero_shot::Evidence evidence;
  float moved = 0;  // by how much the score falls without it
};

struct Suggestion {
  std::int32_t item = 0;
  float score = 0;
  std::vector<Reason> reasons;     // the two strongest, strongest first
  std::vector<std::int32_t> near;  // at most two items of the history, nearest first
};

struct Answer {
  std::vector<std::int32_t> history;
  std::vector<Suggestion> suggestions;
  std::int32_t people = 0;  // other users who share an item with the history
};

namespace detail {

inline thaw::Result<std::vector<std::int32_t>> history_of(const Prepared& prepared, const Request& request) {
  std::vector<std::int32_t> history;
  if (!request.user.empty()) {
    const std::int32_t user = prepared.data.users.ids.find(request.user);
    if (user == thaw::Vocabulary::kUnknown) return unknown("user", request.user, prepared.data.users.ids);
    const auto row = prepared.statistics.interactions().by_user.row(user);
    history.assign(row.begin(), row.end());
  }
  for (const std::string& id : request.items) {
    const std::int32_t item = prepared.data.items.ids.find(id);
    if (item == thaw::Vocabulary::kUnknown) return unknown("item", id, prepared.data.items.ids);
    if (std::find(history.begin(), history.end(), item) == history.end()) history.push_back(item);
  }
  return history;
}

// The items of the history that most users have together with `item`, by cosine.
inline std::vector<std::int32_t> near(const zero_shot::Statistics& s, std::span<const std::int32_t> history,
                                      std::int32_t item) {
  struct Shared {
    float cosine;
    std::int32_t item;
  };
  std::vector<Shared> found;
  const auto users = s.interactions().by_item.row(item);
  for (const std::int32_t other : history) {
    const auto theirs = s.interactions().by_item.row(other);
    float both = 0;
    for (auto a = users.begin(), b = theirs.begin(); a != users.end() && b != theirs.end();) {
      if (*a == *b) both += 1;
      const bool first = *a <= *b, second = *b <= *a;
      a += first ? 1 : 0, b += second ? 1 : 0;
    }
    if (both > 0) found.push_back({both * s.item_root(item) * s.item_root(other), other});
  }
  std::sort(found.begin(), found.end(), [](const Shared& a, const Shared& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.item < b.item;
  });
  std::vector<std::int32_t> items;
  for (std::size_t i = 0; i < (std::min)(found.size(), std::size_t{2}); ++i) items.push_back(found[i].item);
  return items;
}

// The score without each piece of evidence, all in one pass of the network.
inline std::vector<Reason> reasons(const zero_shot::Network& network, std::span<const float> row, float score,
                                   thaw::Arena& arena) {
  std::vector<float> rows, without(zero_shot::kEvidences);
  for (int e = 0; e < zero_shot::kEvidences; ++e) {
    rows.insert(rows.end(), row.begin(), row.end());
    zero_shot::PairFeatures::erase_evidence(e, &rows[static_cast<std::size_t>(e) * zero_shot::kFeatures]);
  }
  network.score(rows, without, arena);
  std::vector<Reason> found;
  for (int e = 0; e < zero_shot::kEvidences; ++e) {
    const float moved = score - without[static_cast<std::size_t>(e)];
    if (moved > 0) found.push_back({static_cast<zero_shot::Evidence>(e), moved});
  }
  std::sort(found.begin(), found.end(), [](const Reason& a, const Reason& b) { return a.moved > b.moved; });
  if (found.size() > 2) found.resize(2);
  return found;
}

}  // namespace detail

// Fails for a user or an item that the file does not have, and where nothing is left to recommend.
inline thaw::Result<Answer> answer(const Prepared& prepared, const zero_shot::Network& network,
                                   const Request& request) {
  thaw::Result<std::vector<std::int32_t>> history = detail::history_of(prepared, request);
  if (!history) return history.fault();
  const zero_shot::Statistics& s = prepared.statistics;
  zero_shot::Workspace space;
  zero_shot::Recommender(s, network).rank(history.value(), space);
  const std::vector<std::int32_t>& items = space.pairs.items();
  if (items.empty())
    return thaw::make_fault(thaw::FaultKind::out_of_range, "user ", thaw::detail::Quoted{request.user},
                            " has every item of the file already; there is nothing left to recommend");
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return space.scores[a] != space.scores[b] ? space.scores[a] > space.scores[b] : items[a] < items[b];
  });
  Answer result;
  result.people = space.pairs.people();
  if (!request.user.empty() && result.people > 0) --result.people;  // herself
  for (std::size_t i = 0; i < (std::min)(order.size(), static_cast<std::size_t>((std::max)(request.most, 1))); ++i) {
    Suggestion suggestion{items[order[i]], space.scores[order[i]], {}, {}};
    suggestion.reasons = detail::reasons(network, space.pairs.row(order[i]), suggestion.score, space.arena);
    suggestion.near = detail::near(s, history.value(), suggestion.item);
    result.suggestions.push_back(std::move(suggestion));
  }
  result.history = std::move(history.value());
  return result;
}

}  // namespace recommend
