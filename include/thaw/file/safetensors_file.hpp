// SafetensorsFile: a safetensors file on disk, mapped and checked, with the path in every message.
//
//   Result<SafetensorsFile> file = SafetensorsFile::open("model.safetensors");
//   if (!file) return file.fault();                     // "model.safetensors: the header has ... the file is cut"
//   Result<TensorEntry> weight = file.value().view().find("weight");
//
// Entries point into the mapping and die with it. For bytes already in memory (flash) use SafetensorsView itself.
#pragma once

#include "thaw/file/map_file.hpp"
#include "thaw/file/safetensors_scan.hpp"

namespace thaw::inline v0 {

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path, MapMode mode = MapMode::map) {
    Result<MappedFile> bytes = MappedFile::open(path, mode);
    if (!bytes) return bytes.fault();
    const Result<SafetensorsView> view = SafetensorsView::open(bytes.value().data(), bytes.value().size());
    if (!view) return make_fault(view.fault().kind, path.c_str(), ": ", static_cast<const char*>(view.fault().text));
    return SafetensorsFile(std::move(bytes.value()), view.value());
  }

  const SafetensorsView& view() const { return view_; }
  const MappedFile& bytes() const { return bytes_; }

 private:
  SafetensorsFile(MappedFile&& bytes, const SafetensorsView& view) : bytes_(std::move(bytes)), view_(view) {}

  MappedFile bytes_;
  SafetensorsView view_;
};

}  // namespace thaw::inline v0
