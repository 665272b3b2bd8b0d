// Training rows as a file, so that several runs over the same sources make them once.
//
//   auto saved = zero_shot::save_rows("rows/lastfm.safetensors", rows, zero_shot::kFeatures, "seed 1");
//   auto rows = zero_shot::load_rows("rows/lastfm.safetensors", zero_shot::kFeatures, "seed 1");
//
// `made_by` says with which settings they were made; a file of other settings is a fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thaw/file/save_model.hpp"
#include "zero_shot/worlds.hpp"

namespace zero_shot {

inline thaw::Result<thaw::Done> save_rows(const std::string& path, const TrainingRows& rows, int width,
                                          const std::string& made_by) {
  std::vector<std::int32_t> counts;
  for (const TrainingRows::User& user : rows.users) {
    counts.push_back(static_cast<std::int32_t>(user.positives));
    counts.push_back(static_cast<std::int32_t>(user.negatives));
  }
  thaw::SafetensorsWriter writer;
  writer.set_metadata("made_by", made_by);
  writer.add("features", {static_cast<thaw::Index>(rows.features.size()) / width, width}, rows.features.data());
  writer.add("counts", {static_cast<thaw::Index>(rows.users.size()), 2}, counts.data());
  return writer.write(path);
}

inline thaw::Result<TrainingRows> load_rows(const std::string& path, int width, const std::string& made_by) {
  const thaw::Result<thaw::SafetensorsFile> file = thaw::SafetensorsFile::open(path);
  if (!file) return file.fault();
  const thaw::Result<std::string> made = thaw::metadata_text(file.value().view(), "made_by");
  if (!made || made.value() != made_by)
    return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": the rows were not made by '", made_by.c_str(),
                            "'; delete the file");
  const auto features = file.value().view().find({"features", 8});
  const auto counts = file.value().view().find({"counts", 6});
  if (!features || !counts) return (!features ? features : counts).fault();
  TrainingRows rows;
  rows.features.resize(features.value().bytes / sizeof(float));
  std::vector<std::int32_t> numbers(counts.value().bytes / sizeof(std::int32_t));
  if (thaw::Result<thaw::Done> read = thaw::copy_tensor(features.value(), rows.features.data(), rows.features.size());
      !read)
    return read.fault();
  if (thaw::Result<thaw::Done> read = thaw::copy_tensor(counts.value(), numbers.data(), numbers.size()); !read)
    return read.fault();
  std::size_t first = 0;
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
    if (numbers[i] < 1 || numbers[i + 1] < 1)
      return thaw::make_fault(thaw::FaultKind::malformed, path.c_str(), ": user ", i / 2, " has no rows");
    rows.users.push_back({first, static_cast<std::uint32_t>(numbers[i]), static_cast<std::uint32_t>(numbers[i + 1])});
    first += static_cast<std::size_t>(numbers[i]) + static_cast<std::size_t>(numbers[i + 1]);
  }
  if (first * static_cast<std::size_t>(width) != rows.features.size())
    return thaw::make_fault(thaw::FaultKind::malformed, path.c_str(), ": the users have ", first, " rows, the file ",
                            rows.features.size() / static_cast<std::size_t>(width));
  return rows;
}

}  // namespace zero_shot
