// Vectors of users and items in a safetensors file, so that they are trained once.
//
//   elmrec::write_vectors("lightgcn.safetensors", vectors, /*width*/ 64, identity);
//   auto vectors = elmrec::read_vectors("lightgcn.safetensors", nodes * 64, 64, identity);
//
// One tensor, "vectors" (nodes, width), and the identity of what they were trained on: a file of other data, another
// hold-out or other settings is a fault, as its vectors may have seen the test.
#pragma once

#include <string>
#include <vector>

#include "thaw/file/checkpoint.hpp"

namespace elmrec {

inline thaw::Result<thaw::Done> write_vectors(const std::string& path, const std::vector<float>& vectors,
                                              thaw::Index width, const std::string& identity) {
  thaw::CheckpointWriter file;
  file.set("identity", identity);
  file.add("vectors", {static_cast<thaw::Index>(vectors.size()) / width, width}, vectors.data());
  return file.write(path);
}
inline thaw::Result<std::vector<float>> read_vectors(const std::string& path, std::size_t size, thaw::Index width,
                                                     const std::string& identity) {
  const auto file = thaw::CheckpointReader::open(path);
  if (!file) return file.fault();
  const auto written = file.value().text("identity");
  if (!written || written.value() != identity)
    return thaw::make_fault(thaw::FaultKind::mismatch, path.c_str(), ": vectors of ",
                            written ? written.value().c_str() : "something unknown", ", this run is ", identity.c_str(),
                            "; use another file");
  std::vector<float> vectors(size);
  const auto read = file.value().read("vectors", {static_cast<thaw::Index>(size) / width, width}, vectors.data());
  if (!read) return read.fault();
  return vectors;
}

}  // namespace elmrec
