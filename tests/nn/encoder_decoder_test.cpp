#include "thaw/nn/encoder_decoder.hpp"

#include "tests/nn/fixture.hpp"
#include "thaw/nn/stepwise_decoder.hpp"
#include "thaw/ops/cross_entropy.hpp"

using namespace nn_test;
using thaw::EncoderDecoder;
using thaw::Segments;

namespace {

const thaw::EncoderDecoderSettings kTiny{.vocabulary = 7,
                                         .width = 4,
                                         .heads = 2,
                                         .head_width = 3,
                                         .hidden = 5,
                                         .encoder_blocks = 2,
                                         .decoder_blocks = 2,
                                         .buckets = 8,
                                         .farthest = 12};

// Two prompts of 2 + 3 and 2 + 1 rows: two prompt vectors, then tokens, some of which belong to an entity.
const std::int32_t kTokens[] = {-1, -1, 3, 6, 2, -1, -1, 5};
const std::int32_t kPrompts[] = {0, 1, -1, -1, -1, 2, 1, -1};
const std::int32_t kWords[] = {-1, -1, 0, 1, 1, -1, -1, 2};
const std::int32_t kRows[] = {0, 5, 8};
const std::int32_t kRead[] = {0, 4, 0, 2, 3}, kNext[] = {4, 1, 2, -1, 1}, kReadRows[] = {0, 2, 5};
const Segments kIn{kRows, 2}, kOut{kReadRows, 2};

template <class T>
T loss_of(const EncoderDecoder<T>& net, const T& prompts, const T& words, const thaw::DropoutRule& rule = {}) {
  const auto rows = [&](const T& table, const std::int32_t* ids, Index count) {
    return thaw::gather(table, thaw::Bags{ids, nullptr, count, false});
  };
  const T x = thaw::add(thaw::add(net.embed({kTokens, nullptr, 8, false}), rows(prompts, kPrompts, 8)),
                        thaw::scale(rows(words, kWords, 8), 0.7));
  const T memory = net.encode(x, kIn, rule);
  return thaw::token_cross_entropy(
      net.logits(net.decode(net.embed({kRead, nullptr, 5, false}), kOut, memory, kIn, rule)), kNext);
}

// The model of values like `like`, with constants for weights.
template <class T>
EncoderDecoder<T> lifted(const EncoderDecoder<A>& net, const T& like) {
  return thaw::map_unnamed<T>(net, [&](const A& a) { return thaw::lift_to<T>(a, like); });
}

thaw::CheckOptions fine(int order) {
  thaw::CheckOptions options;
  options.order = order;
  options.projections = 1;
  options.step = 1e-4;  // no kink of a ReLU within reach
  return options;
}

}  // namespace

TEST_CASE("encoder-decoder: gradients of the tied table, the prompts and the vectors added to tokens") {
  Host host;
  const auto net = random_model(host, thaw::encoder_decoder_spec(kTiny), 0.6);
  const A prompts = host.normal({3, 4}), words = host.normal({3, 4});
  const auto rule = thaw::DropoutRule::make(0.3, thaw::Key{4}, 0);
  for (const bool drops : {false, true})
    thaw_test::hold(
        "encoder-decoder inputs",
        thaw::check_gradient(
            [&](const auto& table, const auto& p, const auto& w) {
              using T = thaw::Meet<std::remove_cvref_t<decltype(table)>,
                                   thaw::Meet<std::remove_cvref_t<decltype(p)>, std::remove_cvref_t<decltype(w)>>>;
              const T& like = thaw::detail::first_of<T>(table, p, w);
              auto model = lifted<T>(net, like);
              model.embedding = thaw::lift_to<T>(table, like);
              return loss_of<T>(model, thaw::lift_to<T>(p, like), thaw::lift_to<T>(w, like),
                                drops ? rule : thaw::DropoutRule{});
            },
            {net.embedding, prompts, words}, fine(1)));
}

