// Delimited text: records and fields with their line numbers, and the checks every reader makes on the way.
//
//   thaw::DelimitedText text(content, "ratings.csv", {.separator = ",", .quotes = true});
//   while (text.next()) use(text.fields());     // std::vector<std::string_view>
//   if (text.failed()) return text.fault();
//
// Quoted fields follow RFC 4180 (doubled quotes, line breaks inside). LF and CRLF line ends. Not a guesser of
// formats: ratings_reader.hpp decides which separator a file uses.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

namespace detail {

// A piece of a file for a message: at most 40 bytes, anything that is not printable ASCII or UTF-8 as '?'.
struct Quoted {
  std::string_view text;
  void describe(Fault& fault) const {
    fault.add('"');
    std::size_t shown = (std::min)(text.size(), std::size_t{40});
    // Never half a character.
    while (shown > 0 && shown < text.size() && (static_cast<unsigned char>(text[shown]) & 0xc0) == 0x80) --shown;
    for (const char c : text.substr(0, shown)) fault.add(static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c);
    fault.add(text.size() > shown ? "...\"" : "\"");
  }
};

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

inline bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Bytes of the UTF-8 character at the start of `text`, 0 when they are not one (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return length;
}

// Where `text` stops being UTF-8, or npos. Eight ASCII bytes at a time, because nearly all are.
inline std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (at + 8 <= text.size()) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

inline std::string latin1_to_utf8(std::string_view text) {
  std::string converted;
  converted.reserve(text.size() + 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      converted.push_back(c);
    } else {
      converted.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      converted.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return converted;
}

// A number with nothing after it. `nan` and `inf` parse; the caller refuses them by name.
inline bool parse_number(std::string_view text, double& number) {
  text = trimmed(text);
  if (text.size() > 1 && text[0] == '+' && text[1] != '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

inline bool parse_integer(std::string_view text, std::int64_t& number) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

inline std::int64_t line_of(std::string_view text, std::size_t position) {
  std::int64_t line = 1;
  for (std::size_t at = 0; at < position; ++line) {
    const void* found = std::memchr(text.data() + at, '\n', position - at);
    if (found == nullptr) break;
    at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) + 1;
  }
  return line;
}

// The text behind a byte-order mark, or why these bytes are not UTF-8 text at all.
inline Result<std::string_view> checked_utf8(std::string_view text, std::string_view name) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    return make_fault(FaultKind::unsupported, shown_path(name),
                      ": the file is UTF-16; convert it with: iconv -f UTF-16 -t UTF-8");
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!text.empty()) {
    if (const void* zero = std::memchr(text.data(), 0, text.size())) {
      const auto at = static_cast<std::size_t>(static_cast<const char*>(zero) - text.data());
      return make_fault(FaultKind::malformed, shown_path(name), ", line ", line_of(text, at),
                        ": expected text, found a zero byte; the file is binary or UTF-16 without a mark");
    }
  }
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return text;
  const std::size_t start = text.substr(0, bad).rfind('\n') + 1;  // npos + 1 is 0: the first line
  return make_fault(FaultKind::malformed, shown_path(name), ", line ", line_of(text, bad), ", byte ", bad - start + 1,
                    ": expected UTF-8, found byte ", static_cast<int>(static_cast<unsigned char>(text[bad])),
                    "; if the file is Latin-1, convert it with: iconv -f LATIN1 -t UTF-8");
}

}  // namespace detail

class DelimitedText {
 public:
  struct Options {
    std::string_view separator = ",";                   // one character or more
    bool quotes = false;                                // RFC 4180 quoting
    bool collapse = false;                              // runs of the separator count as one (columns padded by blanks)
    std::size_t longest_record = std::size_t{1} << 20;  // bytes; a missing end of line must not eat the file
  };

  // `text` and `name` must outlive the reader.
  DelimitedText(std::string_view text, std::string_view name, const Options& options)
      : text_(text), name_(name), options_(options) {}

  // Moves to the next record. False at the end and after a fault.
  bool next() {
    fields_.clear();
    unquoted_.clear();
    if (failed_ || !skip_blank_end()) return false;
    line_ = next_line_;
    return read_record();
  }

  const std::vector<std::string_view>& fields() const { return fields_; }
  std::int64_t line() const { return line_; }  // where the current record starts, from 1
  bool failed() const { return failed_; }
  const Fault& fault() const { return fault_; }

