#include "thaw/graph/lightgcn.hpp"

#include "tests/heap_counter.hpp"
#include "tests/ops/fixture.hpp"
#include "thaw/graph/dot_scorer.hpp"
#include "thaw/graph/propagate.hpp"

using namespace thaw_test;

namespace {

thaw::Interactions skewed_interactions(std::int32_t users, std::int32_t items, int count, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<thaw::Rating> ratings;
  for (int i = 0; i < count; ++i) {
    const double place = rng.uniform();
    ratings.push_back({static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(users - 1))),
                       static_cast<std::int32_t>(place * place * (items - 1)), 1});
  }
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, users, items)).value();
}

// Users and items of three groups who meet inside their own group only.
thaw::Interactions three_groups() {
  thaw::Philox rng(2);
  std::vector<thaw::Rating> ratings;
  for (std::int32_t user = 0; user < 90; ++user)
    for (int i = 0; i < 8; ++i) ratings.push_back({user, user % 3 + 3 * static_cast<std::int32_t>(rng.below(20)), 1});
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, 90, 60)).value();
}

// The loss of a batch as a composition of operations, in double.
template <class T>
T composed_loss(const thaw::PropagationGraph& graph, const T& e, const std::vector<thaw::BprTriple>& batch,
                const thaw::LightGcnOptions& o, std::vector<std::int32_t>& ids) {
  const auto n = static_cast<Index>(batch.size());
  ids.clear();
  for (const auto& t : batch) ids.push_back(t.user);
  for (const auto& t : batch) ids.push_back(static_cast<std::int32_t>(graph.users()) + t.liked);
  for (const auto& t : batch) ids.push_back(static_cast<std::int32_t>(graph.users()) + t.other);
  const T final_rows = thaw::propagated_mean(graph, e, o.layers);
  const thaw::Bags user{ids.data(), nullptr, n}, liked{ids.data() + n, nullptr, n},
      other{ids.data() + 2 * n, nullptr, n};
  const T u = thaw::gather(final_rows, user);
  const T difference = thaw::sub(thaw::gather(final_rows, other), thaw::gather(final_rows, liked));
  const T logits = thaw::sum_to(thaw::mul(u, difference), thaw::Shape{n, 1});
  const T ranking = thaw::scale(thaw::sum(thaw::log(thaw::shift(thaw::exp(logits), 1))), 1.0 / static_cast<double>(n));
  const T own = thaw::gather(e, thaw::Bags{ids.data(), nullptr, 3 * n});
  return thaw::add(ranking,
                   thaw::scale(thaw::sum(thaw::square(own)), o.regularization / (2.0 * static_cast<double>(n))));
}

// Adam in double on the gradient of the composition.
struct ByComposition {
  std::vector<double> e, m, v;
  double loss = 0;

  void step(const thaw::PropagationGraph& graph, const thaw::BprTriples& triples, const thaw::LightGcnOptions& o,
            int t) {
    Host host;
    std::vector<thaw::BprTriple> batch(static_cast<std::size_t>(o.batch));
    triples.batch(static_cast<std::uint64_t>(t), batch);
    thaw::Tape<double> tape(host.context);
    A start = host.zeros({graph.nodes(), o.width});
    std::copy(e.begin(), e.end(), start.begin());
    const V leaf = tape.leaf(start);
    std::vector<std::int32_t> ids;
    const V l = composed_loss(graph, leaf, batch, o, ids);
    loss = l.item();
    const A g = thaw::gradient(l, leaf);
    for (std::size_t i = 0; i < e.size(); ++i) {
      const double slope = g[static_cast<Index>(i)];
      m[i] = 0.9 * m[i] + 0.1 * slope;
      v[i] = 0.999 * v[i] + 0.001 * slope * slope;
      const double root = std::sqrt(v[i] / (1 - std::pow(0.999, t + 1)));
      e[i] -= o.learning_rate * m[i] / (1 - std::pow(0.9, t + 1)) / (root + 1e-8);
    }
  }
};

// Pairs of a user and an item of hers, told from the first `columns` items, in double.
struct SharedPairs {
  Index users = 0, items = 0, columns = 0, width = 0;
  std::vector<Index> user_of{}, item_of{};
  std::vector<double> weights{};                    // (columns)
  std::vector<std::vector<std::int32_t>> hidden{};  // (pairs) columns
  double temperature = 1;
  bool cosine = false;

