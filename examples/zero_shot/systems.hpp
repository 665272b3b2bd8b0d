// The two variants side by side: which statistics, which features, how wide; what the trainer is written over.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "zero_shot/paper.hpp"
#include "zero_shot/recommender.hpp"

namespace zero_shot {

struct BestSystem {
  using Statistics = zero_shot::Statistics;
  using Options = StatisticsOptions;
  static constexpr const char* kName = "best";
  static constexpr int kWidth = kFeatures, kHidden = 32, kWorlds = 7;
  static constexpr int kSupervised = 600, kSteps = 6000;  // users of each world, steps of training
  static constexpr bool kOwnCandidates = true;            // ranks a short list; positives outside it teach nothing

  struct Pairs : PairFeatures {
    void build(const Statistics& s, std::int32_t /*user*/, std::span<const std::int32_t> history,
               std::span<const std::int32_t> also) {
      PairFeatures::build(s, history, also);
    }
  };
  // Scores every item for evaluation.
  class Scorer {
   public:
    Scorer(const Statistics& s, const Network& network) : recommender_(s, network) {}
    void operator()(std::int32_t /*user*/, std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                    std::span<float> out) {
      recommender_.score(history, items, out, space_);
    }

   private:
    Recommender recommender_;
    Workspace space_;
  };
};

struct PaperSystem {
  using Statistics = PaperStatistics;
  using Options = PaperOptions;
  using Pairs = PaperPairs;
  static constexpr const char* kName = "paper";
  static constexpr int kWidth = kPaperFeatures, kHidden = 64, kWorlds = 1;
  static constexpr int kSupervised = 1500, kSteps = 600;  // more steps learn the source by heart
  static constexpr bool kOwnCandidates = false;           // ranks every item

  // Users by their number in the graph.
  class Scorer {
   public:
    Scorer(const Statistics& s, const Network& network)
        : statistics_(s), network_(network), all_(static_cast<std::size_t>(s.item_count())) {}
    void operator()(std::int32_t user, std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                    std::span<float> out) {
      pairs_.build(statistics_, user, history, {});
      scores_.resize(pairs_.items().size());
      if (!scores_.empty()) network_.score(pairs_.rows(), scores_, arena_);
      for (std::size_t i = 0; i < scores_.size(); ++i) all_[static_cast<std::size_t>(pairs_.items()[i])] = scores_[i];
      for (std::size_t i = 0; i < items.size(); ++i) out[i] = all_[static_cast<std::size_t>(items[i])];
    }

   private:
    const Statistics& statistics_;
    const Network& network_;
    PaperPairs pairs_;
    std::vector<float> all_, scores_;
    thaw::GrowingArena arena_;
  };
};

}  // namespace zero_shot
