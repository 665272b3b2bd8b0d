// Attributes of users or items from a table with a header: a RecBole atomic file (.user, .item) or CSV.
//
//   user_id:token <tab> age:float <tab> occupation:token       the first column is the entity's id
//   movieId,title,genres                                       types are optional outside RecBole's files
//   thaw::read_attributes("movies.csv", data.items);
//
// `token` becomes a categorical attribute, `token_seq` one with several values (separated by blanks), `float` one of
// up to ten quantile bins. Without types a column of more different numbers than there are bins is `float`, every other
// one `token`, with several values where "|" separates them. A column called title or name becomes the printed title,
// not an attribute. Entities that the file adds get dense ids behind the known ones; entities that it leaves out get no
// values. Not for vectors: `float_seq` is a fault unless it is skipped by name.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/delimited_text.hpp"
#include "thaw/data/text_file.hpp"

namespace thaw::inline v0 {

struct AttributeOptions {
  std::vector<std::string> skip;  // column names to leave out
  int bins = 10;                  // of a float column, at most
  std::uint64_t largest_file = kLargestTextFile;
};

namespace detail {

// The lower ends of at most `bins` bins that hold about equally many of `values`. Equal values share a bin.
inline std::vector<double> quantile_edges(std::vector<double> values, int bins) {
  std::sort(values.begin(), values.end());
  std::vector<double> edges;
  for (int bin = 0; bin < bins && !values.empty(); ++bin) {
    const std::size_t at = values.size() * static_cast<std::size_t>(bin) / static_cast<std::size_t>(bins);
    if (edges.empty() || values[at] > edges.back()) edges.push_back(values[at]);
  }
  return edges;
}

// "18 to 25", "50 and above": what a bin is called.
inline std::string bin_name(const std::vector<double>& edges, std::size_t bin) {
  char text[64];
  if (bin + 1 < edges.size())
    std::snprintf(text, sizeof text, "%.6g to %.6g", edges[bin], edges[bin + 1]);
  else
    std::snprintf(text, sizeof text, "%.6g and above", edges[bin]);
  return text;
}

class AttributeParser {
 public:
  AttributeParser(std::string_view name, Entities& entities, const AttributeOptions& options)
      : name_(name), entities_(entities), options_(options) {}

  Result<Done> parse(std::string_view raw) {
    const Result<std::string_view> text = checked_utf8(raw, name_);
    if (!text) return text.fault();
    DelimitedText records(text.value(), name_, layout_of(text.value()));
    if (!records.next())
      return records.failed() ? records.fault()
                              : make_fault(FaultKind::malformed, shown_path(name_),
                                           ": expected a header such as \"user_id:token\", found an empty file");
    if (!read_header(records)) return fault_;
    while (records.next())
      if (!read_row(records)) return fault_;
    if (records.failed()) return records.fault();
    store();
    return Done{};
  }

 private:
  enum class Kind : std::uint8_t { skipped, token, tokens, number, title, untyped };
  struct Column {
    std::string name;
    Kind kind = Kind::skipped;
    char between = ' ';              // several values
    std::vector<std::string> texts;  // one an entity, "" where not given
    std::vector<double> numbers;     // one an entity, NaN where not given
  };

  bool fail(const Fault& fault) {
    fault_ = fault;
    return false;
  }

  // RecBole's files are known by their name, others by what separates the names of their columns.
  DelimitedText::Options layout_of(std::string_view text) {
    std::string_view name = name_;
    if (ends_with(name, ".gz")) name.remove_suffix(3);
    const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
    const auto count = [line](char c) { return std::count(line.begin(), line.end(), c); };
    has_types_ = ends_with(name, ".user") || ends_with(name, ".item");
    if (has_types_ || count('\t') > 0) return {.separator = "\t"};
    return {.separator = count(';') > count(',') ? ";" : ",", .quotes = true};
  }

