#include "elmrec/decoder.hpp"
#include "elmrec/t5.hpp"
#include "elmrec/t5_file.hpp"
#include "tests/examples/t5_reference.hpp"
#include "tests/nn/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/ops/cross_entropy.hpp"
#include "thaw/optim/adam.hpp"

using namespace nn_test;
using elmrec::T5;
using elmrec::T5Config;
using thaw::Segments;
using R = thaw::Array<float, thaw::CpuEigen>;

namespace {

const T5Config kWide{.vocab_size = 101, .d_ff = 2048, .num_layers = 2, .num_decoder_layers = 2};
const T5Config kTiny{
    .vocab_size = 101, .d_model = 16, .d_kv = 5, .num_heads = 3, .d_ff = 24, .num_layers = 3, .num_decoder_layers = 2};

t5_reference::Sizes sizes_of(const T5Config& c) {
  const auto size = [](Index n) { return static_cast<std::size_t>(n); };
  return {size(c.vocab_size), size(c.d_model), size(c.d_kv),        size(c.num_heads),
          size(c.d_ff),       c.num_layers,    c.num_decoder_layers};
}

template <class T>
T5<T> formula_weights(const T5Config& c, typename T::Context& context) {
  return thaw::map_model<T>(elmrec::t5_plan(c), [&](const thaw::Path& path, const thaw::Spec& spec) {
    const T out = T::make(context, spec.shape);
    const std::string name = elmrec::t5_tensor_name(path);
    for (Index i = 0; i < out.size(); ++i)
      out[i] = static_cast<typename T::Real>(t5_reference::weight(name, static_cast<std::size_t>(i), sizes_of(c)));
    return out;
  });
}

// Sequences one after another.
struct Ragged {
  std::vector<std::int32_t> ids, offsets{0};

  explicit Ragged(const std::vector<std::vector<int>>& rows) {
    for (const auto& row : rows) {
      for (const int id : row) ids.push_back(id);
      offsets.push_back(static_cast<std::int32_t>(ids.size()));
    }
  }
  Segments segments() const { return {offsets.data(), static_cast<Index>(offsets.size()) - 1}; }
  thaw::Bags bags() const { return {ids.data(), nullptr, static_cast<Index>(ids.size()), false}; }
};

struct Problem {
  std::vector<std::vector<int>> input, answer;  // the answer as the decoder reads it
  Ragged in, out;

  Problem(const T5Config& c, const std::vector<std::size_t>& lengths, const std::vector<std::size_t>& answers)
      : input(t5_reference::sequences(lengths, static_cast<int>(c.vocab_size), 5)),
        answer(shifted(t5_reference::sequences(answers, static_cast<int>(c.vocab_size), 11))),
        in(input),
        out(answer) {}
  template <class T>
  T logits(const T5<T>& net) const {
    const T memory = net.encode(net.embed(in.bags()), in.segments());
    return net.logits(net.decode(net.embed(out.bags()), out.segments(), memory, in.segments()));
  }

 private:
  static std::vector<std::vector<int>> shifted(std::vector<std::vector<int>> rows) {
    for (auto& row : rows) {
      std::vector<std::int32_t> read(row.size());
      elmrec::shift_right(std::span<const std::int32_t>(row), read);
      row = read;
    }
    return rows;
  }
};

struct Place {
  std::size_t batch, token, piece;
  double logit;
};

// Every logit against the padded reference, and some against PyTorch's.
template <class A>
void compare(const T5Config& c, const Problem& problem, const A& logits, double tolerance,
             std::initializer_list<Place> golden) {
  const auto vocab = static_cast<std::size_t>(c.vocab_size);
  const t5_reference::Numbers want = t5_reference::Reference(sizes_of(c)).logits(problem.input, problem.answer);
  std::size_t longest = 0;
  for (const auto& row : problem.answer) longest = (std::max)(longest, row.size());
  const auto got = [&](std::size_t b, std::size_t t, std::size_t v) {
    const std::size_t row = static_cast<std::size_t>(problem.out.offsets[b]) + t;
    return static_cast<double>(logits[static_cast<Index>(row * vocab + v)]);
  };
  double worst = 0, largest = 0;
  for (std::size_t b = 0; b < problem.answer.size(); ++b)
    for (std::size_t t = 0; t < problem.answer[b].size(); ++t)
      for (std::size_t v = 0; v < vocab; ++v) {
        worst = std::fmax(worst, std::fabs(got(b, t, v) - want[(b * longest + t) * vocab + v]));
        largest = std::fmax(largest, std::fabs(want[(b * longest + t) * vocab + v]));
      }
  CHECK(largest > 1);
  CHECK(worst < tolerance);
  for (const Place& p : golden) CHECK(std::fabs(got(p.batch, p.token, p.piece) - p.logit) < 2e-6 + tolerance);
}

}  // namespace

