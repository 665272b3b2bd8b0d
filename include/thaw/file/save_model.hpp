// A model to and from a path, with what is needed to use it again. For hosts.
//
//   Result<Done> saved = thaw::save_model("model.safetensors", parameters.values(),
//                                         {{"width", encode_integer(64)}, {"genres", encode_list(genres)}});
//   Result<Done> read = thaw::load_into(parameters.values(), "model.safetensors");
//
// Tensors carry the dotted names of for_each_tensor. The settings of the plan and the vocabularies go into the
// metadata: the caller names them, because only the caller can build the plan from them again (file/metadata.hpp reads
// them). Written atomically: the old file stays until the new one is complete. Not a checkpoint: no optimiser state.
#pragma once

#include "thaw/file/bind_model.hpp"
#include "thaw/file/metadata.hpp"
#include "thaw/file/safetensors_file.hpp"

namespace thaw::inline v0 {

struct MetadataEntry {
  std::string key;
  std::string value;
};

// Writes every tensor of a model of Arrays, each at a multiple of 64 bytes so that bind_model takes it as it is.
template <class M>
Result<Done> save_model(const std::string& path, const M& model, const std::vector<MetadataEntry>& metadata = {}) {
  SafetensorsWriter writer;
  for (const MetadataEntry& entry : metadata) writer.set_metadata(entry.key, entry.value);
  for_each_tensor(
      [&](const Path& name, const auto& tensor) {
        using R = typename std::remove_cvref_t<decltype(tensor)>::Real;
        writer.add(name.text, TensorTypeOf<R>::value, tensor.shape.dims, tensor.shape.rank, tensor.data);
      },
      model);
  return writer.write(path);
}

// Copies the numbers of a file into a model's arrays, as load_into of file/bind_model.hpp; messages name the path.
template <class M>
Result<Done> load_into(const M& model, const std::string& path, ExtraTensors extra = ExtraTensors::refuse) {
  const Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) return file.fault();
  Result<Done> done = load_into(model, file.value().view(), extra);
  if (done) return done;
  return make_fault(done.fault().kind, path.c_str(), ": ", static_cast<const char*>(done.fault().text));
}

}  // namespace thaw::inline v0
