// SafetensorsView: a safetensors file that lies in memory (a mapping, flash), checked once and then read in place.
//
//   Result<SafetensorsView> opened = SafetensorsView::open(bytes, size);
//   if (!opened) return opened.fault();
//   Result<TensorEntry> weight = opened.value().find("tower.0.weight");
//   // weight.value().dims, .type, .data (points into `bytes`)
//
// `open` treats the file as untrusted and checks everything before any tensor is touched: syntax, sizes with 64-bit
// overflow checks, ranges inside the file, no hole, no overlap, no name twice. It neither allocates nor recurses and
// needs about 4 KiB of stack. Not a loader: values are not converted (file/load.hpp), and not looked at.
#pragma once

#include "thaw/file/json_text.hpp"
#include "thaw/file/tensor_type.hpp"

namespace thaw::inline v0 {

inline constexpr int kMaxTensorRank = 6;
inline constexpr std::size_t kMaxTensorNameBytes = 255;
inline constexpr std::size_t kMaxTensorsInFile = 4096;
inline constexpr std::size_t kMaxMetadataEntries = 256;
inline constexpr std::size_t kMaxHeaderBytes = 100'000'000;     // the format's own limit
inline constexpr std::size_t kMaxTensorHeaderBytes = 4u << 20;  // of the header, what is not metadata
inline constexpr const char* kPaddingTensorPrefix = "__pad.";   // filler between tensors, skipped by the view
inline constexpr const char* kMetadataName = "__metadata__";

inline constexpr TextView text_view(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return {text, size};
}

// One tensor of a file. `data` points into the file's bytes, at any alignment.
struct TensorEntry {
  char name_text[kMaxTensorNameBytes + 1] = {0};  // UTF-8, ends with a zero
  std::size_t name_size = 0;
  TensorType type = TensorType::u8;
  int rank = 0;
  Index dims[kMaxTensorRank] = {0, 0, 0, 0, 0, 0};  // first `rank` count
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::size_t offset = 0;  // of `data` from the begin of the file

