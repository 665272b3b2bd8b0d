// Interest maps: changes and lifts against numbers worked out by hand, a planted attribute that is found first, and
// attributes that are whole again afterwards. The page that shows them.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "hyperrs/hyperrs_learner.hpp"
#include "hyperrs/interest_map.hpp"
#include "hyperrs/report_page.hpp"
#include "hyperrs/tanp.hpp"
#include "tests/train/markup.hpp"

namespace {

using hyperrs::Adapted;
using hyperrs::AttributeInterest;
using hyperrs::InterestMap;
using thaw::Episode;

// Scores an item by the sum over attributes of weight x (3 or 4) x number of value 1; reads the items as it scores.
struct Tally : hyperrs::Learner {
  const thaw::Entities* items = nullptr;
  double weights[2][2] = {{3, 4}, {4, 3}};  // (users, attributes)

  struct Own : Adapted {
    const Tally* from = nullptr;
    std::int32_t user = 0;
    void score(std::span<const std::int32_t> asked, std::span<float> out) const override {
      for (std::size_t i = 0; i < asked.size(); ++i) {
        double sum = 100;
        for (std::size_t a = 0; a < 2; ++a)
          for (const std::int32_t v : from->items->attributes[a].of(asked[i])) sum += v * from->weights[user][a];
        out[i] = static_cast<float>(sum);
      }
    }
  };
  std::int64_t parameter_count() const override { return 4; }
  double train(std::span<const Episode>) override { return 0; }
  std::unique_ptr<Adapted> adapt(std::int32_t user, const Episode::Part&, int) const override {
    auto own = std::make_unique<Own>();
    own->from = this;
    own->user = user;
    return own;
  }
};

// Four items: attribute "a" has values 0 1 0 1, "b" 0 0 1 1.
struct Four {
  thaw::Dataset data;
  Tally learner;
  std::vector<Episode> episodes;
  std::vector<std::int32_t> candidates{0, 1, 2, 3};

  Four() {
    for (const char* name : {"p", "q"}) data.users.ids.add(name);
    for (const char* name : {"w", "x", "y", "z"}) data.items.ids.add(name);
    const std::int32_t values[2][4] = {{0, 1, 0, 1}, {0, 0, 1, 1}};
    for (int a = 0; a < 2; ++a) {
      thaw::Attribute& attribute = data.items.attributes.emplace_back();
      attribute.name = a == 0 ? "a" : "b";
      attribute.values.add("no");
      attribute.values.add("yes");
      for (const std::int32_t v : values[a]) attribute.append({&v, 1});
    }
    learner.items = &data.items;
    for (const std::int32_t user : {0, 1})
      episodes.push_back({.user = user,
                          .support = {.items = {1}, .labels = {1}, .negatives = {}},
                          .query = {.items = {3}, .labels = {1}, .negatives = {}}});
  }
};

bool same(const thaw::Entities& a, const thaw::Entities& b) {
  for (std::size_t i = 0; i < a.attributes.size(); ++i)
    if (a.attributes[i].offsets != b.attributes[i].offsets || a.attributes[i].ids != b.attributes[i].ids) return false;
  return a.attributes.size() == b.attributes.size();
}

const AttributeInterest* find(const InterestMap& map, std::string_view name) {
  for (const AttributeInterest& a : map.attributes)
    if (a.name == name) return &a;
  return nullptr;
}

// 60 items with three attributes of four values. A user belongs to one of four clubs, which nobody is told: her ratings
// rise and fall with style by the club's taste, a third as much with size, and not at all with shelf.
constexpr double kTaste[4][4] = {{1, 1, -1, -1}, {1, -1, 1, -1}, {-1, 1, -1, 1}, {-1, -1, 1, 1}};  // (club, value)

hyperrs::Task planted_task() {
  hyperrs::Task task;
  task.objective = hyperrs::Objective::rating;
  thaw::Dataset& data = task.data;
  thaw::Philox rng(7, 0);
  const auto below = [&](std::uint32_t n) { return static_cast<std::int32_t>(rng.below(n)); };
  for (const char* name : {"shelf", "size", "style"}) {
    thaw::Attribute& attribute = data.items.attributes.emplace_back();
    attribute.name = name;
    for (int v = 0; v < 4; ++v) attribute.values.add(std::string(name) + " " + std::to_string(v));
  }
  for (int item = 0; item < 60; ++item) {
    data.items.ids.add("i" + std::to_string(item));
    for (thaw::Attribute& attribute : data.items.attributes) {
      const std::int32_t value = below(4);
      attribute.append({&value, 1});
    }
  }
  for (std::int32_t user = 0; user < 240; ++user) {
    data.users.ids.add("u" + std::to_string(user));
    for (std::int32_t item = 0; item < 60; ++item) {
      if (rng.uniform() < 0.5) continue;
      const auto value = [&](std::size_t attribute) { return data.items.attributes[attribute].of(item)[0]; };
      const double mean = 3 + kTaste[user % 4][value(2)] + 0.33 * kTaste[user % 4][value(1)];
      data.ratings.push_back({user, item, static_cast<float>(mean + 0.3 * rng.normal())});
    }
  }
  data.lowest = 1, data.highest = 5;
  auto histories = thaw::make_histories(data, {.seed = 1});
  CHECK(histories.ok());
  if (histories) task.histories = std::move(histories.value());
  task.split = thaw::split_histories(task.histories, data.items.size(), {.cold_items = 0, .seed = 1});
  return task;
}

}  // namespace