  bool read_header(const DelimitedText& records) {
    const auto is_typed = [](std::string_view field) {
      return ends_with(field, ":token") || ends_with(field, ":token_seq") || ends_with(field, ":float");
    };
    for (const std::string_view field : records.fields()) has_types_ = has_types_ || is_typed(field);
    for (std::size_t i = 0; i < records.fields().size(); ++i) {
      const std::string_view field = trimmed(records.fields()[i]);
      const std::size_t colon = field.find(':');
      const std::string_view type = colon == std::string_view::npos ? "" : field.substr(colon + 1);
      Column column;
      column.name = std::string(has_types_ ? field.substr(0, colon) : field);
      const bool is_title = column.name == "title" || column.name == "name" || ends_with(column.name, "_title") ||
                            ends_with(column.name, "_name");
      const bool skipped = std::find(options_.skip.begin(), options_.skip.end(), column.name) != options_.skip.end();
      if (type == "token") column.kind = is_title ? Kind::title : Kind::token;
      if (type == "token_seq") column.kind = is_title ? Kind::title : Kind::tokens;
      if (type == "float") column.kind = Kind::number;
      if (!has_types_) column.kind = is_title ? Kind::title : Kind::untyped;
      double number = 0;
      if (!has_types_ && (field.empty() || parse_number(field, number)))
        return fail(records.column_fault(i, "header", "expected the name of a column, found ", Quoted{field},
                                         "; the first line must name the columns, the id first"));
      if (column.kind == Kind::skipped && !skipped)
        return fail(records.column_fault(i, "header", "expected a name with the type token, token_seq or float, found ",
                                         Quoted{field}, "; other columns can be skipped by name in the options"));
      if (i == 0 || skipped) column.kind = Kind::skipped;
      columns_.push_back(std::move(column));
    }
    return true;
  }

  bool read_row(const DelimitedText& records) {
    const std::vector<std::string_view>& fields = records.fields();
    if (fields.size() != columns_.size())
      return fail(records.record_fault("expected ", columns_.size(), " columns as in line 1, found ", fields.size()));
    const std::string_view id = trimmed(fields[0]);
    if (id.empty()) return fail(records.column_fault(0, columns_[0].name, "expected an id, found nothing"));
    const auto entity = static_cast<std::size_t>(entities_.ids.add(id));
    if (entity >= line_of_.size()) line_of_.resize(static_cast<std::size_t>(entities_.size()), 0);
    if (line_of_[entity] != 0)
      return fail(records.column_fault(0, columns_[0].name, "expected each id once, found ", Quoted{id},
                                       " again; the first is in line ", line_of_[entity]));
    line_of_[entity] = records.line();
    for (std::size_t i = 1; i < fields.size(); ++i) {
      Column& column = columns_[i];
      const std::string_view text = trimmed(fields[i]);
      if (column.kind == Kind::skipped) continue;
      if (column.kind != Kind::number) {
        if (column.texts.size() <= entity) column.texts.resize(line_of_.size());
        column.texts[entity] = std::string(text);
        continue;
      }
      double number = NAN;
      if (!text.empty() && (!parse_number(text, number) || !std::isfinite(number)))
        return fail(records.column_fault(i, column.name, "expected a finite number or nothing, found ", Quoted{text}));
      if (column.numbers.size() <= entity) column.numbers.resize(line_of_.size(), NAN);
      column.numbers[entity] = number;
    }
    return true;
  }