  TextView name() const { return {name_text, name_size}; }
  // Number of elements; 1 for a tensor without dimensions.
  std::size_t count() const { return bytes / tensor_type_size(type); }
};

namespace detail {

// Fields of one tensor as the header states them.
struct TensorRecord {
  TensorType type = TensorType::u8;
  int rank = 0;
  std::uint64_t dims[kMaxTensorRank] = {0, 0, 0, 0, 0, 0};
  std::uint64_t begin = 0;  // of the data, from the begin of the data part
  std::uint64_t end = 0;
};

inline bool read_tensor_type(JsonReader& json, TensorType& type) {
  const std::size_t start = json.at;
  JsonText name;
  if (!json.string(name)) return false;
  for (int i = 0; i < kTensorTypes; ++i) {
    type = static_cast<TensorType>(i);
    if (name.equals(text_view(tensor_type_name(type)))) return true;
  }
  json.at = start;
  return json.fail(
      "unknown element type (known: BOOL, U8 to U64, I8 to I64, F8_E5M2, F8_E4M3, F16, BF16, F32, F64, C64)");
}

inline bool read_tensor_shape(JsonReader& json, TensorRecord& record) {
  if (!json.expect('[', "expected '[' before the shape")) return false;
  bool first = true;
  record.rank = 0;
  while (json.next_element(']', first)) {
    if (record.rank == kMaxTensorRank) return json.fail("more than 6 dimensions");
    if (!json.whole_number(record.dims[record.rank])) return false;
    ++record.rank;
  }
  return json.problem == nullptr;
}

inline bool read_tensor_offsets(JsonReader& json, TensorRecord& record) {
  if (!json.expect('[', "expected '[' before the data offsets") || !json.whole_number(record.begin)) return false;
  json.skip_space();
  if (!json.expect(',', "expected ',' between the two data offsets") || !json.whole_number(record.end)) return false;
  json.skip_space();
  if (!json.is(']')) return json.fail("expected ']' after the two data offsets");
  ++json.at;
  return true;
}

// {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, in any order, each once and nothing else.
inline bool read_tensor_record(JsonReader& json, TensorRecord& record) {
  if (!json.expect('{', "expected '{' before the fields of a tensor")) return false;
  unsigned seen = 0;
  bool first = true;
  JsonText field;
  while (json.next_name(field, first)) {
    const unsigned bit = field.equals(text_view("dtype"))          ? 1u
                         : field.equals(text_view("shape"))        ? 2u
                         : field.equals(text_view("data_offsets")) ? 4u
                                                                   : 0u;
    if (bit == 0) return json.fail("a tensor has the fields dtype, shape and data_offsets, and no other");
    if ((seen & bit) != 0) return json.fail("a field of a tensor is given twice");
    seen |= bit;
    const bool read = bit == 1   ? read_tensor_type(json, record.type)
                      : bit == 2 ? read_tensor_shape(json, record)
                                 : read_tensor_offsets(json, record);
    if (!read) return false;
  }
  if (json.problem != nullptr) return false;
  return seen == 7 ? true : json.fail("a tensor needs the fields dtype, shape and data_offsets");
}

// What is wrong with a record, for data of `data_size` bytes; nullptr when nothing is.
inline const char* record_problem(const TensorRecord& record, std::uint64_t data_size) {
  std::uint64_t bytes = tensor_type_size(record.type);
  for (int i = 0; i < record.rank; ++i) {
    if (record.dims[i] > static_cast<std::uint64_t>(PTRDIFF_MAX)) return "a dimension is too large for this machine";
    if (__builtin_mul_overflow(bytes, record.dims[i], &bytes)) return "the size of its shape does not fit 64 bits";
  }
  if (record.begin > record.end) return "its data ends before it begins";
  if (record.end > data_size) return "its data reaches past the end of the file; the file is cut or damaged";
  if (record.end - record.begin != bytes) return "its data offsets do not have the size of its shape and type";
  return nullptr;
}

// Calls visit(key) for every key in ascending order, in constant memory: each round finds the next 64 keys by one
// walk over all of them. each(f) must call f(key) for every key; keys must differ. Visit returns false to stop.
template <class Key, class Each, class Visit>
bool visit_sorted(const Each& each, const Visit& visit) {
  constexpr std::size_t kBlock = 64;
  Key block[kBlock];
  Key last;
  for (bool has_last = false;; has_last = true) {
    std::size_t count = 0;
    each([&](const Key& key) {
      if (has_last && !last.before(key)) return;
      if (count == kBlock && !key.before(block[kBlock - 1])) return;
      std::size_t low = 0;
      for (std::size_t high = count; low < high;) {
        const std::size_t middle = (low + high) / 2;
        if (block[middle].before(key))
          low = middle + 1;
        else
          high = middle;
      }
      if (count < kBlock) ++count;
      for (std::size_t i = count - 1; i > low; --i) block[i] = block[i - 1];
      block[low] = key;
    });
    for (std::size_t i = 0; i < count; ++i)
      if (!visit(block[i])) return false;
    if (count < kBlock) return true;
    last = block[kBlock - 1];
  }
}

// A name and its place in the header, ordered by name.
struct NameKey {
  JsonText name;
  std::size_t place = 0;
  bool before(const NameKey& other) const {
    const int order = name.compare(other.name);
    return order != 0 ? order < 0 : place < other.place;
  }
};

// A data range, ordered by begin.
struct RangeKey {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::size_t place = 0;
  bool before(const RangeKey& other) const {
    if (begin != other.begin) return begin < other.begin;
    return end != other.end ? end < other.end : place < other.place;
  }
};

}  // namespace detail

// The checked header of a file. Copies are cheap and independent; the bytes must outlive it. Const calls are safe from
// many threads; `next` and `next_metadata` move a position of the view's own.
class SafetensorsView {
 public:
  static Result<SafetensorsView> open(const void* bytes, std::size_t size) {
    SafetensorsView view;
    view.bytes_ = static_cast<const char*>(bytes);
    Fault fault;
    if (!view.find_header(size, fault) || !view.check_entries(fault) || !view.check_metadata(fault) ||
        !view.check_names(fault) || !view.check_ranges(fault))
      return fault;
    view.rewind();
    return view;
  }

  // Tensors, padding not counted.
  std::size_t tensor_count() const { return tensors_ - padding_; }
  std::size_t metadata_count() const { return metadata_entries_; }
  // Bytes of the file before its data.
  std::size_t header_size() const { return data_at_; }

  // The next tensor in the order of the header, padding left out; false after the last.
  bool next(TensorEntry& entry) {
    JsonText name;
    detail::TensorRecord record;
    while (step(next_, name, record)) {
      if (is_padding(name)) continue;
      fill(entry, name, record);
      return true;
    }
    return false;
  }
  // The next metadata entry; false after the last.
  bool next_metadata(JsonText& key, JsonText& value) { return step_metadata(next_metadata_, key, value); }
  void rewind() { next_ = next_metadata_ = 0; }

  // One walk over the header. For all tensors of a large file prefer `next`.
  Result<TensorEntry> find(TextView name) const {
    std::size_t at = 0;
    JsonText known;
    detail::TensorRecord record;
    while (step(at, known, record)) {
      if (!known.equals(name) || is_padding(known)) continue;
      TensorEntry entry;
      fill(entry, known, record);
      return entry;
    }
    return make_fault(FaultKind::not_found, "no tensor '", name, "' in the file, which has ", tensor_count(),
                      "; check that the file belongs to this model");
  }
  Result<TensorEntry> find(const char* name) const { return find(text_view(name)); }

