// What a prompt needs of a tokenizer, and a small one that needs no file.
//
//   const elmrec::PlainTokenizer plain;                       // words of the templates, numbers in pairs of digits
//   elmrec::Pieces pieces = plain.encode("user_1234 item_5");  // ▁user _ 12 34 ▁item _ 5
//
// PlainTokenizer cuts numbers as T5's vocabulary mostly does: two digits at a time, the first piece of a word another
// one than the same digits inside a word. For demonstrations and tests; T5 itself: tokenizer.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace elmrec {

struct Pieces {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> begin, end;  // bytes of the text; the blank before a word belongs to its first piece
};

class TextTokenizer {
 public:
  TextTokenizer() = default;
  TextTokenizer(TextTokenizer&&) = default;
  TextTokenizer& operator=(TextTokenizer&&) = default;
  virtual ~TextTokenizer() = default;
  // Without an end token.
  virtual Pieces encode(std::string_view text) const = 0;
  // Ids are below this.
  virtual std::int32_t vocabulary() const = 0;
};

class PlainTokenizer : public TextTokenizer {
 public:
  // 0 padding, 1 end, 2 unknown, then "_", then digits at the start of a word and inside one, then words.
  explicit PlainTokenizer(std::vector<std::string> words = {"user", "item"}) {
    for (std::string& word : words) words_.emplace(std::move(word), 0);
    std::int32_t next = kFirstWord;
    for (auto& [word, id] : words_) id = next++;
  }
  std::int32_t vocabulary() const override { return kFirstWord + static_cast<std::int32_t>(words_.size()); }

  Pieces encode(std::string_view text) const override {
    Pieces out;
    for (std::size_t at = 0; at < text.size();) {
      const bool starts = at == 0 || text[at - 1] == ' ';
      if (text[at] == ' ') {
        ++at;
        continue;
      }
      const std::size_t size = length(text.substr(at));
      const std::string_view piece = text.substr(at, size);
      out.ids.push_back(id_of(piece, starts));
      out.begin.push_back(static_cast<std::uint32_t>(starts && at > 0 ? at - 1 : at));
      out.end.push_back(static_cast<std::uint32_t>(at + size));
      at += size;
    }
    return out;
  }

 private:
  static constexpr std::int32_t kUnknown = 2, kLine = 3, kDigits = 4, kFirstWord = kDigits + 2 * 110;

  static bool digit(char c) { return c >= '0' && c <= '9'; }
  static std::size_t length(std::string_view text) {
    if (digit(text[0])) return text.size() > 1 && digit(text[1]) ? 2 : 1;
    if (text[0] == '_') return 1;
    return (std::min)(text.find_first_of(" _0123456789"), text.size());
  }
  std::int32_t id_of(std::string_view piece, bool starts) const {
    if (piece == "_") return kLine;
    if (digit(piece[0])) {
      const std::int32_t number = piece.size() == 1 ? piece[0] - '0' : 10 * (piece[0] - '0') + piece[1] - '0' + 10;
      return kDigits + number + (starts ? 0 : 110);
    }
    const auto found = words_.find(std::string(piece));
    return found == words_.end() ? kUnknown : found->second;
  }

  std::map<std::string, std::int32_t> words_;
};

}  // namespace elmrec
