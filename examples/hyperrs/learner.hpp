// Learner: what every meta-learner of this folder offers, so that one trainer and one table serve them all.
//
//   std::unique_ptr<hyperrs::Learner> learner = hyperrs::make_learner("melu", world, options);
//   double loss = learner->train(episodes);                       // one outer step over a meta-batch
//   auto adapted = learner->adapt(episode.user, episode.support, /*steps*/ 1);
//   adapted->score(items, scores);
//
// Adapting is const: nothing that test users do reaches the shared weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thaw/data/dataset.hpp"
#include "thaw/data/episode.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace hyperrs {

enum class Objective : std::uint8_t {
  ranking,  // a record is 1, a negative 0
  rating    // the rating itself; negatives are left out
};

enum class Variant : std::uint8_t { paper, best };

// What a learner may read before and during training: attributes, and the training users' records.
struct World {
  const thaw::Dataset* data = nullptr;  // ids and attributes; its ratings are not to be read
  thaw::RatingGraph train;              // records of the training users on items that training may know
  Objective objective = Objective::ranking;
  bool chronological = true;  // whether the order of a user's records is that of time, or a random one
};

struct LearnerOptions {
  Variant variant = Variant::paper;
  std::int32_t width = 64;  // of embeddings; where a paper fixes its own sizes `paper` ignores it
  bool first_order = false;
  int inner_steps = 1;
  int threads = 1;
  std::uint64_t seed = 1;
  bool on_cuda = false;  // outer steps on a device, where a learner can
};

// A user's own scorer. It may keep a reference to the learner that made it.
class Adapted {
 public:
  virtual ~Adapted() = default;
  // out[i]: the higher the better; in units of the rating under Objective::rating.
  virtual void score(std::span<const std::int32_t> items, std::span<float> out) const = 0;
  // Generated weights of each item attribute's layer, in the order of the attributes; none where nothing is generated.
  virtual std::vector<std::span<const float>> attribute_kernels() const { return {}; }
};

class Learner {
 public:
  virtual ~Learner() = default;
  virtual std::int64_t parameter_count() const = 0;
  // One outer step over a meta-batch. Returns the mean query loss before the step.
  virtual double train(std::span<const thaw::Episode> batch) = 0;
  // `user` may be new: a learner with one embedding a user must not use it for her. 0 steps: as trained.
  virtual std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const = 0;
  // The values of item attributes were changed in place. A learner that keeps what it made of them makes it anew.
  virtual void attributes_changed() {}
};

}  // namespace hyperrs
