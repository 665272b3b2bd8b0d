// The network and the loss of TaNP against an independent program, closed forms and finite differences.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "hyperrs/tanp_network.hpp"
#include "hyperrs_rivals.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/optim/parameters.hpp"

namespace {

using hyperrs::TanpBatch;
using hyperrs::TanpSizes;
using thaw::Bags;
using thaw::Index;
using A = thaw::Array<double>;
using V = thaw::Var<double>;
using rivals::norm;

TanpSizes tiny() {
  TanpSizes sizes;
  sizes.user_fields[0] = 3;
  sizes.item_fields[0] = 5;
  sizes.user_field_count = sizes.item_field_count = 1;
  sizes.first = 3;
  sizes.second = 2;
  const auto set = [](Index(&to)[3], Index a, Index b, Index c) { to[0] = a, to[1] = b, to[2] = c; };
  set(sizes.encoder, 3, 2, 4);
  sizes.latent = 3;
  set(sizes.task_encoder, 3, 3, 2);
  set(sizes.decoder, 3, 4, 2);
  sizes.centroids = 3;
  sizes.temperature = 1.5;
  return sizes;
}

// Two users: 0 with support items {0, 3} and query {1}; one who is new with support {2} and query {4, 0}.
struct Batch {
  std::int32_t user[2] = {0, -1}, item[6] = {0, 3, 1, 2, 4, 0}, owner[6] = {0, 0, 0, 1, 1, 1};
  std::int32_t all[6] = {0, 1, 2, 3, 4, 5}, all_begin[3] = {0, 3, 6};
  std::int32_t seen[3] = {0, 1, 3}, seen_begin[3] = {0, 2, 3};
  double labels[6] = {5, 2, 4, 3, 1, 2}, weights[6], noise[6];

  Batch() {
    for (int i = 0; i < 6; ++i) {
      weights[i] = 1.0 / 6;
      noise[i] = 0.3 * std::sin(i + 1.0);
    }
  }
  TanpBatch<double> view() const {
    TanpBatch<double> b;
    b.users = 2;
    b.rows = 6;
    b.user[0] = {user, nullptr, 2};
    b.item[0] = {item, nullptr, 6};
    b.owner = {owner, nullptr, 6};
    b.context = {seen, seen_begin, 2, true};
    b.target = {all, all_begin, 2, true};
    b.labels = labels;
    b.weights = weights;
    b.noise = noise;
    return b;
  }
};

struct Fixture {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Parameters<hyperrs::Tanp<thaw::Spec>, double> parameters;
  thaw::Tape<double> tape{context};
  Batch batch;

  explicit Fixture(const TanpSizes& sizes = tiny()) : parameters(hyperrs::tanp_plan(sizes), context, 3) {
    for (int t = 0; t < parameters.count(); ++t)
      for (Index k = 0; k < parameters.slot(t).value.size(); ++k)
        parameters.slot(t).value[k] = 0.8 * std::sin(1 + 1.3 * t + 2.1 * static_cast<double>(k)) + 0.3;
  }
  // The loss with the targets of the clusters held at `target`.
  double loss_at(const A& target) {
    const auto& model = parameters.values();
    const auto out = model(batch.view());
    return hyperrs::tanp_loss(model, batch.view(), out, target, {1, 0.7}).item();
  }
};

}  // namespace

