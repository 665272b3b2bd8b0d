// The demonstration: trains HIRE, compares it with what is simpler, shows one new user, saves and reloads the model,
// and writes it all into one page.
//
//   thaw_hire_demo --help
//   mpirun -n 4 thaw_hire_demo --threads 1        # the ranks share the contexts of each step: docs/distributed.md
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <thread>

#include "command_line/processes.hpp"
#include "hire/inspect.hpp"
#include "hire/model_file.hpp"
#include "hire/options.hpp"
#include "hire/order_share.hpp"
#include "hire/report_page.hpp"
#include "thaw/file/atomic_file.hpp"

namespace {

using hire::DemoOptions;
using thaw::Done;
using thaw::Result;

int complain(const char* text) {
  std::fprintf(stderr, "thaw_hire_demo: %s\n", text);
  return 1;
}

// The command that trains on a file which the subcommand `data` found usable.
std::string demo_command(const hire::RatingsFile& file) {
  std::string command = "./dev demo --data " + command_line::shell_quoted(file.path);
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) command += std::string(" ") + option + " " + command_line::shell_quoted(value);
  };
  add("--user-column", file.user_column), add("--item-column", file.item_column);
  add("--rating-column", file.rating_column), add("--time-column", file.time_column);
  add("--user-attributes", file.user_attributes), add("--item-attributes", file.item_attributes);
  return command;
}

Result<hire::Task> make_task(const DemoOptions& o) {
  if (o.data == "generated") {
    thaw::GeneratorOptions world;
    world.seed = o.data_seed;
    if (o.quick) world.users = 500, world.items = 260, world.ratings = 16000;
    return hire::generated_task(world);
  }
  if (o.data == "ml-1m") return hire::movielens_task(hire::movielens_folder(o.data_dir), o.data_seed);
  return hire::file_task(o.file, o.data_seed);
}

hire::Recipe make_recipe(const DemoOptions& o) {
  hire::Recipe recipe = o.variant == "paper" ? hire::paper_recipe() : hire::best_recipe();
  if (o.data == "generated") {
    if (o.variant == "best") recipe.steps = 100;
    recipe.least_entities = recipe.affinity_entities = 0;
  }
  if (o.quick) {
    recipe.steps = o.variant == "paper" ? 10 : 40;
    if (recipe.episodes > 0) recipe.episodes = 3;
  }
  if (const auto sampler = o.samplers.find(o.sampler); sampler != o.samplers.end())
    (o.variant == "paper" ? recipe.sampler : recipe.published_sampler) = sampler->second;
  if (o.steps > 0) recipe.steps = o.steps;
  if (o.rate > 0) recipe.rate = o.rate;
  return recipe;
}

// One run of the program: everything that its parts share.
class Demo {
 public:
  Demo(const DemoOptions& options, hire::Task task, const hire::Recipe& recipe, int threads,
       const thaw::CommunicatorRef& ranks)
      : o_(options),
        task_(std::move(task)),
        recipe_(recipe),
        threads_(threads),
        ranks_(ranks),
        known_(task_.split.train_and_validation()) {
    facts_.variant = o_.variant;
    facts_.protocol = o_.protocol;
    facts_.command = o_.command;
    facts_.threads = threads;
  }

  int run() {
    print_task();
    if (ranks_.is_first()) o_.protocol == "published" ? prepare_published() : prepare_leak_free();
    for (int s = 0; s < o_.seeds; ++s)
      if (const int status = run_seed(o_.seed + static_cast<std::uint64_t>(s)); status != 0) return status;
    return ranks_.is_first() ? finish() : 0;
  }

 private:
  bool is_published() const { return o_.protocol == "published"; }
  std::string path(const std::string& name) const { return thaw::join_path(o_.out, name); }
  std::string checkpoint_path(std::uint64_t seed) const {
    return path("hire-" + o_.variant + "-" + std::to_string(seed) + ".checkpoint");
  }

