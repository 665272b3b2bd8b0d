// Run files: results of finished trainings on disk, so that a long table is made in parts and never twice.
//
//   if (auto found = hyperrs::read_run(path, identity, scenarios)) use(*found);
//   else hyperrs::write_run(path, identity, record);
//
// Text, a record a line, every number with all its digits. `identity` is whatever decides the numbers; a file of
// another identity, a damaged one, or one about other users is as good as none. Not a model: weights are not kept.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hyperrs/experiment.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/file/atomic_file.hpp"

namespace hyperrs {

namespace detail {

inline void append_number(std::string& text, double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  text += ' ';
  text.append(buffer, end.ptr);
}

// The words of one line, from the front.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  std::string_view next() {
    const std::size_t end = (std::min)(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix((std::min)(end + 1, rest_.size()));
    return word;
  }
  bool done() const { return rest_.empty(); }
  double number() {
    const std::string_view word = next();
    double value = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
    is_sound = is_sound && read.ec == std::errc() && read.ptr == word.data() + word.size();
    return value;
  }
  std::string_view rest() const { return rest_; }
  bool is_sound = true;

 private:
  std::string_view rest_;
};

}  // namespace detail

inline std::string run_text(std::string_view identity, const RunRecord& run) {
  std::string text = "run " + std::string(identity) + "\nfacts";
  for (const double fact :
       {static_cast<double>(run.parameters), static_cast<double>(run.steps), run.seconds, run.was_cut ? 1.0 : 0.0})
    detail::append_number(text, fact);
  text += "\nlosses";
  for (const double loss : run.losses) detail::append_number(text, loss);
  for (const std::string& note : run.notes) text += "\nnote " + note;
  for (const ScoredRow& row : run.rows) {
    text += "\nrow " + std::to_string(row.scenario) + " " + row.name;
    for (const thaw::MetricColumn& column : row.table.columns) {
      text += "\ncolumn " + std::to_string(column.per_user.size());
      for (const double value : column.per_user) detail::append_number(text, value);
      text += " " + column.name;
    }
  }
  return text + "\nend\n";
}

// Nothing where the text is of another run, is damaged, or has other users than the scenarios.
inline std::optional<RunRecord> parse_run(std::string_view text, std::string_view identity,
                                          std::span<const Scenario> scenarios) {
  RunRecord run;
  bool is_first = true;
  while (!text.empty()) {
    const std::size_t end = (std::min)(text.find('\n'), text.size());
    detail::Words words(text.substr(0, end));
    text.remove_prefix((std::min)(end + 1, text.size()));
    const std::string_view kind = words.next();
    if (is_first && (kind != "run" || words.rest() != identity)) return {};
    is_first = false;
    if (kind == "facts") {
      run.parameters = static_cast<std::int64_t>(words.number());
      run.steps = static_cast<int>(words.number());
      run.seconds = words.number();
      run.was_cut = words.number() != 0;
    } else if (kind == "losses") {
      while (!words.done()) run.losses.push_back(words.number());
    } else if (kind == "note") {
      run.notes.emplace_back(words.rest());
    } else if (kind == "row") {
      const auto scenario = static_cast<std::size_t>(words.number());
      if (!words.is_sound || scenario >= scenarios.size()) return {};
      run.rows.push_back({std::string(words.rest()), scenario, thaw::MetricTable()});
      for (const thaw::Episode& e : scenarios[scenario].test.episodes()) run.rows.back().table.users.push_back(e.user);
    } else if (kind == "column") {
      if (run.rows.empty()) return {};
      thaw::MetricTable& table = run.rows.back().table;
      if (static_cast<std::size_t>(words.number()) != table.users.size()) return {};
      thaw::MetricColumn column;
      for (std::size_t i = 0; i < table.users.size(); ++i) column.per_user.push_back(words.number());
      column.name = std::string(words.rest());
      column.over_users = thaw::summarize(column.per_user);
      table.columns.push_back(std::move(column));
    } else if (kind == "end") {
      return run;
    }
    if (!words.is_sound) return {};
  }
  return {};
}

inline std::optional<RunRecord> read_run(const std::string& path, std::string_view identity,
                                         std::span<const Scenario> scenarios) {
  if (!thaw::file_exists(path)) return {};
  const thaw::Result<std::string> text = thaw::read_text_file(path);
  if (!text) return {};
  return parse_run(text.value(), identity, scenarios);
}

inline thaw::Result<thaw::Done> write_run(const std::string& path, std::string_view identity, const RunRecord& run) {
  thaw::Result<thaw::AtomicFile> file = thaw::AtomicFile::create(path.c_str());
  if (!file) return file.fault();
  const std::string text = run_text(identity, run);
  file.value().write(text.data(), text.size());
  return file.value().commit();
}

}  // namespace hyperrs
