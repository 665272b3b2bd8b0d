// The model file: weights by dotted path and all else that is needed to score raw ids of the same data set again:
// settings, recipe, vocabularies, attributes, rating scale and the known ratings, from which biases and neighbourhoods
// are computed.
//
//   hire::save_model_file("hire.safetensors", data, known, model);
//   auto loaded = hire::load_model_file("hire.safetensors", threads);      // Result<std::unique_ptr<Loaded>>
//   hire::score_queries(stage, queries, loaded.value()->model);
#pragma once

#include <array>
#include <cstring>
#include <tuple>

#include "hire/learn.hpp"
#include "thaw/file/save_model.hpp"

namespace hire {

inline constexpr std::int64_t kModelFileVersion = 1;

// What a model file holds, ready to score.
struct Loaded {
  thaw::Dataset data;  // its ratings are the known ones
  Recipe recipe;
  Recommender model;
};

// visit(name, field) for the settings of a network beside the cardinalities of its attributes.
void each_network_setting(auto& s, auto&& visit) {
  visit("user_attributes", s.user_attributes), visit("item_attributes", s.item_attributes);
  visit("user_statistics", s.user_statistics), visit("item_statistics", s.item_statistics);
  visit("cell_statistics", s.cell_statistics), visit("rating_levels", s.rating_levels), visit("width", s.width),
      visit("heads", s.heads);
  visit("blocks", s.blocks), visit("expansion", s.expansion), visit("lowest", s.lowest), visit("highest", s.highest);
  visit("order", s.order), visit("divisor", s.divisor);
}

namespace detail {

// The affinity weights are nothing but numbers, kept as they lie in memory.
using StartNumbers = std::array<double, sizeof(AffinityWeights) / sizeof(double)>;
static_assert(std::is_trivially_copyable_v<AffinityWeights> && sizeof(StartNumbers) == sizeof(AffinityWeights));

inline std::string attribute_key(const std::string& side, std::size_t a) { return side + "." + std::to_string(a); }

inline void write_side(thaw::SafetensorsWriter& writer, const std::string& side, const thaw::Entities& entities) {
  writer.set_metadata(side + ".ids", thaw::encode_list(entities.ids.texts()));
  if (!entities.titles.empty()) writer.set_metadata(side + ".titles", thaw::encode_list(entities.titles));
  if (!entities.years.empty())
    writer.add("data." + side + ".years", {static_cast<Index>(entities.years.size())}, entities.years.data());
  writer.set_metadata(side + ".attributes", thaw::encode_integer(entities.attributes.size()));
  for (std::size_t a = 0; a < entities.attributes.size(); ++a) {
    const thaw::Attribute& attribute = entities.attributes[a];
    const std::string key = attribute_key(side, a);
    writer.set_metadata(key + ".name", attribute.name);
    writer.set_metadata(key + ".values", thaw::encode_list(attribute.values.texts()));
    writer.set_metadata(key + ".rows", thaw::encode_integer(attribute.cardinality()));
    writer.add("data." + key + ".offsets", {static_cast<Index>(attribute.offsets.size())}, attribute.offsets.data());
    writer.add("data." + key + ".ids", {static_cast<Index>(attribute.ids.size())}, attribute.ids.data());
  }
}

// A list of numbers of any length.
template <class T>
thaw::Result<std::vector<T>> read_numbers(const thaw::SafetensorsView& view, const std::string& name) {
  const thaw::Result<thaw::TensorEntry> entry = view.find(thaw::TextView{name.data(), name.size()});
  if (!entry) return entry.fault();
  if (entry.value().type != thaw::TensorTypeOf<T>::value)
    return thaw::make_fault(thaw::FaultKind::mismatch, "tensor '", name.c_str(), "' has another number type");
  std::vector<T> numbers(entry.value().count());
  const thaw::Result<thaw::Done> copied = thaw::copy_tensor(entry.value(), numbers.data(), numbers.size());
  if (!copied) return copied.fault();
  return numbers;
}

inline thaw::Result<thaw::Done> read_attribute(const thaw::SafetensorsView& view, const std::string& key,
                                               std::int32_t entities, thaw::Attribute& attribute) {
  const auto name = thaw::metadata_text(view, key + ".name");
  if (!name) return name.fault();
  const auto values = thaw::metadata_list(view, key + ".values");
  if (!values) return values.fault();
  const auto rows = thaw::metadata_integer<std::int32_t>(view, key + ".rows");
  if (!rows) return rows.fault();
  auto offsets = read_numbers<std::int32_t>(view, "data." + key + ".offsets");
  if (!offsets) return offsets.fault();
  auto ids = read_numbers<std::int32_t>(view, "data." + key + ".ids");
  if (!ids) return ids.fault();
  attribute.name = name.value();
  for (const std::string& value : values.value()) attribute.values.add(value);
  attribute.declared_size = rows.value();
  attribute.offsets = std::move(offsets.value());
  attribute.ids = std::move(ids.value());
  const auto& at = attribute.offsets;
  bool fits = at.size() == static_cast<std::size_t>(entities) + 1 && at.front() == 0 &&
              at.back() == static_cast<std::int32_t>(attribute.ids.size()) && std::is_sorted(at.begin(), at.end());
  for (const std::int32_t id : attribute.ids) fits = fits && id >= 0 && id < attribute.cardinality();
  if (fits) return thaw::Done{};
  return thaw::make_fault(thaw::FaultKind::malformed, "attribute ", key.c_str(),
                          ": its numbers do not fit its vocabulary and entities");
}

inline thaw::Result<thaw::Done> read_side(const thaw::SafetensorsView& view, const std::string& side,
                                          thaw::Entities& entities) {
  const auto ids = thaw::metadata_list(view, side + ".ids");
  if (!ids) return ids.fault();
  for (const std::string& id : ids.value()) entities.ids.add(id);
  if (auto titles = thaw::metadata_list(view, side + ".titles"); titles) entities.titles = std::move(titles.value());
  if (auto years = read_numbers<std::int32_t>(view, "data." + side + ".years"); years)
    entities.years = std::move(years.value());
  const auto count = thaw::metadata_integer(view, side + ".attributes");
  if (!count) return count.fault();
  for (const std::int32_t year : entities.years)
    if (year < 0 || year > 9999)
      return thaw::make_fault(thaw::FaultKind::malformed, side.c_str(), ": a year is ", year);
  const auto is_full = [&](std::size_t size) { return size == 0 || size == static_cast<std::size_t>(entities.size()); };
  const bool fits = is_full(entities.titles.size()) && is_full(entities.years.size());
  if (!fits || count.value() < 0 || count.value() > kMaxAttributes)
    return thaw::make_fault(thaw::FaultKind::malformed, side.c_str(), ": titles, years or attributes do not fit");
  for (std::int64_t a = 0; a < count.value(); ++a) {
    thaw::Attribute& attribute = entities.attributes.emplace_back();
    const auto read =
        read_attribute(view, attribute_key(side, static_cast<std::size_t>(a)), entities.size(), attribute);
    if (!read) return read.fault();
  }
  return thaw::Done{};
}

inline thaw::Result<thaw::Done> read_ratings(const thaw::SafetensorsView& view, thaw::Dataset& data) {
  const auto lowest = thaw::metadata_real(view, "rating.lowest"), highest = thaw::metadata_real(view, "rating.highest");
  if (!lowest || !highest) return (!lowest ? lowest : highest).fault();
  data.lowest = static_cast<float>(lowest.value());
  data.highest = static_cast<float>(highest.value());
  const auto users = read_numbers<std::int32_t>(view, "data.known.user");
  const auto items = read_numbers<std::int32_t>(view, "data.known.item");
  const auto values = read_numbers<float>(view, "data.known.rating");
  if (!users) return users.fault();
  if (!items) return items.fault();
  if (!values) return values.fault();
  const std::size_t count = values.value().size();
  bool fits =
      users.value().size() == count && items.value().size() == count && count > 0 && data.lowest <= data.highest;
  for (std::size_t i = 0; fits && i < count; ++i) {
    const thaw::Rating r{users.value()[i], items.value()[i], values.value()[i]};
    fits = r.user >= 0 && r.user < data.users.size() && r.item >= 0 && r.item < data.items.size() &&
           r.value >= data.lowest && r.value <= data.highest;
    data.ratings.push_back(r);
  }
  if (fits) return thaw::Done{};
  return thaw::make_fault(thaw::FaultKind::malformed, "the known ratings do not fit the users, items and scale");
}

// A file may say anything: sizes that a recipe of ours never has are refused before memory is asked for.
inline thaw::Result<thaw::Done> check_recipe(const Recipe& r) {
  const auto inside = [](auto value, auto least, auto most) { return value >= least && value <= most; };
  const bool fits = inside(r.width, 1, 1024) && inside(r.heads, 1, 64) && inside(r.blocks, 0, 8) &&
                    inside(r.expansion, 1, 16) && r.order <= Order::users_first && r.divisor <= Divisor::head_width &&
                    inside(r.users, 1, 1024) && inside(r.items, 2, 1024) && inside(r.most_queries, 0, r.items - 1) &&
                    inside(r.batch, 1, 1024) && r.sampler <= Sampler::attribute_similarity &&
                    r.published_sampler <= Sampler::attribute_similarity && r.optimizer <= Optimizer::adam &&
                    r.least_entities >= 0 && r.affinity_entities >= 0 && inside(r.rate, 0, 1e30) && r.steps >= 0;
  if (fits && r.width % r.heads == 0) return thaw::Done{};
  return thaw::make_fault(thaw::FaultKind::malformed, "the recipe holds a number that no recipe has");
}

// Whether the file holds every tensor of a plan, in its size.
inline thaw::Result<thaw::Done> check_tensors(const Hire<thaw::Spec>& plan, const thaw::SafetensorsView& view) {
  thaw::Fault problem;
  bool failed = false;
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const thaw::Spec& spec) {
        if (failed) return;
        const thaw::Result<thaw::TensorEntry> entry = view.find(thaw::TextView{path.text, std::strlen(path.text)});
        failed = !entry || static_cast<Index>(entry.value().count()) != spec.shape.size();
        if (!failed) return;
        problem = !entry ? entry.fault()
                         : thaw::make_fault(thaw::FaultKind::mismatch, "tensor '", path.text, "' has ",
                                            entry.value().count(), " numbers, the network needs ", spec.shape.size());
      },
      plan);
  if (failed) return problem;
  return thaw::Done{};
}