  double similarity(const std::vector<double>& rows, Index a, Index b) const {
    double ab = 0, aa = 0, bb = 0;
    for (Index j = 0; j < width; ++j) {
      const double x = rows[static_cast<std::size_t>(a * width + j)], y = rows[static_cast<std::size_t>(b * width + j)];
      ab += x * y, aa += x * x, bb += y * y;
    }
    return cosine ? ab / std::sqrt(aa * bb) : ab;
  }
  // The definition; rows (users + items, width).
  double loss(const std::vector<double>& rows) const {
    double sum = 0;
    for (std::size_t i = 0; i < user_of.size(); ++i) {
      const double own = similarity(rows, user_of[i], users + item_of[i]) / temperature;
      double ratio = 1;  // of all to the own one
      for (Index c = 0; c < columns; ++c) {
        const auto& out = hidden[i];
        if (c == item_of[i] || std::find(out.begin(), out.end(), static_cast<std::int32_t>(c)) != out.end()) continue;
        ratio += weights[static_cast<std::size_t>(c)] *
                 std::exp(similarity(rows, user_of[i], users + c) / temperature - own);
      }
      sum += std::log(ratio);
    }
    return sum / static_cast<double>(user_of.size());
  }
  // Central differences.
  std::vector<double> gradient(std::vector<double> rows) const {
    std::vector<double> g(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double at = rows[i], h = 1e-5;
      rows[i] = at + h;
      const double above = loss(rows);
      rows[i] = at - h;
      g[i] = (above - loss(rows)) / (2 * h);
      rows[i] = at;
    }
    return g;
  }
};

TEST_CASE("SampledSoftmax: loss and gradient of the definition, products and cosines, the same bits for any threads") {
  for (const bool cosine : {false, true}) {
    SharedPairs p{.users = 9, .items = 14, .columns = 11, .width = 16, .temperature = 0.3, .cosine = cosine};
    thaw::Philox rng(5);
    for (Index i = 0; i < 150; ++i) {  // several blocks, users and items more than once, own items in and out of sight
      p.user_of.push_back(static_cast<Index>(rng.below(9)));
      p.item_of.push_back(static_cast<Index>(rng.below(14)));
      p.hidden.emplace_back();
      if (i % 3 == 0) p.hidden.back() = {static_cast<std::int32_t>(rng.below(11)), 4};
    }
    std::vector<float> log_weights;
    for (Index c = 0; c < 11; ++c) {
      p.weights.push_back(static_cast<double>(1 + c % 3));
      log_weights.push_back(static_cast<float>(std::log(p.weights.back())));
    }
    std::vector<float> rows(23 * 16), gradient(rows.size()), again(rows.size());
    for (float& r : rows) r = static_cast<float>(0.4 * rng.normal());
    const thaw::SampledSoftmaxBatch batch{.pairs = 150,
                                          .users = 9,
                                          .items = 14,
                                          .columns = 11,
                                          .user_of = p.user_of.data(),
                                          .item_of = p.item_of.data(),
                                          .rows = rows.data(),
                                          .log_weights = log_weights.data()};
    const auto hide = [&](Index pair, float* logits) {
      for (const std::int32_t c : p.hidden[static_cast<std::size_t>(pair)])
        logits[c] = -std::numeric_limits<float>::infinity();
    };
    const auto run = [&](int threads, double temperature, std::vector<float>& out) {
      thaw::SampledSoftmax softmax({.pairs = 150, .items = 14, .width = 16}, {temperature, cosine, threads});
      return softmax.run(batch, 0.5, hide, out.data());
    };
    const std::vector<double> exact(rows.begin(), rows.end());
    const double loss = run(1, 0.3, gradient);
    CHECK(loss == doctest::Approx(p.loss(exact)).epsilon(1e-6));
    CHECK(run(3, 0.3, again) == loss);
    CHECK(again == gradient);
    const std::vector<double> slopes = p.gradient(exact);
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      worst = std::fmax(worst, std::fabs(static_cast<double>(gradient[i]) - 0.5 * slopes[i]));
      largest = std::fmax(largest, std::fabs(slopes[i]));
    }
    CHECK(largest > 0.01);
    CHECK(worst < 1e-6 * (1 + largest));
    p.temperature = 5e-3;  // the own share of many pairs is zero in single precision, the loss is not infinite
    CHECK(run(1, 5e-3, gradient) == doctest::Approx(p.loss(exact)).epsilon(1e-4));
  }
}

