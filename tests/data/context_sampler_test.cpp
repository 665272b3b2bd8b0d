#include "thaw/data/context_sampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "thaw/data/context_cells.hpp"

namespace {

using thaw::Context;
using thaw::Philox;
using thaw::Rating;
using thaw::RatingGraph;

std::vector<Rating> random_ratings(std::uint64_t seed, int users, int items, std::uint32_t one_in) {
  Philox rng(seed);
  std::vector<Rating> ratings;
  for (int user = 0; user < users; ++user)
    for (int item = 0; item < items; ++item)
      if (rng.below(one_in) == 0) ratings.push_back({user, item, float(1 + rng.below(5))});
  return ratings;
}

std::vector<std::int32_t> items_of(const RatingGraph& graph, std::int32_t user) {
  std::vector<std::int32_t> items;
  for (const auto& edge : graph.by_user.row(user)) items.push_back(edge.column);
  return items;
}

// All attribute values of 90 users (8 values) and 70 items (6 values), one each.
struct Profiles {
  Profiles() {
    for (int e = 0; e < 90; ++e) user_ids.push_back(e % 8);
    for (int e = 0; e < 70; ++e) item_ids.push_back(e % 6);
    for (int e = 0; e <= 90; ++e) offsets.push_back(e);
    const std::vector<thaw::AttributeView> u{{offsets, user_ids, 8}};
    const std::vector<thaw::AttributeView> i{{std::span(offsets).first(71), item_ids, 6}};
    users = thaw::AttributeProfiles(u, thaw::ValueWeight::equal);
    items = thaw::AttributeProfiles(i, thaw::ValueWeight::equal);
  }
  std::vector<std::int32_t> offsets, user_ids, item_ids;
  thaw::AttributeProfiles users, items;
};

// Every sampler under one signature.
using Sample =
    std::function<void(thaw::ContextSampler&, std::int32_t, std::span<const std::int32_t>, Philox&, Context&)>;
std::map<std::string, Sample> all_samplers(const Profiles& profiles) {
  return {{"neighbourhood", [](auto& s, auto t, auto q, auto& r, auto& c) { s.neighbourhood(t, q, r, c); }},
          {"overlap", [](auto& s, auto t, auto q, auto& r, auto& c) { s.overlap(t, q, r, c); }},
          {"uniform", [](auto& s, auto t, auto q, auto& r, auto& c) { s.uniform(t, q, r, c); }},
          {"attributes", [&profiles](auto& s, auto t, auto q, auto& r, auto& c) {
             s.attribute_similarity(t, q, profiles.users, profiles.items, r, c);
           }}};
}

bool distinct(std::vector<std::int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  return std::adjacent_find(ids.begin(), ids.end()) == ids.end();
}

TEST_CASE("ContextSampler: exact sizes, distinct, target first, query items in front, allowed lists kept") {
  const auto graph = RatingGraph::from_ratings(random_ratings(1, 90, 70, 6), 90, 70);
  std::vector<std::int32_t> allowed_users, allowed_items;
  for (int u = 0; u < 90; u += 2) allowed_users.push_back(u);
  for (int i = 0; i < 70; i += 2) allowed_items.push_back(i);
  const Profiles profiles;
  for (const auto& entry : all_samplers(profiles)) {
    const std::string& name = entry.first;
    const Sample& sample = entry.second;
    CAPTURE(name);
    thaw::ContextSampler sampler(graph, {.users = 20, .items = 16}, allowed_users, allowed_items);
    for (std::uint64_t index = 0; index < 60; ++index) {
      Philox rng = thaw::context_rng(7, 0, index);
      const auto target = std::int32_t(index);  // also targets that are not allowed for others
      std::vector<std::int32_t> queries{1, 3, 5, 8};
      Context context;
      sample(sampler, target, queries, rng, context);
      CHECK(context.users.size() == 20);
      CHECK(context.items.size() == 16);
      CHECK(distinct(context.users));
      CHECK(distinct(context.items));
      CHECK(context.users[0] == target);
      for (const auto user : context.users) CHECK((user == target || user % 2 == 0));
      for (const auto item : context.items) CHECK((item % 2 == 0 || item <= 5));
      if (name == "overlap") {
        std::sort(queries.begin(), queries.end());
        std::vector<std::int32_t> own(context.items.begin(), context.items.begin() + 4);
        std::sort(own.begin(), own.end());
        CHECK(own == queries);
      } else {
        CHECK(context.queries == 4);
        CHECK(std::equal(queries.begin(), queries.end(), context.items.begin()));
      }
    }
  }
}

TEST_CASE("ContextSampler: less data than asked for gives a smaller context") {
  const auto graph = RatingGraph::from_ratings(random_ratings(1, 90, 70, 6), 90, 70);
  const Profiles profiles;
  for (const auto& entry : all_samplers(profiles)) {
    const std::string& name = entry.first;
    const Sample& sample = entry.second;
    CAPTURE(name);
    thaw::ContextSampler sampler(graph, {.users = 200, .items = 100});
    Philox rng(1);
    Context context;
    sample(sampler, 3, std::vector<std::int32_t>{9}, rng, context);
    CHECK(context.users.size() == 90);
    CHECK(context.items.size() == 70);
    CHECK(distinct(context.users));
  }
}

TEST_CASE("ContextSampler: more query items than fit are left for another context") {
  const auto graph = RatingGraph::from_ratings(random_ratings(1, 90, 70, 6), 90, 70);
  thaw::ContextSampler sampler(graph, {.users = 8, .items = 5});
  CHECK(sampler.most_queries() == 4);
  Philox rng(1);
  Context context;
  sampler.neighbourhood(0, std::vector<std::int32_t>{10, 11, 12, 13, 14, 15}, rng, context);
  CHECK(context.queries == 4);
  CHECK(context.items.size() == 5);
  CHECK(
      std::equal(context.items.begin(), context.items.begin() + 4, std::vector<std::int32_t>{10, 11, 12, 13}.begin()));
}

TEST_CASE("neighbourhood: the published worked example") {
  // Users u1, u2, u3 = 0, 1, 2, items i1, i2 = 0, 1. u1 rated nothing; u2 and u3 rated both. Target (u1, i2), 2 x 2.
  const std::vector<Rating> ratings{{1, 0, 3.0f}, {1, 1, 4.0f}, {2, 0, 5.0f}, {2, 1, 2.0f}};
  const auto graph = RatingGraph::from_ratings(ratings, 3, 2);
  thaw::ContextSampler sampler(graph, {.users = 2, .items = 2});
  int with_u2 = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    Philox rng = thaw::context_rng(1, 0, index);
    Context context;
    sampler.neighbourhood(0, std::vector<std::int32_t>{1}, rng, context);
    CHECK(context.users.size() == 2);
    CHECK(context.items == std::vector<std::int32_t>{1, 0});
    with_u2 += context.users[1] == 1;
  }
  CHECK(std::abs(with_u2 - 500) < 4 * 16);  // binomial, deviation 15.8
}