TEST_CASE("changes, lifts and lost ranks of an additive scorer are those worked out by hand") {
  Four f;
  const thaw::Entities before = f.data.items;
  const auto map = hyperrs::interest_map(f.learner, f.data.items, f.episodes, f.candidates);
  CHECK(map.ok());
  if (!map) return;
  CHECK(same(before, f.data.items));
  const AttributeInterest *a = find(map.value(), "a"), *b = find(map.value(), "b");
  CHECK((a != nullptr && b != nullptr));
  if (a == nullptr || b == nullptr) return;
  // User 0: scores 0 3 4 7, deviation 2.5; "a" moves them by 0 3 0 3, deviation 1.5; "b" by 0 0 4 4, deviation 2.
  CHECK(a->change[0] == doctest::Approx(0.6));
  CHECK(b->change[0] == doctest::Approx(0.8));
  CHECK(a->change[1] == doctest::Approx(0.8));
  CHECK(a->mean_change == doctest::Approx(0.7));
  // Item 1 is known. Without "b" items 1 and 3 tie, but 1 is no candidate: she keeps her place. Without "a" item 2
  // ties.
  CHECK(map.value().ndcg == doctest::Approx(1));
  CHECK(b->lost_ndcg[0] == doctest::Approx(0));
  CHECK(a->lost_ndcg[0] == doctest::Approx(1 - 1 / std::log2(3.0)));
  // Her support, item 1, met "yes" of a and "no" of b.
  CHECK(a->values == std::vector<std::string>{"yes"});
  CHECK(a->lift[0] == doctest::Approx(3 / 2.5));
  CHECK(b->values == std::vector<std::string>{"no"});
  CHECK(b->lift[0] == doctest::Approx(0));
}

TEST_CASE("the strongest attribute comes first, and the number of users and values can be limited") {
  Four f;
  f.learner.weights[1][0] = 3, f.learner.weights[1][1] = 4;
  const auto one = hyperrs::interest_map(f.learner, f.data.items, f.episodes, f.candidates, {.most_users = 1});
  const auto bare = hyperrs::interest_map(f.learner, f.data.items, f.episodes, f.candidates, {.most_values = 0});
  CHECK((one.ok() && bare.ok()));
  if (!one || !bare) return;
  CHECK(one.value().users == std::vector<std::int32_t>{0});
  CHECK(one.value().attributes[0].name == "b");
  CHECK(bare.value().attributes[0].values.empty());
}

TEST_CASE("an ablation takes one value or all, and puts them back") {
  Four f;
  const thaw::Entities before = f.data.items;
  {
    const hyperrs::Ablation one(f.data.items.attributes[0], 1);
    CHECK(f.data.items.attributes[0].of(1).empty());
    CHECK(f.data.items.attributes[0].of(2).size() == 1);
    const hyperrs::Ablation all(f.data.items.attributes[0]);
    for (std::int32_t i = 0; i < 4; ++i) CHECK(f.data.items.attributes[0].of(i).empty());
    CHECK(f.data.items.attributes[0].cardinality() == 2);
  }
  CHECK(same(before, f.data.items));
}

TEST_CASE("a learner that keeps what it made of attributes is told, and told again when they are back") {
  struct Cached : Tally {
    thaw::Entities kept;
    const thaw::Entities* source = nullptr;
    int told = 0;
    void attributes_changed() override { kept = *source, ++told; }
  };
  Four f;
  Cached learner;
  learner.source = &f.data.items;
  learner.kept = f.data.items;
  learner.items = &learner.kept;
  const auto map = hyperrs::interest_map(learner, f.data.items, f.episodes, f.candidates);
  CHECK(map.ok());
  if (!map) return;
  CHECK(find(map.value(), "a")->change[0] == doctest::Approx(0.6));
  CHECK(same(learner.kept, f.data.items));
  CHECK(learner.told == 5);  // two attributes, a value of each, and the end
  f.episodes[1].query.items = {9};
  CHECK_FALSE(hyperrs::interest_map(learner, f.data.items, f.episodes, f.candidates).ok());
  CHECK(same(learner.kept, f.data.items));
}