// Small batches take the scattered path, large ones the gathered one.
TEST_CASE("LightGcn: a fused step is the composition with Adam, for layers, widths, batches and threads") {
  const thaw::Interactions x = skewed_interactions(80, 120, 900, 3);
  struct Case {
    Index width;
    int layers;
    Index batch;
    int threads;
  };
  for (const Case c : {Case{64, 3, 8, 2}, Case{64, 3, 300, 1}, Case{32, 1, 20, 1}, Case{40, 2, 4, 3}, Case{16, 4, 6, 2},
                       Case{5, 3, 50, 1}, Case{64, 5, 3, 1}}) {
    const thaw::LightGcnOptions o{.width = c.width,
                                  .layers = c.layers,
                                  .batch = c.batch,
                                  .learning_rate = 0.01,
                                  .regularization = 0.05,
                                  .seed = 4,
                                  .threads = c.threads};
    auto made = thaw::LightGcn::make(x, o);
    CHECK(made.ok());
    if (!made) return;
    thaw::LightGcn& model = made.value();
    const auto size = static_cast<std::size_t>(model.graph().nodes() * c.width);
    std::vector<float> own(size), final_rows(size);
    model.own_vectors(own);
    ByComposition reference{{own.begin(), own.end()}, std::vector<double>(size), std::vector<double>(size)};
    CAPTURE(c.width);
    CAPTURE(c.layers);
    CAPTURE(c.batch);
    for (int t = 0; t < 4; ++t) {
      const double loss = model.step();
      reference.step(model.graph(), model.triples(), o, t);
      CHECK(loss == doctest::Approx(reference.loss).epsilon(1e-5));
    }
    model.own_vectors(own);
    model.final_vectors(final_rows);
    Host host;
    A e = host.zeros({model.graph().nodes(), c.width});
    std::copy(reference.e.begin(), reference.e.end(), e.begin());
    const A expected = thaw::propagated_mean(model.graph(), e, c.layers);
    // Adam divides a gradient by its own size, so rounding shows where a gradient is tiny: most must agree closely.
    double worst = 0, sum = 0, worst_final = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double d = std::fabs(static_cast<double>(own[i]) - reference.e[i]);
      worst = std::fmax(worst, d);
      sum += d;
      worst_final =
          std::fmax(worst_final, std::fabs(static_cast<double>(final_rows[i]) - expected[static_cast<Index>(i)]));
    }
    CHECK(sum / static_cast<double>(size) < 2e-6);
    CHECK(worst < 1e-3);
    CHECK(worst_final < 1e-3);
  }
}

// The softmax batch of a step, from the draws; rows of `table` (nodes, width) in its order come from `nodes`.
SharedPairs shared_pairs(const thaw::Interactions& x, const thaw::BprTriples& draws, const thaw::LightGcnOptions& o,
                         std::uint64_t step, std::vector<Index>& nodes) {
  SharedPairs p{.width = o.width, .temperature = o.temperature, .cosine = o.cosine};
  nodes.clear();
  const auto place = [&](Index node) {
    const Index at = std::find(nodes.begin(), nodes.end(), node) - nodes.begin();
    if (at == static_cast<Index>(nodes.size())) nodes.push_back(node);
    return at;
  };
  std::vector<thaw::BprTriple> batch(static_cast<std::size_t>(o.batch));
  draws.batch(step, batch);
  for (const auto& t : batch) p.user_of.push_back(place(t.user));
  p.users = static_cast<Index>(nodes.size());
  const auto add = [&](std::int32_t item, double weight) {
    const Index c = place(x.user_count() + item) - p.users;
    p.weights.resize(nodes.size() - static_cast<std::size_t>(p.users), 0.0);
    p.weights[static_cast<std::size_t>(c)] += weight;
    return c;
  };
  for (Index i = 0; i < o.negatives; ++i) add(draws.shared(step, static_cast<std::uint64_t>(i)), 1);
  const std::size_t drawn = p.weights.size();
  for (const auto& t : batch) p.item_of.push_back(add(t.liked, o.in_batch ? 1 : 0));
  p.items = static_cast<Index>(p.weights.size());
  p.columns = o.in_batch ? p.items : static_cast<Index>(drawn);
  for (const auto& t : batch) {
    p.hidden.emplace_back();
    for (Index c = 0; c < p.columns; ++c) {
      const auto own = x.by_user.row(t.user);
      const auto item = static_cast<std::int32_t>(nodes[static_cast<std::size_t>(p.users + c)]) - x.user_count();
      if (std::binary_search(own.begin(), own.end(), item)) p.hidden.back().push_back(static_cast<std::int32_t>(c));
    }
  }
  return p;
}

