// Whole text files, plain or gzip, read into memory with a fault that names the file when that fails.
//
//   thaw::Result<std::string> text = thaw::read_text_file("ratings.csv.gz");
//
// Gzip is recognised by its first two bytes, never by the name. It needs zlib: link with -lz. A build without
// zlib.h (or with THAW_HAS_ZLIB=0) reads plain files and answers gzip with a fault. Not a streaming reader.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "thaw/core/error.hpp"

#if !defined(THAW_HAS_ZLIB)
#if __has_include(<zlib.h>)
#define THAW_HAS_ZLIB 1
#else
#define THAW_HAS_ZLIB 0
#endif
#endif
#if THAW_HAS_ZLIB
#include <zlib.h>
#endif

namespace thaw::inline v0 {

// The most that a file may hold after decompression: a few kilobytes of gzip can claim any size.
inline constexpr std::uint64_t kLargestTextFile = std::uint64_t{4} << 30;

namespace detail {

inline TextView view_of(std::string_view text) { return {text.data(), text.size()}; }

// A path for a message: the end of a long one, where the file's name is.
inline TextView shown_path(std::string_view path) {
  constexpr std::size_t kLongest = 160;
  if (path.size() > kLongest) path.remove_prefix(path.size() - kLongest);
  return view_of(path);
}

inline bool is_gzip(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && static_cast<unsigned char>(bytes[1]) == 0x8b;
}

#if THAW_HAS_ZLIB

// All members of a gzip stream, one after another, as gzip itself reads them.
class GzipReader {
 public:
  GzipReader() { ready_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }
  ~GzipReader() {
    if (ready_) inflateEnd(&stream_);
  }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // Null when `bytes` was decompressed into `text`, otherwise what is wrong with it.
  const char* read(std::string_view bytes, std::uint64_t largest, std::string& text) {
    if (!ready_) return "zlib could not start";
    while (true) {
      const int status = step(bytes, text);
      if (text.size() > largest) return "it decompresses to more than the limit; decompress and split it first";
      if (status == Z_STREAM_END) {
        // What follows a member is another member, or padding by tape drives and download tools: zeros.
        std::string_view rest(reinterpret_cast<const char*>(stream_.next_in), left(bytes));
        if (rest.find_first_not_of('\0') == std::string_view::npos) return nullptr;
        if (!is_gzip(rest)) return "other bytes follow the end of the compressed data";
        if (inflateReset(&stream_) != Z_OK) return "zlib could not start";
      } else if (status == Z_BUF_ERROR || (status == Z_OK && left(bytes) == 0 && stream_.avail_out != 0)) {
        return "the compressed data ends too early; the file was cut off";
      } else if (status != Z_OK) {
        return "the compressed data is damaged";
      }
    }
  }

 private:
  static constexpr std::size_t kChunk = std::size_t{1} << 20;

  std::size_t left(std::string_view bytes) const {
    return bytes.size() - static_cast<std::size_t>(reinterpret_cast<const char*>(stream_.next_in) - bytes.data());
  }
  // Decompresses at most one chunk more. Input is handed over in chunks too: zlib counts in 32 bits.
  int step(std::string_view bytes, std::string& text) {
    if (stream_.next_in == nullptr)
      // zlib does not write to its input; its type is not const unless ZLIB_CONST is defined everywhere.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>((std::min)(left(bytes), kChunk));
    const std::size_t before = text.size();
    text.resize(before + kChunk);
    stream_.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream_.avail_out = static_cast<uInt>(kChunk);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    text.resize(before + kChunk - stream_.avail_out);
    return status;
  }

  z_stream stream_ = {};
  bool ready_ = false;
};

#endif

inline Result<std::string> gunzip(std::string_view name, std::string_view bytes, std::uint64_t largest) {
#if THAW_HAS_ZLIB
  std::string text;
  GzipReader reader;
  if (const char* problem = reader.read(bytes, largest, text))
    return make_fault(FaultKind::malformed, shown_path(name), ": not a readable gzip file: ", problem);
  return text;
#else
  (void)bytes, (void)largest;
  return make_fault(FaultKind::unsupported, shown_path(name),
                    ": this is a gzip file and the program was built without zlib; decompress it with gzip -d, or "
                    "install zlib's headers and rebuild");
#endif
}

// The bytes as they are on disk.
inline Result<std::string> read_bytes(const std::string& path, std::uint64_t largest) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR)
      return make_fault(FaultKind::not_found, shown_path(path), ": no such file");
    return make_fault(FaultKind::unreadable, shown_path(path), ": cannot be opened: ", std::strerror(errno));
  }
  std::string bytes;
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  std::size_t got = kChunk;
  while (got == kChunk && bytes.size() <= largest) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    got = std::fread(bytes.data() + before, 1, kChunk, file);
    bytes.resize(before + got);
  }
  const int error = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (error != 0)
    return make_fault(FaultKind::unreadable, shown_path(path), ": reading failed: ", std::strerror(error));
  if (bytes.size() > largest)
    return make_fault(FaultKind::out_of_range, shown_path(path), ": larger than the limit of ", largest,
                      " bytes; split it first");
  return bytes;
}

}  // namespace detail

// The text of a file, decompressed when it is gzip. The encoding is left as it is.
inline Result<std::string> read_text_file(const std::string& path, std::uint64_t largest = kLargestTextFile) {
  Result<std::string> bytes = detail::read_bytes(path, largest);
  if (!bytes || !detail::is_gzip(bytes.value())) return bytes;
  return detail::gunzip(path, bytes.value(), largest);
}

inline bool file_exists(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file != nullptr) std::fclose(file);
  return file != nullptr;
}

// `path` or, where only that exists, `path` + ".gz".
inline std::string plain_or_gzip(const std::string& path) {
  if (!file_exists(path) && file_exists(path + ".gz")) return path + ".gz";
  return path;
}

inline std::string join_path(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  return path.append(name);
}

}  // namespace thaw::inline v0