TEST_CASE("neighbourhood: near hops come first, the walk stays in its component while it can") {
  // Two components of 30 users x 30 items; item 0 is rated by users 1..5 only, who rated items 0 and 6..9.
  std::vector<Rating> ratings;
  for (int user = 1; user <= 5; ++user)
    for (int item : {0, 6, 7, 8, 9}) ratings.push_back({user, item, 3.0f});
  for (int user = 6; user < 30; ++user)
    for (int item = 6; item < 30; ++item) ratings.push_back({user, item, 4.0f});
  for (int user = 30; user < 60; ++user)
    for (int item = 30; item < 60; ++item) ratings.push_back({user, item, 4.0f});
  const auto graph = RatingGraph::from_ratings(ratings, 60, 60);
  thaw::ContextSampler sampler(graph, {.users = 20, .items = 20});
  for (std::uint64_t index = 0; index < 50; ++index) {
    Philox rng = thaw::context_rng(2, 0, index);
    Context context;
    sampler.neighbourhood(0, std::vector<std::int32_t>{0}, rng, context);
    std::set<std::int32_t> first_hop(context.users.begin() + 1, context.users.begin() + 6);
    CHECK(first_hop == std::set<std::int32_t>{1, 2, 3, 4, 5});
    std::set<std::int32_t> second_hop(context.items.begin() + 1, context.items.begin() + 5);
    CHECK(second_hop == std::set<std::int32_t>{6, 7, 8, 9});
    for (const auto user : context.users) CHECK(user < 30);
    for (const auto item : context.items) CHECK(item < 30);
  }
}

