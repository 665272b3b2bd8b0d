// A model through a file: bit for bit back, bound in place, and what the messages say when file and plan differ.
#include "thaw/file/save_model.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/file/safetensors_bytes.hpp"
#include "tests/heap_counter.hpp"
#include "tests/temporary_folder.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/mlp.hpp"

using file_test::mentions;
using thaw::Index;

namespace {

template <thaw::Value T>
struct Tower {
  thaw::Embedding<T> items;
  thaw::Mlp<T> score;
  static void each(auto&& visit, auto&... m) { visit("items", m.items...), visit("score", m.score...); }
};

Tower<thaw::Spec> tower_spec(Index hidden = 5) {
  return {thaw::embedding_spec(7, 3), thaw::mlp_spec({3, hidden, 1}, thaw::Activation::relu)};
}

struct Fixture {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw_test::TemporaryFolder folder;
  std::string path = folder / "tower.safetensors";
  Tower<thaw::Array<float>> model;

  Fixture() {
    float at = 0;
    model = thaw::map_model<thaw::Array<float>>(tower_spec(), [&](const thaw::Path&, const thaw::Spec& spec) {
      auto out = thaw::Array<float>::make(context, spec.shape);
      for (float& x : out) x = std::sin(at += 1);
      return out;
    });
    model.items.table[0] = std::numeric_limits<float>::denorm_min();
    model.items.table[1] = -0.0F;
    model.items.table[2] = std::numeric_limits<float>::infinity();
    model.items.table[3] = std::numeric_limits<float>::quiet_NaN();
  }
  bool save() { return thaw::save_model(path, model, {{"hidden", thaw::encode_integer(5)}}).ok(); }
};

template <class M>
bool same_bits(const M& a, const M& b) {
  bool same = true;
  thaw::for_each_tensor(
      [&](const thaw::Path&, const auto& x, const auto& y) {
        same = same && x.shape == y.shape &&
               std::memcmp(x.data, y.data, static_cast<std::size_t>(x.size()) * sizeof x[0]) == 0;
      },
      a, b);
  return same;
}

// The message of binding a file to a plan, and of loading it, which must say the same where both can.
template <class Plan>
std::string bind_problem(const Plan& plan, const std::string& path, thaw::Cpu::Context& context) {
  const auto file = thaw::SafetensorsFile::open(path);
  if (!file) return file.fault().text;
  const auto bound = thaw::bind_model(plan, file.value().view(), context);
  return bound ? "" : bound.fault().text;
}
template <class Plan>
std::string load_problem(const Plan& plan, const std::string& path, thaw::Cpu::Context& context) {
  const auto file = thaw::SafetensorsFile::open(path);
  if (!file) return file.fault().text;
  const std::size_t used = context.arena->used();
  const auto loaded = thaw::load_model(plan, file.value().view(), context);
  if (!loaded) CHECK(context.arena->used() == used);
  return loaded ? "" : loaded.fault().text;
}

}  // namespace

TEST_CASE("a model comes back bit for bit: bound in place, loaded, and into arrays that exist") {
  Fixture f;
  CHECK(f.save());
  const auto file = thaw::SafetensorsFile::open(f.path);
  CHECK(file.ok());
  if (!file) return;
  const auto hidden = thaw::metadata_integer(file.value().view(), "hidden");
  CHECK((hidden.ok() && hidden.value() == 5));
  const auto plan = tower_spec();
  const std::size_t used = f.arena.used();
  const auto bound = thaw::bind_model(plan, file.value().view(), f.context);
  CHECK(f.arena.used() == used);
  const auto loaded = thaw::load_model(plan, file.value().view(), f.context);
  CHECK((bound.ok() && loaded.ok()));
  if (!bound || !loaded) return;
  CHECK(same_bits(bound.value(), f.model));
  CHECK(same_bits(loaded.value(), f.model));
  // Bound: inside the file's bytes, at a multiple of 64. Loaded: not.
  const auto begin = reinterpret_cast<std::uintptr_t>(file.value().bytes().data());
  const std::size_t size = file.value().bytes().size();
  thaw::for_each_tensor(
      [&](const thaw::Path&, const auto& in_place, const auto& copy) {
        const auto at = reinterpret_cast<std::uintptr_t>(in_place.data);
        CHECK(at - begin < size);
        CHECK(at % 64 == 0);
        CHECK(reinterpret_cast<std::uintptr_t>(copy.data) - begin >= size);
        CHECK(in_place.context == &f.context);
      },
      bound.value(), loaded.value());
  CHECK(bound.value().score.activation == thaw::Activation::relu);

  thaw::for_each_tensor([](const thaw::Path&, const auto& t) { t[0] = 99; }, loaded.value());
  CHECK_FALSE(same_bits(loaded.value(), f.model));
  CHECK(thaw::load_into(loaded.value(), f.path).ok());
  CHECK(same_bits(loaded.value(), f.model));
}

