// T5 weights in safetensors files, under the tensor names of Hugging Face's T5ForConditionalGeneration.
//
//   thaw::Result<thaw::Done> read = elmrec::load_t5(weights.values(), "model.safetensors");
//   thaw::Result<thaw::Done> saved = elmrec::save_t5("copy.safetensors", weights.values());
//
// Published files may repeat the token table as lm_head.weight and *.embed_tokens.weight, and hold a table of relative
// positions in the decoder's cross-attention that no program reads; both are accepted. Not for T5 1.1: a file whose
// output is not the token table is refused.
#pragma once

#include <string>

#include "elmrec/t5.hpp"
#include "thaw/file/save_model.hpp"

namespace elmrec {

namespace detail {

inline bool starts_with(const std::string& text, const std::string& part) { return text.rfind(part, 0) == 0; }

// "self.attention.query.weight" of a block of a stack, by that model's names.
inline std::string block_name(const std::string& inside, bool decodes) {
  const auto projection = [](const std::string& name) { return name.substr(0, 1) + name.substr(name.find('.')); };
  const std::string attention = "attention.";
  const auto sublayer = [&](const std::string& layer, const std::string& kind, const std::string& rest) {
    if (starts_with(rest, "norm.")) return layer + ".layer_norm.weight";
    return layer + "." + kind + "." + projection(rest.substr(attention.size()));
  };
  if (starts_with(inside, "self.")) return sublayer("layer.0", "SelfAttention", inside.substr(5));
  if (starts_with(inside, "cross.0.")) return sublayer("layer.1", "EncDecAttention", inside.substr(8));
  const std::string layer = decodes ? "layer.2" : "layer.1", rest = inside.substr(std::string("feed_forward.").size());
  if (starts_with(rest, "norm.")) return layer + ".layer_norm.weight";
  return layer + ".DenseReluDense." + (starts_with(rest, "expand.") ? "wi" : "wo") + ".weight";
}

}  // namespace detail

// The published name of a tensor of T5: "encoder.blocks.0.self.attention.query.weight" is
// "encoder.block.0.layer.0.SelfAttention.q.weight".
inline std::string t5_tensor_name(const thaw::Path& path) {
  const std::string ours = path.text;
  if (ours == "embedding") return "shared.weight";
  const std::string stack = ours.substr(0, 7), rest = ours.substr(8);
  if (detail::starts_with(rest, "positions."))
    return stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight";
  if (detail::starts_with(rest, "norm.")) return stack + ".final_layer_norm.weight";
  const std::string numbered = rest.substr(std::string("blocks.").size());
  const std::size_t dot = numbered.find('.');
  return stack + ".block." + numbered.substr(0, dot) + "." +
         detail::block_name(numbered.substr(dot + 1), stack == "decoder");
}

namespace detail {

inline constexpr const char* kStrayTensor = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
inline constexpr const char* kTables[] = {"lm_head.weight", "encoder.embed_tokens.weight",
                                          "decoder.embed_tokens.weight"};

inline thaw::Result<thaw::Done> check_tensor(const std::string& name, const thaw::Shape& shape,
                                             const thaw::SafetensorsView& view) {
  const thaw::Result<thaw::TensorEntry> found = view.find(name.c_str());
  if (!found) return found.fault();
  const thaw::TensorEntry& entry = found.value();
  if (name == "shared.weight" && entry.rank == 2 && entry.dims[0] != shape[0] && entry.dims[1] == shape[1])
    return thaw::make_fault(thaw::FaultKind::mismatch, "tensor 'shared.weight' has ", entry.dims[0],
                            " tokens, the model ", shape[0],
                            "; the file was written for another vocabulary, set vocab_size to its size");
  if (entry.type != thaw::TensorType::f32 && entry.type != thaw::TensorType::f64 &&
      entry.type != thaw::TensorType::f16 && entry.type != thaw::TensorType::bf16)
    return thaw::detail::other_type(entry, "F64, F32, F16 or BF16", "convert it when the file is written");
  return thaw::check_dims(entry, shape.dims, shape.rank);
}

// A second copy of the token table must be a copy.
inline thaw::Result<thaw::Done> check_table(const char* name, const thaw::SafetensorsView& view) {
  const thaw::Result<thaw::TensorEntry> copy = view.find(name), table = view.find("shared.weight");
  if (!copy || !table) return thaw::Done{};
  const bool same = copy.value().type == table.value().type && copy.value().bytes == table.value().bytes &&
                    __builtin_memcmp(copy.value().data, table.value().data, table.value().bytes) == 0;
  if (same) return thaw::Done{};
  return thaw::make_fault(thaw::FaultKind::unsupported, "tensor '", name,
                          "' is not a copy of 'shared.weight'; only models whose output is tied to the token table "
                          "can be read (T5 1.1 is not)");
}

template <class M>
thaw::Result<thaw::Done> check_no_stranger(const M& model, thaw::SafetensorsView view) {
  thaw::TensorEntry entry;
  view.rewind();
  while (view.next(entry)) {
    const std::string name(entry.name().data, entry.name().size);
    bool known = name == kStrayTensor;
    for (const char* table : kTables) known = known || name == table;
    thaw::for_each_tensor([&](const thaw::Path& path, const auto&) { known = known || t5_tensor_name(path) == name; },
                          model);
    if (!known)
      return thaw::make_fault(thaw::FaultKind::mismatch, "tensor '", name.c_str(),
                              "' of the file is not part of the model; set the sizes of T5Config to the file's");
  }
  return thaw::Done{};
}

// each(name, tensor) for every tensor, until one fails.
template <class M, class Each>
thaw::Result<thaw::Done> each_tensor(const M& model, const Each& each) {
  thaw::Fault fault;
  bool failed = false;
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const auto& tensor) {
        if (failed) return;
        const thaw::Result<thaw::Done> done = each(t5_tensor_name(path), tensor);
        failed = !done;
        if (failed) fault = done.fault();
      },
      model);
  if (failed) return fault;
  return thaw::Done{};
}