// Made with PyTorch 1.13 in double by a program that follows the published modules user by user (Linear layers over
// one-hot vectors, torch.norm and torch.pow in the memory, torch.distributions for the divergence), the target
// distribution normalised over the centroids; tensor t in the order of the plan holds 0.8 sin(1 + 1.3 t + 2.1 k) + 0.3
// at position k, the noise is 0.3 sin(k + 1), temperature 1.5, lambda 0.7.
TEST_CASE("TaNP agrees with an independent program") {
  Fixture f;
  thaw::Scope scope(f.tape);
  const auto net = f.parameters.on(f.tape);
  const auto out = net(f.batch.view());
  const double predicted[] = {0.9580485676027666, 0.9569768082389698, 0.9576943032194503,
                              1.0003914704682337, 0.9995929968244099, 1.0011770444069032};
  for (Index i = 0; i < 6; ++i) CHECK(out.predicted[i] == doctest::Approx(predicted[i]).epsilon(1e-12));
  const double assignment[] = {0.2925119289751893,  0.3716214534584434, 0.3358666175663672,
                               0.29410950842117667, 0.3694336251974595, 0.33645686638136385};
  for (Index i = 0; i < 6; ++i) CHECK(out.assignment[i] == doctest::Approx(assignment[i]).epsilon(1e-10));
  const A target = hyperrs::target_distribution(out.assignment.array());
  CHECK(target[0] == doctest::Approx(0.2917136623562597).epsilon(1e-10));
  CHECK(target[5] == doctest::Approx(0.3367503425095929).epsilon(1e-10));
  CHECK(hyperrs::kl_divergence(out.target, out.context).item() ==
        doctest::Approx(0.022913877923916713 + 1.1301546568618162).epsilon(1e-12));
  CHECK(hyperrs::clustering_loss(out.assignment, target).item() ==
        doctest::Approx(2.8319969992973704e-06).epsilon(1e-7));
  const auto loss = hyperrs::tanp_loss(net, f.batch.view(), out, target, {1, 0.7});
  CHECK(loss.item() == doctest::Approx(5.856031990910817).epsilon(1e-12));

  const auto gradient = thaw::gradient(loss, net);
  CHECK(norm(gradient.user.fields[0].table) == doctest::Approx(0.20450580779397975).epsilon(1e-9));
  CHECK(norm(gradient.item.fields[0].table) == doctest::Approx(0.27664577238989385).epsilon(1e-9));
  CHECK(norm(gradient.latent_record.layers[0].weight) == doctest::Approx(0.8307180928825564).epsilon(1e-9));
  CHECK(norm(gradient.task_record.layers[2].bias) == doctest::Approx(0.7321799107720914).epsilon(1e-9));
  CHECK(norm(gradient.latent_log_variance.weight) == doctest::Approx(1.5439364240563063).epsilon(1e-9));
  CHECK(norm(gradient.centroids) == doctest::Approx(0.40723590961835965).epsilon(1e-9));
  CHECK(norm(gradient.decoder[0].scale) == doctest::Approx(0.3674434643090249).epsilon(1e-9));
  CHECK(norm(gradient.decoder[1].shift) == doctest::Approx(0.4932949947922351).epsilon(1e-9));
  CHECK(norm(gradient.output.weight) == doctest::Approx(1.196860258972729).epsilon(1e-9));
}

// The same program's answers for a user who is scored with the mean of z given her support.
TEST_CASE("a new user's labels agree with the independent program") {
  Fixture f;
  const auto& net = f.parameters.values();
  const std::int32_t item[3] = {2, 4, 0}, user[1] = {-1}, owner[3] = {0, 0, 0}, first[1] = {0};
  const double label = 3;
  const Bags items{item, nullptr, 3}, users{user, nullptr, 1}, support{item, nullptr, 1}, one{first, nullptr, 1};
  const A u = net.user(&users, 1);
  const A known = net.records(net.pairs(net.item(&support, 1), u, {owner, nullptr, 1}), net.constant(&label, {1, 1}));
  const A z = net.belief(thaw::gather(net.latent_record(known), one)).mean;
  const A t = thaw::gather(net.task_record(known), one);
  const Bags rows{owner, nullptr, 3};
  const A y = net.decode(net.pairs(net.item(&items, 3), u, rows), z, net.recall(t, net.assign(t)), rows);
  CHECK(y[0] == doctest::Approx(0.9635330539578204).epsilon(1e-12));
  CHECK(y[1] == doctest::Approx(0.9627345803139968).epsilon(1e-12));
  CHECK(y[2] == doctest::Approx(0.9643186278964899).epsilon(1e-12));
}

TEST_CASE("every gradient of TaNP's loss is the difference quotient") {
  Fixture f;
  thaw::Scope scope(f.tape);
  const auto net = f.parameters.on(f.tape);
  const auto out = net(f.batch.view());
  const A target = hyperrs::target_distribution(out.assignment.array());
  const auto loss = hyperrs::tanp_loss(net, f.batch.view(), out, target, {1, 0.7});
  const auto gradient = thaw::gradient(loss, net);
  const rivals::Quotients found = rivals::quotients(f.parameters, gradient, [&] { return f.loss_at(target); });
  CHECK(found.compared == thaw::parameter_count(f.parameters.values()));
  CHECK(found.largest > 1);
  CHECK(found.worst < 1e-7);
}

