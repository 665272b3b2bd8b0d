// ListShape: what the lists of many users look like together.
//
//   zero_shot::ListShape shape(items);
//   shape.add(query, candidates, scores);             // once a user
//   shape.coverage();                                 // share of the catalogue that is in anybody's list
//   shape.likeness();                                 // mean Jaccard of two users' lists: 1 where all are the same
//
// A recommender that ranks by popularity covers next to nothing and shows everybody the same; recall alone does not
// say so. Not a measure of quality: random lists cover everything.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/eval/top_n.hpp"

namespace zero_shot {

class ListShape {
 public:
  explicit ListShape(std::int32_t items, std::size_t depth = 20)
      : depth_(depth), shown_(static_cast<std::size_t>(items), 0) {}

  // The top of the list of one user: scores of `items`, without what is known; equal scores by a hash.
  void add(const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<const float> scores) {
    known_.assign(shown_.size(), 0);
    for (const std::int32_t item : query.known) known_[static_cast<std::size_t>(item)] = 1;
    top_.clear();
    const auto of_user = thaw::Key{1}.fold(static_cast<std::uint32_t>(query.user));
    const auto before = [&](const Entry& a, const Entry& b) {
      if (a.score != b.score) return a.score > b.score;
      return of_user.fold(static_cast<std::uint32_t>(a.item)).bits <
             of_user.fold(static_cast<std::uint32_t>(b.item)).bits;
    };
    for (std::size_t i = 0; i < items.size(); ++i) {  // a heap with the worst of the best on top
      if (known_[static_cast<std::size_t>(items[i])] != 0) continue;
      const Entry entry{scores[i], items[i]};
      if (top_.size() == depth_ && !before(entry, top_.front())) continue;
      if (top_.size() == depth_) {
        std::pop_heap(top_.begin(), top_.end(), before);
        top_.pop_back();
      }
      top_.push_back(entry);
      std::push_heap(top_.begin(), top_.end(), before);
    }
    std::vector<std::int32_t> list;
    for (const Entry& entry : top_) list.push_back(entry.item), shown_[static_cast<std::size_t>(entry.item)] = 1;
    std::sort(list.begin(), list.end());
    lists_.push_back(std::move(list));
  }

  double coverage() const {
    const auto shown = std::count(shown_.begin(), shown_.end(), char{1});
    return shown_.empty() ? 0 : static_cast<double>(shown) / static_cast<double>(shown_.size());
  }
  // Of every two users up to 501, of 500 partners of each beyond.
  double likeness() const {
    const std::size_t n = lists_.size();
    if (n < 2) return 1;
    const std::size_t partners = (std::min)(n - 1, std::size_t{500});
    double sum = 0;
    for (std::size_t k = 0; k < partners; ++k) {
      const std::size_t apart = 1 + k * (n - 1) / partners;
      for (std::size_t i = 0; i < n; ++i) sum += jaccard(lists_[i], lists_[(i + apart) % n]);
    }
    return sum / static_cast<double>(partners * n);
  }

 private:
  struct Entry {
    float score;
    std::int32_t item;
  };

  static double jaccard(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
    std::size_t both = 0;
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
      const bool first = *x <= *y, second = *y <= *x;
      both += first && second ? 1 : 0;
      x += first ? 1 : 0, y += second ? 1 : 0;
    }
    const std::size_t either = a.size() + b.size() - both;
    return either == 0 ? 1 : static_cast<double>(both) / static_cast<double>(either);
  }

  std::size_t depth_;
  std::vector<char> shown_, known_;  // (items)
  std::vector<Entry> top_;
  std::vector<std::vector<std::int32_t>> lists_;  // sorted by item
};

}  // namespace zero_shot
