// MappedFile: the bytes of a file, read-only, without copying them.
//
//   Result<MappedFile> file = MappedFile::open("model.safetensors");
//   if (file) use(file.value().data(), file.value().size());
//
// Mapped where the system can, else read into memory aligned to 64 bytes. Moving keeps the address. POSIX. A program
// that shortens a mapped file under a reader kills the reader (SIGBUS): replace model files by rename, as this
// library's writer does, never in place; where that cannot be trusted, ask for MapMode::copy.
#pragma once

#include <sys/mman.h>

#include <cstdlib>

#include "thaw/file/atomic_file.hpp"

namespace thaw::inline v0 {

enum class MapMode : std::uint8_t { map, copy };

class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path, MapMode mode = MapMode::map) {
    const detail::Descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status;
    if (!opened.open() || ::fstat(opened.number(), &status) != 0)
      return detail::system_fault("open", path, errno, "check the path and its permissions");
    if (S_ISDIR(status.st_mode)) return detail::system_fault("read", path, EISDIR, "give the path of a file");
    MappedFile file;
    if (!S_ISREG(status.st_mode))
      return make_fault(FaultKind::unsupported, "cannot read ", path.c_str(),
                        ": it is not a regular file; copy it to one first");
    if (static_cast<std::uint64_t>(status.st_size) > static_cast<std::uint64_t>(PTRDIFF_MAX))
      return detail::system_fault("read", path, EFBIG, "use a machine with more address space");
    file.size_ = static_cast<std::size_t>(status.st_size);
    if (file.size_ == 0) return file;
    if (mode == MapMode::map) {
      void* at = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, opened.number(), 0);
      if (at != MAP_FAILED) {
        file.data_ = static_cast<const std::byte*>(at);
        file.mapped_ = true;
        return file;
      }
    }
    const int error = file.read_all(opened.number());
    if (error != 0) return detail::system_fault("read", path, error, "check the device and the free memory");
    return file;
  }

  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        mapped_(std::exchange(other.mapped_, false)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    void* at = const_cast<std::byte*>(data_);
    if (mapped_)
      ::munmap(at, size_);
    else
      std::free(at);
  }

  const std::byte* data() const { return data_; }  // nullptr for an empty file
  std::size_t size() const { return size_; }
  bool mapped() const { return mapped_; }

 private:
  MappedFile() = default;

  // 0, or the system's error.
  int read_all(int descriptor) {
    const std::size_t rounded = (size_ + kAlignment - 1) / kAlignment * kAlignment;
    auto* bytes = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
    data_ = bytes;
    if (bytes == nullptr) return ENOMEM;
    for (std::size_t done = 0; done < size_;) {
      const ssize_t got = ::read(descriptor, bytes + done, size_ - done);
      if (got == 0) return EIO;  // the file became shorter
      if (got < 0 && errno != EINTR) return errno;
      if (got > 0) done += static_cast<std::size_t>(got);
    }
    return 0;
  }

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
};

}  // namespace thaw::inline v0
