// Score files: what finished runs predicted, on disk, so that a long table is made in parts and never twice.
//
//   if (auto found = mwuf::read_scores(path, identity, task)) use(*found);
//   else mwuf::write_scores(path, identity, scores);
//   if (auto tuned = mwuf::read_tuned(path, identity)) ...            // which fine-tuning was chosen, and all tried
//
// `identity` is whatever decides the numbers, in one line. A file of another identity, a damaged one, or one of another
// number of impressions is as good as none. A line of text, then probabilities as they are in memory. Not a model:
// weights are not kept.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "mwuf/trainer.hpp"
#include "thaw/data/text_file.hpp"
#include "thaw/file/atomic_file.hpp"
#include "thaw/file/metadata.hpp"

namespace mwuf {

namespace detail {

inline constexpr std::string_view kScoreMark = "thaw scores 1, ", kTunedMark = "thaw fine-tuning 2, ";

inline thaw::Result<thaw::Done> write_whole(const std::string& path, const std::string& bytes) {
  thaw::Result<thaw::AtomicFile> file = thaw::AtomicFile::create(path.c_str());
  if (!file) return file.fault();
  file.value().write(bytes.data(), bytes.size());
  return file.value().commit();
}

// What follows the first line, if that is `mark` and `identity`.
inline std::optional<std::string> read_whole(const std::string& path, std::string_view mark,
                                             std::string_view identity) {
  if (!thaw::file_exists(path)) return {};
  const thaw::Result<std::string> text = thaw::read_text_file(path);
  if (!text) return {};
  const std::string head = std::string(mark) + std::string(identity) + "\n";
  if (!text.value().starts_with(head)) return {};
  return text.value().substr(head.size());
}

// Takes the text up to the next blank or end of line.
inline std::string_view next_word(std::string_view& text) {
  const std::size_t end = (std::min)(text.find_first_of(" \n"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix((std::min)(end + 1, text.size()));
  return word;
}

}  // namespace detail

inline thaw::Result<thaw::Done> write_scores(const std::string& path, std::string_view identity,
                                             const PhaseScores& scores) {
  std::string bytes = std::string(detail::kScoreMark) + std::string(identity) + "\n";
  for (const auto& order : scores.probabilities)
    for (const std::vector<float>& phase : order)
      bytes.append(reinterpret_cast<const char*>(phase.data()), phase.size() * sizeof(float));
  return detail::write_whole(path, bytes);
}

inline std::optional<PhaseScores> read_scores(const std::string& path, std::string_view identity, const Task& task) {
  const std::optional<std::string> bytes = detail::read_whole(path, detail::kScoreMark, identity);
  if (!bytes) return {};
  PhaseScores scores;
  std::size_t at = 0;
  for (const thaw::EvaluationOrder order : {thaw::EvaluationOrder::next_slice, thaw::EvaluationOrder::fixed_test})
    for (const thaw::Phase phase : thaw::kPhases) {
      std::vector<float>& part = scores.of(phase, order);
      part.resize(task.split.measured(phase, order).size());
      const std::size_t size = part.size() * sizeof(float);
      if (at + size > bytes->size()) return {};
      std::memcpy(part.data(), bytes->data() + at, size);
      at += size;
    }
  if (at != bytes->size()) return {};
  return scores;
}

// A line for what was chosen and one for each that was tried: base, epochs, rate, strength, mean AUC.
inline thaw::Result<thaw::Done> write_tuned(const std::string& path, std::string_view identity, const Tuned& tuned) {
  std::string text = std::string(detail::kTunedMark) + std::string(identity) + "\n";
  const auto line = [&](const FineTuning& t, double auc) {
    text += thaw::encode_integer(t.base) + " " + thaw::encode_integer(t.epochs);
    for (const double number : {t.rate, t.strength, auc}) text += " " + thaw::encode_real(number);
    text += "\n";
  };
  line(tuned.choice, tuned.auc);
  for (std::size_t i = 0; i < tuned.tried.size(); ++i) line(tuned.tried[i], tuned.aucs[i]);
  return detail::write_whole(path, text);
}

inline std::optional<Tuned> read_tuned(const std::string& path, std::string_view identity) {
  const std::optional<std::string> text = detail::read_whole(path, detail::kTunedMark, identity);
  if (!text || text->empty()) return {};
  Tuned tuned;
  std::string_view rest = *text;
  for (bool is_first = true; !rest.empty(); is_first = false) {
    FineTuning t;
    const auto base = thaw::decode_integer(detail::next_word(rest)),
               epochs = thaw::decode_integer(detail::next_word(rest));
    const auto rate = thaw::decode_real(detail::next_word(rest)), strength = thaw::decode_real(detail::next_word(rest));
    const auto auc = thaw::decode_real(detail::next_word(rest));
    if (!base || !epochs || !rate || !strength || !auc) return {};
    t.base = static_cast<int>(base.value()), t.epochs = static_cast<int>(epochs.value()), t.rate = rate.value(),
    t.strength = strength.value();
    if (is_first)
      tuned.choice = t, tuned.auc = auc.value();
    else
      tuned.tried.push_back(t), tuned.aucs.push_back(auc.value());
  }
  return tuned;
}

}  // namespace mwuf
