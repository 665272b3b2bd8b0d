#include "thaw/graph/attribute_view.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("AttributeView: entities with several values, one and none") {
  const std::vector<std::int32_t> offsets{0, 2, 2, 3}, ids{4, 1, 0};
  const thaw::AttributeView view{offsets, ids, 5};
  CHECK(view.size() == 3);
  CHECK(std::vector<std::int32_t>(view.of(0).begin(), view.of(0).end()) == std::vector<std::int32_t>{4, 1});
  CHECK(view.of(1).empty());
  CHECK(view.of(2)[0] == 0);
  CHECK(thaw::AttributeView{}.size() == 0);
}