TEST_CASE("uniform: every other user is as likely as any") {
  const auto graph = RatingGraph::from_ratings({}, 50, 50);
  for (const int size : {10, 40}) {  // both ways of drawing
    thaw::ContextSampler sampler(graph, {.users = size, .items = size});
    std::vector<int> count(50, 0);
    Context context;
    const int rounds = 4000;
    for (std::uint64_t index = 0; index < rounds; ++index) {
      Philox rng = thaw::context_rng(3, 1, index);
      sampler.uniform(0, {}, rng, context);
      for (const auto user : context.users) ++count[std::size_t(user)];
    }
    const double p = double(size - 1) / 49;
    for (std::size_t user = 1; user < 50; ++user)
      CHECK(std::abs(count[user] - rounds * p) < 5 * std::sqrt(rounds * p * (1 - p)));
  }
}

TEST_CASE("overlap: users come from those who rated most of the target's items") {
  const auto graph = RatingGraph::from_ratings(random_ratings(4, 300, 100, 3), 300, 100);
  thaw::ContextSampler sampler(graph, {.users = 16, .items = 12});
  std::map<std::int32_t, int> drawn;
  for (std::uint64_t index = 0; index < 100; ++index) {
    Philox rng = thaw::context_rng(4, 0, index);
    const auto target = std::int32_t(index);
    const auto own = items_of(graph, target);  // about 33, so that 12 are drawn
    Context context;
    sampler.overlap(target, own, rng, context);
    std::vector<std::pair<int, std::int32_t>> counts;
    for (std::int32_t user = 0; user < 300; ++user) {
      int count = 0;
      for (const auto item : context.items) count += graph.by_user.find(user, item) != nullptr;
      counts.push_back({-count, user});
    }
    std::sort(counts.begin(), counts.end());
    const int least = counts[31].first;  // the 32 = 2 n best
    for (const auto user : context.users) {
      const auto at = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.second == user; });
      CHECK(at->first <= least);
    }
    for (const auto item : context.items) CHECK(std::find(own.begin(), own.end(), item) != own.end());
    for (const auto user : context.users) ++drawn[user];
  }
  CHECK(drawn.size() > 150);  // 15 of 31 each time: draws differ
}

TEST_CASE("overlap: a target with few items gets all of them first, then uniform ones") {
  const std::vector<Rating> ratings{{0, 5, 1.0f}, {0, 9, 1.0f}, {1, 9, 2.0f}};
  const auto graph = RatingGraph::from_ratings(ratings, 40, 30);
  thaw::ContextSampler sampler(graph, {.users = 4, .items = 6});
  Philox rng(1);
  Context context;
  sampler.overlap(0, std::vector<std::int32_t>{5, 9}, rng, context);
  CHECK(std::set<std::int32_t>(context.items.begin(), context.items.begin() + 2) == std::set<std::int32_t>{5, 9});
  CHECK(context.items.size() == 6);
  CHECK(distinct(context.items));
}

