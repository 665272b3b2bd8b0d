#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "mwuf/load_task.hpp"
#include "tests/heap_counter.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/baselines/click_counts.hpp"
#include "thaw/eval/click_metrics.hpp"

using thaw::EvaluationOrder;
using thaw::Phase;
using thaw_test::contains;

namespace {

using Ids = std::vector<std::int32_t>;

template <class T>
std::vector<T> at(const std::vector<T>& column, std::span<const std::int32_t> impressions) {
  std::vector<T> values;
  for (const std::int32_t i : impressions) values.push_back(column[static_cast<std::size_t>(i)]);
  return values;
}

double rate(const mwuf::Task& task, std::span<const std::int32_t> impressions) {
  double likes = 0;
  for (const float label : at(task.clicks().labels, impressions)) likes += static_cast<double>(label);
  return likes / static_cast<double>(impressions.size());
}

// Item 0 is old (13 impressions), item 1 new (8). User 7 and the genre "odd" are only seen with the new one.
mwuf::TaskSource small_source() {
  mwuf::TaskSource source;
  source.log.name = "small";
  source.sizes = thaw::WarmUpSizes::of(12, 2);
  for (int u = 0; u < 14; ++u) source.log.users.ids.add("u" + std::to_string(u));
  for (const char* id : {"old", "new", "unseen"}) source.log.items.ids.add(id);
  thaw::Attribute genre, year, age;
  genre.name = "genre", year.name = "year", age.name = "age";
  for (const char* g : {"drama", "odd", "crime"}) genre.values.add(g);
  genre.append(Ids{0, 2}), genre.append(Ids{1, 2}), genre.append({});
  year.values.add("1999"), year.values.add("2000");
  year.append(Ids{0}), year.append(Ids{1}), year.append(Ids{0});
  age.values.add("young"), age.values.add("odd");
  for (int u = 0; u < 14; ++u) age.append(u == 13 ? Ids{1} : u == 3 ? Ids{} : Ids{0});
  source.log.items.attributes = {genre, year};
  source.log.users.attributes = {age};
  thaw::Clicks& clicks = source.log.clicks;
  clicks.user_count = 14, clicks.item_count = 3;
  clicks.context.push_back({"place", {}, {}});
  clicks.context[0].values.add("top");
  const auto show = [&](std::int32_t user, std::int32_t item, float label) {
    clicks.users.push_back(user), clicks.items.push_back(item), clicks.labels.push_back(label);
    clicks.times.push_back(static_cast<std::int64_t>(clicks.times.size()));
    clicks.context[0].ids.push_back(user % 2 == 0 ? 0 : -1);
  };
  for (std::int32_t u = 0; u < 13; ++u) show(u, 0, u % 2 == 0 ? 1.0f : 0.0f);
  for (std::int32_t u = 6; u < 14; ++u) show(u, 1, u % 3 == 0 ? 1.0f : 0.0f);
  return source;
}

}  // namespace

TEST_CASE("fields of item, user and impression in columns; what the base does not show is unknown") {
  const auto made = mwuf::make_task(small_source(), {.history = 3});
  CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
  if (!made) return;
  const mwuf::Task& task = made.value();
  CHECK(task.plan.count == 5);
  const char* names[] = {"genre", "year", "user", "age", "place"};
  for (int f = 0; f < 5; ++f) CHECK(std::string(task.plan.fields[f].name) == names[f]);
  CHECK(task.plan.user_id == 2);
  CHECK(task.plan.fields[0].kind == mwuf::FieldKind::multi_valued);
  CHECK(task.plan.fields[1].kind == mwuf::FieldKind::categorical);
  mwuf::Batches batches(task, 4);
  const mwuf::ClickBatch<>& batch = batches.fill(Ids{12, 20, 3, 19});  // (12, old), (13, new), (3, old), (12, new)
  const auto sound = mwuf::check_batch(task.plan, batch);
  CHECK_MESSAGE(sound.ok(), (sound ? "" : sound.fault().text));
  CHECK(Ids(batch.item, batch.item + 4) == Ids{0, 1, 0, 1});
  CHECK(Ids(batch.field[0].bags.offsets, batch.field[0].bags.offsets + 5) == Ids{0, 2, 3, 5, 6});
  CHECK(Ids(batch.field[0].bags.ids, batch.field[0].bags.ids + 6) == Ids{0, 2, 2, 0, 2, 2});  // without "odd"
  CHECK(Ids(batch.field[1].bags.ids, batch.field[1].bags.ids + 4) == Ids{0, -1, 0, -1});
  CHECK(Ids(batch.field[2].bags.ids, batch.field[2].bags.ids + 4) == Ids{12, -1, 3, 12});
  CHECK(Ids(batch.field[3].bags.ids, batch.field[3].bags.ids + 4) == Ids{0, -1, -1, 0});
  CHECK(Ids(batch.field[4].bags.ids, batch.field[4].bags.ids + 4) == Ids{0, -1, -1, 0});
  CHECK(std::vector<float>(batch.labels, batch.labels + 4) == std::vector<float>{1, 0, 0, 1});
  // User 12 liked the old item before the new one was shown; the new one is in no history.
  CHECK(Ids(batch.history, batch.history + 12) == Ids{-1, -1, -1, -1, -1, -1, -1, -1, -1, 0, -1, -1});
  CHECK(contains(task.text, "small: impressions in time order"));
  CHECK(contains(task.text,
                 "1 old items with 13 impressions or more, 1 new ones with 6 to 12, slices of 2; 13 "
                 "impressions to learn from, 2 / 2 / 2 in the slices, 2 to test, 0 of other items"));
  const auto open = mwuf::make_task(small_source(), {.unseen_is_unknown = false});
  CHECK(open.ok());
  if (open) CHECK(open.value().fields[1].ids == Ids{0, 1, 0});
}