TEST_CASE("T5-small has 60,506,624 numbers, and the parts that were published") {
  const T5<thaw::Spec> plan = elmrec::t5_plan(elmrec::kT5Small);
  CHECK(thaw::parameter_count(plan) == 60506624);
  CHECK(plan.embedding.size() == 16449536);
  CHECK(thaw::parameter_count(plan.encoder) == 18881280);
  CHECK(thaw::parameter_count(plan.decoder) == 25175808);
  CHECK(thaw::tensor_count(plan) == 131);  // as the published file without the copies of the table
  const auto& q = plan.encoder.blocks[3].self.attention.query.weight;
  CHECK(q.init.kind == thaw::Init::Kind::normal);
  CHECK(q.init.scale == doctest::Approx(1 / std::sqrt(512.0 * 64)));
  CHECK(plan.decoder.blocks[0].cross[0].attention.value.weight.init.scale == doctest::Approx(1 / std::sqrt(512.0)));
  CHECK(plan.decoder.blocks[0].feed_forward.contract.weight.init.scale == doctest::Approx(1 / std::sqrt(2048.0)));
  CHECK(plan.decoder.positions.table.init.scale == doctest::Approx(1 / std::sqrt(512.0)));
  CHECK(plan.embedding.init.scale == 1);
}

TEST_CASE("T5 at d_model 512: logits of a padded batch by plain loops and by PyTorch [slow]") {
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  const Problem problem(kWide, {13, 5, 24}, {4, 3, 6});
  const R logits = problem.logits(formula_weights<R>(kWide, context));
  compare(kWide, problem, logits, 1e-4,
          {{0, 0, 0, 10.368692},
           {0, 3, 7, 0.975655},
           {1, 0, 99, 0.010285},
           {1, 2, 50, 1.008899},
           {2, 4, 1, 2.527680},
           {2, 5, 100, -0.144437}});
}

TEST_CASE("T5, tiny, long: every bucket, heads that do not fill the width; in float and in double") {
  Host host;
  const Problem problem(kTiny, {140, 1, 33}, {4, 3, 130});
  const std::initializer_list<Place> golden = {{0, 0, 0, 1.162014},     {0, 3, 7, -0.645770}, {1, 0, 99, -0.958804},
                                               {1, 2, 50, 0.145111},    {2, 4, 1, 0.068644},  {2, 5, 100, 0.326127},
                                               {2, 129, 17, -0.245298}, {2, 100, 3, 1.037906}};
  compare(kTiny, problem, problem.logits(formula_weights<A>(kTiny, host.context)), 1e-9, golden);
  thaw::CpuEigen::Context context{&host.arena, 1};
  compare(kTiny, problem, problem.logits(formula_weights<R>(kTiny, context)), 1e-4, golden);
}

TEST_CASE("T5: a row does not notice longer rows in its batch") {
  Host host;
  const auto net = formula_weights<A>(kTiny, host.context);
  const Problem together(kTiny, {9, 40, 3}, {4, 20, 2}), alone(kTiny, {9}, {4});
  const A all = together.logits(net), one = alone.logits(net);
  for (Index i = 0; i < one.size(); ++i) CHECK(std::fabs(one[i] - all[i]) < 1e-12);
}

TEST_CASE("T5: the table of relative positions of the first block is that of all blocks") {
  Host host;
  auto net = formula_weights<A>(kTiny, host.context);
  // With attention of the first blocks silenced, a change can only come in through the later ones.
  for (double& v : net.encoder.blocks[0].self.attention.output.weight) v = 0;
  for (double& v : net.decoder.blocks[0].self.attention.output.weight) v = 0;
  const Problem problem(kTiny, {9}, {4});
  const A before = problem.logits(net);
  net.encoder.positions.table[2] += 1;
  const A encoder_changed = problem.logits(net);
  CHECK(difference(encoder_changed, before) > 1e-4);
  net.decoder.positions.table[2] += 1;
  CHECK(difference(problem.logits(net), encoder_changed) > 1e-4);
}

