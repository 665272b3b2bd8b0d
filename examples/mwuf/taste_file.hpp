// The base of `best` on disk, so that serving does not train.
//
//   mwuf::save_taste_base("model.thaw", base, task);
//   auto base = mwuf::load_taste_base("model.thaw", task);          // refused where the data differ
//
// The data must be there when it is loaded: fields, counts and the old items come from them. What is learnt of new
// items is not kept; their impressions tell it again in no time.
#pragma once

#include <memory>
#include <string>

#include "mwuf/taste_base.hpp"
#include "thaw/file/checkpoint.hpp"

namespace mwuf {

// Errors: a path that cannot be written.
inline thaw::Result<thaw::Done> save_taste_base(const std::string& path, TasteBase& base, const Task& task, int which) {
  thaw::CheckpointWriter writer;
  base.each_block([&](const char* name, const std::vector<float>& numbers) {
    writer.add(name, {static_cast<Index>(numbers.size())}, numbers.data());
  });
  writer.add("mean", {1}, &base.mean());
  writer.set("data", task.text);
  writer.set("choice", static_cast<std::int64_t>(which));
  return writer.write(path);
}

// Errors: no such file, a damaged one, one of other data.
inline thaw::Result<std::unique_ptr<TasteBase>> load_taste_base(const std::string& path, const Task& task) {
  const thaw::Result<thaw::CheckpointReader> reader = thaw::CheckpointReader::open(path);
  if (!reader) return reader.fault();
  const thaw::Result<std::string> data = reader.value().text("data");
  if (!data) return data.fault();
  if (data.value() != task.text)
    return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": a model of other data (", data.value().c_str(),
                            "); train again without --load");
  const thaw::Result<std::int64_t> which = reader.value().integer("choice");
  if (!which) return which.fault();
  if (which.value() < 0 || which.value() >= kTasteChoices)
    return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": made with options ", which.value(),
                            ", which this build does not know; train again without --load");
  auto base = std::make_unique<TasteBase>(task, taste_choice(static_cast<int>(which.value())), 1);
  std::optional<thaw::Fault> problem;
  const auto read = [&](const char* name, std::size_t size, float* to) {
    if (problem) return;
    const auto done = reader.value().read(name, {static_cast<Index>(size)}, to);
    if (!done) problem = done.fault();
  };
  base->each_block([&](const char* name, std::vector<float>& numbers) { read(name, numbers.size(), numbers.data()); });
  read("mean", 1, &base->mean());
  if (problem) return thaw::make_fault(problem->kind, path.c_str(), ": ", static_cast<const char*>(problem->text));
  return base;
}

}  // namespace mwuf
