// JSON text as safetensors headers use it: strings, whole numbers and punctuation, read in place.
//
//   JsonReader json{text, 0, size};
//   JsonText name;
//   if (!json.string(name)) report(json.problem, json.at);   // where and what was expected
//   char buffer[64];
//   std::size_t length = name.copy_to(buffer, sizeof buffer);  // escapes resolved
//
// Strings must be valid UTF-8 with complete surrogate pairs. Nothing allocates or recurses. Not a JSON library: no
// fractions, no `true`, no nesting of its own; the caller's grammar bounds the depth.
#pragma once

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// The inside of a JSON string that has been checked: between the quotes, escapes not yet resolved.
struct JsonText {
  const char* begin = nullptr;
  const char* end = nullptr;

  // Yields the bytes of the text one by one, escapes resolved to UTF-8.
  class Bytes {
   public:
    explicit Bytes(const JsonText& text) : at_(text.begin), end_(text.end) {}
    // False when the text has ended.
    bool next(unsigned char& byte) {
      if (pending_ > 0) {
        byte = code_[--pending_];
        return true;
      }
      if (at_ == end_) return false;
      byte = static_cast<unsigned char>(*at_++);
      if (byte == '\\') byte = escape();
      return true;
    }

   private:
    static std::uint32_t hex_digit(char c) {
      if (c <= '9') return static_cast<std::uint32_t>(c - '0');
      return static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
    }
    std::uint32_t hex4() {
      std::uint32_t code = 0;
      for (int i = 0; i < 4; ++i) code = code * 16 + hex_digit(*at_++);
      return code;
    }
    unsigned char escape() {
      const char kind = *at_++;
      switch (kind) {
        case 'b':
          return '\b';
        case 'f':
          return '\f';
        case 'n':
          return '\n';
        case 'r':
          return '\r';
        case 't':
          return '\t';
        case 'u':
          return utf8();
        default:
          return static_cast<unsigned char>(kind);  // quote, backslash, slash
      }
    }
    // Returns the first byte of the code point and keeps the others, last one first.
    unsigned char utf8() {
      std::uint32_t code = hex4();
      if (code >= 0xD800 && code < 0xDC00) {
        at_ += 2;  // the checked "\u" of the second half
        code = 0x10000 + ((code - 0xD800) << 10) + (hex4() - 0xDC00);
      }
      if (code < 0x80) return static_cast<unsigned char>(code);
      const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
      for (int i = 0; i < more; ++i) {
        code_[pending_++] = static_cast<unsigned char>(0x80 | (code & 0x3F));
        code >>= 6;
      }
      constexpr std::uint32_t kLead[4] = {0, 0xC0, 0xE0, 0xF0};
      return static_cast<unsigned char>(kLead[more] | code);
    }

    const char* at_;
    const char* end_;
    unsigned char code_[3] = {0, 0, 0};
    int pending_ = 0;
  };

  // Writes the text, escapes resolved, as far as it fits, and returns its whole length in bytes. No final zero.
  std::size_t copy_to(char* out, std::size_t capacity) const {
    Bytes bytes(*this);
    unsigned char byte = 0;
    std::size_t length = 0;
    while (bytes.next(byte)) {
      if (length < capacity) out[length] = static_cast<char>(byte);
      ++length;
    }
    return length;
  }
  // Length in bytes, escapes resolved.
  std::size_t size() const { return copy_to(nullptr, 0); }

  bool equals(TextView other) const {
    Bytes bytes(*this);
    unsigned char byte = 0;
    for (std::size_t i = 0; i < other.size; ++i)
      if (!bytes.next(byte) || byte != static_cast<unsigned char>(other.data[i])) return false;
    return !bytes.next(byte);
  }
  // Below, equal to or above zero: this text before, equal to or after the other in byte order.
  int compare(const JsonText& other) const {
    Bytes left_bytes(*this);
    Bytes right_bytes(other);
    for (;;) {
      unsigned char left = 0;
      unsigned char right = 0;
      const bool has_left = left_bytes.next(left);
      const bool has_right = right_bytes.next(right);
      if (!has_left || !has_right) return static_cast<int>(has_left) - static_cast<int>(has_right);
      if (left != right) return left < right ? -1 : 1;
    }
  }
  // For messages: control characters shown as '?', long texts cut.
  void describe(Fault& fault) const {
    Bytes bytes(*this);
    unsigned char byte = 0;
    for (int shown = 0; bytes.next(byte); ++shown) {
      if (shown == 80) {
        fault.add("...");
        return;
      }
      fault.add(static_cast<char>(byte < 0x20 || byte == 0x7F ? '?' : byte));
    }
  }
};