TEST_CASE("LightGcn: a softmax step is the definition, propagated back, with Adam") {
  const thaw::Interactions x = skewed_interactions(40, 60, 300, 3);
  for (const bool cosine : {false, true}) {
    const thaw::LightGcnOptions o{.width = 6,
                                  .layers = cosine ? 3 : 2,
                                  .batch = 20,
                                  .learning_rate = 0.01,
                                  .regularization = 0.05,
                                  .draw = thaw::BprDraw::interactions,
                                  .loss = thaw::LightGcnLoss::softmax,
                                  .temperature = cosine ? 0.2 : 0.8,
                                  .cosine = cosine,
                                  .negatives = 15,
                                  .in_batch = cosine,
                                  .seed = 4};
    auto made = thaw::LightGcn::make(x, o);
    CHECK(made.ok());
    if (!made) return;
    thaw::LightGcn& model = made.value();
    const auto size = static_cast<std::size_t>(model.graph().nodes() * o.width);
    std::vector<float> own(size);
    model.own_vectors(own);
    std::vector<double> e(own.begin(), own.end()), first(size), second(size);
    for (int t = 0; t < 3; ++t) {
      std::vector<Index> nodes;
      const SharedPairs pairs = shared_pairs(x, model.triples(), o, static_cast<std::uint64_t>(t), nodes);
      Host host;
      A table = host.zeros({model.graph().nodes(), o.width}), slopes = host.zeros({model.graph().nodes(), o.width});
      std::copy(e.begin(), e.end(), table.begin());
      const A vectors = thaw::propagated_mean(model.graph(), table, o.layers);
      std::vector<double> rows;
      for (const Index v : nodes)
        for (Index j = 0; j < o.width; ++j) rows.push_back(vectors[v * o.width + j]);
      const std::vector<double> by_row = pairs.gradient(rows);
      for (std::size_t i = 0; i < rows.size(); ++i)
        slopes.begin()[nodes[i / static_cast<std::size_t>(o.width)] * o.width + static_cast<Index>(i) % o.width] =
            by_row[i];
      const A through = thaw::propagated_mean(model.graph(), slopes, o.layers);
      std::vector<double> g(through.begin(), through.end());
      double squares = 0;
      const auto decay = [&](Index v) {
        for (Index j = v * o.width; j < (v + 1) * o.width; ++j) {
          const double w = e[static_cast<std::size_t>(j)];
          g[static_cast<std::size_t>(j)] += o.regularization / static_cast<double>(o.batch) * w;
          squares += w * w;
        }
      };
      for (const Index u : pairs.user_of) decay(nodes[static_cast<std::size_t>(u)]);
      for (const Index i : pairs.item_of) decay(nodes[static_cast<std::size_t>(pairs.users + i)]);
      const double expected = pairs.loss(rows) + 0.5 * o.regularization * squares / static_cast<double>(o.batch);
      CHECK(model.step() == doctest::Approx(expected).epsilon(1e-5));
      for (std::size_t i = 0; i < size; ++i) {
        first[i] = 0.9 * first[i] + 0.1 * g[i];
        second[i] = 0.999 * second[i] + 0.001 * g[i] * g[i];
        e[i] -= o.learning_rate * first[i] / (1 - std::pow(0.9, t + 1)) /
                (std::sqrt(second[i] / (1 - std::pow(0.999, t + 1))) + 1e-8);
      }
    }
    model.own_vectors(own);
    double worst = 0, sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double d = std::fabs(static_cast<double>(own[i]) - e[i]);
      worst = std::fmax(worst, d);
      sum += d;
    }
    CHECK(sum / static_cast<double>(size) < 2e-6);
    CHECK(worst < 1e-3);
  }
}

