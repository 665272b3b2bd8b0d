// AttributeProfiles: every entity as one sparse unit vector over all its attribute values, for cosine similarity.
//
//   const thaw::AttributeProfiles profiles(item_attributes, thaw::ValueWeight::rarity);
//   float s = profiles.similarity(item, other);            // 0 .. 1
//   profiles.similarities(item, everyone);                 // one float an entity, through an inverted index
//
// The values of all attributes are laid side by side into one multi-hot vector. An entity without values is similar to
// nothing, itself included. Not learned: embeddings belong elsewhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/attribute_view.hpp"

namespace thaw::inline v0 {

enum class ValueWeight : std::uint8_t {
  equal,   // every value counts the same
  rarity,  // log(entities / entities with the value): sharing a director says more than sharing "Drama"
};

class AttributeProfiles {
 public:
  AttributeProfiles() = default;
  // Every attribute must cover the same entities.
  AttributeProfiles(std::span<const AttributeView> attributes, ValueWeight weight) {
    std::int32_t features = 0;
    for (const AttributeView& attribute : attributes) {
      require(attribute.size() == attributes[0].size(), "AttributeProfiles: attributes of ", attributes[0].size(),
              " and ", attribute.size(), " entities");
      features += attribute.cardinality;
    }
    const std::int32_t entities = attributes.empty() ? 0 : attributes[0].size();
    gather(attributes, entities);
    weigh(entities, features, weight);
    invert(features);
  }

  std::int32_t size() const { return static_cast<std::int32_t>(offsets_.size()) - 1; }

  // Cosine of two profiles.
  float similarity(std::int32_t a, std::int32_t b) const {
    const auto left = row(offsets_, entries_, a);
    const auto right = row(offsets_, entries_, b);
    float sum = 0;
    for (std::size_t i = 0, j = 0; i < left.size() && j < right.size();) {
      if (left[i].number < right[j].number) {
        ++i;
      } else if (left[i].number > right[j].number) {
        ++j;
      } else {
        sum += left[i++].weight * right[j++].weight;
      }
    }
    return sum;
  }
  // out[e] = similarity(entity, e) for all e.
  void similarities(std::int32_t entity, std::span<float> out) const {
    require(out.size() == offsets_.size() - 1, "AttributeProfiles::similarities: room for ", out.size(), " of ",
            offsets_.size() - 1, " entities");
    std::fill(out.begin(), out.end(), 0.0f);
    add_similarities(entity, out);
  }
  // Adds instead of overwriting: after several calls `out` ranks by mean similarity to a group.
  void add_similarities(std::int32_t entity, std::span<float> out) const {
    for (const Entry& feature : row(offsets_, entries_, entity))
      for (const Entry& holder : row(posting_offsets_, postings_, feature.number))
        out[static_cast<std::size_t>(holder.number)] += feature.weight * holder.weight;
  }

 private:
  struct Entry {
    std::int32_t number;  // a feature in a profile, an entity in a posting list
    float weight;
  };

  static std::span<const Entry> row(const std::vector<std::int64_t>& offsets, const std::vector<Entry>& entries,
                                    std::int32_t r) {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(r)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(r) + 1]);
    return {entries.data() + begin, end - begin};
  }
  // Profiles with weight 1, features ascending.
  void gather(std::span<const AttributeView> attributes, std::int32_t entities) {
    for (std::int32_t entity = 0; entity < entities; ++entity) {
      std::int32_t base = 0;
      for (const AttributeView& attribute : attributes) {
        const std::size_t begin = entries_.size();
        for (const std::int32_t id : attribute.of(entity)) {
          require(id >= 0 && id < attribute.cardinality, "AttributeProfiles: value ", id, " of entity ", entity,
                  " is not below ", attribute.cardinality);
          entries_.push_back({base + id, 1.0f});
        }
        std::sort(entries_.begin() + static_cast<std::ptrdiff_t>(begin), entries_.end(),
                  [](const Entry& a, const Entry& b) { return a.number < b.number; });
        base += attribute.cardinality;
      }
      offsets_.push_back(static_cast<std::int64_t>(entries_.size()));
    }
  }
  void weigh(std::int32_t entities, std::int32_t features, ValueWeight weight) {
    if (weight == ValueWeight::rarity) {
      std::vector<std::int32_t> holders(static_cast<std::size_t>(features), 0);
      for (const Entry& entry : entries_) ++holders[static_cast<std::size_t>(entry.number)];
      for (Entry& entry : entries_) {
        const auto count = static_cast<float>(holders[static_cast<std::size_t>(entry.number)]);
        entry.weight = std::log(static_cast<float>(entities) / count);
      }
    }
    for (std::int32_t entity = 0; entity < entities; ++entity) {
      const auto begin = static_cast<std::size_t>(offsets_[static_cast<std::size_t>(entity)]);
      const auto end = static_cast<std::size_t>(offsets_[static_cast<std::size_t>(entity) + 1]);
      float squares = 0;
      for (std::size_t i = begin; i < end; ++i) squares += entries_[i].weight * entries_[i].weight;
      if (squares <= 0) continue;
      const float scale = 1.0f / std::sqrt(squares);
      for (std::size_t i = begin; i < end; ++i) entries_[i].weight *= scale;
    }
  }
  void invert(std::int32_t features) {
    posting_offsets_.assign(static_cast<std::size_t>(features) + 1, 0);
    for (const Entry& entry : entries_) ++posting_offsets_[static_cast<std::size_t>(entry.number) + 1];
    for (std::size_t f = 1; f < posting_offsets_.size(); ++f) posting_offsets_[f] += posting_offsets_[f - 1];
    postings_.resize(entries_.size());
    std::vector<std::int64_t> next(posting_offsets_.begin(), posting_offsets_.end() - 1);
    for (std::int32_t entity = 0; entity < size(); ++entity)
      for (const Entry& entry : row(offsets_, entries_, entity))
        postings_[static_cast<std::size_t>(next[static_cast<std::size_t>(entry.number)]++)] = {entity, entry.weight};
  }

  std::vector<std::int64_t> offsets_{0};          // (entities + 1)
  std::vector<Entry> entries_;                    // features of each entity, ascending
  std::vector<std::int64_t> posting_offsets_{0};  // (features + 1)
  std::vector<Entry> postings_;                   // entities of each feature, ascending
};

}  // namespace thaw::inline v0
