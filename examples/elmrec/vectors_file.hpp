// Vectors of users and items in a safetensors file, so that they are trained once.
//
//   elmrec::write_vectors("lightgcn.safetensors", vectors, /*width*/ 64);
//   auto vectors = elmrec::read_vectors("lightgcn.safetensors", nodes * 64, 64);
//
// One tensor, "vectors" (nodes, width). A file of another size is a fault: it belongs to other data or another
// hold-out.
#pragma once

#include <string>
#include <vector>

#include "thaw/file/checkpoint.hpp"

namespace elmrec {

inline thaw::Result<thaw::Done> write_vectors(const std::string& path, const std::vector<float>& vectors,
                                              thaw::Index width) {
  thaw::CheckpointWriter file;
  file.add("vectors", {static_cast<thaw::Index>(vectors.size()) / width, width}, vectors.data());
  return file.write(path);
}
inline thaw::Result<std::vector<float>> read_vectors(const std::string& path, std::size_t size, thaw::Index width) {
  const auto file = thaw::CheckpointReader::open(path);
  if (!file) return file.fault();
  std::vector<float> vectors(size);
  const auto read = file.value().read("vectors", {static_cast<thaw::Index>(size) / width, width}, vectors.data());
  if (!read) return read.fault();
  return vectors;
}

}  // namespace elmrec
