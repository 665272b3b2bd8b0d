// What tests of the readers of public data sets share.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/temporary_folder.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw_test {

using Texts = std::vector<std::string>;

// The values of one entity, in words.
inline Texts values(const thaw::Attribute& attribute, std::int32_t entity) {
  Texts texts;
  for (const std::int32_t number : attribute.of(entity)) texts.push_back(attribute.values.text(number));
  return texts;
}

// What is wrong, or nothing.
template <class T>
std::string fault_text(const thaw::Result<T>& result) {
  return result ? std::string() : std::string(result.fault().text);
}
template <class T>
void check_not_found(const thaw::Result<T>& result) {
  CHECK(!result.ok());
  if (!result) CHECK(result.fault().kind == thaw::FaultKind::not_found);
}

// The folder of the real data that has `file`, plain or compressed; empty, with a message, where there is none.
inline std::string real_data(std::string_view set, std::string_view file) {
  const char* root = std::getenv("THAW_DATA");
  const std::string folder = thaw::join_path(root == nullptr ? "" : root, set);
  if (root != nullptr && thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, file)))) return folder;
  MESSAGE("skipped: set THAW_DATA to a folder that holds ", std::string(set));
  return {};
}

}  // namespace thaw_test