void check_threads_and_restoring(thaw::LightGcnLoss loss) {
  const thaw::Interactions x = skewed_interactions(300, 400, 6000, 9);
  const thaw::LightGcnOptions options{.batch = 64, .loss = loss, .negatives = 50, .in_batch = true, .seed = 5};
  const auto run = [&](int threads, int steps) {
    thaw::LightGcnOptions o = options;
    o.threads = threads;
    auto model = thaw::LightGcn::make(x, o);
    for (int s = 0; s < steps; ++s) model.value().step();
    return model.value().state();
  };
  const auto one = run(1, 20), two = run(2, 20);
  CHECK(one.weights == two.weights);
  CHECK(one.second == two.second);
  auto model = thaw::LightGcn::make(x, options);
  CHECK(model.ok());
  if (!model) return;
  CHECK(model.value().restore(run(1, 12)).ok());
  const long before = heap_allocations();
  for (int s = 12; s < 20; ++s) model.value().step();
  CHECK(heap_allocations() == before);
  CHECK(model.value().state().weights == one.weights);
  CHECK(model.value().steps() == 20);
  thaw::LightGcn::State wrong = one;
  wrong.first.pop_back();
  CHECK(!model.value().restore(wrong));
}

TEST_CASE("LightGcn: threads change nothing, a restored state goes on bit for bit, no allocation in a step") {
  check_threads_and_restoring(thaw::LightGcnLoss::bpr);
  check_threads_and_restoring(thaw::LightGcnLoss::softmax);
}

void check_groups(const thaw::LightGcnOptions& options, double start) {
  const thaw::Interactions x = three_groups();
  auto model = thaw::LightGcn::make(x, options);
  CHECK(model.ok());
  if (!model) return;
  double first = 0, last = 0;
  for (int s = 0; s < 150; ++s) {
    last = model.value().step();
    if (s == 0) first = last;
  }
  CHECK(first == doctest::Approx(start).epsilon(0.05));
  CHECK(last < 0.5 * first);
  std::vector<float> vectors(150 * 16);
  model.value().final_vectors(vectors);
  const thaw::DotScorer scorer(vectors, 90, 16);
  CHECK(scorer.item_count() == 60);
  std::vector<std::int32_t> items;
  for (std::int32_t i = 0; i < 60; ++i) items.push_back(i);
  std::vector<float> out(60);
  int right = 0;
  for (std::int32_t user = 0; user < 90; ++user) {
    scorer.score(user, items, out);
    const auto best = static_cast<std::int32_t>(std::max_element(out.begin(), out.end()) - out.begin());
    right += best % 3 == user % 3 ? 1 : 0;
  }
  CHECK(right == 90);
}

TEST_CASE("LightGcn: groups that never meet are told apart") {
  check_groups({.width = 16, .batch = 128, .learning_rate = 0.02}, std::log(2.0));
  // 80 others, of which about one in nine is hers and hidden
  check_groups({.width = 16, .batch = 128, .learning_rate = 0.02, .loss = thaw::LightGcnLoss::softmax, .negatives = 80},
               std::log(1 + 80 * 8.0 / 9));
}

TEST_CASE("BprTriples: an item of hers, one that is not, every step its own; users or interactions alike") {
  const thaw::Interactions x = skewed_interactions(50, 70, 400, 1);
  const thaw::BprTriples by_user(x, {.seed = 3}), by_edge(x, {.draw = thaw::BprDraw::interactions, .seed = 3});
  std::vector<double> users(50, 0.0), edges(50, 0.0), others(70, 0.0);
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const auto t = by_user.at(7, static_cast<std::uint64_t>(i));
    const auto own = x.by_user.row(t.user);
    CHECK(std::binary_search(own.begin(), own.end(), t.liked));
    CHECK(!std::binary_search(own.begin(), own.end(), t.other));
    users[static_cast<std::size_t>(t.user)] += 1;
    edges[static_cast<std::size_t>(by_edge.at(7, static_cast<std::uint64_t>(i)).user)] += 1;
  }
  const auto total = static_cast<double>(x.by_user.ids.size());
  double active = 0;
  for (std::int32_t u = 0; u < 50; ++u) active += x.by_user.row(u).empty() ? 0 : 1;
  for (std::int32_t u = 0; u < 50; ++u) {
    const auto degree = static_cast<double>(x.by_user.row(u).size());
    const double alike = degree > 0 ? kDraws / active : 0, by_degree = kDraws * degree / total;
    CHECK(std::fabs(users[static_cast<std::size_t>(u)] - alike) <= 5 * std::sqrt(alike));
    CHECK(std::fabs(edges[static_cast<std::size_t>(u)] - by_degree) <= 5 * std::sqrt(by_degree));
  }
  const auto a = by_user.at(0, 0), b = by_user.at(1, 0), c = by_user.at(1, 1);
  CHECK((a.user != b.user || a.liked != b.liked || a.other != b.other));
  CHECK((c.user != b.user || c.liked != b.liked || c.other != b.other));
}