TEST_CASE("T5Decoder: a token at a time with reordered beams equals the whole sequence at once") {
  thaw::GrowingArena arena;
  thaw::CpuEigen::Context context{&arena, 1};
  const auto net = formula_weights<R>(kTiny, context);
  elmrec::T5Decoder<thaw::CpuEigen> decoder(net, 2);
  const std::vector<std::vector<int>> prompts = t5_reference::sequences({9, 30, 4}, 101, 5);
  const Ragged in(prompts);
  for (int round = 0; round < 2; ++round) {  // a second start forgets the first
    decoder.start(in.ids, in.segments(), 3, 4);
    std::vector<std::vector<int>> path{{0}, {0}, {0}};
    std::vector<std::size_t> prompt{0, 1, 2};
    const std::vector<std::vector<std::int32_t>> parents{{0, 1, 2}, {0, 0, 1, 2, 2, 2}, {1, 0, 2, 2, 5}, {4, 4}};
    for (std::size_t step = 0; step < parents.size(); ++step) {
      std::vector<std::int32_t> tokens;
      std::vector<std::vector<int>> next;
      std::vector<std::size_t> next_prompt;
      for (std::size_t r = 0; r < parents[step].size(); ++r) {
        const auto from = static_cast<std::size_t>(parents[step][r]);
        tokens.push_back(step == 0 ? 0 : static_cast<std::int32_t>((7 * r + 13 * step) % 101));
        next.push_back(path[from]);
        if (step > 0) next.back().push_back(tokens.back());
        next_prompt.push_back(prompt[from]);
      }
      path = next, prompt = next_prompt;
      decoder.step(tokens, parents[step]);
      for (std::size_t r = 0; r < path.size(); ++r) {
        const Ragged one(std::vector<std::vector<int>>{prompts[prompt[r]]}),
            written(std::vector<std::vector<int>>{path[r]});
        const R memory = net.encode(net.embed(one.bags()), one.segments());
        const R whole = net.logits(net.decode(net.embed(written.bags()), written.segments(), memory, one.segments()));
        const std::vector<std::int32_t> asked{0, 17, 100, 5};
        std::vector<float> got(4);
        decoder.logits(static_cast<Index>(r), asked, got.data());
        const R table = decoder.stepwise().logits(asked.data(), 4);
        for (std::size_t i = 0; i < 4; ++i) {
          const float want = whole[(static_cast<Index>(path[r].size()) - 1) * 101 + asked[i]];
          CHECK(std::fabs(got[i] - want) < 2e-5F);
          CHECK(std::fabs(table[static_cast<Index>(r * 4 + i)] - want) < 2e-5F);
        }
      }
    }
  }
}

TEST_CASE("T5: 32 examples are learned by heart") {
  const T5Config config{
      .vocab_size = 40, .d_model = 32, .d_kv = 8, .num_heads = 4, .d_ff = 64, .num_layers = 2, .num_decoder_layers = 2};
  std::vector<std::size_t> lengths, answers;
  for (std::size_t i = 0; i < 32; ++i) lengths.push_back(4 + i % 5), answers.push_back(3 + i % 2);
  const Problem problem(config, lengths, answers);
  std::vector<std::int32_t> classes;  // what follows each token that was read; the last is the end
  for (const auto& row : problem.answer) {
    for (std::size_t t = 1; t < row.size(); ++t) classes.push_back(row[t]);
    classes.push_back(elmrec::kEnd);
  }
  const auto train = [&](double probability, int steps) {
    thaw::GrowingArena weights_arena, arena;
    thaw::CpuEigen::Context held{&weights_arena, 1}, context{&arena, 1};
    thaw::Parameters<T5<thaw::Spec>, float, thaw::CpuEigen> parameters(elmrec::t5_plan(config), held, 3);
    thaw::Adam<float, thaw::CpuEigen> adam(parameters, {.decay = 0.01});
    thaw::Tape<float, thaw::CpuEigen> tape(context);
    std::vector<float> losses;
    for (int step = 0; step < steps; ++step) {
      thaw::Scope scope(tape);
      const auto net = parameters.on(tape);
      const auto rule = thaw::DropoutRule::make(probability, thaw::Key{7}.fold(static_cast<std::uint64_t>(step)), 0);
      const auto memory = net.encode(net.embed(problem.in.bags()), problem.in.segments(), rule);
      const auto h =
          net.decode(net.embed(problem.out.bags()), problem.out.segments(), memory, problem.in.segments(), rule);
      const auto loss = thaw::token_cross_entropy(net.logits(h), classes.data());
      adam.step(parameters, parameters.gradient(loss), 3e-3);
      losses.push_back(loss.item());
    }
    return losses;
  };
  const std::vector<float> losses = train(0, 150);
  CHECK(losses.front() > 3);
  CHECK(losses.back() < 0.05F);
  const std::vector<float> dropped = train(0.1, 10);
  CHECK(dropped == train(0.1, 10));  // the same seed, the same bits
  CHECK(dropped.front() != losses.front());
}
