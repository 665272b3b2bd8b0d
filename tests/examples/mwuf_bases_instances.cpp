#include "tests/examples/mwuf_bases.hpp"

#define MWUF_TEST_DEFINE(...)                                                                                 \
  template std::unique_ptr<mwuf::ClickBase> mwuf::make_click_base(const mwuf::FieldPlan&, const __VA_ARGS__&, \
                                                                  const mwuf::ClickBaseOptions&)
MWUF_TEST_BASES(MWUF_TEST_DEFINE);