TEST_CASE("a request: one user, many candidates, the caller's history; and no allocation in either fill") {
  const auto made = mwuf::make_task(small_source(), {.history = 2});
  CHECK(made.ok());
  if (!made) return;
  mwuf::Batches batches(made.value(), 4);
  const Ids candidates{1, 2, 0}, liked{0, 1, 0}, rows{1, 2, 3, 4};
  const long before = thaw_test::heap_allocations();
  batches.fill(rows);
  const mwuf::ClickBatch<>& batch = batches.request(5, candidates, liked);
  CHECK(thaw_test::heap_allocations() == before);
  CHECK(batch.rows == 3);
  CHECK(batch.labels == nullptr);
  CHECK(Ids(batch.item, batch.item + 3) == candidates);
  CHECK(Ids(batch.field[2].bags.ids, batch.field[2].bags.ids + 3) == Ids{5, 5, 5});
  CHECK(Ids(batch.field[0].bags.offsets, batch.field[0].bags.offsets + 4) == Ids{0, 1, 1, 3});
  CHECK(Ids(batch.field[4].bags.ids, batch.field[4].bags.ids + 3) == Ids{-1, -1, -1});
  CHECK(Ids(batch.history, batch.history + 6) == Ids{1, 0, 1, 0, 1, 0});  // the latest two
  CHECK(mwuf::check_batch(made.value().plan, batch).ok());
}

TEST_CASE("no score can depend on a label that is not known yet: batches of earlier slices stay the same") {
  const auto made = mwuf::make_task(small_source(), {});
  CHECK(made.ok());
  if (!made) return;
  mwuf::TaskSource turned = small_source();
  for (const std::int32_t i : made.value().split.slices[0]) {
    float& label = turned.log.clicks.labels[static_cast<std::size_t>(i)];
    label = 1 - label;
  }
  const auto other = mwuf::make_task(std::move(turned), {});
  CHECK(other.ok());
  if (!other) return;
  CHECK(other.value().histories.items == made.value().histories.items);
  CHECK(other.value().histories.seen == made.value().histories.seen);
  for (std::size_t f = 0; f < made.value().fields.size(); ++f)
    CHECK(other.value().fields[f].ids == made.value().fields[f].ids);
}

TEST_CASE("tasks that cannot be made are named") {
  const auto fault_of = [](mwuf::TaskSource source, const mwuf::TaskOptions& options = {}) {
    const auto task = mwuf::make_task(std::move(source), options);
    return task ? std::string() : std::string(task.fault().text);
  };
  mwuf::TaskSource wide = small_source();
  for (int a = 0; a < 20; ++a) wide.log.items.attributes.push_back(wide.log.items.attributes[0]);
  CHECK(contains(fault_of(std::move(wide)), "small: 25 fields, but a model reads at most 16; leave attributes out"));
  CHECK(contains(fault_of(small_source(), {.sizes = thaw::WarmUpSizes::of(100, 2)}), "0 items have 101 impressions"));
  const auto unknown = mwuf::load_task("netflix");
  CHECK_FALSE(unknown.ok());
  if (!unknown) CHECK(contains(unknown.fault().text, "netflix: no such data set; expected ml-1m, book-crossing"));
  for (const char* name : {"ml-1m", "book-crossing", "douban-book", "taobao", "cikm2019"}) {
    const auto missing = mwuf::load_task(name, {.folder = "/nowhere"});
    CHECK_FALSE(missing.ok());
    if (!missing) CHECK(missing.fault().kind == thaw::FaultKind::not_found);
  }
}

