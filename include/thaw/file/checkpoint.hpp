// Checkpoints: everything a run needs to go on as if it had never stopped, in one safetensors file.
//
//   CheckpointWriter checkpoint;
//   checkpoint.add("parameters/tower.weight", {64, 32}, weights);    // float, double or whole numbers
//   checkpoint.set("step", std::int64_t(1200));
//   checkpoint.set("seed", std::uint64_t(42));
//   Result<Done> done = checkpoint.write("run.checkpoint");          // the previous one stays until this is complete
//
//   Result<CheckpointReader> back = CheckpointReader::open("run.checkpoint");
//   Result<Done> read = back.value().read("parameters/tower.weight", {64, 32}, weights);
//   Result<std::int64_t> step = back.value().integer("step");
//
// Numbers come back bit for bit: blocks are the bytes in memory, settings are bit patterns. No conversion: a block read
// into another type is a fault. What belongs into a checkpoint is the trainer's matter, not this file's.
#pragma once

#include "thaw/file/load.hpp"
#include "thaw/file/metadata.hpp"
#include "thaw/file/safetensors_file.hpp"
#include "thaw/file/safetensors_write.hpp"

namespace thaw::inline v0 {

inline constexpr const char* kCheckpointMark = "thaw.checkpoint";  // metadata key of the layout's version
inline constexpr std::int64_t kCheckpointVersion = 1;

// A double as its 64 bits in hexadecimal: exact for every value, NaNs too.
inline std::string encode_bits(double number) {
  char text[24];
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, bits, 16);
  return "bits:" + std::string(text, end.ptr);
}
inline Result<double> decode_bits(std::string_view text) {
  std::uint64_t bits = 0;
  const std::string_view prefix = "bits:";
  if (text.starts_with(prefix)) {
    const char* end = text.data() + text.size();
    const std::from_chars_result read = std::from_chars(text.data() + prefix.size(), end, bits, 16);
    if (read.ec == std::errc() && read.ptr == end) return std::bit_cast<double>(bits);
  }
  return make_fault(FaultKind::malformed, "'", TextView{text.data(), text.size() < 60 ? text.size() : 60},
                    "' is not a number as bits");
}

class CheckpointWriter {
 public:
  CheckpointWriter() { writer_.set_metadata(kCheckpointMark, encode_integer(kCheckpointVersion)); }

  // A block of numbers that stays valid until write().
  template <class T>
  void add(std::string_view name, std::initializer_list<Index> dims, const T* data) {
    writer_.add(name, dims, data);
  }
  template <class T>
  void add(std::string_view name, const Index* dims, int rank, const T* data) {
    writer_.add(name, TensorTypeOf<T>::value, dims, rank, data);
  }

  void set(std::string_view key, std::int64_t number) { writer_.set_metadata(key, encode_integer(number)); }
  void set(std::string_view key, std::uint64_t number) { writer_.set_metadata(key, encode_integer(number)); }
  void set(std::string_view key, double number) { writer_.set_metadata(key, encode_bits(number)); }
  void set(std::string_view key, std::string_view text) { writer_.set_metadata(key, text); }
  void set(std::string_view key, const char* text) { writer_.set_metadata(key, text); }

  Result<Done> write(const std::string& path) const { return writer_.write(path); }

 private:
  SafetensorsWriter writer_;
};

class CheckpointReader {
 public:
  static Result<CheckpointReader> open(const std::string& path) {
    Result<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file) return file.fault();
    const Result<std::int64_t> version = metadata_integer(file.value().view(), kCheckpointMark);
    if (!version)
      return make_fault(FaultKind::mismatch, path.c_str(),
                        ": a safetensors file, but not a checkpoint of this library; it cannot be resumed from");
    if (version.value() != kCheckpointVersion)
      return make_fault(FaultKind::unsupported, path.c_str(), ": checkpoint version ", version.value(),
                        ", this build reads ", kCheckpointVersion);
    return CheckpointReader(std::move(file.value()));
  }

  // Copies a block back; type and shape must be those that were written.
  template <class T>
  Result<Done> read(std::string_view name, const Index* dims, int rank, T* out) const {
    const Result<TensorEntry> entry = view().find(TextView{name.data(), name.size()});
    if (!entry) return entry.fault();
    if (entry.value().type != TensorTypeOf<T>::value)
      return detail::other_type(entry.value(), tensor_type_name(TensorTypeOf<T>::value),
                                "resume with the number type that the run began with");
    if (Result<Done> same = check_dims(entry.value(), dims, rank); !same) return same;
    return copy_tensor(entry.value(), out, entry.value().count());
  }
  template <class T>
  Result<Done> read(std::string_view name, std::initializer_list<Index> dims, T* out) const {
    return read(name, dims.begin(), static_cast<int>(dims.size()), out);
  }

  Result<std::int64_t> integer(std::string_view key) const { return metadata_integer(view(), key); }
  Result<std::uint64_t> unsigned_integer(std::string_view key) const {
    return metadata_integer<std::uint64_t>(view(), key);
  }
  Result<double> real(std::string_view key) const { return detail::decode_metadata<double>(view(), key, decode_bits); }
  Result<std::string> text(std::string_view key) const { return metadata_text(view(), key); }
  const SafetensorsView& view() const { return file_.view(); }

 private:
  explicit CheckpointReader(SafetensorsFile&& file) : file_(std::move(file)) {}

  SafetensorsFile file_;
};

}  // namespace thaw::inline v0
