// A small checker of HTML and SVG text: every element closed, in order, attributes quoted, no stray '<' or '&'.
//
//   CHECK(markup::fault(page) == "");
//
// Not an HTML parser: it knows the strict subset that reports are written in.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace markup {

inline bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == ':';
}

inline bool is_entity(std::string_view text) {
  for (const std::string_view known : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
    if (text.substr(0, known.size()) == known) return true;
  return false;
}

// Reads the attributes of an open tag from `at`; returns the position of '>' or npos.
inline std::size_t skip_attributes(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) ++at;
    if (at >= text.size()) return std::string_view::npos;
    if (text[at] == '>' || (text[at] == '/' && at + 1 < text.size() && text[at + 1] == '>')) return at;
    const std::size_t begin = at;
    while (at < text.size() && is_name(text[at])) ++at;
    if (at == begin || text.substr(at, 2) != "=\"") return std::string_view::npos;
    const std::size_t end = text.find('"', at + 2);
    if (end == std::string_view::npos) return std::string_view::npos;
    const std::string_view value = text.substr(at + 2, end - at - 2);
    for (std::size_t i = 0; i < value.size(); ++i)
      if (value[i] == '<' || (value[i] == '&' && !is_entity(value.substr(i)))) return std::string_view::npos;
    at = end + 1;
  }
  return std::string_view::npos;
}

// Empty when `text` is well formed, else what is wrong and where.
inline std::string fault(std::string_view text) {
  std::vector<std::string> open;
  const auto wrong = [&](const char* what, std::size_t at) {
    return std::string(what) + " at: " + std::string(text.substr(at, 60));
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&' && !is_entity(text.substr(at))) return wrong("stray &", at);
    if (text[at] == '>') return wrong("stray >", at);
    if (text[at] != '<') {
      ++at;
      continue;
    }
    if (text.substr(at, 15) == "<!DOCTYPE html>") {
      at += 15;
      continue;
    }
    const bool closes = text.substr(at, 2) == "</";
    std::size_t end = at + (closes ? 2 : 1);
    const std::size_t name_begin = end;
    while (end < text.size() && is_name(text[end])) ++end;
    const std::string name(text.substr(name_begin, end - name_begin));
    if (name.empty()) return wrong("stray <", at);
    if (closes) {
      if (open.empty() || open.back() != name || text.substr(end, 1) != ">") return wrong("wrong closing tag", at);
      open.pop_back();
      at = end + 1;
      continue;
    }
    const std::size_t tail = skip_attributes(text, end);
    if (tail == std::string_view::npos) return wrong("bad attributes", at);
    const bool is_empty = text[tail] == '/' || name == "meta";
    at = tail + (text[tail] == '/' ? 2 : 1);
    if (is_empty) continue;
    open.push_back(name);
    if (name == "style") at = text.find("</style>", at);  // its content is not markup
    if (at == std::string_view::npos) return "style is not closed";
  }
  return open.empty() ? std::string() : "not closed: " + open.back();
}

inline int count(std::string_view text, std::string_view part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// Values of `name="..."` of every element in the drawing.
inline std::vector<double> attribute_values(const std::string& svg, const std::string& name) {
  std::vector<double> values;
  const std::string key = " " + name + "=\"";
  for (std::size_t at = svg.find(key); at != std::string::npos; at = svg.find(key, at + 1))
    values.push_back(std::atof(svg.c_str() + at + key.size()));
  return values;
}

}  // namespace markup
