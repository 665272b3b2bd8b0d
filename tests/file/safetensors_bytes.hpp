// Files built by hand for the tests of the reader, rule by rule.
#pragma once

#include <cstring>
#include <string>

#include "thaw/file/safetensors_scan.hpp"

namespace file_test {

// A whole file: length, header text as given, `data_size` bytes of data.
inline std::string file_of(const std::string& header, std::size_t data_size) {
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(header.size() >> (8 * i));
  out += header;
  for (std::size_t i = 0; i < data_size; ++i) out += static_cast<char>(i * 37 + 11);
  return out;
}

inline std::string record_of(const std::string& name, const std::string& type, const std::string& shape,
                             const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}";
}

// "" when the file is accepted, else the message.
inline std::string problem_of(const std::string& file) {
  const auto view = thaw::SafetensorsView::open(file.data(), file.size());
  return view ? std::string() : std::string(view.fault().text);
}

inline bool mentions(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

inline std::string name_of(const thaw::TensorEntry& entry) { return {entry.name_text, entry.name_size}; }

}  // namespace file_test
