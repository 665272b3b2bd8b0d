// Files for a test of a reader, removed when the test ends.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace thaw_test {

class TemporaryFiles {
 public:
  TemporaryFiles() {
    const char* base = std::getenv("TMPDIR");
    folder_ = std::string(base != nullptr ? base : "/tmp") + "/thaw_test_XXXXXX";
    if (mkdtemp(folder_.data()) == nullptr) folder_.clear();
  }
  ~TemporaryFiles() {
    for (const std::string& path : paths_) unlink(path.c_str());
    rmdir(folder_.c_str());
  }
  TemporaryFiles(const TemporaryFiles&) = delete;
  TemporaryFiles& operator=(const TemporaryFiles&) = delete;

  const std::string& folder() const { return folder_; }

  // Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view bytes) {
    std::string path = folder_ + "/" + std::string(name);
    if (std::FILE* file = std::fopen(path.c_str(), "wb")) {
      std::fwrite(bytes.data(), 1, bytes.size(), file);
      std::fclose(file);
    }
    paths_.push_back(path);
    return path;
  }

 private:
  std::string folder_;
  std::vector<std::string> paths_;
};

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace thaw_test
