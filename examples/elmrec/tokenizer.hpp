// Tokenizer: T5's SentencePiece vocabulary, through libsentencepiece, with the place of every piece in the text.
//
//   thaw::Result<elmrec::Tokenizer> t5 = elmrec::Tokenizer::open("t5-tokenizer/spiece.model");
//   elmrec::Pieces pieces = t5.value().encode("user_1 item_1");           // ids 1139 834 536 2118 834 536
//   pieces.begin[2], pieces.end[2]                                        // bytes 5 .. 6 of the text: "1"
//
// Ids are those of T5: 0 padding (and what a decoder starts with), 1 end, 2 unknown, pieces below 32,000, behind them
// the 100 sentinels in reverse. Nothing is added to the text: no end token. The library's own status becomes a Fault.
#pragma once

#include <sentencepiece_processor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "elmrec/pieces.hpp"
#include "thaw/core/error.hpp"

namespace elmrec {

class Tokenizer : public TextTokenizer {
 public:
  static constexpr std::int32_t kPadding = 0, kEnd = 1, kUnknown = 2, kPieces = 32000;

  // The id of <extra_id_0>, <extra_id_1>, ...: the first is the highest.
  static std::int32_t sentinel(std::int32_t number) {
    thaw::require(number >= 0 && number < 100, "sentinel: ", number, ", there are 100 of them");
    return kPieces + 99 - number;
  }

  // Errors: no such file, not a SentencePiece model, another vocabulary than T5's.
  static thaw::Result<Tokenizer> open(const std::string& path) {
    Tokenizer t;
    const auto status = t.processor_->Load(path);
    if (!status.ok())
      return thaw::make_fault(thaw::FaultKind::unreadable, path.c_str(),
                              ": no SentencePiece model can be read: ", status.error_message());
    const auto id = [&](const char* piece) { return t.processor_->PieceToId(piece); };
    if (t.processor_->GetPieceSize() != kPieces || id("<pad>") != kPadding || id("</s>") != kEnd ||
        id("<unk>") != kUnknown)
      return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": expected T5's vocabulary of ", kPieces,
                              " pieces with <pad> 0, </s> 1, <unk> 2, found ", t.processor_->GetPieceSize(),
                              " with them at ", id("<pad>"), ", ", id("</s>"), ", ", id("<unk>"),
                              "; use T5's spiece.model");
    return t;
  }

  std::int32_t vocabulary() const override { return kPieces; }
  Pieces encode(std::string_view text) const override {
    Pieces out;
    const auto encoded = processor_->EncodeAsImmutableProto({text.data(), text.size()});
    const std::size_t count = encoded.pieces_size();
    out.ids.reserve(count), out.begin.reserve(count), out.end.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto piece = encoded.pieces(static_cast<int>(i));
      out.ids.push_back(static_cast<std::int32_t>(piece.id()));
      out.begin.push_back(piece.begin());
      out.end.push_back(piece.end());
    }
    return out;
  }
  std::string decode(std::span<const std::int32_t> ids) const {
    std::string text;
    const std::vector<int> list(ids.begin(), ids.end());
    const auto status = processor_->Decode(list, &text);
    return status.ok() ? text : std::string();
  }
  // "▁user", "12", ...; for messages and tests.
  std::string piece(std::int32_t id) const { return processor_->IdToPiece(id); }

 private:
  Tokenizer() : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {}

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace elmrec
