// What needs libsentencepiece is built where that is installed; what needs T5's vocabulary runs where THAW_DATA is set.
#if __has_include(<sentencepiece_processor.h>)

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "elmrec/prompts.hpp"
#include "elmrec/tokenizer.hpp"
#include "tests/data/reader_fixture.hpp"
#include "thaw/decode/token_trie.hpp"

namespace {

using Ids = std::vector<std::int32_t>;

std::string model_path() {
  const std::string folder = thaw_test::real_data("t5-tokenizer", "spiece.model");
  return folder.empty() ? folder : thaw::join_path(folder, "spiece.model");
}

}  // namespace

TEST_CASE("tokenizer: no file, no model") {
  CHECK(!elmrec::Tokenizer::open("no/such/spiece.model").ok());
  thaw_test::TemporaryFolder files;
  const std::string path = files.write("spiece.model", "this is no protobuf\n");
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK(!opened.ok());
  CHECK(thaw_test::fault_text(opened).find("spiece.model") != std::string::npos);
}

TEST_CASE("templates: both slots once, a blank or nothing around them, the last one bare") {
  for (const elmrec::Task task : {elmrec::Task::sequential, elmrec::Task::direct}) {
    const auto list = elmrec::templates(task);
    CHECK(list.size() >= 3);
    for (const std::string_view text : list)
      for (const std::string_view slot : {"{user}", "{items}"}) {
        const std::size_t at = text.find(slot);
        CHECK(at != std::string_view::npos);
        if (at == std::string_view::npos) continue;
        CHECK(text.find(slot, at + 1) == std::string_view::npos);
        CHECK((at == 0 || text[at - 1] == ' '));
        CHECK((at + slot.size() == text.size() || text[at + slot.size()] == ' '));
      }
    CHECK(list[static_cast<std::size_t>(elmrec::bare_template(task))] == "{user} {items}");
  }
  CHECK(elmrec::templates(elmrec::Task::explanation).empty());
  CHECK(elmrec::Tokenizer::sentinel(0) == 32099);
  CHECK(elmrec::Tokenizer::sentinel(99) == 32000);
}

TEST_CASE("T5's tokenizer: golden pieces and ids" * doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string path = model_path();
  if (path.empty()) return;
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK_MESSAGE(opened.ok(), thaw_test::fault_text(opened));
  if (!opened) return;
  const elmrec::Tokenizer& t5 = opened.value();
  struct Golden {
    const char* text;
    Ids ids;
  };
  for (const Golden& golden :
       {Golden{"user_1 item_1", {1139, 834, 536, 2118, 834, 536}},
        Golden{"user_1234 item_8668", {1139, 834, 2122, 3710, 2118, 834, 3840, 3651}},
        Golden{"user_12252 item_10921", {1139, 834, 20889, 5373, 2118, 834, 17304, 2658}}, Golden{"1234", {586, 3710}},
        Golden{"8668", {3, 3840, 3651}}, Golden{"12101", {586, 19621}}, Golden{"7", {489}}, Golden{"100", {910}}}) {
    const elmrec::Pieces pieces = t5.encode(golden.text);
    CHECK(pieces.ids == golden.ids);
    CHECK(t5.decode(pieces.ids) == golden.text);
  }
  CHECK(t5.piece(1139) == "\u2581user");
  const elmrec::Pieces pieces = t5.encode("user_12252 item_10921");
  CHECK(pieces.begin == std::vector<std::uint32_t>{0, 4, 5, 8, 10, 15, 16, 19});
  CHECK(pieces.end == std::vector<std::uint32_t>{4, 5, 8, 10, 15, 16, 19, 21});
}

TEST_CASE("T5's tokenizer equals spm_encode for all numbers, and numbers are pieces of digits alone" *
          doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string path = model_path();
  if (path.empty()) return;
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK(opened.ok());
  if (!opened) return;
  if (std::system("command -v spm_encode > /dev/null 2>&1") != 0) {
    MESSAGE("skipped: spm_encode is not installed");
    return;
  }
  constexpr int kMost = 36000;
  std::string lines;
  for (int id = 1; id <= kMost; ++id) {
    const std::string number = std::to_string(id);
    lines += "user_" + number + " item_" + number + "\n" + number + "\n";
  }
  thaw_test::TemporaryFolder files;
  const std::string input = files.write("numbers.txt", lines), output = files.write("ids.txt", "");
  const std::string command =
      "spm_encode --model='" + path + "' --output_format=id --output='" + output + "' '" + input + "' 2> /dev/null";
  CHECK(std::system(command.c_str()) == 0);
  const auto expected = thaw::read_text_file(output);
  CHECK(expected.ok());
  if (!expected) return;
  std::string ours;
  int back = 0;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    const std::string_view line = std::string_view(lines).substr(at, end - at);
    const elmrec::Pieces pieces = opened.value().encode(line);
    back += opened.value().decode(pieces.ids) == line ? 1 : 0;
    for (std::size_t i = 0; i < pieces.ids.size(); ++i) ours += (i > 0 ? " " : "") + std::to_string(pieces.ids[i]);
    ours += '\n';
    at = end + 1;
  }
  CHECK(back == 2 * kMost);
  const bool equal = ours == expected.value();
  CHECK(equal);
}