TEST_CASE("the divergence is zero when target and context are one set, and positive when they differ") {
  Fixture f;
  TanpBatch<double> same = f.batch.view();
  same.context = same.target;
  const auto& net = f.parameters.values();
  const auto out = net(same);
  CHECK(hyperrs::kl_divergence(out.target, out.context).item() == 0);
  const auto other = net(f.batch.view());
  CHECK(hyperrs::kl_divergence(other.target, other.context).item() > 1e-3);
  // KL(N(1, e^0.5) || N(0, 1)) by its formula.
  double mean[] = {1, 0}, log_variance[] = {0.5, 0};
  const auto number = [&](const double& x) { return A::view(f.context, &x, {1, 1}); };
  const hyperrs::Gaussian<A> q{number(mean[0]), number(log_variance[0])}, p{number(mean[1]), number(log_variance[1])};
  CHECK(hyperrs::kl_divergence(q, p).item() == doctest::Approx(0.5 * (std::exp(0.5) + 1 - 1 - 0.5)));
}

TEST_CASE("assignments are the Student-t kernel, and one user alone is her own target") {
  TanpSizes sizes = tiny();
  sizes.temperature = 1;
  Fixture f(sizes);
  const auto& net = f.parameters.values();
  for (Index k = 0; k < 3; ++k) {
    net.centroids[2 * k] = 3.0 * static_cast<double>(k);
    net.centroids[2 * k + 1] = 4.0 * static_cast<double>(k);
  }
  const double task[2] = {3, 4};  // distances 5, 0, 5
  const A c = net.assign(A::view(f.context, task, {1, 2}));
  const double sum = 1.0 / 6 + 1 + 1.0 / 6;
  CHECK(c[0] == doctest::Approx(1.0 / 6 / sum).epsilon(1e-5));
  CHECK(c[1] == doctest::Approx(1 / sum).epsilon(1e-5));
  CHECK(c[2] == doctest::Approx(1.0 / 6 / sum).epsilon(1e-5));
  const A o = net.recall(A::view(f.context, task, {1, 2}), c);
  CHECK(o[0] == doctest::Approx(3 + 3 * c[1] + 6 * c[2]));
  const A target = hyperrs::target_distribution(c);
  for (Index k = 0; k < 3; ++k) CHECK(target[k] == doctest::Approx(c[k]));
  CHECK(std::abs(hyperrs::clustering_loss(c, target).item()) < 1e-15);
}

TEST_CASE("the slope stays finite where the task sits on a centroid") {
  Fixture f;
  thaw::Scope scope(f.tape);
  const auto net = f.parameters.on(f.tape);
  const auto task = f.tape.leaf(A::view(f.context, net.centroids.data, {1, 2}));
  const auto c = net.assign(task);
  for (const double g : thaw::gradient(thaw::sum(thaw::square(c)), task)) CHECK(std::isfinite(g));
}

TEST_CASE("parameters by formula at the published sizes") {
  TanpSizes sizes;
  sizes.user_fields[0] = 6040;
  sizes.item_fields[0] = 3706;
  sizes.user_field_count = sizes.item_field_count = 1;
  const auto linear = [](Index in, Index out) { return in * out + out; };
  const Index encoders = linear(6040, 32) + linear(3706, 32) + 2 * linear(32, 16);
  const Index latent = linear(33, 32) + linear(32, 16) + linear(16, 32) + 3 * linear(32, 32);
  const Index task = linear(33, 32) + linear(32, 32) + linear(32, 16) + 10 * 16;
  const Index decoder = linear(64, 32) + linear(32, 32) + linear(32, 16) + 2 * 16 * (32 + 32 + 16) + linear(16, 1);
  CHECK(thaw::parameter_count(hyperrs::tanp_plan(sizes)) == encoders + latent + task + decoder);
}