template <class M>
thaw::Result<thaw::Done> check_file(const M& model, const thaw::SafetensorsView& view) {
  thaw::Result<thaw::Done> tensors = each_tensor(
      model, [&](const std::string& name, const auto& tensor) { return check_tensor(name, tensor.shape, view); });
  if (!tensors) return tensors;
  if (thaw::Result<thaw::Done> strangers = check_no_stranger(model, view); !strangers) return strangers;
  for (const char* table : kTables)
    if (thaw::Result<thaw::Done> copy = check_table(table, view); !copy) return copy;
  return thaw::Done{};
}

}  // namespace detail

// Copies a published file into a model's arrays. All or nothing. Faults: a tensor is missing, unknown, or of another
// shape or vocabulary; each names the tensor.
template <class M>
thaw::Result<thaw::Done> load_t5(const M& model, const thaw::SafetensorsView& view) {
  if (thaw::Result<thaw::Done> fits = detail::check_file(model, view); !fits) return fits;
  return detail::each_tensor(model, [&](const std::string& name, const auto& tensor) {
    return thaw::copy_tensor(view.find(name.c_str()).value(), tensor.data, static_cast<std::size_t>(tensor.size()));
  });
}
template <class M>
thaw::Result<thaw::Done> load_t5(const M& model, const std::string& path) {
  const thaw::Result<thaw::SafetensorsFile> file = thaw::SafetensorsFile::open(path);
  if (!file) return file.fault();
  thaw::Result<thaw::Done> done = load_t5(model, file.value().view());
  if (done) return done;
  return thaw::make_fault(done.fault().kind, path.c_str(), ": ", static_cast<const char*>(done.fault().text));
}

// Writes a model of Arrays under the published names; the table is written once.
template <class M>
thaw::Result<thaw::Done> save_t5(const std::string& path, const M& model,
                                 const std::vector<thaw::MetadataEntry>& metadata = {}) {
  thaw::SafetensorsWriter writer;
  for (const thaw::MetadataEntry& entry : metadata) writer.set_metadata(entry.key, entry.value);
  thaw::for_each_tensor(
      [&](const thaw::Path& name, const auto& tensor) {
        using R = typename std::remove_cvref_t<decltype(tensor)>::Real;
        writer.add(t5_tensor_name(name), thaw::TensorTypeOf<R>::value, tensor.shape.dims, tensor.shape.rank,
                   tensor.data);
      },
      model);
  return writer.write(path);
}

}  // namespace elmrec