  void print_task() const {
    std::printf("%s: %s users, %s items, %s ratings\n", task_.data.name.c_str(),
                hire::grouped(task_.data.users.size()).c_str(), hire::grouped(task_.data.items.size()).c_str(),
                hire::grouped(static_cast<std::int64_t>(task_.data.ratings.size())).c_str());
    if (task_.data.replaced > 0)
      std::printf("Of pairs rated more than once the last rating counts; %s earlier ones are left out\n",
                  hire::grouped(task_.data.replaced).c_str());
    std::printf("Split: %s\n", task_.split_text.c_str());
    std::printf("%s\n\n", hire::protocol_text(o_.protocol).c_str());
    std::fflush(stdout);
  }

  // Queries and baselines of the three scenarios.
  void prepare_leak_free() {
    const char* names[] = {"New users", "New items", "Both new"};
    const char* what[] = {"known items", "known users", "new users and new items"};
    for (std::size_t k = 0; k < 3; ++k) {
      const thaw::Scenario& scenario = task_.split.test[k];
      const std::vector<std::uint8_t> visible(scenario.hidden.size(), 0);
      thaw::Protocol protocol = thaw::leak_free_protocol();
      if (o_.candidates == "all") protocol.most_candidates = thaw::Protocol::kAllCandidates;
      queries_[k] = thaw::choose_queries(scenario.hidden, visible, protocol, 1);
      stages_[k] = hire::Stage::make(task_.data, known_, scenario, recipe_);
      results_.push_back(
          hire::score_baselines(task_.data, stages_[k]->visible, queries_[k], task_.world ? &*task_.world : nullptr));
      std::size_t asked = 0;
      for (const auto& query : queries_[k]) asked += query.items.size();
      results_[k].name = names[k];
      results_[k].note = std::string(what[k]) + "; " + hire::grouped(static_cast<std::int64_t>(queries_[k].size())) +
                         " users asked about " + hire::grouped(static_cast<std::int64_t>(asked)) + " hidden ratings";
    }
  }
  void prepare_published() {
    const thaw::ColdStartState* states[] = {&task_.states->user_cold, &task_.states->item_cold,
                                            &task_.states->both_cold};
    for (std::size_t k = 0; k < 3; ++k)
      published_[k] = hire::PublishedState::make(task_.data, *states[k], states[k]->users);
  }

  std::vector<thaw::UserScores> published_scores(std::size_t k) {
    if (!recipe_.on_biases)
      return hire::score_published(published_[k], *model_.trainer, *model_.packer, hire::kScoringSeed);
    thaw::Scenario nothing;
    nothing.kind = static_cast<thaw::Scenario::Kind>(k);
    const auto bare = hire::Stage::make(task_.data, known_, nothing, recipe_);
    return hire::score_published_stage(*bare, published_[k], model_.start, *model_.trainer, *model_.packer,
                                       hire::kScoringSeed);
  }

  // The scenarios under the published protocol, one context for each user; baselines know the warm ratings alone.
  std::vector<thaw::UserScores> score_published(std::size_t k) {
    auto scores = published_scores(k);
    if (results_.size() > k) return scores;
    std::vector<thaw::Query> lists;
    for (const auto& s : scores) lists.push_back({s.user, s.items, s.truths});
    const auto warm = thaw::RatingGraph::from_ratings(known_, task_.data.users.size(), task_.data.items.size());
    results_.push_back(hire::score_baselines(task_.data, warm, lists, nullptr));
    const char* names[] = {"New users", "New items", "Both new"};
    results_[k].name = names[k];
    results_[k].note = hire::grouped(static_cast<std::int64_t>(lists.size())) + " rows of contexts";
    return scores;
  }

