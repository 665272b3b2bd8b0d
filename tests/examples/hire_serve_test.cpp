// Serving a saved model to somebody who is in no file; model files that somebody changed; the report's attention maps.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "hire/report_page.hpp"
#include "hire/serve.hpp"
#include "hire_tiny.hpp"

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Rates = std::vector<std::pair<std::string, float>>;

struct ModelFile {
  std::string path = "/tmp/thaw_hire_serve_" + std::to_string(::getpid()) + ".safetensors";
  hire_tiny::Run run{hire_tiny::best()};

  ModelFile() {
    for (int s = 0; s < 5; ++s) run.step();
    CHECK(hire::save_model_file(path, run.task.data, run.known, run.model).ok());
  }
  ~ModelFile() { std::remove(path.c_str()); }
  std::unique_ptr<hire::Loaded> load() const {
    auto loaded = hire::load_model_file(path, 1);
    CHECK_MESSAGE(loaded.ok(), (loaded ? "" : loaded.fault().text));
    return loaded ? std::move(loaded.value()) : nullptr;
  }
  std::vector<float> scores(const Rates& rates, const Pairs& facts) const {
    const auto loaded = load();
    if (!loaded) return {};
    const auto her = hire::seat_guest(*loaded, rates, facts);
    CHECK_MESSAGE(her.ok(), (her ? "" : her.fault().text));
    return her ? hire::score_candidates(her.value(), *her.value().stage, loaded->model) : std::vector<float>();
  }
  std::string fault(const Rates& rates, const Pairs& facts) const {
    const auto loaded = load();
    if (!loaded) return {};
    const auto her = hire::seat_guest(*loaded, rates, facts);
    return her ? "" : her.fault().text;
  }
  std::string bytes() const {
    std::string all;
    std::FILE* file = std::fopen(path.c_str(), "rb");
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) all.append(buffer, n);
    std::fclose(file);
    return all;
  }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a guest is scored: alike for alike, and her ratings and attributes count") {
  const ModelFile file;
  const thaw::Dataset& data = file.run.task.data;
  // Two items that somebody rated: others are not recommended anyway.
  const std::int32_t first = file.run.known[0].item;
  std::int32_t second = first;
  for (const thaw::Rating& r : file.run.known) second = r.item != first ? r.item : second;
  const std::string a = data.items.ids.text(first), b = data.items.ids.text(second);
  const thaw::Attribute& age = data.users.attributes[0];
  const auto nothing = file.scores({}, {});
  CHECK(!nothing.empty());
  for (const float score : nothing) CHECK(std::isfinite(score));
  CHECK(hire_tiny::same_bits(nothing, file.scores({}, {})));
  CHECK_FALSE(hire_tiny::same_bits(nothing, file.scores({}, {{age.name, age.values.text(0)}})));
  const auto low = file.scores({{a, data.lowest}, {b, data.lowest}}, {});
  const auto high = file.scores({{a, data.highest}, {b, data.highest}}, {});
  CHECK(low.size() + 2 == nothing.size());  // what she rated is not recommended
  double low_sum = 0, high_sum = 0;
  for (std::size_t i = 0; i < low.size(); ++i) {
    low_sum += static_cast<double>(low[i]);
    high_sum += static_cast<double>(high[i]);
  }
  CHECK(high_sum > low_sum);  // somebody who rates high is expected to go on
  // A title, in any case, and a part of one name the same item.
  CHECK(hire_tiny::same_bits(low, file.scores({{hire::detail::lower_case(data.items.title(first)), data.lowest},
                                               {data.items.title(second), data.lowest}},
                                              {})));
}

TEST_CASE("what a guest says wrongly gets a message that says what is possible") {
  const ModelFile file;
  const std::string item = file.run.task.data.items.ids.text(0);
  CHECK(contains(file.fault({{"no such thing", 3}}, {}), "no item has the id or title 'no such thing'"));
  CHECK(contains(file.fault({{"the", 3}}, {}), "did you mean one of '"));
  CHECK(contains(file.fault({{item, 9}}, {}), "ratings go from 1 to 5"));
  CHECK(contains(file.fault({{item, std::nanf("")}}, {}), "ratings go from 1 to 5"));
  CHECK(contains(file.fault({{item, 3}, {item, 4}}, {}), "is rated twice"));
  CHECK(contains(file.fault({}, {{"shoe size", "39"}}), "users have no attribute 'shoe size'; they have '"));
  CHECK(contains(file.fault({}, {{file.run.task.data.users.attributes[0].name, "very old"}}), "it may be '"));
  CHECK(contains(hire::detail::split_pair("=5", "ITEM=RATING").fault().text, "expected ITEM=RATING, found '=5'"));
  CHECK(hire::detail::split_pair("a=b=5", "ITEM=RATING").value().first == "a=b");
}

TEST_CASE("a model file whose numbers were changed is refused, not obeyed") {
  const ModelFile file;
  const std::string good = file.bytes();
  const std::string changed = file.path + ".changed";
  int tried = 0;
  // One character in the header each: no size changes, so the file still is a safetensors file.
  for (const char* setting :
       {"recipe.users\":\"6", "recipe.items\":\"8", "recipe.batch\":\"3", "recipe.heads\":\"2", "recipe.width\":\"4",
        "recipe.blocks\":\"2", "settings.blocks\":\"2", "settings.heads\":\"2", "settings.width\":\"4",
        "settings.expansion\":\"4", "recipe.expansion\":\"4", "settings.user_attributes\":\"4",
        "settings.rating_levels\":\"5", "rating.highest\":\"5"}) {
    const std::size_t at = good.find(setting);
    CHECK_MESSAGE(at != std::string::npos, setting);
    if (at == std::string::npos) continue;
    for (const char value : {'0', '-', 'x'}) {
      std::string bad = good;
      bad[at + std::string(setting).size() - 1] = value;
      std::FILE* out = std::fopen(changed.c_str(), "wb");
      std::fwrite(bad.data(), 1, bad.size(), out);
      std::fclose(out);
      const auto loaded = hire::load_model_file(changed, 1);
      CHECK_MESSAGE(!loaded.ok(), (std::string(setting) + " became " + value));
      if (!loaded) CHECK(contains(loaded.fault().text, changed));
      ++tried;
    }
  }
  std::remove(changed.c_str());
  CHECK(tried == 42);
}

TEST_CASE("attention against an equal share: each row of a map sums to zero") {
  const std::vector<double> shares{0.5, 0.25, 0.25, 0, 1, 0};
  const std::vector<double> expected{0.5, -0.25, -0.25, -1, 2, -1};
  const auto relative = hire::detail::against_equal(shares, 3);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(relative[i] == doctest::Approx(expected[i]));
  hire_tiny::Run run(hire_tiny::best());
  run.step();
  auto her = hire::choose_new_user(run.task.data, run.task.split);
  CHECK(her.has_value());
  if (!her) return;
  hire::recommend(*her, run.task.data, run.known, run.model);
  const auto maps = hire::heat_maps_of(*her, run.task.data, run.model);
  CHECK(maps.size() == 3);
  for (const thaw::HeatMap& map : maps) {
    CHECK(thaw::has_data(map));
    for (std::size_t row = 0; row < map.row_labels.size(); ++row) {
      double sum = 0;
      for (std::size_t c = 0; c < map.column_labels.size(); ++c) sum += map.values[row * map.column_labels.size() + c];
      CHECK(std::abs(sum) < 1e-4);
    }
  }
}
