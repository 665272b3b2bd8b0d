// libFuzzer target: any bytes are the lists of a published split, in each of its forms, or a fault.
#define THAW_HAS_ZLIB 0

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "promises.hpp"
#include "thaw/data/item_sequences.hpp"
#include "thaw/data/split_lists.hpp"

namespace {

// What is listed exists, once a user; nothing is for training and for test at once.
void check(const thaw::Result<thaw::SplitLists>& result) {
  if (!result) {
    fuzz::expect(result.fault().size > 0);
    return;
  }
  const thaw::SplitLists& split = result.value();
  fuzz::expect(split.users() > 0 && split.valid.rows() <= split.users() && split.test.rows() <= split.users());
  for (const thaw::IdLists* lists : {&split.train, &split.valid, &split.test})
    for (std::int32_t user = 0; user < lists->rows(); ++user) {
      const auto row = lists->row(user);
      for (std::size_t i = 0; i < row.size(); ++i)
        fuzz::expect(row[i] >= 0 && row[i] < split.items && (i == 0 || row[i - 1] < row[i]));
    }
  for (std::int32_t user = 0; user < split.test.rows(); ++user)
    for (const std::int32_t item : split.test.row(user))
      for (const std::int32_t seen : split.train.row(user)) fuzz::expect(seen != item);
}

// Dense ids, every item somewhere and at most once a user, in the order of the text.
void check(const thaw::Result<thaw::ItemSequences>& result) {
  if (!result) {
    fuzz::expect(result.fault().size > 0);
    return;
  }
  const thaw::ItemSequences& data = result.value();
  std::int64_t parts = 0;
  for (std::int32_t user = 0; user < data.users(); ++user) {
    const auto row = data.of(user);
    fuzz::expect(!row.empty());
    for (std::size_t i = 0; i < row.size(); ++i) {
      fuzz::expect(row[i] >= 0 && row[i] < data.items);
      for (std::size_t k = 0; k < i; ++k) fuzz::expect(row[k] != row[i]);
    }
    parts += static_cast<std::int64_t>(data.train(user).size()) + (data.has_test(user) ? 2 : 0);
  }
  fuzz::expect(parts == data.interactions() && data.interactions() >= data.items);
}

// A large id is a large table, which a small time limit does not want.
bool has_large_number(std::string_view text) {
  int digits = 0;
  for (const char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 5) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (has_large_number(text)) return 0;
  const std::size_t cut = text.find('#');
  const std::string_view train = text.substr(0, cut), test = cut < text.size() ? text.substr(cut + 1) : text;
  for (const thaw::ListForm form : {thaw::ListForm::rows, thaw::ListForm::pairs})
    check(thaw::parse_split_lists(train, {}, test, "fuzz", {.form = form}));
  check(thaw::parse_last_out(text, "fuzz"));
  check(thaw::parse_item_sequences(text, "fuzz"));
  return 0;
}