  int run_seed(std::uint64_t seed) {
    hire::Recipe recipe = recipe_;
    recipe.seed = seed;
    model_ = hire::make_recommender(task_.data, known_, recipe, threads_, ranks_);
    facts_.parameters = thaw::parameter_count(model_.trainer->parameters().values());
    std::printf("Training variant %s, seed %llu: %s parameters, %s steps, %d threads\n", o_.variant.c_str(),
                static_cast<unsigned long long>(seed), hire::grouped(facts_.parameters).c_str(),
                hire::grouped(recipe.steps).c_str(), threads_);
    std::fflush(stdout);
    std::vector<std::int32_t> users;
    if (is_published()) users = hire::published_training_users(task_.states->warm);
    const bool as_published = is_published() && !recipe.on_biases;
    hire::Lessons lessons(task_.data, as_published ? task_.states->warm.ratings : known_, recipe, users,
                          is_published());
    if (lessons.empty()) return complain("too few ratings to rehearse a cold start on; give a larger data set");
    model_.start = lessons.start();
    if (lessons.contexts_in_step() < ranks_.size())
      return complain("a step has fewer contexts than there are processes; start fewer");
    if (const auto placed = use_device(recipe); !placed) return complain(placed.fault().text);
    if (const int status = train(lessons, seed); status != 0) return status;
    if (!ranks_.is_first()) return 0;  // the first rank scores
    if (!is_published()) hire::choose_order_shares(task_.data, known_, model_);
    for (std::size_t k = 0; k < 3; ++k) {
      const auto scores = is_published() ? score_published(k) : hire::score_queries(*stages_[k], queries_[k], model_);
      model_tables_[k].push_back(thaw::evaluate(scores));
    }
    return 0;
  }

  // Who takes the steps: this program's processor, or a device.
  Result<Done> use_device(const hire::Recipe& recipe) {
    if (o_.device == "cpu") return Done{};
    auto opened = hire::open_cuda_training(hire::plan_for(task_.data, model_.packer->levels(), recipe), recipe, ranks_);
    if (!opened) return opened.fault();
    model_.trainer->use(std::move(opened.value()));
    return Done{};
  }

  int train(hire::Lessons& lessons, std::uint64_t seed) {
    hire::LearnOptions options;
    options.checkpoint = checkpoint_path(seed);
    options.checkpoint_every = o_.checkpoint_every;
    options.identity = hire::identity_of(task_.data, known_, model_.recipe());
    options.resume = o_.resume && thaw::file_exists(options.checkpoint);
    if (o_.resume && !options.resume)
      std::printf("No checkpoint %s: starting from the beginning\n", options.checkpoint.c_str());
    const double start = seconds();
    const hire::Learned learned = hire::learn(
        *model_.trainer, *model_.packer,
        [&](thaw::Index step, hire::ContextPacker& packer) { lessons.pack(step, packer, ranks_); },
        lessons.loss_divisor(), options);
    facts_.training_seconds += seconds() - start;
    if (learned.resumed_at > 0)
      std::printf("Resumed at step %lld from %s\n", static_cast<long long>(learned.resumed_at),
                  options.checkpoint.c_str());
    if (learned.ending == hire::Ending::failed) return complain(learned.fault.text);
    if (learned.ending == hire::Ending::interrupted) {
      std::printf("Stopped after step %lld; checkpoint saved in %s\nGo on with: %s%s\n",
                  static_cast<long long>(model_.trainer->steps()), options.checkpoint.c_str(), o_.command.c_str(),
                  o_.resume ? "" : " --resume");
      return 128 + learned.signal;
    }
    facts_.seeds.push_back(seed);
    facts_.losses.push_back(learned.losses);
    return 0;
  }
  static double seconds() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }

  int finish() {
    for (std::size_t k = 0; k < 3; ++k)
      results_[k].add("HIRE, " + o_.variant, thaw::SystemKind::model, true, std::move(model_tables_[k]));
    const thaw::Scores scores = hire::scores_of(results_);
    std::printf("\n");
    for (std::size_t k = 0; k < 3; ++k) std::printf("%s\n", hire::scenario_text(results_[k], scores, k).c_str());
    std::optional<hire::NewUser> her = hire::choose_new_user(task_.data, task_.split);
    if (her) {
      hire::recommend(*her, task_.data, known_, model_);
      std::printf("%s\n", hire::new_user_text(*her, task_.data).c_str());
    }
    std::fflush(stdout);
    if (const int status = save_and_check(her ? &*her : nullptr); status != 0) return status;
    const thaw::Report report = hire::report_of(task_, facts_, results_, her ? &*her : nullptr, model_);
    if (const Result<Done> written = write_tables(); !written) return complain(written.fault().text);
    const Result<Done> written = thaw::write_report(path("report.html"), report);
    if (!written) return complain(written.fault().text);
    std::printf("Metrics at 5, 7 and 10 written to %s\nReport written to %s\n", path("tables.md").c_str(),
                path("report.html").c_str());
    return 0;
  }

  Result<Done> write_tables() const {
    const std::string text = hire::wide_tables(results_);
    auto file = thaw::AtomicFile::create(path("tables.md"));
    if (!file) return file.fault();
    file.value().write(text.data(), text.size());
    return file.value().commit();
  }

  // Saves the last model, loads it into a fresh one built from the file alone, and compares scores bit for bit.
  int save_and_check(const hire::NewUser* her) {
    const std::string file = path("hire.safetensors");
    const Result<Done> saved = hire::save_model_file(file, task_.data, known_, model_);
    if (!saved) return complain(saved.fault().text);
    const auto loaded = hire::load_model_file(file, threads_);
    if (!loaded) return complain(loaded.fault().text);
    std::printf("Model written to %s; ./dev demo recommend --model %s serves it\n", file.c_str(),
                command_line::shell_quoted(file).c_str());
    if (her == nullptr) return 0;
    hire::Loaded& fresh = *loaded.value();
    const auto stage = hire::Stage::make(fresh.data, fresh.data.ratings, her->scenario, fresh.recipe);
    const auto again = hire::best_first(*her, hire::score_candidates(*her, *stage, fresh.model));
    for (std::size_t i = 0; i < again.size(); ++i)
      if (again[i].item != her->after[i].item ||
          std::bit_cast<std::uint32_t>(again[i].score) != std::bit_cast<std::uint32_t>(her->after[i].score))
        return complain("the reloaded model scores differently; the model file is not complete");
    std::printf("Reloaded into a fresh model: all %s scores of the new user are equal bit for bit\n",
                hire::grouped(static_cast<std::int64_t>(again.size())).c_str());
    return 0;
  }

  const DemoOptions& o_;
  hire::Task task_;
  hire::Recipe recipe_;
  int threads_;
  thaw::CommunicatorRef ranks_;
  std::vector<thaw::Rating> known_;
  std::unique_ptr<hire::Stage> stages_[3];
  hire::PublishedState published_[3];
  std::vector<thaw::Query> queries_[3];
  std::vector<hire::ScenarioResult> results_;
  std::vector<thaw::MetricTable> model_tables_[3];
  hire::Recommender model_;
  hire::RunFacts facts_;
};

