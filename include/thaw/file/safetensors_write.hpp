// SafetensorsWriter: tensors and metadata to one file that every safetensors reader understands.
//
//   SafetensorsWriter writer;
//   writer.set_metadata("width", "64");
//   writer.add("tower.0.weight", {64, 32}, weights.data());   // the pointer is read by write()
//   Result<Done> done = writer.write("model.safetensors");    // atomic: the old file stays on any failure
//
// The format forbids holes, so what aligns every tensor to 64 bytes are small U8 tensors named `__pad.N`, which this
// library's reader hides. FileLayout::compact writes none and aligns to the element size only. Tensors are streamed,
// not gathered: memory use is that of the header.
#pragma once

#include <bit>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/file/atomic_file.hpp"
#include "thaw/file/safetensors_scan.hpp"

namespace thaw::inline v0 {

// aligned: every tensor at a multiple of 64 bytes, by filler tensors. compact: no filler, largest element type first.
enum class FileLayout : std::uint8_t { aligned, compact };

// Whether a text can stand in a JSON string as it is meant: valid UTF-8.
inline bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.data() + at, text.size() - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

// Appends a JSON string with its quotes. The text must be valid UTF-8.
inline void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

class SafetensorsWriter {
 public:
  // A tensor whose `data` stays valid until write(). What is wrong with it is reported by write().
  void add(std::string_view name, TensorType type, const Index* dims, int rank, const void* data) {
    Item item{std::string(name), type, rank, {0, 0, 0, 0, 0, 0}, data, tensor_type_size(type)};
    const char* problem = nullptr;
    if (name.size() > kMaxTensorNameBytes) problem = "its name is longer than 255 bytes";
    if (!is_utf8(name)) problem = "its name is not valid UTF-8";
    if (name == kMetadataName || name.starts_with(kPaddingTensorPrefix)) problem = "this name is reserved";
    if (rank < 0 || rank > kMaxTensorRank) problem = "it has more than 6 dimensions";
    for (int i = 0; problem == nullptr && i < rank; ++i) {
      item.dims[i] = dims[i];
      if (dims[i] < 0) problem = "it has a negative dimension";
      if (problem == nullptr && __builtin_mul_overflow(item.bytes, static_cast<std::size_t>(dims[i]), &item.bytes))
        problem = "its size does not fit this machine";
    }
    if (problem == nullptr && data == nullptr && item.bytes > 0) problem = "it has no data";
    if (problem == nullptr && !names_.insert(item.name).second) problem = "there is one of this name already";
    if (problem != nullptr) return keep(FaultKind::mismatch, "tensor", name, problem);
    items_.push_back(std::move(item));
  }
  template <class T>
  void add(std::string_view name, std::initializer_list<Index> dims, const T* data) {
    add(name, TensorTypeOf<T>::value, dims.begin(), static_cast<int>(dims.size()), data);
  }

  // Texts about the file; a later value replaces an earlier one of the same key.
  void set_metadata(std::string_view key, std::string_view value) {
    if (key.size() > kMaxTensorNameBytes) return keep(FaultKind::mismatch, "metadata", key, "its key is too long");
    if (!is_utf8(key) || !is_utf8(value))
      return keep(FaultKind::mismatch, "metadata", key, "it is not valid UTF-8; convert it from its own encoding");
    metadata_.insert_or_assign(std::string(key), std::string(value));
  }

  Result<Done> write(const std::string& path, FileLayout layout = FileLayout::aligned) const {
    const std::vector<Item> items = layout == FileLayout::aligned ? padded() : by_element_size();
    const std::string header = header_of(items);
    if (Result<Done> fits = check(path, items, header); !fits) return fits;
    Result<AtomicFile> created = AtomicFile::create(path);
    if (!created) return created.fault();
    AtomicFile& file = created.value();
    unsigned char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
    file.write(length, sizeof length);
    file.write(header.data(), header.size());
    constexpr unsigned char kZeros[kAlignment] = {0};
    for (const Item& item : items) file.write(item.data != nullptr ? item.data : kZeros, item.bytes);
    return file.commit();
  }