TEST_CASE("bytes in memory are checked and bound without the heap") {
  Fixture f;
  CHECK(f.save());
  const std::string text = thaw_test::contents_of(f.path);
  void* const bytes = f.arena.take_bytes(text.size());
  std::memcpy(bytes, text.data(), text.size());
  const auto plan = tower_spec();
  const long before = thaw_test::heap_allocations();
  const auto bound = thaw::bind_model(plan, bytes, text.size(), f.context);
  CHECK(thaw_test::heap_allocations() == before);
  CHECK((bound.ok() && same_bits(bound.value(), f.model)));
  CHECK_FALSE(thaw::bind_model(plan, bytes, text.size() - 1, f.context).ok());
  // One byte further nothing is aligned: bind refuses and names the way out, load does not mind.
  auto* const shifted = static_cast<char*>(f.arena.take_bytes(text.size() + 1)) + 1;
  std::memcpy(shifted, text.data(), text.size());
  const auto view = thaw::SafetensorsView::open(shifted, text.size());
  CHECK(view.ok());
  if (!view) return;
  const auto refused = thaw::bind_model(plan, view.value(), f.context);
  CHECK_FALSE(refused.ok());
  if (!refused) CHECK(mentions(refused.fault().text, "copy_tensor"));
  const auto loaded = thaw::load_model(plan, view.value(), f.context);
  CHECK((loaded.ok() && same_bits(loaded.value(), f.model)));
}

TEST_CASE("another number type: bind refuses and says what converts, load converts exactly") {
  Fixture f;
  CHECK(f.save());
  const auto file = thaw::SafetensorsFile::open(f.path);
  if (!file) return;
  const auto bound = thaw::bind_model<double>(tower_spec(), file.value().view(), f.context);
  CHECK_FALSE(bound.ok());
  if (!bound) CHECK(mentions(bound.fault().text, "'items.table' holds F32, expected F64"));
  const auto loaded = thaw::load_model<double>(tower_spec(), file.value().view(), f.context);
  CHECK(loaded.ok());
  if (!loaded) return;
  for (Index i = 0; i < 7 * 3; ++i)
    if (i != 3) CHECK(loaded.value().items.table[i] == static_cast<double>(f.model.items.table[i]));
  CHECK(std::isnan(loaded.value().items.table[3]));
}

TEST_CASE("tensors in any order of the file are found by name") {
  Fixture f;
  thaw::SafetensorsWriter writer;
  std::vector<std::pair<std::string, thaw::Array<float>>> tensors;
  thaw::for_each_tensor([&](const thaw::Path& path, const auto& t) { tensors.emplace_back(path.text, t); }, f.model);
  for (auto t = tensors.rbegin(); t != tensors.rend(); ++t)
    writer.add(t->first, thaw::TensorType::f32, t->second.shape.dims, t->second.shape.rank, t->second.data);
  CHECK(writer.write(f.path).ok());
  const auto file = thaw::SafetensorsFile::open(f.path);
  if (!file) return;
  const auto bound = thaw::bind_model(tower_spec(), file.value().view(), f.context);
  CHECK((bound.ok() && same_bits(bound.value(), f.model)));
}

TEST_CASE("a plan that differs from the file: the message names the tensor and what to do") {
  Fixture f;
  CHECK(f.save());
  for (const std::string& shape :
       {bind_problem(tower_spec(6), f.path, f.context), load_problem(tower_spec(6), f.path, f.context)})
    CHECK(mentions(shape, "'score.layers.0.weight' has shape (5, 3), expected (6, 3)"));
  const Tower<thaw::Spec> deeper{thaw::embedding_spec(7, 3), thaw::mlp_spec({3, 5, 1, 1}, thaw::Activation::relu)};
  for (const std::string& missing :
       {bind_problem(deeper, f.path, f.context), load_problem(deeper, f.path, f.context)}) {
    CHECK(mentions(missing, "no tensor 'score.layers.2.weight'"));
    CHECK(mentions(missing, "check that the file belongs to this model"));
  }
  const Tower<thaw::Spec> shallow{thaw::embedding_spec(7, 3), thaw::mlp_spec({3, 5}, thaw::Activation::relu)};
  for (const std::string& extra :
       {bind_problem(shallow, f.path, f.context), load_problem(shallow, f.path, f.context)}) {
    CHECK(mentions(extra, "'score.layers.1.weight' of the file is not part of the model"));
    CHECK(mentions(extra, "ExtraTensors::ignore"));
  }
  const auto file = thaw::SafetensorsFile::open(f.path);
  if (!file) return;
  const auto some = thaw::bind_model(shallow, file.value().view(), f.context, thaw::ExtraTensors::ignore);
  CHECK((some.ok() && some.value().score.layers[0].weight[3] == f.model.score.layers[0].weight[3]));
}

TEST_CASE("load_into: all or nothing, and the path is in the message") {
  Fixture f;
  CHECK(f.save());
  auto other = thaw::map_model<thaw::Array<float>>(tower_spec(6), [&](const thaw::Path&, const thaw::Spec& spec) {
    auto out = thaw::Array<float>::make(f.context, spec.shape);
    for (float& x : out) x = 7;
    return out;
  });
  const auto done = thaw::load_into(other, f.path);  // the table fits, the layer does not
  CHECK_FALSE(done.ok());
  if (!done) CHECK(mentions(done.fault().text, f.path.c_str()));
  for (const float x : other.items.table) CHECK(x == 7);
  const auto absent = thaw::load_into(other, f.folder / "absent");
  CHECK_FALSE(absent.ok());
  if (!absent) CHECK(mentions(absent.fault().text, "no such file"));
}