int run(const DemoOptions& options, const thaw::CommunicatorRef& ranks) {
  if (options.inspect)
    return options.inspected == "ml-1m" ? hire::inspect_movielens(options.data_dir)
                                        : hire::inspect_file(options.file, demo_command(options.file));
  if (options.serve) return hire::recommend_to_guest(options.served);
  if (options.device == "cuda")
    if (const auto found = hire::find_cuda(ranks); !found) return complain(found.fault().text);
  Result<hire::Task> task = make_task(options);
  if (!task) return complain(task.fault().text);
  const hire::Recipe recipe = make_recipe(options);
  if (const auto fits = hire::check_task(task.value(), recipe); !fits) return complain(fits.fault().text);
  if (options.protocol == "published" && !task.value().states)
    return complain(
        "--protocol published needs the files of the published split beside MovieLens-1M; "
        "'data ml-1m' says which");
  std::error_code problem;
  std::filesystem::create_directories(options.out, problem);
  if (problem)
    return complain(
        ("cannot create the folder " + options.out + ": " + problem.message() + "; give another --out").c_str());
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int threads = options.threads > 0 ? options.threads : (std::clamp)(cores / ranks.size(), 1, 8);
  return Demo(options, std::move(task.value()), recipe, threads, ranks).run();
}

}  // namespace

int main(int argc, char** argv) {
  DemoOptions options;
  int status = 0;
  if (!hire::read_options(argc, argv, options, status)) return status;
  auto processes = command_line::Processes::start();
  if (!processes) return complain(processes.fault().text);
  return processes.value().finish(run(options, processes.value().ranks()));
}
