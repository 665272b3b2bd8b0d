// Checkpoints of a run: everything to go on bit for bit, and what the run was so that no other run goes on from it.
//
//   hire::save_checkpoint(path, trainer, losses, identity);
//   hire::load_checkpoint(path, trainer, losses, identity);     // refused where data or recipe differ
#pragma once

#include <bit>
#include <string>
#include <vector>

#include "hire/trainer.hpp"
#include "thaw/distributed/agreement.hpp"
#include "thaw/file/checkpoint.hpp"

namespace hire {

// visit(name, field) for every field of a recipe, which may be const.
void each_setting(auto& r, auto&& visit) {
  visit("width", r.width), visit("heads", r.heads), visit("blocks", r.blocks), visit("expansion", r.expansion);
  visit("order", r.order), visit("divisor", r.divisor), visit("on_biases", r.on_biases);
  visit("least_entities", r.least_entities), visit("affinity_entities", r.affinity_entities), visit("users", r.users),
      visit("items", r.items);
  visit("most_queries", r.most_queries), visit("sampler", r.sampler), visit("support", r.support);
  visit("published_sampler", r.published_sampler);
  visit("visible_share", r.visible_share), visit("loss_cells", r.loss_cells), visit("optimizer", r.optimizer);
  visit("batch", r.batch), visit("steps", r.steps), visit("contexts_in_epoch", r.contexts_in_epoch);
  visit("rate", r.rate), visit("anneal", r.anneal), visit("dropout", r.dropout), visit("decay", r.decay);
  visit("clip_value", r.clip_value), visit("clip_norm", r.clip_norm);
  visit("lookahead_at_first_sync", r.lookahead_at_first_sync), visit("episodes", r.episodes), visit("seed", r.seed);
}

template <class T>
std::string setting_text(const T& value) {
  if constexpr (std::is_floating_point_v<T>)
    return thaw::encode_real(value);
  else
    return thaw::encode_integer(static_cast<std::int64_t>(value));
}
inline thaw::Result<thaw::Done> parse_setting(std::string_view text, auto& value) {
  using T = std::remove_cvref_t<decltype(value)>;
  if constexpr (std::is_floating_point_v<T>) {
    const thaw::Result<double> number = thaw::decode_real(text);
    if (!number) return number.fault();
    value = number.value();
  } else {
    const thaw::Result<std::int64_t> number = thaw::decode_integer(text);
    if (!number) return number.fault();
    value = static_cast<T>(number.value());
  }
  return thaw::Done{};
}

// What makes a run the run that it is.
struct Identity {
  std::string data;    // name, sizes and a checksum of the ratings
  std::string recipe;  // "width=8 heads=4 ..."
};

inline Identity identity_of(const thaw::Dataset& data, const std::vector<thaw::Rating>& known, const Recipe& recipe) {
  thaw::Key checksum{0};
  for (const thaw::Rating& r : known)
    checksum = checksum.fold(static_cast<std::uint64_t>(r.user))
                   .fold(static_cast<std::uint64_t>(r.item))
                   .fold(std::bit_cast<std::uint32_t>(r.value));
  Identity identity;
  identity.data = data.name + ", " + std::to_string(data.users.size()) + " users, " +
                  std::to_string(data.items.size()) + " items, " + std::to_string(known.size()) +
                  " known ratings, checksum " + std::to_string(checksum.bits);
  each_setting(recipe, [&](const char* name, const auto& value) {
    identity.recipe += (identity.recipe.empty() ? "" : " ") + std::string(name) + "=" + setting_text(value);
  });
  return identity;
}

// The first word in which two lists of settings differ, "steps=640 there, steps=100 here".
inline std::string first_difference(std::string_view there, std::string_view here) {
  const auto take = [](std::string_view& text) {
    const std::size_t end = (std::min)(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix((std::min)(end + 1, text.size()));
    return word;
  };
  while (!there.empty() || !here.empty()) {
    const std::string a = take(there), b = take(here);
    if (a != b) return a + " there, " + b + " here";
  }
  return "nothing";
}

namespace detail {

// fn(name, dims, rank, data) for every block of numbers that training changes.
void each_block(Trainer& trainer, auto&& fn) {
  auto& parameters = trainer.parameters();
  for (int i = 0; i < parameters.count(); ++i) {
    auto& slot = parameters.slot(i);
    fn("parameters/" + std::string(slot.path.text), slot.value.shape.dims, slot.value.shape.rank, slot.value.data);
    if (slot.last_step != nullptr)
      fn("last_step/" + std::string(slot.path.text), slot.value.shape.dims, 1, slot.last_step);
  }
  trainer.each_state([&](const char* name, int i, auto& array) {
    fn(std::string(name) + "/" + parameters.slot(i).path.text, array.shape.dims, array.shape.rank, array.data);
  });
}

}  // namespace detail

// All ranks go on from what the first one holds, weights and optimiser alike; refused where their runs differ.
inline thaw::Result<thaw::Done> follow_first_rank(Trainer& trainer, const Identity& identity) {
  const thaw::CommunicatorRef& ranks = trainer.ranks();
  const std::string run = identity.data + " " + identity.recipe;
  if (auto same = thaw::require_same_text(ranks, "data or settings", {run.data(), run.size()}); !same) return same;
  std::int64_t steps = trainer.steps();
  auto sent = ranks.broadcast(&steps, sizeof steps, 0);
  detail::each_block(trainer, [&](const std::string&, const thaw::Index* dims, int rank, auto* data) {
    thaw::Index count = 1;
    for (int d = 0; d < rank; ++d) count *= dims[d];
    if (sent) ranks.need(ranks.broadcast(data, count * static_cast<thaw::Index>(sizeof *data), 0));
  });
  trainer.set_steps(steps);
  return sent;
}

// `losses`: one for each step so far.
inline thaw::Result<thaw::Done> save_checkpoint(const std::string& path, Trainer& trainer,
                                                const std::vector<double>& losses, const Identity& identity) {
  thaw::CheckpointWriter writer;
  detail::each_block(trainer, [&](const std::string& name, const thaw::Index* dims, int rank, const auto* data) {
    writer.add(name, dims, rank, data);
  });
  writer.add("losses", {static_cast<thaw::Index>(losses.size())}, losses.data());
  writer.set("step", static_cast<std::int64_t>(trainer.steps()));
  writer.set("seed", trainer.recipe().seed);
  writer.set("data", identity.data);
  writer.set("recipe", identity.recipe);
  return writer.write(path);
}

namespace detail {

inline thaw::Result<thaw::Done> check_identity(const thaw::CheckpointReader& reader, const Identity& identity) {
  const thaw::Result<std::string> data = reader.text("data");
  if (!data) return data.fault();
  const thaw::Result<std::string> recipe = reader.text("recipe");
  if (!recipe) return recipe.fault();
  if (data.value() != identity.data)
    return thaw::make_fault(thaw::FaultKind::mismatch, "it was trained on other data (", data.value().c_str(),
                            "); give the same data, or leave out --resume");
  if (recipe.value() != identity.recipe)
    return thaw::make_fault(thaw::FaultKind::mismatch, "it has other settings (",
                            first_difference(recipe.value(), identity.recipe).c_str(),
                            "); give the same ones, or leave out --resume");
  return thaw::Done{};
}

inline thaw::Result<thaw::Done> read_checkpoint(const thaw::CheckpointReader& reader, Trainer& trainer,
                                                std::vector<double>& losses, const Identity& identity) {
  if (thaw::Result<thaw::Done> same = check_identity(reader, identity); !same) return same;
  const thaw::Result<std::int64_t> step = reader.integer("step");
  if (!step) return step.fault();
  if (step.value() < 0 || step.value() > trainer.recipe().steps)
    return thaw::make_fault(thaw::FaultKind::out_of_range, "it says step ", step.value(), " of ",
                            trainer.recipe().steps);
  thaw::Fault problem;
  bool failed = false;
  const auto read = [&](const std::string& name, const thaw::Index* dims, int rank, auto* out) {
    const thaw::Result<thaw::Done> block = reader.read(name, dims, rank, out);
    if (!block && !failed) problem = block.fault();
    failed = failed || !block;
  };
  each_block(trainer, read);
  losses.resize(static_cast<std::size_t>(step.value()));
  const thaw::Index count = step.value();
  read("losses", &count, 1, losses.data());
  if (failed) return problem;
  trainer.set_steps(step.value());
  return thaw::Done{};
}

}  // namespace detail

// A run that cannot go on from a checkpoint must not be used after the fault: some of it may have been read.
inline thaw::Result<thaw::Done> load_checkpoint(const std::string& path, Trainer& trainer, std::vector<double>& losses,
                                                const Identity& identity) {
  const thaw::Result<thaw::CheckpointReader> reader = thaw::CheckpointReader::open(path);
  if (!reader) return reader.fault();
  thaw::Result<thaw::Done> done = detail::read_checkpoint(reader.value(), trainer, losses, identity);
  if (done) return done;
  return thaw::make_fault(done.fault().kind, path.c_str(), ": ", static_cast<const char*>(done.fault().text));
}

}  // namespace hire