 private:
  struct Item {
    std::string name;
    TensorType type;
    int rank;
    Index dims[kMaxTensorRank];
    const void* data;  // nullptr: filler, or nothing to write
    std::size_t bytes;
  };

  void keep(FaultKind kind, const char* what, std::string_view name, const char* problem) {
    if (has_fault_) return;
    has_fault_ = true;
    fault_ = make_fault(kind, what, " '", TextView{name.data(), name.size()}, "' cannot be written: ", problem);
  }

  Result<Done> check(const std::string& path, const std::vector<Item>& items, const std::string& header) const {
    if constexpr (std::endian::native != std::endian::little)
      return make_fault(FaultKind::unsupported, path.c_str(), ": writing needs a little-endian machine");
    if (has_fault_) return make_fault(fault_.kind, path.c_str(), ": ", static_cast<const char*>(fault_.text));
    const char* limit = nullptr;
    if (items.size() > kMaxTensorsInFile) limit = "more than 4096 tensors, padding included; join small ones";
    if (metadata_.size() > kMaxMetadataEntries) limit = "more than 256 metadata entries; join them";
    if (header.size() > kMaxHeaderBytes) limit = "a header of more than 100 MB; keep long vocabularies in a file";
    if (limit != nullptr) return make_fault(FaultKind::unsupported, path.c_str(), ": ", limit);
    return Done{};
  }

  std::vector<Item> padded() const {
    std::vector<Item> items;
    items.reserve(2 * items_.size());
    int fillers = 0;
    for (const Item& item : items_) {
      items.push_back(item);
      const std::size_t missing = (kAlignment - item.bytes % kAlignment) % kAlignment;
      if (missing == 0 || &item == &items_.back()) continue;
      items.push_back({kPaddingTensorPrefix + std::to_string(fillers++),
                       TensorType::u8,
                       1,
                       {static_cast<Index>(missing), 0, 0, 0, 0, 0},
                       nullptr,
                       missing});
    }
    return items;
  }
  std::vector<Item> by_element_size() const {
    std::vector<Item> items;
    items.reserve(items_.size());
    for (std::size_t size = 8; size > 0; size /= 2)
      for (const Item& item : items_)
        if (tensor_type_size(item.type) == size) items.push_back(item);
    return items;
  }

  std::string header_of(const std::vector<Item>& items) const {
    std::string out = "{";
    if (!metadata_.empty()) {
      append_json_string(out, kMetadataName);
      char mark = '{';
      out += ':';
      for (const auto& [key, value] : metadata_) {
        out += std::exchange(mark, ',');
        append_json_string(out, key);
        out += ':';
        append_json_string(out, value);
      }
      out += '}';
    }
    std::size_t offset = 0;
    for (const Item& item : items) {
      if (out.size() > 1) out += ',';
      append_record(out, item, offset);
      offset += item.bytes;
    }
    out += '}';
    // The data begins at a multiple of 64; the format allows blanks at the header's end.
    out.append((kAlignment - (8 + out.size()) % kAlignment) % kAlignment, ' ');
    return out;
  }
  static void append_record(std::string& out, const Item& item, std::size_t offset) {
    append_json_string(out, item.name);
    out += ":{\"dtype\":\"";
    out += tensor_type_name(item.type);
    out += "\",\"shape\":[";
    for (int i = 0; i < item.rank; ++i) {
      if (i > 0) out += ',';
      out += std::to_string(item.dims[i]);
    }
    out += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + item.bytes) + "]}";
  }

  std::vector<Item> items_;
  std::set<std::string> names_;
  std::map<std::string, std::string> metadata_;
  bool has_fault_ = false;
  Fault fault_;
};

}  // namespace thaw::inline v0
