// Numbers and lists of texts as metadata strings, exact in both directions.
//
//   writer.set_metadata("width", encode_integer(64));
//   writer.set_metadata("rate", encode_real(1e-3));          // the shortest digits that read back the same bits
//   writer.set_metadata("genres", encode_list(vocabulary.texts()));
//   Result<std::vector<std::string>> genres = metadata_list(view, "genres");
//
// A list is a JSON array of strings, as json.loads() reads it. A list of a million long texts is better kept in a file
// of its own: the format allows 100 MB of header. Not for a device: these functions allocate.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/file/safetensors_scan.hpp"
#include "thaw/file/safetensors_write.hpp"

namespace thaw::inline v0 {

template <class Whole>
requires(std::is_integral_v<Whole>) std::string encode_integer(Whole number) { return std::to_string(number); }

// Exact for every finite number and the infinities; the sign and payload of a NaN are lost.
inline std::string encode_real(double number) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end.ptr);
}

inline std::string encode_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    append_json_string(out, text);
  }
  return out + "]";
}

namespace detail {

// The whole text must be a number of the type.
template <class Number>
Result<Number> parse_number(std::string_view text, const char* wanted) {
  Number number{};
  const char* end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end && !text.empty()) return number;
  const TextView shown{text.data(), text.size() < 60 ? text.size() : 60};
  if (read.ec == std::errc::result_out_of_range)
    return make_fault(FaultKind::out_of_range, "'", shown, "' does not fit the type asked for");
  return make_fault(FaultKind::malformed, "'", shown, "' is not ", wanted);
}

}  // namespace detail

template <class Whole = std::int64_t>
Result<Whole> decode_integer(std::string_view text) {
  return detail::parse_number<Whole>(text, "a whole number");
}
inline Result<double> decode_real(std::string_view text) { return detail::parse_number<double>(text, "a number"); }

inline std::string to_string(const JsonText& text) {
  std::string out(text.size(), '\0');
  text.copy_to(out.data(), out.size());
  return out;
}

inline Result<std::vector<std::string>> decode_list(std::string_view text) {
  JsonReader json{text.data(), 0, text.size(), nullptr};
  std::vector<std::string> texts;
  bool first = true;
  JsonText element;
  json.skip_space();
  if (json.expect('[', "expected '['"))
    while (json.next_element(']', first) && json.string(element)) texts.push_back(to_string(element));
  json.skip_space();
  if (json.problem == nullptr && json.at != json.size) json.fail("text after the closing ']'");
  if (json.problem == nullptr) return texts;
  return make_fault(FaultKind::malformed, "a list of texts, byte ", json.at, ": ", json.problem);
}

// The same, read from a file's metadata by key; a fault names the key.
inline Result<std::string> metadata_text(const SafetensorsView& view, std::string_view key) {
  const Result<JsonText> found = view.metadata(TextView{key.data(), key.size()});
  if (!found) return found.fault();
  return to_string(found.value());
}

namespace detail {

template <class T, class Decode>
Result<T> decode_metadata(const SafetensorsView& view, std::string_view key, const Decode& decode) {
  const Result<std::string> text = metadata_text(view, key);
  if (!text) return text.fault();
  Result<T> value = decode(text.value());
  if (value) return value;
  return make_fault(value.fault().kind, "metadata '", TextView{key.data(), key.size()},
                    "': ", static_cast<const char*>(value.fault().text));
}

}  // namespace detail

template <class Whole = std::int64_t>
Result<Whole> metadata_integer(const SafetensorsView& view, std::string_view key) {
  return detail::decode_metadata<Whole>(view, key, decode_integer<Whole>);
}
inline Result<double> metadata_real(const SafetensorsView& view, std::string_view key) {
  return detail::decode_metadata<double>(view, key, decode_real);
}
inline Result<std::vector<std::string>> metadata_list(const SafetensorsView& view, std::string_view key) {
  return detail::decode_metadata<std::vector<std::string>>(view, key, decode_list);
}

}  // namespace thaw::inline v0