TEST_CASE("words of titles: lower case, without year, punctuation and apostrophes") {
  thaw::Entities items;
  for (const char* id : {"1", "2", "3"}) items.ids.add(id);
  items.titles = {"Bug's Life, A (1998)", "A-B: 12 A (2001)", "Plain"};
  const thaw::Attribute words = mwuf::title_words(items);
  CHECK(words.values.texts() == std::vector<std::string>{"bugs", "life", "a", "b", "12", "plain"});
  CHECK(words.of(1).size() == 3);
}

TEST_CASE("times of another file must be those of the same ratings") {
  thaw_test::TemporaryFolder files;
  thaw::Dataset data;
  data.users.ids.add("1"), data.items.ids.add("5"), data.items.ids.add("6");
  data.ratings = {{0, 1, 4}, {0, 0, 3}};
  const std::string good = files.write("t.dat", "1::6::4::100::1\n1::5::3::90::0\n");
  CHECK(mwuf::detail::take_times(good, data).ok());
  CHECK(data.times == std::vector<std::int64_t>{100, 90});
  for (const char* bad :
       {"1::5::3::90::0\n1::6::4::100::1\n", "1::6::4::100::1\n", "1::6::5::100::1\n1::5::3::90::0\n"}) {
    const auto taken = mwuf::detail::take_times(files.write("b.dat", bad), data);
    CHECK_FALSE(taken.ok());
    if (!taken) CHECK(contains(taken.fault().text, "expected the ratings of the ratings file in their order"));
  }
}

TEST_CASE("MovieLens-1M: the published split counts, the counting baseline, and what the text says") {
  const char* root = std::getenv("THAW_DATA");
  const auto made = root == nullptr ? mwuf::load_task("/nowhere") : mwuf::load_task("ml-1m", {.folder = root});
  if (!made && made.fault().kind == thaw::FaultKind::not_found) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m");
    return;
  }
  CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
  if (!made) return;
  const mwuf::Task& task = made.value();
  const thaw::WarmUpSplit& split = task.split;
  CHECK(task.clicks().size() == 1000209);
  CHECK(split.base.size() == 854530);
  CHECK(split.old_items.size() == 1420);
  CHECK(split.new_items.size() == 972);
  for (std::size_t s = 0; s < 3; ++s) CHECK(split.slices[s].size() == 19440);
  CHECK(split.test().size() == 58409);
  CHECK(split.left_out == 28950);
  CHECK(split.items_left_out == 1314);
  const Ids test_items = at(task.clicks().items, split.test());
  CHECK(std::set<std::int32_t>(test_items.begin(), test_items.end()).size() == 961);
  const Ids test_users = at(task.clicks().users, split.test());
  CHECK(std::abs(static_cast<double>(std::set<std::int32_t>(test_users.begin(), test_users.end()).size()) - 3874) < 40);
  CHECK(std::abs(rate(task, split.base) - 0.6035) < 5e-5);
  const double rates[] = {0.4065, 0.4178, 0.4122, 0.4092};  // the order is reconstructed: these differ a little
  for (std::size_t s = 0; s < 4; ++s) CHECK(std::abs(rate(task, split.slices[s]) - rates[s]) < 1e-3);
  std::int64_t known = 0;
  for (const std::uint8_t k : task.known_user) known += k;
  CHECK(known == 6040);
  CHECK(contains(task.text, "times reconstructed (most are their user's median time)"));
  CHECK(contains(task.text, "the order of a published sequences file"));

  const double next[] = {0.7012, 0.7838, 0.7980, 0.8057}, fixed[] = {0.7100, 0.7949, 0.8027, 0.8057};
  const double user_alone[] = {0.7012, 0.7086, 0.7114, 0.7100};
  thaw::ClickCounts counts(task.clicks().user_count, task.clicks().item_count);
  counts.learn_users(at(task.clicks().users, split.base), at(task.clicks().labels, split.base));
  for (std::size_t p = 0; p < 4; ++p) {
    const auto learnt = split.learnt(thaw::kPhases[p]);
    counts.learn_items(at(task.clicks().items, learnt), at(task.clicks().labels, learnt));
    for (const EvaluationOrder order : {EvaluationOrder::next_slice, EvaluationOrder::fixed_test}) {
      const auto measured = split.measured(thaw::kPhases[p], order);
      const std::vector<float> labels = at(task.clicks().labels, measured);
      std::vector<float> scores(measured.size()), users;
      counts.score(at(task.clicks().users, measured), at(task.clicks().items, measured), scores);
      thaw::ClickMetrics metrics;
      metrics.add(scores, labels);
      const thaw::ClickReport report = metrics.report();
      const double expected = (order == EvaluationOrder::next_slice ? next : fixed)[p];
      CHECK(std::abs(report.auc.value - expected) < 1e-3);
      MESSAGE(name_of(thaw::kPhases[p]) << ", " << name_of(order) << ": AUC " << report.auc.value << ", log-loss "
                                        << report.log_loss.value << ", F1 " << report.f1_at_mean.value
                                        << ", calibration error " << report.calibration_error.value);
      if (order == EvaluationOrder::fixed_test) continue;
      for (const std::int32_t u : at(task.clicks().users, measured))
        users.push_back(static_cast<float>(counts.user_logit(u)));
      CHECK(std::abs(thaw::area_under_curve(users, labels).value - user_alone[p]) < 1e-3);
    }
  }
}

