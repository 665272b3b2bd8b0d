#include <functional>

#include "elmrec/t5_file.hpp"
#include "tests/nn/fixture.hpp"
#include "tests/temporary_folder.hpp"

using namespace nn_test;
using F = thaw::Array<float>;

namespace {

const elmrec::T5Config kTiny{
    .vocab_size = 11, .d_model = 4, .d_kv = 3, .num_heads = 2, .d_ff = 6, .num_layers = 1, .num_decoder_layers = 1};

// The file of a model after `change` has had its way with the list of tensors.
struct Tensor {
  std::string name;
  std::vector<Index> dims;
  std::vector<float> numbers;
};
std::string write(const std::string& file, const elmrec::T5<F>& model,
                  const std::function<void(std::vector<Tensor>&)>& change) {
  std::vector<Tensor> tensors;
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const F& t) {
        tensors.push_back(
            {elmrec::t5_tensor_name(path), {t.shape.dims, t.shape.dims + t.shape.rank}, {t.begin(), t.end()}});
      },
      model);
  change(tensors);
  thaw::SafetensorsWriter writer;
  for (const Tensor& t : tensors)
    writer.add(t.name, thaw::TensorType::f32, t.dims.data(), static_cast<int>(t.dims.size()), t.numbers.data());
  CHECK(static_cast<bool>(writer.write(file)));
  return file;
}
Tensor& named(std::vector<Tensor>& tensors, const std::string& name) {
  for (Tensor& t : tensors)
    if (t.name == name) return t;
  CHECK(name == "");
  return tensors.front();
}

}  // namespace

TEST_CASE("T5 files: the published names") {
  std::vector<std::string> names;
  const auto plan = elmrec::t5_plan(kTiny);
  thaw::for_each_tensor([&](const thaw::Path& path, const auto&) { names.push_back(elmrec::t5_tensor_name(path)); },
                        plan);
  const std::vector<std::string> published{"shared.weight",
                                           "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                                           "encoder.block.0.layer.0.layer_norm.weight",
                                           "encoder.block.0.layer.0.SelfAttention.q.weight",
                                           "encoder.block.0.layer.0.SelfAttention.k.weight",
                                           "encoder.block.0.layer.0.SelfAttention.v.weight",
                                           "encoder.block.0.layer.0.SelfAttention.o.weight",
                                           "encoder.block.0.layer.1.layer_norm.weight",
                                           "encoder.block.0.layer.1.DenseReluDense.wi.weight",
                                           "encoder.block.0.layer.1.DenseReluDense.wo.weight",
                                           "encoder.final_layer_norm.weight",
                                           "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                                           "decoder.block.0.layer.0.layer_norm.weight",
                                           "decoder.block.0.layer.0.SelfAttention.q.weight",
                                           "decoder.block.0.layer.0.SelfAttention.k.weight",
                                           "decoder.block.0.layer.0.SelfAttention.v.weight",
                                           "decoder.block.0.layer.0.SelfAttention.o.weight",
                                           "decoder.block.0.layer.1.layer_norm.weight",
                                           "decoder.block.0.layer.1.EncDecAttention.q.weight",
                                           "decoder.block.0.layer.1.EncDecAttention.k.weight",
                                           "decoder.block.0.layer.1.EncDecAttention.v.weight",
                                           "decoder.block.0.layer.1.EncDecAttention.o.weight",
                                           "decoder.block.0.layer.2.layer_norm.weight",
                                           "decoder.block.0.layer.2.DenseReluDense.wi.weight",
                                           "decoder.block.0.layer.2.DenseReluDense.wo.weight",
                                           "decoder.final_layer_norm.weight"};
  CHECK(names == published);
}

TEST_CASE("T5 files: saved and read again; copies of the table and the stray positions are accepted") {
  Host host;
  const auto model = random_model<F>(host, host.context, elmrec::t5_plan(kTiny));
  const auto other = random_model<F>(host, host.context, elmrec::t5_plan(kTiny));
  const auto same = [&] {
    bool all = true;
    thaw::for_each_unnamed(
        [&](const F& a, const F& b) {
          for (Index i = 0; i < a.size(); ++i) all = all && a[i] == b[i];
        },
        model, other);
    return all;
  };
  CHECK(!same());
  const thaw_test::TemporaryFolder folder;
  const std::string path = folder / "saved.safetensors";
  CHECK(static_cast<bool>(elmrec::save_t5(path, model, {{"format", "pt"}})));
  CHECK(static_cast<bool>(elmrec::load_t5(other, path)));
  CHECK(same());
  thaw::for_each_unnamed([](const F& t) { t[0] += 1; }, other);
  const std::string rich = write(folder / "rich.safetensors", model, [](std::vector<Tensor>& tensors) {
    for (const char* name : {"lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
      Tensor copy = named(tensors, "shared.weight");
      copy.name = name;
      tensors.push_back(copy);
    }
    tensors.push_back({"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
                       {32, 2},
                       std::vector<float>(64, 1.0F)});
  });
  CHECK(static_cast<bool>(elmrec::load_t5(other, rich)));
  CHECK(same());
}

TEST_CASE("T5 files: what is wrong is named, and nothing is changed") {
  Host host;
  const auto model = random_model<F>(host, host.context, elmrec::t5_plan(kTiny));
  const thaw_test::TemporaryFolder folder;
  const float before = model.embedding[0];
  const auto refused = [&](const char* part, const std::function<void(std::vector<Tensor>&)>& change) {
    const std::string path = write(folder / "changed.safetensors", model, [&](std::vector<Tensor>& tensors) {
      for (float& v : named(tensors, "shared.weight").numbers) v = 9;
      change(tensors);
    });
    const thaw::Result<thaw::Done> done = elmrec::load_t5(model, path);
    CHECK(!done);
    if (done) return;
    const std::string text = done.fault().text;
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
    CHECK(text.find(path) == 0);
    CHECK(model.embedding[0] == before);
  };
  refused("encoder.block.0.layer.1.DenseReluDense.wi.weight", [](std::vector<Tensor>& tensors) {
    named(tensors, "encoder.block.0.layer.1.DenseReluDense.wi.weight").name = "lm_tail.weight";
  });
  refused("tensor 'encoder.block.1.layer.0.layer_norm.weight' of the file is not part",
          [](std::vector<Tensor>& tensors) {
            tensors.push_back({"encoder.block.1.layer.0.layer_norm.weight", {4}, {1, 1, 1, 1}});
          });
  refused("'decoder.final_layer_norm.weight' has shape (2, 2), expected (4)", [](std::vector<Tensor>& tensors) {
    named(tensors, "decoder.final_layer_norm.weight").dims = {2, 2};
  });
  refused("has 10 tokens, the model 11", [](std::vector<Tensor>& tensors) {
    Tensor& table = named(tensors, "shared.weight");
    table.dims = {10, 4};
    table.numbers.resize(40);
  });
  refused("'lm_head.weight' is not a copy", [](std::vector<Tensor>& tensors) {
    Tensor copy = named(tensors, "shared.weight");
    copy.name = "lm_head.weight";
    copy.numbers[5] += 1;
    tensors.push_back(copy);
  });
  CHECK(!elmrec::load_t5(model, folder / "missing.safetensors"));
}