TEST_CASE("the published statistic: the share of the upper half, none for equal weights") {
  const float skewed[] = {0, 0, 0, 1}, even[] = {-1, 0, 1, 0.5F}, equal[] = {2, 2};
  CHECK(hyperrs::upper_half_share(skewed) == 0.25);
  CHECK(hyperrs::upper_half_share(even) == 0.75);
  CHECK(std::isnan(hyperrs::upper_half_share(equal)));
  CHECK(std::isnan(hyperrs::upper_half_share({})));
  // Why it ranks nothing: the same layer, once through a rectifier.
  thaw::Philox rng(3, 1);
  std::vector<float> plain(2000), rectified(2000);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[i] = static_cast<float>(rng.uniform(-1, 1));
    rectified[i] = (std::max)(plain[i], 0.0F);
  }
  CHECK(hyperrs::upper_half_share(plain) > hyperrs::upper_half_share(rectified) + 0.2);
}

TEST_CASE("generated weights that a learner shows are put beside the map, and do not order it") {
  struct Shown : Tally {
    struct Open : Own {
      std::vector<std::span<const float>> attribute_kernels() const override {
        static const float kernel[2][4] = {{-1, 0, 1, 0.5F}, {0, 0, 0, 1}};
        return {kernel[0], kernel[1]};
      }
    };
    std::unique_ptr<Adapted> adapt(std::int32_t user, const Episode::Part&, int) const override {
      auto own = std::make_unique<Open>();
      own->from = this;
      own->user = user;
      return own;
    }
  };
  Four f;
  Shown learner;
  learner.items = &f.data.items;
  learner.weights[1][0] = 3, learner.weights[1][1] = 4;
  const auto map = hyperrs::interest_map(learner, f.data.items, f.episodes, f.candidates);
  CHECK(map.ok());
  if (!map) return;
  CHECK(map.value().attributes[0].name == "b");
  CHECK(map.value().attributes[0].share == std::vector<double>{0.25, 0.25});
  CHECK(map.value().attributes[1].share == std::vector<double>{0.75, 0.75});
  thaw::HeatMap published;
  CHECK(hyperrs::published_map(map.value(), f.data.users, published));
  CHECK(published.values == std::vector<double>{0.25, 0.75, 0.25, 0.75});
  CHECK(published.title.find("not comparable") != std::string::npos);
}

TEST_CASE("HyperRS: paper shows its generated kernels, best makes its item rows anew") {
  hyperrs::Task task = planted_task();
  task.objective = hyperrs::Objective::ranking;
  const hyperrs::World world = task.world();
  const auto tests = task.sampler({.support = 5, .query = 5}).held_out(thaw::UserGroup::test, thaw::ItemSet::known);
  CHECK(tests.ok());
  if (!tests) return;
  std::vector<std::int32_t> items(60);
  std::vector<float> before(60), after(60);
  std::iota(items.begin(), items.end(), 0);
  for (const hyperrs::Variant variant : {hyperrs::Variant::paper, hyperrs::Variant::best}) {
    const auto learner = hyperrs::make_hyperrs(world, {.variant = variant, .width = 8});
    const Episode& e = tests.value().front();
    learner->adapt(e.user, e.support, 1)->score(items, before);
    const auto map = hyperrs::interest_map(*learner, task.data.items, tests.value(), items, {.most_users = 2});
    CHECK(map.ok());
    if (!map) return;
    for (const AttributeInterest& a : map.value().attributes) {
      CHECK(a.change[0] > 0);
      CHECK(a.share.size() == (variant == hyperrs::Variant::paper ? 2 : 0));
      for (const double share : a.share) CHECK((share > 0 && share < 1));
    }
    learner->adapt(e.user, e.support, 1)->score(items, after);
    CHECK(before == after);
  }
}

TEST_CASE("nothing to ask, and candidates that are no items, are faults with a reason") {
  Four f;
  const auto fault_of = [&](std::span<const Episode> episodes, std::span<const std::int32_t> candidates) {
    const auto map = hyperrs::interest_map(f.learner, f.data.items, episodes, candidates);
    return map ? std::string() : std::string(map.fault().text);
  };
  std::vector<Episode> empty(3);
  const std::vector<std::int32_t> strange{0, 1, 2, 3, 4};
  CHECK(fault_of(empty, f.candidates).find("none of 3 episodes") != std::string::npos);
  CHECK(fault_of(f.episodes, {}).find("no candidates") != std::string::npos);
  CHECK(fault_of(f.episodes, strange).find("candidate 4 is none of the 4 items") != std::string::npos);
}