  Result<JsonText> metadata(TextView key) const {
    std::size_t at = 0;
    JsonText known;
    JsonText value;
    while (step_metadata(at, known, value))
      if (known.equals(key)) return value;
    return make_fault(FaultKind::not_found, "no metadata '", key, "' in the file, which has ", metadata_entries_,
                      " entries; check that the file was written for this use");
  }
  Result<JsonText> metadata(const char* key) const { return metadata(text_view(key)); }

 private:
  JsonReader reader(std::size_t at) const { return {bytes_, at, header_end_, nullptr}; }

  static bool is_padding(const JsonText& name) {
    const TextView prefix = text_view(kPaddingTensorPrefix);
    JsonText::Bytes bytes(name);
    unsigned char byte = 0;
    for (std::size_t i = 0; i < prefix.size; ++i)
      if (!bytes.next(byte) || byte != static_cast<unsigned char>(prefix.data[i])) return false;
    return true;
  }
  static bool is_metadata(const JsonText& name) { return name.equals(text_view(kMetadataName)); }

  static bool syntax_fault(Fault& fault, const JsonReader& json) {
    fault = make_fault(FaultKind::malformed, "safetensors header, byte ", json.at, ": ", json.problem,
                       "; the file is damaged, not safetensors, or beyond the limits of this reader");
    return false;
  }

  bool find_header(std::size_t size, Fault& fault) {
    if (size < 8) {
      fault = make_fault(FaultKind::malformed, "not a safetensors file: ", size,
                         " bytes, at least 8 are needed; the file is empty or cut");
      return false;
    }
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes_[i]);
    if (length > kMaxHeaderBytes) {
      fault = make_fault(FaultKind::malformed, "the first 8 bytes ask for a header of ", length, " bytes, more than ",
                         kMaxHeaderBytes, "; this is not a safetensors file");
      return false;
    }
    if (length > size - 8) {
      fault = make_fault(FaultKind::malformed, "the header has ", length, " bytes and the file only ", size - 8,
                         " after its length; the file is cut");
      return false;
    }
    header_end_ = data_at_ = 8 + static_cast<std::size_t>(length);
    size_ = size;
    if (length == 0 || bytes_[8] != '{') {
      fault = make_fault(FaultKind::malformed, "the header does not begin with '{'; this is not a safetensors file");
      return false;
    }
    return true;
  }

  // Syntax of the whole header and every rule that concerns one tensor alone.
  bool check_entries(Fault& fault) {
    JsonReader json = reader(9);
    bool first = true;
    JsonText name;
    while (json.next_name(name, first)) {
      if (is_metadata(name)) {
        if (!scan_metadata(json, fault)) return false;
        continue;
      }
      detail::TensorRecord record;
      if (!detail::read_tensor_record(json, record)) return syntax_fault(fault, json);
      if (!check_one(name, record, fault)) return false;
    }
    if (json.problem != nullptr) return syntax_fault(fault, json);
    json.skip_space();
    if (json.at != json.size && !json.fail("text after the closing '}'")) return syntax_fault(fault, json);
    if (header_end_ - 8 - (metadata_end_ - metadata_at_) <= kMaxTensorHeaderBytes) return true;
    fault = make_fault(FaultKind::unsupported, "the header without its metadata is longer than ", kMaxTensorHeaderBytes,
                       " bytes; write it without blanks");
    return false;
  }

  bool check_one(const JsonText& name, const detail::TensorRecord& record, Fault& fault) {
    const char* problem = name.size() > kMaxTensorNameBytes ? "its name is longer than 255 bytes"
                                                            : detail::record_problem(record, size_ - data_at_);
    if (problem != nullptr) {
      fault = make_fault(FaultKind::malformed, "tensor '", name, "': ", problem);
      return false;
    }
    if (is_padding(name)) ++padding_;
    in_file_order_ = in_file_order_ && record.begin == covered_;
    covered_ = record.end;
    if (++tensors_ <= kMaxTensorsInFile) return true;
    fault = make_fault(FaultKind::unsupported, "the file has more than ", kMaxTensorsInFile,
                       " tensors; split it or join small tensors");
    return false;
  }

  // An object of texts; the reader ends after its '}'.
  bool scan_metadata(JsonReader& json, Fault& fault) {
    if (metadata_at_ != 0 && !json.fail("__metadata__ is given twice")) return syntax_fault(fault, json);
    metadata_at_ = json.at;
    if (!json.expect('{', "expected '{' before the metadata")) return syntax_fault(fault, json);
    bool first = true;
    JsonText key;
    JsonText value;
    while (json.next_name(key, first)) {
      if (!json.string(value)) return syntax_fault(fault, json);
      if (key.size() > kMaxTensorNameBytes && !json.fail("a metadata name is longer than 255 bytes"))
        return syntax_fault(fault, json);
      if (++metadata_entries_ > kMaxMetadataEntries && !json.fail("more than 256 metadata entries"))
        return syntax_fault(fault, json);
    }
    if (json.problem != nullptr) return syntax_fault(fault, json);
    metadata_end_ = json.at;
    return true;
  }

