// The base models are compiled once, in mwuf_bases_instances.cpp, and not in every test that trains one by name.
#pragma once

#include "mwuf/trainer.hpp"

#define MWUF_TEST_BASES(PREFIX)                    \
  PREFIX(mwuf::FactorizationMachine<thaw::Spec>);  \
  PREFIX(mwuf::WideAndDeep<thaw::Spec>);           \
  PREFIX(mwuf::DeepFm<thaw::Spec>);                \
  PREFIX(mwuf::InnerProductNetwork<thaw::Spec>);   \
  PREFIX(mwuf::OuterProductNetwork<thaw::Spec>);   \
  PREFIX(mwuf::DeepAndCross<thaw::Spec>);          \
  PREFIX(mwuf::AdaptiveFactorization<thaw::Spec>); \
  PREFIX(mwuf::RecurrentHistory<thaw::Spec>);      \
  PREFIX(mwuf::DeepInterest<thaw::Spec>)

#define MWUF_TEST_DECLARE(...)                                                                                       \
  extern template std::unique_ptr<mwuf::ClickBase> mwuf::make_click_base(const mwuf::FieldPlan&, const __VA_ARGS__&, \
                                                                         const mwuf::ClickBaseOptions&)
MWUF_TEST_BASES(MWUF_TEST_DECLARE);
#undef MWUF_TEST_DECLARE