inline thaw::Result<Settings> read_settings(const thaw::SafetensorsView& view, const thaw::Dataset& data,
                                            const RatingLevels& levels, const Recipe& recipe) {
  Settings settings = settings_for(data, levels, recipe);
  const Settings from_data = settings;
  thaw::Fault problem;
  bool failed = false;
  each_network_setting(settings, [&](const char* name, auto& field) {
    const auto text = thaw::metadata_text(view, std::string("settings.") + name);
    const auto parsed = text ? parse_setting(text.value(), field) : thaw::Result<thaw::Done>(text.fault());
    if (!parsed && !failed) problem = parsed.fault();
    failed = failed || !parsed;
  });
  if (failed) return problem;
  const auto sizes = [](const Settings& s) {
    return std::tuple(s.user_attributes, s.item_attributes, s.user_statistics, s.item_statistics, s.cell_statistics,
                      s.rating_levels, s.width, s.heads, s.blocks, s.expansion, s.order, s.divisor);
  };
  if (sizes(settings) == sizes(from_data) && settings.lowest < settings.highest) return settings;
  return thaw::make_fault(thaw::FaultKind::malformed, "the settings of the network do not fit its data");
}

inline thaw::Result<std::unique_ptr<Loaded>> read_model(const thaw::SafetensorsView& view, int threads) {
  const auto version = thaw::metadata_integer(view, "hire.model");
  if (!version)
    return thaw::make_fault(thaw::FaultKind::mismatch, "a safetensors file, but not a model of this program");
  if (version.value() != kModelFileVersion)
    return thaw::make_fault(thaw::FaultKind::unsupported, "model file version ", version.value(),
                            ", this program reads ", kModelFileVersion);
  auto loaded = std::make_unique<Loaded>();
  for (const bool of_users : {true, false}) {
    const auto side = read_side(view, of_users ? "user" : "item", of_users ? loaded->data.users : loaded->data.items);
    if (!side) return side.fault();
  }
  if (const auto ratings = read_ratings(view, loaded->data); !ratings) return ratings.fault();
  thaw::Fault problem;
  bool failed = false;
  each_setting(loaded->recipe, [&](const char* name, auto& field) {
    const auto text = thaw::metadata_text(view, std::string("recipe.") + name);
    const auto parsed = text ? parse_setting(text.value(), field) : thaw::Result<thaw::Done>(text.fault());
    if (!parsed && !failed) problem = parsed.fault();
    failed = failed || !parsed;
  });
  if (failed) return problem;
  if (const auto fits = check_recipe(loaded->recipe); !fits) return fits.fault();
  Recommender& model = loaded->model;
  model.packer = std::make_unique<ContextPacker>(make_packer(loaded->data, loaded->data.ratings, loaded->recipe));
  const auto settings = read_settings(view, loaded->data, model.packer->levels(), loaded->recipe);
  if (!settings) return settings.fault();
  const Hire<thaw::Spec> plan = make_plan(settings.value());
  if (const auto tensors = check_tensors(plan, view); !tensors) return tensors.fault();
  model.trainer = std::make_unique<Trainer>(plan, loaded->recipe, threads);
  const auto weights = thaw::load_into(model.trainer->parameters().values(), view, thaw::ExtraTensors::ignore);
  if (!weights) return weights.fault();
  const auto start = read_numbers<double>(view, "data.start");
  if (!start) return start.fault();
  if (start.value().size() != StartNumbers().size())
    return thaw::make_fault(thaw::FaultKind::mismatch, "the start has ", start.value().size(), " numbers, expected ",
                            StartNumbers().size());
  StartNumbers numbers{};
  std::copy(start.value().begin(), start.value().end(), numbers.begin());
  model.start = std::bit_cast<AffinityWeights>(numbers);
  return loaded;
}

}  // namespace detail