TEST_CASE("attribute similarity: the most similar users and items") {
  const auto graph = RatingGraph::from_ratings({}, 90, 70);
  const Profiles profiles;
  thaw::ContextSampler sampler(graph, {.users = 11, .items = 12});
  std::set<std::int32_t> seen;
  for (std::uint64_t index = 0; index < 20; ++index) {
    Philox rng(9, index);
    Context context;
    sampler.attribute_similarity(5, std::vector<std::int32_t>{2}, profiles.users, profiles.items, rng, context);
    for (const auto user : context.users) CHECK(user % 8 == 5);  // 11 users have the target's value
    for (const auto item : context.items) CHECK(item % 6 == 2);  // 12 items have the query item's value
    sampler.attribute_similarity(5, std::vector<std::int32_t>{2}, profiles.users, {}, rng, context);
    seen.insert(context.items.begin(), context.items.end());
  }
  CHECK(seen.size() > 60);  // without item profiles the items are uniform
}

TEST_CASE("ContextSampler: hidden ratings are never read") {
  // Hidden ratings are not in the graph that the sampler sees. Poisoned in the full set, they must not turn up in a
  // visible cell, and taking them away altogether must not change a context.
  const auto all = random_ratings(5, 90, 70, 4);
  std::vector<Rating> visible, poisoned;
  for (std::size_t i = 0; i < all.size(); ++i) {
    poisoned.push_back(all[i]);
    if (i % 3 == 0)
      poisoned.back().value = std::nanf("");
    else
      visible.push_back(all[i]);
  }
  const auto graph = RatingGraph::from_ratings(visible, 90, 70);
  const auto truth = RatingGraph::from_ratings(poisoned, 90, 70);
  const Profiles profiles;
  for (const auto& entry : all_samplers(profiles)) {
    const std::string& name = entry.first;
    const Sample& sample = entry.second;
    CAPTURE(name);
    thaw::ContextSampler sampler(graph, {.users = 12, .items = 12});
    int hidden = 0;
    for (std::uint64_t index = 0; index < 40; ++index) {
      Philox rng = thaw::context_rng(5, 0, index);
      Context context;
      sample(sampler, std::int32_t(index), std::vector<std::int32_t>{1, 2}, rng, context);
      thaw::ContextCells cells, everything;
      thaw::read_visible_cells(context, graph.by_user, cells);
      thaw::read_cells(context, truth.by_user, everything);
      for (std::size_t i = 0; i < cells.rating.size(); ++i) {
        CHECK(cells.rating[i] == cells.rating[i]);
        hidden += everything.rating[i] != everything.rating[i];
        if (cells.visible[i] != 0) CHECK(cells.rating[i] == everything.rating[i]);
      }
    }
    CHECK(hidden > 0);  // contexts do contain pairs with a hidden rating
  }
}

TEST_CASE("ContextSampler: the same contexts on 1 and 8 threads, whatever was sampled before") {
  const auto graph = RatingGraph::from_ratings(random_ratings(6, 90, 70, 5), 90, 70);
  const Profiles profiles;
  for (const auto& entry : all_samplers(profiles)) {
    const std::string& name = entry.first;
    const Sample& sample = entry.second;
    CAPTURE(name);
    const std::size_t count = 160;
    const auto make = [&](std::size_t threads) {
      std::vector<Context> contexts(count);
      std::vector<std::thread> workers;
      for (std::size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
          thaw::ContextSampler sampler(graph, {.users = 10, .items = 10});
          for (std::size_t i = count; i-- > 0;) {  // threads take interleaved indices, last first
            if (i % threads != t) continue;
            Philox rng = thaw::context_rng(11, 2, i);
            sample(sampler, std::int32_t(i % 90), std::vector<std::int32_t>{4, 6}, rng, contexts[i]);
          }
        });
      }
      for (auto& worker : workers) worker.join();
      return contexts;
    };
    const auto one = make(1), eight = make(8);
    int repeated = 0;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(one[i].users == eight[i].users);
      CHECK(one[i].items == eight[i].items);
      repeated += i >= 90 && one[i].users == one[i - 90].users && one[i].items == one[i - 90].items;
    }
    CHECK(repeated == 0);  // another index, another context
  }
}

}  // namespace
