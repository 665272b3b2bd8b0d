#include <doctest/doctest.h>

#include "elmrec/run.hpp"
#include "elmrec/worlds.hpp"
#include "tests/temporary_folder.hpp"

namespace {

struct World {
  thaw::ItemSequences data = elmrec::generate_sequences({.users = 60, .items = 30, .tastes = 3});
  thaw::Interactions edges = thaw::training_interactions(data).value();
  thaw::PropagationGraph graph{edges};
  elmrec::PlainTokenizer tokenizer;
  elmrec::Questions validation = elmrec::validation_questions(data, {.negatives = 9, .most_users = 10});
};

elmrec::TrainerOptions tiny_options(bool paper) {
  elmrec::TrainerOptions o;
  o.model.language = {.d_model = 8, .d_kv = 4, .num_heads = 2, .d_ff = 16, .num_layers = 1, .num_decoder_layers = 1};
  o.batch = 8;
  o.candidates = 4;
  o.steps = 12;
  o.warm_up = 2;
  o.beams = 5;
  if (paper) {
    o.model.own_nodes = 90;
    o.model.evidence = false;
    o.direct_nodes = true;
    o.sequential_nodes = false;
    o.short_items = false;
    o.layers = 2;
  }
  return o;
}

}  // namespace

TEST_CASE("a run that is resumed equals one that was never stopped, in both variants") {
  World world;
  for (const bool paper : {false, true}) {
    const elmrec::TrainerOptions options = tiny_options(paper);
    const thaw_test::TemporaryFolder folder;
    const std::string path = folder / "elmrec.run";
    elmrec::Trainer whole(world.data, world.graph, {}, world.tokenizer, options);
    elmrec::Run once(whole, {.validate_every = 4, .minutes = 0, .checkpoint = {}, .quiet = true}, world.validation,
                     world.validation);
    CHECK(once.train().ok());
    CHECK(whole.steps() == 12);
    {
      elmrec::Trainer part(world.data, world.graph, {}, world.tokenizer, options);
      elmrec::Run stopped(part, {.validate_every = 4, .minutes = 1e-9, .checkpoint = path, .quiet = true},
                          world.validation, world.validation);
      CHECK(stopped.train().ok());
      CHECK(part.steps() == 1);
    }
    elmrec::Trainer rest(world.data, world.graph, {}, world.tokenizer, options);
    elmrec::Run resumed(rest, {.validate_every = 4, .minutes = 0, .checkpoint = path, .quiet = true}, world.validation,
                        world.validation);
    CHECK(resumed.train().ok());
    CHECK(rest.steps() == 12);
    CHECK(rest.step() == whole.step());
    elmrec::Trainer cold(world.data, world.graph, {}, world.tokenizer, options);
    elmrec::Run elsewhere(
        cold, {.validate_every = 4, .minutes = 0, .checkpoint = path, .quiet = true, .identity = "other data"},
        world.validation, world.validation);
    CHECK(!elsewhere.train().ok());
    elmrec::TrainerOptions others = options;
    others.rate = 0.1;
    elmrec::Trainer other(world.data, world.graph, {}, world.tokenizer, others);
    elmrec::Run refused(other, {.validate_every = 4, .minutes = 0, .checkpoint = path, .quiet = true}, world.validation,
                        world.validation);
    const auto done = refused.train();
    CHECK(!done.ok());
    if (!done) CHECK(std::string(done.fault().text).find("belongs to another run") != std::string::npos);
  }
}

TEST_CASE(
    "without alpha, direct answers know nothing of the graph; sequential ones never do where it is not asked for") {
  World world;
  elmrec::TrainerOptions options = tiny_options(true);
  struct Outcome {
    double direct, sequential, loss;
  };
  const auto outcome = [&](double alpha, bool turned) {
    options.model.alpha = alpha;
    elmrec::Trainer trainer(world.data, world.graph, {}, world.tokenizer, options);
    const auto& table = trainer.parameters().slot(trainer.parameters().count() - 1).value;
    CHECK(table.shape[0] == 90);
    for (thaw::Index i = 0; i < table.size() && turned; ++i) table[i] = -table[i];
    const double direct = trainer.direct(world.validation).ndcg[2];
    return Outcome{direct, trainer.sequential(world.validation).ndcg[2], trainer.step()};
  };
  const Outcome none = outcome(0, false), none_turned = outcome(0, true), some = outcome(4, false),
                some_turned = outcome(4, true);
  CHECK(none.direct == none_turned.direct);
  CHECK(none.loss == none_turned.loss);
  CHECK(some.sequential == some_turned.sequential);
  CHECK(some.loss != some_turned.loss);
}
