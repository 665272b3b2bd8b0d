// AtomicFile: a file that appears whole or not at all.
//
//   Result<AtomicFile> file = AtomicFile::create("model.safetensors");
//   if (!file) return file.fault();
//   file.value().write(bytes, size);
//   Result<Done> done = file.value().commit();   // flushed, then renamed over the old file
//
// Bytes go to a temporary file in the same folder; until commit() succeeds the old file stays as it was, and a dropped
// AtomicFile removes its temporary. POSIX. A symbolic link at `path` is replaced, not followed. Not a lock: of two
// writers the later commit wins.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

namespace detail {

// What the system said, in words for people who write models.
inline const char* system_reason(int error) {
  switch (error) {
    case ENOENT:
      return "no such file or folder";
    case EACCES:
    case EPERM:
      return "no permission";
    case EISDIR:
      return "it is a folder";
    case ENOTDIR:
      return "a part of the path is not a folder";
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the disk quota is used up";
    case EFBIG:
      return "the file is larger than the system allows";
    case EROFS:
      return "the file system is read-only";
    case ENAMETOOLONG:
      return "the path is too long";
    case ENOMEM:
      return "not enough memory";
    case EMFILE:
    case ENFILE:
      return "too many open files";
    case EIO:
      return "the device reported an error";
    default:
      return nullptr;
  }
}

inline Fault system_fault(const char* doing, const std::string& path, int error, const char* advice) {
  const FaultKind kind = error == ENOENT ? FaultKind::not_found : FaultKind::unreadable;
  Fault fault = make_fault(kind, "cannot ", doing, " ", path.c_str(), ": ");
  const char* reason = system_reason(error);
  if (reason != nullptr)
    fault.add(reason);
  else
    fault.add("system error ").add(error);
  return fault.add("; ").add(advice);
}

// A file descriptor with an owner.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  // False when the system reports a write that failed late.
  bool close() {
    const int number = std::exchange(number_, -1);
    return number < 0 || ::close(number) == 0;
  }

 private:
  int number_;
};

}  // namespace detail

class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path) {
    struct stat old;
    const bool exists = ::stat(path.c_str(), &old) == 0;
    if (exists && S_ISDIR(old.st_mode)) return detail::system_fault("write", path, EISDIR, "give the path of a file");
    AtomicFile file;
    file.path_ = path;
    int error = 0;
    for (int attempt = 0; attempt < 100 && !file.descriptor_.open(); ++attempt) {
      file.temporary_ = path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(attempt);
      file.descriptor_ = detail::Descriptor(
          ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(0666)));
      error = errno;
      if (!file.descriptor_.open() && error != EEXIST) break;
    }
    if (!file.descriptor_.open()) {
      file.temporary_.clear();
      return detail::system_fault("create a file beside", path, error, "check the folder and its permissions");
    }
    // The new file keeps the permissions of the one it replaces; where that is refused, the default ones are fine.
    if (exists && ::fchmod(file.descriptor_.number(), old.st_mode & 0777) != 0) errno = 0;
    return file;
  }

  AtomicFile(AtomicFile&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, std::string())),
        descriptor_(std::move(other.descriptor_)),
        error_(other.error_) {}
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() {
    descriptor_.close();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  // Appends. After a failure further writes do nothing and commit() reports the first one.
  void write(const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    while (size > 0 && error_ == 0) {
      constexpr std::size_t kMost = std::size_t(1) << 30;
      const ssize_t written = ::write(descriptor_.number(), from, size < kMost ? size : kMost);
      if (written < 0) {
        if (errno != EINTR) error_ = errno;
        continue;
      }
      from += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  // Flushes to the device and puts the file in place of the old one. Once only.
  Result<Done> commit() {
    if (error_ == 0 && ::fsync(descriptor_.number()) != 0) error_ = errno;
    if (!descriptor_.close() && error_ == 0) error_ = errno;
    if (error_ == 0 && std::rename(temporary_.c_str(), path_.c_str()) != 0) error_ = errno;
    if (error_ != 0) return detail::system_fault("write", path_, error_, "the file that was there before is unchanged");
    temporary_.clear();
    flush_folder();
    return Done{};
  }

 private:
  AtomicFile() = default;

  // Makes the rename itself survive a power cut. Some file systems refuse to flush a folder: nothing to do then.
  void flush_folder() const {
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
    const detail::Descriptor opened(::open(folder.c_str(), O_RDONLY | O_CLOEXEC));
    if (opened.open() && ::fsync(opened.number()) != 0) errno = 0;
  }

  std::string path_;
  std::string temporary_;  // empty once it is gone
  detail::Descriptor descriptor_;
  int error_ = 0;
};

}  // namespace thaw::inline v0
