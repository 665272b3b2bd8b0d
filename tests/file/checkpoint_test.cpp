#include "thaw/file/checkpoint.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "tests/file/safetensors_bytes.hpp"
#include "tests/temporary_folder.hpp"

using namespace file_test;
using namespace thaw_test;
using thaw::CheckpointReader;
using thaw::CheckpointWriter;

namespace {

// A small run to resume: gradient descent with momentum on (w - 3)^2, with numbers from a seeded generator.
struct Run {
  double weight = 0.1;
  float momentum[2] = {0.0f, 0.0f};
  std::int64_t step = 0;
  std::uint64_t seed = 0xFFFFFFFFFFFFFFC5u;
  double rate = 0.05;

  void advance(int steps) {
    for (int i = 0; i < steps; ++i, ++step) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const double noise = static_cast<double>(seed >> 11) * 0x1p-53;
      momentum[step % 2] = 0.9f * momentum[step % 2] + static_cast<float>(weight - 3 + 0.1 * noise);
      weight -= rate * static_cast<double>(momentum[step % 2]);
      rate *= 0.999;
    }
  }
  thaw::Result<thaw::Done> save(const std::string& path) const {
    CheckpointWriter writer;
    writer.add("weight", {}, &weight);
    writer.add("momentum", {2, 1}, momentum);
    writer.add("step", {1}, &step);
    writer.set("seed", seed);
    writer.set("rate", rate);
    writer.set("phase", "adapt \"users\"");
    return writer.write(path);
  }
  bool load(const std::string& path) {
    const auto reader = CheckpointReader::open(path);
    if (!reader) return false;
    const auto saved_seed = reader.value().unsigned_integer("seed");
    const auto saved_rate = reader.value().real("rate");
    if (!saved_seed || !saved_rate) return false;
    seed = saved_seed.value();
    rate = saved_rate.value();
    return reader.value().read("weight", {}, &weight).ok() && reader.value().read("momentum", {2, 1}, momentum).ok() &&
           reader.value().read("step", {1}, &step).ok() && reader.value().text("phase").ok() &&
           reader.value().text("phase").value() == "adapt \"users\"";
  }
};

}  // namespace

TEST_CASE("a resumed run equals an uninterrupted one bit for bit") {
  const TemporaryFolder folder;
  Run whole;
  whole.advance(1000);
  for (const int stop : {0, 1, 137, 999}) {
    Run first;
    first.advance(stop);
    CHECK(first.save(folder / "run").ok());
    Run second;
    second.advance(17);  // whatever it held before must not matter
    CHECK(second.load(folder / "run"));
    second.advance(1000 - stop);
    CHECK(std::bit_cast<std::uint64_t>(second.weight) == std::bit_cast<std::uint64_t>(whole.weight));
    CHECK(std::memcmp(second.momentum, whole.momentum, sizeof whole.momentum) == 0);
    CHECK(std::bit_cast<std::uint64_t>(second.rate) == std::bit_cast<std::uint64_t>(whole.rate));
    CHECK(second.step == 1000);
    CHECK(second.seed == whole.seed);
  }
}

TEST_CASE("numbers of every kind survive: NaN payloads, negative zero, limits") {
  const TemporaryFolder folder;
  const std::uint64_t bits[5] = {0x7FF8000000000123u, 0xFFF0000000000001u, 0x8000000000000000u, 1u,
                                 0x7FEFFFFFFFFFFFFFu};
  double reals[5];
  std::memcpy(reals, bits, sizeof bits);
  const std::uint32_t float_bits[2] = {0x7FA00001u, 0x80000000u};  // a signalling NaN and negative zero
  float floats[2];
  std::memcpy(floats, float_bits, sizeof float_bits);
  CheckpointWriter writer;
  writer.add("reals", {5}, reals);
  writer.add("floats", {2}, floats);
  for (int i = 0; i < 5; ++i) writer.set("real" + std::to_string(i), reals[i]);
  writer.set("lowest", INT64_MIN);
  CHECK(writer.write(folder / "c").ok());
  const auto reader = CheckpointReader::open(folder / "c");
  CHECK(reader.ok());
  if (!reader) return;
  double reals_back[5];
  float floats_back[2];
  CHECK(reader.value().read("reals", {5}, reals_back).ok());
  CHECK(reader.value().read("floats", {2}, floats_back).ok());
  CHECK(std::memcmp(reals_back, bits, sizeof bits) == 0);
  CHECK(std::memcmp(floats_back, float_bits, sizeof float_bits) == 0);
  for (int i = 0; i < 5; ++i) {
    const auto back = reader.value().real("real" + std::to_string(i));
    CHECK(back.ok());
    if (back) CHECK(std::bit_cast<std::uint64_t>(back.value()) == bits[i]);
  }
  CHECK(reader.value().integer("lowest").value() == INT64_MIN);
}

TEST_CASE("what does not belong to the run is refused") {
  const TemporaryFolder folder;
  Run run;
  CHECK(run.save(folder / "run").ok());
  const auto reader = CheckpointReader::open(folder / "run");
  CHECK(reader.ok());
  if (!reader) return;
  float narrow = 0;
  const auto type = reader.value().read("weight", {}, &narrow);
  CHECK_FALSE(type.ok());
  CHECK(mentions(type.fault().text, "'weight' holds F64, expected F32; resume with the number type"));
  float momentum[2];
  const auto shape = reader.value().read("momentum", {1, 2}, momentum);
  CHECK_FALSE(shape.ok());
  CHECK(mentions(shape.fault().text, "'momentum' has shape (2, 1), expected (1, 2)"));
  CHECK(mentions(reader.value().read("velocity", {2}, momentum).fault().text, "no tensor 'velocity'"));
  CHECK(mentions(reader.value().real("seed").fault().text, "is not a number as bits"));
  CHECK(mentions(reader.value().integer("epoch").fault().text, "no metadata 'epoch'"));

  thaw::SafetensorsWriter plain;
  CHECK(plain.write(folder / "plain").ok());
  CHECK(mentions(CheckpointReader::open(folder / "plain").fault().text, "not a checkpoint of this library"));
  plain.set_metadata(thaw::kCheckpointMark, "2");
  CHECK(plain.write(folder / "later").ok());
  CHECK(mentions(CheckpointReader::open(folder / "later").fault().text, "checkpoint version 2, this build reads 1"));
  CHECK_FALSE(CheckpointReader::open(folder / "none").ok());
}

TEST_CASE("a failed write keeps the previous checkpoint") {
  const TemporaryFolder folder;
  Run run;
  run.advance(5);
  CHECK(run.save(folder / "run").ok());
  CheckpointWriter broken;
  broken.set("note", "\xFF");
  CHECK_FALSE(broken.write(folder / "run").ok());
  Run back;
  CHECK(back.load(folder / "run"));
  CHECK(back.step == 5);
  CHECK(folder.files() == 1);
}
