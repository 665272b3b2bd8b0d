// Interpolation measured: the pre-trained recommender with each of the others, weights from validation items.
//
// Beside it popularity with the same others at its own best weight: where that gains as much, the gain is popularity's.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "zero_shot/interpolation.hpp"
#include "zero_shot/other_models.hpp"
#include "zero_shot/systems.hpp"

namespace zero_shot {

// A recommender with everything it needs, fitted to one target.
template <class System>
thaw::Result<Ask> pretrained(const thaw::RatingGraph& graph, const Network& network) {
  auto statistics = System::Statistics::fit(graph, {});
  if (!statistics) return statistics.fault();
  const auto kept = std::make_shared<typename System::Statistics>(std::move(statistics.value()));
  const auto scorer = std::make_shared<typename System::Scorer>(*kept, network);
  return Ask([kept, scorer](const thaw::TopNQuery& q, std::span<const std::int32_t> items, std::span<float> out) {
    (*scorer)(q.user, q.known, items, out);
  });
}

namespace detail {

inline void print_gain(const char* against, const thaw::PairedDifference& gain) {
  std::printf("%s %+.4f [%+.4f, %+.4f]", against, gain.mean, gain.lower, gain.upper);
}

// Where settings and weights are chosen, and where the outcome is measured. More users than are asked in a test: what a
// mixture gains is smaller than what tells models apart.
struct MixingTargets {
  Target valid, test;
};
inline constexpr std::int32_t kValidationUsers = 4000;
inline MixingTargets mixing_targets(const thaw::SplitLists& split, const TargetOptions& options) {
  thaw::SplitLists with_validation = split;
  ensure_validation(with_validation);
  TargetOptions validation = options;
  validation.validation = true, validation.users = kValidationUsers;
  return {Target(with_validation, validation), Target(split, options)};
}

// What the mixture gains over the other model, and over the better of its two parts. Which part is the better one is
// read from the test itself, so the second bar is a little too high.
inline thaw::Result<thaw::Done> print_mix(const char* name, const char* other_name, const MixingTargets& targets,
                                          const Fits& first, const Fits& second) {
  const auto tried = measure_mixtures(targets.valid, first.valid, second.valid, kWeights);
  if (!tried) return tried.fault();
  const auto choice = choose_weight(tried.value());
  if (!choice) return choice.fault();
  const double weights[] = {choice.value().weight, 0.5, 0, 1};
  const auto tables = measure_mixtures(targets.test, first.test, second.test, weights);
  if (!tables) return tables.fault();
  const auto &mixed = tables.value()[0], &half = tables.value()[1], &other = tables.value()[2],
             &ours = tables.value()[3];
  const bool ours_is_better = ours.mean("NDCG@20") > other.mean("NDCG@20");
  const auto gain = thaw::compare(mixed, other, "NDCG@20", {.resamples = 2000});
  const auto over_better = thaw::compare(mixed, ours_is_better ? ours : other, "NDCG@20", {.resamples = 2000});
  if (!gain || !over_better) return (!gain ? gain : over_better).fault();
  std::printf("  %-11s alone %.4f / %.4f; with %-10s weight %.1f: %.4f / %.4f (weight 0.5: %.4f / %.4f), NDCG@20 ",
              other_name, other.mean("Recall@20"), other.mean("NDCG@20"), name, choice.value().weight,
              mixed.mean("Recall@20"), mixed.mean("NDCG@20"), half.mean("Recall@20"), half.mean("NDCG@20"));
  print_gain(other_name, gain.value());
  print_gain(ours_is_better ? ", the better part, the first," : ", the better part, the second,", over_better.value());
  std::printf("; validation, %zu users: weight %.1f %+.4f, standard error %.4f\n", targets.valid.users(),
              choice.value().best, choice.value().gain, choice.value().error);
  return thaw::Done{};
}

}  // namespace detail

// One line for each other model, and one for popularity in place of the network.
template <class System>
thaw::Result<thaw::Done> print_interpolations(const thaw::SplitLists& split, const std::vector<std::string>& others,
                                              const Network& network, const TargetOptions& options,
                                              int most_epochs = 200) {
  const detail::MixingTargets targets = detail::mixing_targets(split, options);
  const Target &valid = targets.valid, &test = targets.test;
  const auto ours =
      detail::fit_both(valid, test, [&](const thaw::RatingGraph& graph) { return pretrained<System>(graph, network); });
  if (!ours) return ours.fault();
  const auto alone = test.measure(ours.value().test);
  if (!alone) return alone.fault();
  const thaw::Result<Fits> popularity = fit_other("popularity", valid, test);
  if (!popularity) return popularity.fault();
  std::printf("%s: interpolation, Recall@20 / NDCG@20, %zu users; %s alone %.4f / %.4f\n", split.name.c_str(),
              test.users(), System::kName, alone.value().mean("Recall@20"), alone.value().mean("NDCG@20"));
  for (const std::string& name : others) {
    const thaw::Result<Fits> other = fit_other(name, valid, test, most_epochs);
    if (!other) return other.fault();
    if (!other.value().settings.empty())
      std::printf("  %s: %s by validation\n", name.c_str(), other.value().settings.c_str());
    const std::pair<const char*, const Fits*> mixed_with[] = {{System::kName, &ours.value()},
                                                              {"popularity", &popularity.value()}};
    for (const auto& [mixed_name, fits] : mixed_with)
      if (thaw::Result<thaw::Done> done = detail::print_mix(mixed_name, name.c_str(), targets, *fits, other.value());
          !done)
        return done;
    std::fflush(stdout);
  }
  return thaw::Done{};
}

}  // namespace zero_shot
