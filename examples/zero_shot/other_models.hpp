// Recommenders that are fitted to the target, behind one signature; what they leave open is chosen on validation items.
//
//   thaw::Result<zero_shot::Fits> ease = zero_shot::fit_other("ease", valid, test);
//   auto table = test.measure(ease.value().test);
//
// `valid` asks for validation items and shows the training items, `test` shows both: each model is fitted twice, with
// the settings that had the best NDCG@20 on validation items. A model looks better than it is to the users who chose
// its settings, so what answers validation queries is cross-fitted: each half of the users is answered by the model
// that the other half would have chosen, and what is learnt from these answers needs no third set of users. popularity,
// item-knn and p3alpha have no open settings here. Tuned models of their own trainers may do better; these are searches
// of minutes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "thaw/baselines/bpr_mf.hpp"
#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/ials.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/graph/dot_scorer.hpp"
#include "thaw/graph/lightgcn.hpp"
#include "zero_shot/target.hpp"

namespace zero_shot {

using Ask = std::function<void(const thaw::TopNQuery&, std::span<const std::int32_t>, std::span<float>)>;

// One recommender on training items, and on everything visible.
struct Fits {
  Ask valid, test;       // the first answers each half of the users by what the other half chose
  std::string settings;  // of the second: what all chose, empty where nothing was open
};

namespace detail {

template <class Predictor>
Ask asking(Predictor&& predictor) {
  const auto kept = std::make_shared<std::remove_cvref_t<Predictor>>(std::forward<Predictor>(predictor));
  return [kept](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    thaw::detail::ask(*kept, query, items, out);
  };
}
template <class Predictor>
thaw::Result<Ask> fitted(const thaw::RatingGraph& graph, const typename Predictor::Options& options) {
  thaw::Result<Predictor> predictor = Predictor::fit(graph, options);
  if (!predictor) return predictor.fault();
  return asking(std::move(predictor.value()));
}
inline std::string words(const char* format, double a, double b) {
  char text[96];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

// Both fits without a choice.
template <class Make>
thaw::Result<Fits> fit_both(const Target& valid, const Target& test, const Make& make) {
  thaw::Result<Ask> first = make(valid.graph());
  if (!first) return first.fault();
  thaw::Result<Ask> second = make(test.graph());
  if (!second) return second.fault();
  return Fits{std::move(first.value()), std::move(second.value()), ""};
}

// The best of what was tried: by the users of each half, and by all.
class Tuning {
 public:
  // Of every two users one, whatever their order.
  static std::size_t half_of(std::int32_t user) {
    return thaw::Key{0x68616c66}.fold(static_cast<std::uint32_t>(user)).bits & 1;
  }

  // Measures one setting, known by its number: NDCG@20 of each half and of all.
  thaw::Result<std::array<double, 3>> offer(const Target& valid, const Ask& ask, int number) {
    const auto table = valid.measure(ask);
    if (!table) return table.fault();
    const std::vector<double>& values = table.value().find("NDCG@20")->per_user;
    std::vector<double> of[3];
    for (std::size_t row = 0; row < values.size(); ++row)
      for (const std::size_t by : {half_of(table.value().users[row]), kAll}) of[by].push_back(values[row]);
    std::array<double, 3> means{};
    for (std::size_t by = 0; by < 3; ++by) {
      means[by] = thaw::summarize(of[of[by].empty() ? kAll : by]).mean;  // a half without users follows all
      if (best_[by].ask == nullptr || means[by] > best_[by].mean) best_[by] = {ask, means[by], number};
    }
    return means;
  }
  int chosen() const { return best_[kAll].number; }  // by all users
  Ask cross_fitted() const {
    return [first = best_[1].ask, second = best_[0].ask](const thaw::TopNQuery& query,
                                                         std::span<const std::int32_t> items, std::span<float> out) {
      (half_of(query.user) == 0 ? first : second)(query, items, out);
    };
  }

 private:
  struct Best {
    Ask ask;
    double mean = 0;
    int number = 0;
  };
  static constexpr std::size_t kAll = 2;
  Best best_[3];
};

// The best of several settings.
template <class Predictor>
thaw::Result<Fits> fit_best(const Target& valid, const Target& test,
                            const std::vector<std::pair<std::string, typename Predictor::Options>>& choices) {
  Tuning tuning;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const thaw::Result<Ask> ask = fitted<Predictor>(valid.graph(), choices[i].second);
    if (!ask) return ask.fault();
    if (auto done = tuning.offer(valid, ask.value(), static_cast<int>(i)); !done) return done.fault();
  }
  const auto& [text, options] = choices[static_cast<std::size_t>(tuning.chosen())];
  thaw::Result<Ask> test_fit = fitted<Predictor>(test.graph(), options);
  if (!test_fit) return test_fit.fault();
  return Fits{tuning.cross_fitted(), std::move(test_fit.value()), text};
}

inline thaw::Result<Fits> best_ease(const Target& valid, const Target& test) {
  std::vector<std::pair<std::string, thaw::EasePredictor::Options>> choices;
  const bool small = valid.items() <= 6000;  // else a fit takes a minute or more
  for (const double lambda : small ? std::vector{50.0, 250.0, 500.0, 1000.0} : std::vector{50.0, 250.0}) {
    choices.emplace_back(words("lambda %g", lambda, 0), thaw::EasePredictor::Options{.regularization = lambda});
  }
  return fit_best<thaw::EasePredictor>(valid, test, choices);
}
inline thaw::Result<Fits> best_ials(const Target& valid, const Target& test) {
  std::vector<std::pair<std::string, thaw::IalsOptions>> choices;
  for (const double unobserved : {0.03, 0.1, 0.3})
    for (const double lambda : {0.003, 0.01, 0.03})
      choices.emplace_back(words("weight %g, lambda %g", unobserved, lambda),
                           thaw::IalsOptions{.unobserved_weight = unobserved, .regularization = lambda});
  return fit_best<thaw::IalsPredictor>(valid, test, choices);
}

// How long to train: `start(graph)` gives a session with advance(epochs) and snapshot().
struct Search {
  int every = 10, most = 200, patience = 3;  // epochs; the last in evaluations without a gain
};
struct Trial {
  double setting = 0;
  int epochs = 0;
};
// Trains until neither all users nor a half of them have gained for a while. What is offered is numbered by `trials`.
template <class Session>
thaw::Result<thaw::Done> search_epochs(Session& session, const Target& valid, const Search& search, double setting,
                                       Tuning& tuning, std::vector<Trial>& trials) {
  std::array<double, 3> best{-1, -1, -1};
  for (int epochs = 0, gained = 0; epochs < search.most && epochs < gained + search.patience * search.every;) {
    const int some = (std::min)(search.every, search.most - epochs);
    session.advance(some);
    epochs += some;
    const auto means = tuning.offer(valid, session.snapshot(), static_cast<int>(trials.size()));
    if (!means) return means.fault();
    trials.push_back({setting, epochs});
    for (std::size_t by = 0; by < best.size(); ++by)
      if (means.value()[by] > best[by]) best[by] = means.value()[by], gained = epochs;
  }
  return thaw::Done{};
}

// Three layers, width 64; larger batches where there are more interactions.
class LightGcnSession {
 public:
  static thaw::Result<std::unique_ptr<LightGcnSession>> make(const thaw::RatingGraph& graph) {
    auto x = thaw::Interactions::from_graph(graph);
    if (!x) return x.fault();
    std::unique_ptr<LightGcnSession> session(new LightGcnSession(std::move(x.value())));
    const thaw::Index batch = session->x_.by_user.ids.size() < 150'000 ? 2048 : 8192;
    auto model = thaw::LightGcn::make(session->x_, {.layers = 3, .batch = batch, .learning_rate = 5e-3});
    if (!model) return model.fault();
    session->model_ = std::make_unique<thaw::LightGcn>(std::move(model.value()));
    return session;
  }
  void advance(int epochs) {
    for (thaw::Index s = 0; s < epochs * model_->steps_per_epoch(); ++s) model_->step();
  }
  Ask snapshot() {
    const auto nodes = static_cast<std::size_t>(x_.user_count()) + static_cast<std::size_t>(x_.item_count());
    const auto vectors = std::make_shared<std::vector<float>>(64 * nodes);
    model_->final_vectors(*vectors);
    const thaw::DotScorer scorer(*vectors, x_.user_count(), 64);
    return [vectors, scorer](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
      scorer.score(query.user, items, out);
    };
  }