TEST_CASE("a scorer that is constant, or no number, has interests of zero") {
  Four f;
  f.learner.weights[0][0] = f.learner.weights[0][1] = 0;
  f.learner.weights[1][0] = thaw::kNoData;
  const auto map = hyperrs::interest_map(f.learner, f.data.items, f.episodes, f.candidates);
  CHECK(map.ok());
  if (!map) return;
  for (const AttributeInterest& a : map.value().attributes) {
    CHECK(a.change[0] == 0);
    CHECK(std::isfinite(a.mean_change));
  }
}

TEST_CASE("planted: what ratings depend on comes first, noise last, as far from each other as was planted") {
  hyperrs::Task task = planted_task();
  const hyperrs::World world = task.world();
  const thaw::EpisodeSampler sampler = task.sampler({.support = 10, .query = 10, .negatives = 1});
  const auto learner = hyperrs::make_tanp(world, {.variant = hyperrs::Variant::best, .width = 16, .seed = 2});
  std::vector<Episode> batch;
  for (std::uint64_t pass = 0; pass < 60; ++pass)
    for (const std::int32_t user : sampler.training_users()) {
      Episode e;
      if (sampler.draw(pass, user, e)) batch.push_back(std::move(e));
      if (batch.size() == 24) learner->train(batch), batch.clear();
    }
  const auto tests = sampler.held_out(thaw::UserGroup::test, thaw::ItemSet::known);
  CHECK(tests.ok());
  if (!tests) return;
  const auto map =
      hyperrs::interest_map(*learner, task.data.items, tests.value(), task.candidates(thaw::ItemSet::known));
  CHECK_MESSAGE(map.ok(), (map ? "" : map.fault().text));
  if (!map) return;
  const std::vector<AttributeInterest>& found = map.value().attributes;
  CHECK(found.front().name == "style");
  CHECK(found[1].name == "size");
  CHECK(found.back().name == "shelf");
  CHECK(found[0].mean_change > 2 * found[1].mean_change);
  CHECK(found[0].mean_change > 4 * found[2].mean_change);
  // Value by value: what the club likes draws, what it dislikes repels. By chance half of them would.
  int right = 0, asked = 0;
  for (std::size_t u = 0; u < map.value().users.size(); ++u)
    for (std::size_t v = 0; v < found[0].values.size(); ++v) {
      const double lift = found[0].lift[u * found[0].values.size() + v];
      if (!std::isfinite(lift)) continue;
      const auto style = static_cast<std::size_t>(found[0].values[v].back() - '0');
      right += lift * kTaste[map.value().users[u] % 4][style] > 0 ? 1 : 0;
      ++asked;
    }
  CHECK(asked > 30);
  CHECK(right >= asked * 3 / 4);
}

TEST_CASE("the page has the table, the curve and the maps, and is well formed") {
  Four f;
  const auto map = hyperrs::interest_map(f.learner, f.data.items, f.episodes, f.candidates);
  CHECK(map.ok());
  if (!map) return;
  hyperrs::Task task;
  task.data = f.data;
  task.data.name = "four <items>";
  const hyperrs::PageFacts facts{.learner = "HyperRS",
                                 .variant = "best",
                                 .protocol = "Leak-free.",
                                 .command = "train",
                                 .seeds = {1, 2},
                                 .losses = {{3, 2, 1}, {3, 2.5, 2}},
                                 .parameters = 5};
  thaw::Scores scores;
  scores.systems = {{"HyperRS, best", thaw::SystemKind::model}, {"EASE", thaw::SystemKind::baseline}};
  scores.metrics = {{"Recall@10"}};
  scores.scenarios = {{.name = "Known items", .values = {{0.3, 0.01}, {0.2, 0}}}};
  const std::string page = thaw::report_html(hyperrs::interest_report(task, facts, scores, &map.value()));
  CHECK(markup::fault(page) == "");
  for (const char* part : {"Which attributes matter to whom", "Inside a", "Inside b", "Training loss", "seed 2",
                           "Recall@10", ">q<", "four &lt;items&gt;", "NDCG@10 −36.91 points", "mean of them"})
    CHECK_MESSAGE(page.find(part) != std::string::npos, std::string(part));
  const std::string bare = thaw::report_html(hyperrs::interest_report(task, {}, {}, nullptr));
  CHECK(markup::fault(bare) == "");
  CHECK(bare.find("attributes matter") == std::string::npos);
  CHECK_FALSE(hyperrs::write_interest_report("no/such/folder/page.html", task, facts, scores, nullptr).ok());
}