  // A fault about the current record, or about one of its columns (from 0).
  template <class... Parts>
  Fault record_fault(const Parts&... parts) const {
    return make_fault(FaultKind::malformed, detail::shown_path(name_), ", line ", line_, ": ", parts...);
  }
  template <class... Parts>
  Fault column_fault(std::size_t column, std::string_view column_name, const Parts&... parts) const {
    return make_fault(FaultKind::malformed, detail::shown_path(name_), ", line ", line_, ", column ", column + 1, " (",
                      detail::view_of(column_name), "): ", parts...);
  }

 private:
  bool fail(const Fault& fault) {
    fault_ = fault;
    failed_ = true;
    fields_.clear();
    return false;
  }

  // True when a record is left. Empty lines may only end a file: between records they are a damaged file's mark.
  bool skip_blank_end() {
    if (at_ >= text_.size()) return false;
    if (text_[at_] != '\n' && text_[at_] != '\r') return true;
    if (text_.find_first_not_of("\r\n", at_) == std::string_view::npos) return false;
    line_ = next_line_;
    if (text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] != '\n')) return true;  // read_record names it
    return fail(record_fault("expected a record, found an empty line"));
  }

  bool read_record() {
    const std::size_t begin = at_;
    while (true) {
      const bool read = options_.quotes && at_ < text_.size() && text_[at_] == '"' ? quoted_field(begin) : field(begin);
      if (!read) return false;
      if (at_ - begin > options_.longest_record) return too_long();
      if (at_ >= text_.size()) return true;
      if (text_[at_] == '\n') {
        ++at_;
        ++next_line_;
        return true;
      }
      at_ += options_.separator.size();
    }
  }

  bool too_long() {
    return fail(record_fault("longer than the limit of ", options_.longest_record,
                             " bytes; is a line end or a closing quote missing?"));
  }

  // A field without quotes; stops at the separator, the line end or the end of the text.
  bool field(std::size_t begin) {
    if (options_.collapse)
      while (text_.substr(at_).starts_with(options_.separator)) at_ += options_.separator.size();
    const std::size_t start = at_;
    std::size_t end = start;
    for (; end < text_.size() && text_[end] != '\n'; ++end) {
      if (text_[end] == options_.separator[0] && text_.substr(end).starts_with(options_.separator)) break;
      if (end - begin > options_.longest_record) return too_long();
      if (text_[end] == '\r' && (end + 1 == text_.size() || text_[end + 1] != '\n'))
        return fail(record_fault("found a carriage return inside the line; convert the line ends to LF or CRLF"));
      if (text_[end] == '"' && options_.quotes)
        return fail(record_fault("column ", fields_.size() + 1,
                                 ": found a quote inside a field that does not start "
                                 "with one; quote the whole field and double the quotes inside it"));
    }
    at_ = end;
    if (end > start && text_[end - 1] == '\r') --end;
    // Blanks before the end of a padded line are no field.
    if (options_.collapse && end == start && !fields_.empty()) return true;
    fields_.push_back(text_.substr(start, end - start));
    return true;
  }

  bool quoted_field(std::size_t begin) {
    const std::size_t start = ++at_;
    bool doubled = false;
    for (;; ++at_) {
      if (at_ >= text_.size())
        return fail(record_fault("column ", fields_.size() + 1, ": a quote is opened and never closed"));
      if (at_ - begin > options_.longest_record) return too_long();
      if (text_[at_] == '\n') ++next_line_;
      if (text_[at_] != '"') continue;
      if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
      doubled = true;
      ++at_;
    }
    fields_.push_back(doubled ? undoubled(text_.substr(start, at_ - start)) : text_.substr(start, at_ - start));
    ++at_;
    if (text_.substr(at_).starts_with("\r\n")) ++at_;
    if (at_ >= text_.size() || text_[at_] == '\n' || text_.substr(at_).starts_with(options_.separator)) return true;
    return fail(record_fault("column ", fields_.size(),
                             ": expected a separator or the line end behind the closing quote, found ",
                             detail::Quoted{text_.substr(at_, 1)}));
  }

  // The text between quotes with "" as "; kept until the next record.
  std::string_view undoubled(std::string_view raw) {
    std::string& plain = unquoted_.emplace_back();
    for (std::size_t i = 0; i < raw.size(); ++i) {
      plain.push_back(raw[i]);
      if (raw[i] == '"') ++i;
    }
    return plain;
  }

  std::string_view text_;
  std::string_view name_;
  Options options_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0;
  std::int64_t next_line_ = 1;
  std::vector<std::string_view> fields_;
  std::deque<std::string> unquoted_;  // a deque: views into its texts stay valid while it grows
  bool failed_ = false;
  Fault fault_;
};

}  // namespace thaw::inline v0