 private:
  explicit LightGcnSession(thaw::Interactions x) : x_(std::move(x)) {}

  thaw::Interactions x_;
  std::unique_ptr<thaw::LightGcn> model_;
};

class BprMfSession {
 public:
  static thaw::Result<std::unique_ptr<BprMfSession>> make(const thaw::RatingGraph& graph, double decay) {
    auto x = thaw::Interactions::from_graph(graph);
    if (!x) return x.fault();
    std::unique_ptr<BprMfSession> session(new BprMfSession(std::move(x.value())));
    auto model = thaw::BprMfPredictor::start(session->x_, {.decay = decay});
    if (!model) return model.fault();
    session->model_ = std::make_unique<thaw::BprMfPredictor>(std::move(model.value()));
    return session;
  }
  void advance(int epochs) {
    const thaw::BprTriples triples(x_, {.draw = thaw::BprDraw::interactions});
    for (int e = 0; e < epochs; ++e) model_->epoch(triples, static_cast<thaw::Index>(x_.by_user.ids.size()));
  }
  Ask snapshot() const { return asking(thaw::BprMfPredictor(*model_)); }

 private:
  explicit BprMfSession(thaw::Interactions x) : x_(std::move(x)) {}

  thaw::Interactions x_;
  std::unique_ptr<thaw::BprMfPredictor> model_;
};

// `make(graph, setting)` begins a session; the best setting and its epochs.
template <class Make>
thaw::Result<Fits> fit_epochs(const Target& valid, const Target& test, const std::vector<double>& settings,
                              const Search& search, const char* text, const Make& make) {
  Tuning tuning;
  std::vector<Trial> trials;
  for (const double setting : settings) {
    auto session = make(valid.graph(), setting);
    if (!session) return session.fault();
    if (auto done = search_epochs(*session.value(), valid, search, setting, tuning, trials); !done) return done.fault();
  }
  const Trial chosen = trials[static_cast<std::size_t>(tuning.chosen())];
  auto session = make(test.graph(), chosen.setting);
  if (!session) return session.fault();
  session.value()->advance(chosen.epochs);
  return Fits{tuning.cross_fitted(), session.value()->snapshot(), words(text, chosen.epochs, chosen.setting)};
}

}  // namespace detail

// `most_epochs`: of LightGCN and BPR-MF. Errors: a name that is not known, and whatever the fit says.
inline thaw::Result<Fits> fit_other(const std::string& name, const Target& valid, const Target& test,
                                    int most_epochs = 200) {
  using thaw::RatingGraph;
  if (name == "popularity")
    return detail::fit_both(valid, test, [](const RatingGraph& graph) -> thaw::Result<Ask> {
      return detail::asking(thaw::PopularityPredictor(graph.by_item));
    });
  if (name == "item-knn")
    return detail::fit_both(valid, test,
                            [](const RatingGraph& graph) { return detail::fitted<thaw::ItemKnnPredictor>(graph, {}); });
  if (name == "p3alpha")
    return detail::fit_both(
        valid, test, [](const RatingGraph& graph) { return detail::fitted<thaw::RandomWalkPredictor>(graph, {}); });
  if (name == "ease") return detail::best_ease(valid, test);
  if (name == "ials") return detail::best_ials(valid, test);
  if (name == "lightgcn")
    return detail::fit_epochs(valid, test, {5e-3}, {10, most_epochs, 3}, "%g epochs",
                              [](const RatingGraph& graph, double) { return detail::LightGcnSession::make(graph); });
  if (name == "bpr-mf")
    return detail::fit_epochs(
        valid, test, {0.003, 0.01, 0.03}, {20, most_epochs, 2}, "%g epochs, decay %g",
        [](const RatingGraph& graph, double decay) { return detail::BprMfSession::make(graph, decay); });
  return thaw::make_fault(thaw::FaultKind::not_found, name.c_str(),
                          ": no such model; there are popularity, item-knn, p3alpha, ease, ials, bpr-mf, lightgcn");
}

}  // namespace zero_shot