// `known`: the ratings that the model may look at when it scores.
inline thaw::Result<thaw::Done> save_model_file(const std::string& path, const thaw::Dataset& data,
                                                const std::vector<thaw::Rating>& known, Recommender& recommender) {
  thaw::SafetensorsWriter writer;
  const auto& model = recommender.trainer->parameters().values();
  const auto start = std::bit_cast<detail::StartNumbers>(recommender.start);
  writer.add("data.start", {static_cast<Index>(start.size())}, start.data());
  thaw::for_each_tensor(
      [&](const thaw::Path& name, const auto& tensor) {
        writer.add(name.text, thaw::TensorType::f32, tensor.shape.dims, tensor.shape.rank, tensor.data);
      },
      model);
  writer.set_metadata("hire.model", thaw::encode_integer(kModelFileVersion));
  each_network_setting(model.settings, [&](const char* name, const auto& field) {
    writer.set_metadata(std::string("settings.") + name, setting_text(field));
  });
  each_setting(recommender.recipe(), [&](const char* name, const auto& field) {
    writer.set_metadata(std::string("recipe.") + name, setting_text(field));
  });
  writer.set_metadata("data.name", data.name);
  writer.set_metadata("rating.lowest", thaw::encode_real(static_cast<double>(data.lowest)));
  writer.set_metadata("rating.highest", thaw::encode_real(static_cast<double>(data.highest)));
  detail::write_side(writer, "user", data.users);
  detail::write_side(writer, "item", data.items);
  std::vector<std::int32_t> users, items;
  std::vector<float> values;
  for (const thaw::Rating& r : known) {
    users.push_back(r.user);
    items.push_back(r.item);
    values.push_back(r.value);
  }
  const auto count = static_cast<Index>(known.size());
  writer.add("data.known.user", {count}, users.data());
  writer.add("data.known.item", {count}, items.data());
  writer.add("data.known.rating", {count}, values.data());
  return writer.write(path);
}

inline thaw::Result<std::unique_ptr<Loaded>> load_model_file(const std::string& path, int threads) {
  const thaw::Result<thaw::SafetensorsFile> file = thaw::SafetensorsFile::open(path);
  if (!file) return file.fault();
  thaw::Result<std::unique_ptr<Loaded>> loaded = detail::read_model(file.value().view(), threads);
  if (loaded) return loaded;
  return thaw::make_fault(loaded.fault().kind, path.c_str(), ": ", static_cast<const char*>(loaded.fault().text));
}

}  // namespace hire