TEST_CASE(
    "prompts: the span covers exactly the id's pieces, of every id in the bare templates and of each seventh "
    "elsewhere" *
    doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string path = model_path();
  if (path.empty()) return;
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK(opened.ok());
  if (!opened) return;
  const elmrec::Tokenizer& t5 = opened.value();
  const elmrec::PromptWriter writer(t5);
  constexpr std::int32_t kMost = 36000;
  int wrong = 0;
  for (const elmrec::Task task : {elmrec::Task::sequential, elmrec::Task::direct})
    for (int number = 0; number <= elmrec::bare_template(task); ++number)
      for (std::int32_t id = 0; id < kMost; id += number == elmrec::bare_template(task) ? 1 : 7) {
        const std::int32_t items[3] = {(id * 31 + 5) % kMost, kMost - 1 - id, id};
        const auto written = writer.write(task, number, id, items);
        if (!written) {
          ++wrong;
          continue;
        }
        const elmrec::Prompt& p = written.value();
        // The pieces of each span, put together, are the entity as it is written; and all its pieces are in one run.
        std::string spelled[5];
        std::int32_t last = 0;
        bool good = p.tokens.size() == p.entity.size() && p.tokens.size() == p.order.size();
        for (std::size_t i = 0; good && i < p.tokens.size(); ++i) {
          const std::int32_t order = p.order[i];
          good = (order == 0) == (p.entity[i].kind == elmrec::Entity::Kind::none) && order <= 4;
          if (order == 0 || !good) continue;
          good = order >= last;
          last = order;
          spelled[order] += t5.piece(p.tokens[i]);
          const bool is_user = p.entity[i].kind == elmrec::Entity::Kind::user;
          good = good && (is_user ? p.entity[i].id == id : std::count(items, items + 3, p.entity[i].id) > 0);
        }
        std::vector<std::string> found(spelled + 1, spelled + 5), expected{"\u2581user_" + std::to_string(id + 1)};
        for (const std::int32_t item : items) expected.push_back("\u2581item_" + std::to_string(item + 1));
        std::sort(found.begin(), found.end());
        std::sort(expected.begin(), expected.end());
        wrong += good && found == expected ? 0 : 1;
      }
  CHECK(wrong == 0);
}

TEST_CASE("prompts: numbers of items, rows of nodes, what cannot be written" *
          doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string path = model_path();
  if (path.empty()) return;
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK(opened.ok());
  if (!opened) return;
  const Ids number{8667, 0, 1233};
  const elmrec::PromptWriter writer(opened.value(), number);
  const Ids items{2, 0};
  const auto written =
      writer.write(elmrec::Task::sequential, elmrec::bare_template(elmrec::Task::sequential), 0, items);
  CHECK(written.ok());
  if (!written) return;
  const elmrec::Prompt& p = written.value();
  CHECK(p.tokens == Ids{1139, 834, 536, 2118, 834, 2122, 3710, 2118, 834, 3840, 3651});
  CHECK(p.order == Ids{1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3});
  Ids rows;
  elmrec::node_rows(p, 10, rows);
  CHECK(rows == Ids{0, 0, 0, 12, 12, 12, 12, 10, 10, 10, 10});
  CHECK(writer.answer(2) == Ids{586, 3710});
  CHECK(writer.answer(1) == opened.value().encode("1").ids);
  CHECK(!writer.write(elmrec::Task::direct, 0, 0, {}).ok());
  CHECK(!writer.write(elmrec::Task::direct, 99, 0, items).ok());
  CHECK(!writer.write(elmrec::Task::explanation, 0, 0, items).ok());
}

TEST_CASE("the trie of all numbers has the sizes that were counted" *
          doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string path = model_path();
  if (path.empty()) return;
  const auto opened = elmrec::Tokenizer::open(path);
  CHECK(opened.ok());
  if (!opened) return;
  const elmrec::PromptWriter writer(opened.value());
  struct Known {
    std::int32_t items, nodes;
    std::int32_t of_pieces[3];  // numbers of one, two and three pieces
  };
  for (const Known& known :
       {Known{12101, 12103, {194, 7958, 3949}}, Known{18357, 18359, {194, 9692, 8471}}}) {  // Beauty, Sports
    thaw::TokenSequences spelled;
    std::int32_t of_pieces[3] = {};
    for (std::int32_t item = 0; item < known.items; ++item) {
      const Ids tokens = writer.answer(item);
      CHECK((tokens.size() >= 1 && tokens.size() <= 3));
      if (tokens.empty() || tokens.size() > 3) return;
      ++of_pieces[tokens.size() - 1];
      spelled.add(tokens);
    }
    CHECK(std::equal(of_pieces, of_pieces + 3, known.of_pieces));
    const auto trie = thaw::TokenTrie::build(spelled, elmrec::Tokenizer::kEnd);
    CHECK(trie.ok());
    if (!trie) return;
    CHECK(trie.value().leaves() == known.items);
    CHECK(trie.value().nodes() == known.nodes);
    CHECK(trie.value().depth() == 3);
    CHECK(trie.value().children(thaw::TokenTrie::kRoot).tokens.size() == 195);
    CHECK(trie.value().widest() <= 288);
  }
}

#endif