TEST_CASE("encoder-decoder: gradients of the parts of a block, to second order") {
  Host host;
  const auto net = random_model(host, thaw::encoder_decoder_spec(kTiny), 0.6);
  const A prompts = host.normal({3, 4}), words = host.normal({3, 4});
  const auto& block = net.decoder.blocks[0];
  thaw_test::hold(
      "encoder-decoder block",
      thaw::check_gradient(
          [&](const auto& q, const auto& k, const auto& expand, const auto& positions) {
            using T =
                thaw::Meet<thaw::Meet<std::remove_cvref_t<decltype(q)>, std::remove_cvref_t<decltype(k)>>,
                           thaw::Meet<std::remove_cvref_t<decltype(expand)>, std::remove_cvref_t<decltype(positions)>>>;
            const T& like = thaw::detail::first_of<T>(q, k, expand, positions);
            auto model = lifted<T>(net, like);
            model.decoder.blocks[0].self.attention.query.weight = thaw::lift_to<T>(q, like);
            model.decoder.blocks[0].cross[0].attention.key.weight = thaw::lift_to<T>(k, like);
            model.decoder.blocks[0].feed_forward.expand.weight = thaw::lift_to<T>(expand, like);
            model.encoder.positions.table = thaw::lift_to<T>(positions, like);
            return loss_of<T>(model, thaw::lift_to<T>(prompts, like), thaw::lift_to<T>(words, like));
          },
          {block.self.attention.query.weight, block.cross[0].attention.key.weight, block.feed_forward.expand.weight,
           net.encoder.positions.table},
          fine(1)));
}

TEST_CASE("encoder-decoder: every tensor has a gradient, and dropout reaches every site") {
  Host host;
  const auto weights = random_model(host, thaw::encoder_decoder_spec(kTiny), 0.6);
  const A prompts = host.normal({3, 4}), words = host.normal({3, 4});
  thaw::Tape<double> tape(host.context);
  const auto net = thaw::map_unnamed<V>(weights, [&](const A& a) { return tape.leaf(a); });
  const auto slopes = thaw::gradient(loss_of<V>(net, tape.constant(prompts), tape.constant(words)), net);
  thaw::for_each_tensor(
      [&](const thaw::Path& path, const A& g) {
        double largest = 0;
        for (const double v : g) largest = std::fmax(largest, std::fabs(v));
        const char* name = path.text;
        INFO(name);
        CHECK(largest > 1e-6);
      },
      slopes);
  // Site by site: 2 stacks of input, 2 blocks and output; 4 sites in a block of the encoder, 6 in one of the decoder.
  const double plain = loss_of<A>(weights, prompts, words).item();
  CHECK(std::fabs(loss_of<A>(weights, prompts, words, thaw::DropoutRule::make(0.3, thaw::Key{4}, 0)).item() - plain) >
        1e-3);
}

TEST_CASE("stepwise decoder: misuse is named") {
#if THAW_HAS_EXCEPTIONS
  Host host;
  const auto net = random_model(host, thaw::encoder_decoder_spec(kTiny));
  const A memory = net.encode(host.normal({8, 4}), kIn);
  thaw::StepwiseDecoder<double, thaw::Cpu> decoder(net, host.context);
  const std::int32_t tokens[] = {0, 0, 0}, both[] = {0, 1, 1}, swapped[] = {1, 0}, unknown[] = {0, 2};
  using thaw_test::message_of;
  using thaw_test::says;
  CHECK(says(message_of([&] { decoder.start(memory, kIn, 1, 3); }), "1 rows and 3 steps for 2"));
  decoder.start(memory, kIn, 3, 2);
  CHECK(says(message_of([&] { (void)decoder.step(tokens, swapped, 2); }), "sequence 0 and stands behind one of"));
  CHECK(says(message_of([&] { (void)decoder.step(tokens, unknown, 2); }), "row 1 continues row 2 of 2"));
  (void)decoder.step(tokens, both, 2);
  (void)decoder.step(tokens, both, 3);
  CHECK(decoder.sequence(2) == 1);
  CHECK(says(message_of([&] { (void)decoder.step(tokens, both, 3); }), "step 3 of 2"));
  const std::int32_t beyond[] = {7};
  double score[1];
  CHECK(says(message_of([&] { decoder.logits(0, beyond, 1, score); }), "id 7"));
  CHECK(says(message_of([&] { decoder.logits(3, tokens, 1, score); }), "row 3 of 3"));
#endif
}