  // Steps over one tensor of a header that is known to be valid. `at` 0 means the first.
  bool step(std::size_t& at, JsonText& name, detail::TensorRecord& record) const {
    bool first = at == 0;
    JsonReader json = reader(first ? 9 : at);
    while (json.next_name(name, first)) {
      if (json.at != metadata_at_) {
        const bool valid = detail::read_tensor_record(json, record);
        at = json.at;
        return valid;
      }
      json.at = metadata_end_;
    }
    at = json.at - 1;  // stay at the closing mark
    return false;
  }
  bool step_metadata(std::size_t& at, JsonText& key, JsonText& value) const {
    if (metadata_at_ == 0) return false;
    bool first = at == 0;
    JsonReader json = reader(first ? metadata_at_ + 1 : at);
    const bool found = json.next_name(key, first) && json.string(value);
    at = found ? json.at : json.at - 1;
    return found;
  }

  void fill(TensorEntry& entry, const JsonText& name, const detail::TensorRecord& record) const {
    entry.name_size = name.copy_to(entry.name_text, kMaxTensorNameBytes);
    entry.name_text[entry.name_size] = '\0';
    entry.type = record.type;
    entry.rank = record.rank;
    for (int i = 0; i < kMaxTensorRank; ++i) entry.dims[i] = i < record.rank ? static_cast<Index>(record.dims[i]) : 0;
    entry.offset = data_at_ + static_cast<std::size_t>(record.begin);
    entry.bytes = static_cast<std::size_t>(record.end - record.begin);
    entry.data = reinterpret_cast<const std::byte*>(bytes_) + entry.offset;
  }

  static bool no_name_twice(const char* what, Fault& fault, const auto& each) {
    detail::NameKey previous;
    return detail::visit_sorted<detail::NameKey>(each, [&](const detail::NameKey& key) {
      if (previous.name.begin != nullptr && previous.name.compare(key.name) == 0) {
        fault = make_fault(FaultKind::malformed, what, " '", key.name, "' is in the header twice");
        return false;
      }
      previous = key;
      return true;
    });
  }
  bool check_names(Fault& fault) const {
    return no_name_twice("tensor", fault, [this](const auto& use) {
      std::size_t at = 0;
      detail::NameKey key;
      detail::TensorRecord record;
      while (step(at, key.name, record)) {
        key.place = at;
        use(key);
      }
    });
  }
  bool check_metadata(Fault& fault) const {
    return no_name_twice("metadata", fault, [this](const auto& use) {
      std::size_t at = 0;
      detail::NameKey key;
      JsonText value;
      while (step_metadata(at, key.name, value)) {
        key.place = at;
        use(key);
      }
    });
  }

  // The ranges, sorted, must touch each other and cover the data from begin to end. Most files have them sorted.
  bool check_ranges(Fault& fault) const {
    if (in_file_order_ && covered_ == size_ - data_at_) return true;
    std::uint64_t covered = 0;
    const auto each = [this](const auto& use) {
      std::size_t at = 0;
      JsonText name;
      detail::TensorRecord record;
      while (step(at, name, record)) use(detail::RangeKey{record.begin, record.end, at});
    };
    const char* problem = nullptr;
    detail::visit_sorted<detail::RangeKey>(each, [&](const detail::RangeKey& range) {
      if (range.begin != covered) problem = range.begin < covered ? "two tensors overlap" : "no tensor holds the bytes";
      if (problem == nullptr) covered = range.end;
      return problem == nullptr;
    });
    if (problem == nullptr && covered != size_ - data_at_) problem = "no tensor holds the bytes";
    if (problem == nullptr) return true;
    fault = make_fault(FaultKind::malformed, problem, " at data offset ", covered,
                       "; safetensors allows neither overlap nor holes, the file is damaged");
    return false;
  }

  const char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::size_t header_end_ = 0;
  std::size_t data_at_ = 0;
  std::size_t metadata_at_ = 0;  // of its '{', 0 when there is none
  std::size_t metadata_end_ = 0;
  std::size_t tensors_ = 0;
  std::size_t padding_ = 0;
  std::size_t metadata_entries_ = 0;
  bool in_file_order_ = true;  // each range so far began where the one before ended
  std::uint64_t covered_ = 0;  // end of the latest range
  std::size_t next_ = 0;
  std::size_t next_metadata_ = 0;
};

}  // namespace thaw::inline v0
