// Fuzz target of the safetensors reader: whatever the bytes, no read outside them, no overflow, no endless loop, and
// what is accepted obeys the rules of the format.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/safetensors_fuzz.cpp -o fuzz
//   ./fuzz -max_len=4096 new_inputs tests/fuzz/corpus/safetensors
#include <cstdlib>
#include <cstring>
#include <vector>

#include "thaw/file/load.hpp"
#include "thaw/file/metadata.hpp"

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void use_tensor(const thaw::SafetensorsView& view, const thaw::TensorEntry& entry, const std::byte* begin,
                std::size_t size) {
  must(entry.data >= begin && entry.offset <= size && entry.bytes <= size - entry.offset);
  must(entry.rank >= 0 && entry.rank <= thaw::kMaxTensorRank && entry.name_size <= thaw::kMaxTensorNameBytes);
  std::size_t elements = 1;
  for (int i = 0; i < entry.rank; ++i) elements *= static_cast<std::size_t>(entry.dims[i]);
  must(elements == entry.count());
  const auto found = view.find(entry.name());
  must(found.ok() && found.value().offset == entry.offset);
  (void)thaw::all_finite(entry).ok();
  std::vector<float> reals(elements);
  std::vector<std::int32_t> whole(elements);
  (void)thaw::copy_tensor(entry, reals.data(), elements).ok();
  (void)thaw::copy_tensor(entry, whole.data(), elements).ok();
  const auto bound = thaw::bind_entry<float>(entry, entry.dims, entry.rank);
  float sum = 0;
  for (std::size_t i = 0; bound.ok() && i < elements; ++i) sum += bound.value()[i];
  must(sum == sum || sum != sum);
}

void use_metadata(const thaw::SafetensorsView& view, const thaw::JsonText& key) {
  const std::string name = thaw::to_string(key);
  must(thaw::is_utf8(name));
  const auto text = thaw::metadata_text(view, name);
  must(text.ok() && thaw::is_utf8(text.value()));
  (void)thaw::metadata_integer(view, name).ok();
  (void)thaw::metadata_real(view, name).ok();
  const auto list = thaw::metadata_list(view, name);
  if (!list) return;
  const auto again = thaw::decode_list(thaw::encode_list(list.value()));
  must(again.ok() && again.value() == list.value());
}

void use_file(const std::byte* bytes, std::size_t size) {
  auto opened = thaw::SafetensorsView::open(bytes, size);
  if (!opened) {
    must(opened.fault().size > 0 && std::strlen(opened.fault().text) == opened.fault().size);
    return;
  }
  thaw::SafetensorsView& view = opened.value();
  thaw::TensorEntry entry;
  std::size_t tensors = 0;
  for (; view.next(entry); ++tensors) use_tensor(view, entry, bytes, size);
  must(tensors == view.tensor_count());
  thaw::JsonText key;
  thaw::JsonText value;
  std::size_t entries = 0;
  for (; view.next_metadata(key, value); ++entries) use_metadata(view, key);
  must(entries == view.metadata_count());
}

}  // namespace

// An input is tried as a whole file, and as the text of a header followed by one byte for the size of the data.
// Copies have the exact length, so that one byte too far is seen.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  use_file(bytes.data(), size);
  if (size == 0) return 0;
  const std::size_t header = size - 1;
  std::vector<std::byte> wrapped(8 + header + data[header]);
  for (std::size_t i = 0; i < 8; ++i) wrapped[i] = static_cast<std::byte>(header >> (8 * i) & 255);
  if (header > 0) std::memcpy(wrapped.data() + 8, data, header);
  use_file(wrapped.data(), wrapped.size());
  return 0;
}