TEST_CASE("BprTriples: the hardest of several others, for the same user and liked item") {
  const thaw::Interactions x = skewed_interactions(50, 70, 400, 1);
  const thaw::BprTriples triples(x, {.seed = 3});
  const auto score = [](std::int32_t user, std::int32_t item) {
    return static_cast<float>((7 * user + 13 * item) % 31);
  };
  double alone = 0, of_eight = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const auto plain = triples.at(4, i), one = triples.hardest(4, i, 1, score), most = triples.hardest(4, i, 8, score);
    CHECK(one.other == plain.other);
    CHECK(most.user == plain.user);
    CHECK(most.liked == plain.liked);
    const auto own = x.by_user.row(most.user);
    CHECK(!std::binary_search(own.begin(), own.end(), most.other));
    CHECK(score(most.user, most.other) >= score(plain.user, plain.other));
    alone += static_cast<double>(score(plain.user, plain.other));
    of_eight += static_cast<double>(score(most.user, most.other));
  }
  // The mean of one draw of 0 .. 30 is 15, that of the largest of eight independent ones 27.1.
  CHECK(alone / 2000 == doctest::Approx(15).epsilon(0.08));
  CHECK(of_eight / 2000 == doctest::Approx(27.1).epsilon(0.03));
}

TEST_CASE("LightGcn: hard candidates, the same numbers for any threads and after an epoch's checkpoint") {
  const thaw::Interactions x = skewed_interactions(300, 400, 6000, 9);
  const thaw::LightGcnOptions options{.batch = 256, .candidates = 8, .seed = 5};
  const auto after = [&](int threads, thaw::Index epochs) {
    thaw::LightGcnOptions o = options;
    o.threads = threads;
    auto model = thaw::LightGcn::make(x, o);
    for (thaw::Index s = 0; s < epochs * model.value().steps_per_epoch(); ++s) model.value().step();
    return model.value().state();
  };
  const auto one = after(1, 3), two = after(2, 3);
  CHECK(one.weights == two.weights);
  auto model = thaw::LightGcn::make(x, options);
  CHECK(model.ok());
  if (!model) return;
  CHECK(model.value().restore(after(1, 1)).ok());
  model.value().step();
  const long before = heap_allocations();
  while (model.value().steps() < 3 * model.value().steps_per_epoch()) model.value().step();
  CHECK(heap_allocations() == before);
  CHECK(model.value().state().weights == one.weights);
  thaw::LightGcnOptions plain = options;
  plain.candidates = 1;
  auto easy = thaw::LightGcn::make(x, plain);
  CHECK(easy.ok());
  if (!easy) return;
  CHECK(easy.value().restore(after(1, 3)).ok());
  CHECK(model.value().step() > easy.value().step());  // harder triples of the same vectors
  CHECK(!thaw::LightGcn::make(x, {.candidates = 0}));
}

TEST_CASE("LightGcn: bad settings, nothing to rank") {
  const thaw::Interactions x = skewed_interactions(10, 10, 20, 1);
  const auto says = [](const thaw::Result<thaw::LightGcn>& r, const char* part) {
    return !r && std::strstr(r.fault().text, part) != nullptr;
  };
  CHECK(says(thaw::LightGcn::make(x, {.layers = 0}), "layers 0"));
  CHECK(says(thaw::LightGcn::make(x, {.learning_rate = std::nan("")}), "rate nan"));
  CHECK(says(thaw::LightGcn::make(x, {.threads = 0}), "threads 0"));
  constexpr auto kSoftmax = thaw::LightGcnLoss::softmax;
  CHECK(says(thaw::LightGcn::make(x, {.loss = kSoftmax, .temperature = 0}), "temperature 0"));
  CHECK(says(thaw::LightGcn::make(x, {.loss = kSoftmax, .negatives = 0}), "none in the batch"));
  CHECK(says(thaw::LightGcn::make(x, {.loss = kSoftmax, .candidates = 4}), "belong to BPR"));
  CHECK(thaw::LightGcn::make(x, {.batch = 4, .loss = kSoftmax, .negatives = 0, .in_batch = true}).ok());
  const std::vector<thaw::Rating> all{{0, 0, 1}, {0, 1, 1}};
  const auto full = thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(all, 1, 2));
  CHECK(full.ok());
  if (full) CHECK(says(thaw::LightGcn::make(full.value(), {}), "nothing to rank"));
}

}  // namespace
