// libFuzzer target: readers of public data sets, which are several files that refer to each other. Any bytes are a data
// set or a fault, and what is read holds the promises of Dataset. The first byte chooses the reader, lines "%%" part
// the files. Without zlib, because the files are written as they are.
#define THAW_HAS_ZLIB 0

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "../temporary_folder.hpp"
#include "promises.hpp"
#include "thaw/data/book_crossing.hpp"
#include "thaw/data/lastfm.hpp"
#include "thaw/data/movielens_100k.hpp"

namespace {

using fuzz::expect;

// The next file, up to a line "%%".
std::string_view cut(std::string_view& text) {
  constexpr std::string_view kEnd = "%%\n";
  const std::size_t at = text.find(kEnd);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + kEnd.size());
  return part;
}

template <class T>
bool check_fault(const thaw::Result<T>& result) {
  if (!result) expect(result.fault().size > 0);
  return result.ok();
}

void check_lastfm(const thaw::Lastfm& set) {
  fuzz::check_dataset(set.data);
  expect(set.plays.size() == set.data.ratings.size());
  std::vector<std::int32_t> users(static_cast<std::size_t>(set.data.users.size()));
  std::iota(users.begin(), users.end(), 0);
  for (const thaw::Lastfm::Tagging& t : set.taggings) {
    expect(t.user >= 0 && t.user < set.data.users.size() && t.item >= 0 && t.item < set.data.items.size());
    expect(t.tag >= 0 && t.tag < set.tags.size());
  }
  fuzz::check_attribute(thaw::tag_attribute(set, users), set.data.items.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  static const std::vector<const char*> kNames[3] = {
      {"u.user", "u.item", "u.data", "movies_extrainfos.dat", "movies.dat"},
      {"artists.dat", "user_artists.dat", "tags.dat", "user_taggedartists-timestamps.dat"},
      {"BX-Books.csv", "BX-Users.csv", "BX-Ratings.csv", "BX-NewBooks.csv", "BX-NewBooksUsers.csv",
       "BX-NewBooksRatings.csv"}};
  const int reader = bytes[0] % 3;
  thaw_test::TemporaryFolder files;
  std::size_t written = 0;
  for (const char* name : kNames[reader]) {
    if (text.empty() && written > 0) break;
    files.write(name, cut(text));
    ++written;
  }
  if (reader == 0) {
    const auto set = thaw::read_movielens_100k(
        files.path(), {.extra_folder = files.path(), .titles_folder = files.path(), .use_extra = written > 3});
    if (check_fault(set)) fuzz::check_dataset(set.value().data);
  } else if (reader == 1) {
    const auto set = thaw::read_lastfm(files.path());
    if (check_fault(set)) check_lastfm(set.value());
  } else {
    const auto data = thaw::read_book_crossing(files.path(), {.new_books = written > 3});
    if (check_fault(data)) fuzz::check_dataset(data.value());
  }
  return 0;
}