// Number of bytes of the valid UTF-8 sequence at `text`, 0 when there is none. `left`: bytes that may be read.
inline std::size_t utf8_length(const char* text, std::size_t left) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (left == 0) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  // The second byte of some leads is narrower: no overlong forms, no surrogates, nothing above U+10FFFF.
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0 || length > left || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  return length;
}

// A reader over `size` bytes of text. Every step returns false on a problem and leaves `problem` and `at`.
struct JsonReader {
  const char* text = nullptr;
  std::size_t at = 0;
  std::size_t size = 0;
  const char* problem = nullptr;

  bool fail(const char* what) {
    problem = what;
    return false;
  }
  bool is(char c) const { return at < size && text[at] == c; }
  void skip_space() {
    while (at < size && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) ++at;
  }
  // One punctuation mark and the space after it.
  bool expect(char c, const char* what) {
    if (!is(c)) return fail(what);
    ++at;
    skip_space();
    return true;
  }
  // Steps into the next element of an object or array. False at the closing mark, which is consumed, or on a problem.
  bool next_element(char closing, bool& first) {
    skip_space();
    if (is(closing)) {
      ++at;
      return false;
    }
    if (!first && !expect(',', closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'")) return false;
    first = false;
    return true;
  }
  // The next name of an object and its colon; the reader then stands at the value. False at '}' or on a problem.
  bool next_name(JsonText& name, bool& first) {
    if (!next_element('}', first) || !string(name)) return false;
    skip_space();
    return expect(':', "expected ':' after a name");
  }
  // A whole number without sign, fraction or exponent.
  bool whole_number(std::uint64_t& number) {
    if (at >= size || text[at] < '0' || text[at] > '9') return fail("expected a whole number, zero or above");
    const std::size_t begin = at;
    number = 0;
    for (; at < size && text[at] >= '0' && text[at] <= '9'; ++at) {
      const auto digit = static_cast<std::uint64_t>(text[at] - '0');
      if (number > (UINT64_MAX - digit) / 10) return fail("the number does not fit 64 bits");
      number = number * 10 + digit;
    }
    if (text[begin] == '0' && at - begin > 1) return fail("a number may not begin with a zero");
    if (is('.') || is('e') || is('E')) return fail("expected a whole number, without fraction or exponent");
    return true;
  }
  bool string(JsonText& out) {
    if (!is('"')) return fail("expected '\"'");
    out.begin = text + ++at;
    while (!is('"')) {
      if (at >= size) return fail("the string does not end");
      if (static_cast<unsigned char>(text[at]) < 0x20) return fail("a control character inside a string");
      if (text[at] == '\\') {
        if (!check_escape()) return false;
        continue;
      }
      const std::size_t length = utf8_length(text + at, size - at);
      if (length == 0) return fail("the string is not valid UTF-8");
      at += length;
    }
    out.end = text + at++;
    return true;
  }

 private:
  bool check_hex4(std::uint32_t& code) {
    code = 0;
    for (int i = 0; i < 4; ++i, ++at) {
      if (at >= size) return fail("the string does not end");
      const char c = text[at];
      const bool digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!digit && (lower < 'a' || lower > 'f')) return fail("expected four hexadecimal digits after \\u");
      code = code * 16 + static_cast<std::uint32_t>(digit ? c - '0' : lower - 'a' + 10);
    }
    return true;
  }
  bool check_escape() {
    if (++at >= size) return fail("the string does not end");
    const char kind = text[at++];
    if (kind != 'u') {
      for (const char known : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'})
        if (kind == known) return true;
      return fail("unknown escape inside a string");
    }
    std::uint32_t code = 0;
    if (!check_hex4(code)) return false;
    if (code < 0xD800 || code > 0xDFFF) return true;
    if (code >= 0xDC00 || !is('\\')) return fail("half a surrogate pair inside a string");
    ++at;
    if (!is('u')) return fail("half a surrogate pair inside a string");
    ++at;
    if (!check_hex4(code)) return false;
    return code >= 0xDC00 && code <= 0xDFFF ? true : fail("half a surrogate pair inside a string");
  }
};

}  // namespace thaw::inline v0
