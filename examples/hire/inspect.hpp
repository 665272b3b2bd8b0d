// The subcommand `data`: what is there, whether it is what it should be, and where to get what is missing.
#pragma once

#include <cstdio>

#include "command_line/words.hpp"
#include "hire/task.hpp"

namespace hire {

namespace detail {

inline bool check_file(const std::string& folder, const char* name, const char* what) {
  const std::string path = thaw::plain_or_gzip(thaw::join_path(folder, name));
  const bool is_there = thaw::file_exists(path);
  std::printf("  %-8s %s  (%s)\n", is_there ? "found" : "MISSING", path.c_str(), what);
  return is_there;
}

inline bool check_count(const char* what, std::int64_t found, std::int64_t expected) {
  const bool is_right = found == expected;
  std::printf("  %-8s %s %s%s\n", is_right ? "right" : "WRONG", grouped(found).c_str(), what,
              is_right ? "" : (", expected " + grouped(expected)).c_str());
  return is_right;
}

inline void print_attributes(const char* side, const thaw::Entities& entities) {
  for (const thaw::Attribute& a : entities.attributes) {
    std::int32_t without = 0;
    for (std::int32_t e = 0; e < entities.size(); ++e) without += a.of(e).empty() ? 1 : 0;
    std::printf("           %s attribute '%s': %s values, missing for %s\n", side, a.name.c_str(),
                grouped(a.values.size()).c_str(), grouped(without).c_str());
  }
}

inline void print_movielens_source(const std::string& folder) {
  std::printf(
      "MovieLens-1M is GroupLens' to give: download ml-1m.zip from the GroupLens page\n"
      "  https://grouplens.org/datasets/movielens/1m/\n"
      "(read the licence there), unpack it, and put users.dat, movies.dat and ratings.dat into\n  %s\n"
      "or name the folder: --data-dir DIR or THAW_DATA=DIR, DIR being that folder or the one above.\n\n",
      folder.c_str());
}

inline std::int64_t rated(const thaw::Dataset& data) {
  std::vector<std::uint8_t> is_rated(static_cast<std::size_t>(data.items.size()), 0);
  for (const auto& r : data.ratings) is_rated[static_cast<std::size_t>(r.item)] = 1;
  return std::count(is_rated.begin(), is_rated.end(), std::uint8_t{1});
}

inline int fault_status(const thaw::Fault& fault) {
  std::fprintf(stderr, "thaw_hire_demo: %s\n", fault.text);
  return 1;
}

}  // namespace detail

inline int inspect_movielens(const std::string& data_dir) {
  const std::string folder = movielens_folder(data_dir), extra = folder + "-melu";
  detail::print_movielens_source(folder);
  std::printf("GroupLens' files in %s\n", folder.c_str());
  bool complete = detail::check_file(folder, "users.dat", "gender, age, occupation, zip of each user");
  complete = detail::check_file(folder, "movies.dat", "title, year and genres of each film") && complete;
  const bool has_times = thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, "ratings.dat")));
  const char* ratings = has_times ? "ratings.dat" : "ratings_notime.dat";
  const bool has_either = has_times || thaw::file_exists(thaw::plain_or_gzip(thaw::join_path(folder, ratings)));
  complete = detail::check_file(folder, has_either ? ratings : "ratings.dat", "the ratings") && complete;
  std::printf("Optional: film metadata and the published split in %s\n", extra.c_str());
  const bool has_extra = detail::check_file(extra, "movies_extrainfos.dat", "directors and actors of each film");
  const bool has_split = has_published_split(extra);
  std::printf("  %-8s the published cold-start split\n", has_split ? "found" : "MISSING");
  if (!complete) {
    std::printf("\nVerdict: not usable yet, get the missing files from GroupLens.\n");
    return 1;
  }
  const thaw::Result<Task> task = movielens_task(folder, 1);
  if (!task) return detail::fault_status(task.fault());
  const thaw::Dataset& data = task.value().data;
  std::printf("What is in them\n");
  bool right = detail::check_count("users", data.users.size(), 6040);
  right = detail::check_count("rated films", detail::rated(data), 3706) && right;
  right = detail::check_count("ratings", static_cast<std::int64_t>(data.ratings.size()), 1000209) && right;
  detail::print_attributes("user", data.users);
  detail::print_attributes("film", data.items);
  std::printf("  split    %s\n", task.value().split_text.c_str());
  if (!right) {
    std::printf("\nVerdict: these are not the files that GroupLens published; download them again.\n");
    return 1;
  }
  std::printf("\nVerdict: complete and right%s%s. Next: ./dev demo --data ml-1m%s%s\n",
              has_extra ? ", with directors and actors" : ", with GroupLens' own attributes",
              has_split ? " and the published split" : "; our own split takes the newest films as new",
              data_dir.empty() ? "" : " --data-dir ",
              data_dir.empty() ? "" : command_line::shell_quoted(data_dir).c_str());
  return 0;
}

inline int inspect_file(const RatingsFile& file, const std::string& command) {
  const thaw::Result<Task> task = file_task(file, 1);
  if (!task) return detail::fault_status(task.fault());
  const thaw::Dataset& data = task.value().data;
  const auto pairs = static_cast<double>(data.users.size()) * static_cast<double>(data.items.size());
  std::printf("%s\n  %s users, %s items, %s ratings from %s to %s; %s %% of all pairs are rated%s\n", file.path.c_str(),
              grouped(data.users.size()).c_str(), grouped(data.items.size()).c_str(),
              grouped(static_cast<std::int64_t>(data.ratings.size())).c_str(),
              thaw::significant_text(static_cast<double>(data.lowest), 4).c_str(),
              thaw::significant_text(static_cast<double>(data.highest), 4).c_str(),
              thaw::significant_text(100 * static_cast<double>(data.ratings.size()) / pairs, 3).c_str(),
              data.times.empty() ? "; no times" : "; with times");
  if (data.replaced > 0)
    std::printf("           %s ratings of a pair that is rated again further down; the last one counts\n",
                grouped(data.replaced).c_str());
  detail::print_attributes("user", data.users);
  detail::print_attributes("item", data.items);
  std::printf("  split    %s\n", task.value().split_text.c_str());
  const char* names[] = {"new users", "new items", "both new"};
  for (std::size_t k = 0; k < 3; ++k)
    std::printf("           %s: %s to score on %s hidden ratings\n", names[k],
                grouped(static_cast<std::int64_t>(task.value().split.test[k].targets.size())).c_str(),
                grouped(static_cast<std::int64_t>(task.value().split.test[k].hidden.size())).c_str());
  const auto fits = check_task(task.value(), best_recipe());
  if (!fits) {
    std::printf("\nVerdict: readable, but too little to learn from: %s\n", fits.fault().text);
    return 1;
  }
  std::printf("\nVerdict: usable. Next: %s\n", command.c_str());
  return 0;
}

}  // namespace hire