TEST_CASE("MovieLens-1M: other published sizes") {
  const char* root = std::getenv("THAW_DATA");
  const thaw::WarmUpSizes sizes{.old_from = 300, .new_from = 80, .new_to = 299, .slice = 20};
  for (const bool strict : {false, true}) {
    const mwuf::TaskOptions options{.folder = root == nullptr ? "/nowhere" : root,
                                    .sizes = strict ? thaw::WarmUpSizes::strict(200, 20) : sizes};
    const auto made = mwuf::load_task("ml-1m", options);
    if (!made && made.fault().kind == thaw::FaultKind::not_found) {
      MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m");
      return;
    }
    CHECK(made.ok());
    if (!made) return;
    const thaw::WarmUpSplit& split = made.value().split;
    CHECK(split.new_items.size() == (strict ? 955 : 1127));
    CHECK(split.slices[0].size() * 3 == (strict ? 955 * 60 : 67620));
    CHECK(split.test().size() == (strict ? 57569 : 123787));
    if (strict) continue;
    CHECK(split.old_items.size() == 1058);
    CHECK(split.base.size() == 765669);
  }
}

TEST_CASE("MovieLens-1M: a history holds earlier likes of old items alone, and its length does not tell the label") {
  const char* root = std::getenv("THAW_DATA");
  const auto made = root == nullptr ? mwuf::load_task("/nowhere") : mwuf::load_task("ml-1m", {.folder = root});
  if (!made && made.fault().kind == thaw::FaultKind::not_found) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m");
    return;
  }
  CHECK(made.ok());
  if (!made) return;
  const mwuf::Task& task = made.value();
  const std::set<std::int32_t> old(task.split.old_items.begin(), task.split.old_items.end());
  for (const std::int32_t item : task.histories.items) CHECK_FALSE(old.find(item) == old.end());
  std::vector<float> length, labels;
  std::vector<std::int32_t> users;
  for (const std::int32_t i : task.split.test()) {
    length.push_back(static_cast<float>(task.histories.seen[static_cast<std::size_t>(i)]));
    labels.push_back(task.clicks().labels[static_cast<std::size_t>(i)]);
    users.push_back(task.clicks().users[static_cast<std::size_t>(i)]);
  }
  thaw::GroupedAuc inside;  // inside a user, because who likes much has long histories
  inside.add(users, length, labels);
  CHECK(std::abs(inside.mean().value - 0.5) < 0.03);
  MESSAGE("length of history against label, inside a user: AUC " << inside.mean().value << " over " << inside.defined()
                                                                 << " users");
}

TEST_CASE("Book-Crossing and Douban Book: sizes of the split, and the random order is said") {
  const char* root = std::getenv("THAW_DATA");
  const std::pair<const char*, std::vector<std::size_t>> sets[] = {{"book-crossing", {478, 2562, 45431, 12810, 23761}},
                                                                   {"douban-book", {1118, 3242, 286417, 32420, 69924}}};
  for (const auto& [name, counts] : sets) {
    const auto made = root == nullptr ? mwuf::load_task("/nowhere") : mwuf::load_task(name, {.folder = root});
    if (!made && made.fault().kind == thaw::FaultKind::not_found) {
      MESSAGE("skipped: set THAW_DATA to a folder that holds " << std::string(name));
      continue;
    }
    CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
    if (!made) continue;
    const thaw::WarmUpSplit& split = made.value().split;
    CHECK(std::vector<std::size_t>{split.old_items.size(), split.new_items.size(), split.base.size(),
                                   split.slices[0].size(), split.test().size()} == counts);
    CHECK(contains(made.value().text, "impressions in random order (seed 1)"));
    MESSAGE(made.value().text);
  }
}