  void store() {
    const auto count = static_cast<std::size_t>(entities_.size());
    // What was known before covers the entities that this file added.
    for (Attribute& attribute : entities_.attributes)
      while (attribute.offsets.size() <= count) attribute.append({});
    if (!entities_.titles.empty())
      for (std::size_t e = entities_.titles.size(); e < count; ++e)
        entities_.titles.push_back(entities_.ids.text(static_cast<std::int32_t>(e)));
    for (Column& column : columns_) {
      if (column.kind == Kind::skipped) continue;
      column.texts.resize(count);
      column.numbers.resize(count, NAN);
      if (column.kind == Kind::untyped) infer(column);
      if (column.kind == Kind::title) {
        entities_.titles = std::move(column.texts);
        for (std::size_t e = 0; e < count; ++e)
          if (entities_.titles[e].empty()) entities_.titles[e] = entities_.ids.text(static_cast<std::int32_t>(e));
      } else {
        entities_.attributes.push_back(column.kind == Kind::number ? binned(column) : categorical(column));
      }
    }
  }

  // What a column without a type holds, by all that is in it.
  void infer(Column& column) const {
    bool are_numbers = true;
    std::vector<double> known;
    for (std::size_t e = 0; e < column.texts.size(); ++e) {
      const std::string& text = column.texts[e];
      if (text.find('|') != std::string::npos) column.between = '|';
      if (text.empty()) continue;
      double number = 0;
      are_numbers = are_numbers && parse_number(text, number) && std::isfinite(number);
      column.numbers[e] = number;
      known.push_back(number);
    }
    std::sort(known.begin(), known.end());
    const auto different = std::unique(known.begin(), known.end()) - known.begin();
    column.kind = are_numbers && different > (std::max)(1, options_.bins) ? Kind::number
                  : column.between == '|'                                 ? Kind::tokens
                                                                          : Kind::token;
  }

  static Attribute categorical(const Column& column) {
    Attribute attribute;
    attribute.name = column.name;
    std::vector<std::int32_t> numbers;
    for (const std::string_view text : column.texts) {
      numbers.clear();
      std::size_t at = 0;
      while (at < text.size()) {
        const std::size_t end =
            column.kind == Kind::tokens ? (std::min)(text.find(column.between, at), text.size()) : text.size();
        const std::string_view value = trimmed(text.substr(at, end - at));
        if (!value.empty()) numbers.push_back(attribute.values.add(value));
        at = end + 1;
      }
      attribute.append(numbers);
    }
    return attribute;
  }

  Attribute binned(const Column& column) const {
    Attribute attribute;
    attribute.name = column.name;
    std::vector<double> known;
    for (const double number : column.numbers)
      if (!std::isnan(number)) known.push_back(number);
    const std::vector<double> edges = quantile_edges(std::move(known), (std::max)(1, options_.bins));
    for (std::size_t bin = 0; bin < edges.size(); ++bin) {
      std::string bin_text = bin_name(edges, bin);
      // Two edges closer than six digits would share a name.
      while (attribute.values.find(bin_text) != Vocabulary::kUnknown) bin_text.push_back('\'');
      attribute.values.add(bin_text);
    }
    for (const double number : column.numbers) {
      const auto above = std::upper_bound(edges.begin(), edges.end(), number);
      const auto bin = static_cast<std::int32_t>(above - edges.begin()) - 1;
      if (std::isnan(number))
        attribute.append({});
      else
        attribute.append({&bin, 1});
    }
    return attribute;
  }

  std::string_view name_;
  Entities& entities_;
  const AttributeOptions& options_;
  std::vector<Column> columns_;
  bool has_types_ = false;
  std::vector<std::int64_t> line_of_;  // where each entity was, 0 where it was not
  Fault fault_;
};

}  // namespace detail

// Parses a table of attributes. After a fault `entities` may hold some of the text's ids and should be dropped.
inline Result<Done> parse_attributes(std::string_view text, std::string_view name, Entities& entities,
                                     const AttributeOptions& options = {}) {
  return detail::AttributeParser(name, entities, options).parse(text);
}

inline Result<Done> read_attributes(const std::string& path, Entities& entities, const AttributeOptions& options = {}) {
  const Result<std::string> text = read_text_file(path, options.largest_file);
  if (!text) return text.fault();
  return parse_attributes(text.value(), path, entities, options);
}

}  // namespace thaw::inline v0
