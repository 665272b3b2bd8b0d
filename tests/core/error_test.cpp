#include "thaw/core/error.hpp"

#include <limits>
#include <utility>

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

namespace {
bool reads(const thaw::Fault& fault, const char* expected) {
  INFO(fault.text);
  return std::strcmp(fault.text, expected) == 0 && fault.size == std::strlen(expected);
}
struct MoveOnly {
  int number;
  explicit MoveOnly(int n) : number(n) {}
  MoveOnly(MoveOnly&& other) noexcept : number(std::exchange(other.number, -1)) {}
};
}  // namespace

TEST_CASE("messages from parts") {
  using thaw::FaultKind;
  CHECK(
      reads(make_fault(FaultKind::malformed, "ratings.csv, line ", 12, ": '", 'x', "'"), "ratings.csv, line 12: 'x'"));
  CHECK(reads(make_fault(FaultKind::mismatch, thaw::Shape{2, 3}, " and ", thaw::Shape{}), "(2, 3) and ()"));
  CHECK(reads(make_fault(FaultKind::mismatch, thaw::TextView{"abcdef", 3}), "abc"));
  CHECK(reads(make_fault(FaultKind::mismatch, std::numeric_limits<std::int64_t>::min(), " ",
                         std::numeric_limits<std::uint64_t>::max()),
              "-9223372036854775808 18446744073709551615"));
  CHECK(make_fault(FaultKind::not_found, "x").kind == FaultKind::not_found);
}

TEST_CASE("decimal numbers") {
  const auto text = [](double v) { return make_fault(thaw::FaultKind::malformed, v); };
  CHECK(reads(text(0.5), "0.5"));
  CHECK(reads(text(-3.25), "-3.25"));
  CHECK(reads(text(0.000001), "0.000001"));
  CHECK(reads(text(12), "12"));
  CHECK(reads(text(1.9999999), "2"));
  CHECK(reads(text(1e300), "more than 1e18"));
  CHECK(reads(text(-1e300), "-more than 1e18"));
  CHECK(reads(text(std::nan("")), "nan"));
}

TEST_CASE("a long message is cut, never overrun") {
  thaw::Fault fault;
  for (int i = 0; i < 1000; ++i) fault.add("0123456789");
  CHECK(fault.size == thaw::Fault::kCapacity - 1);
  CHECK(std::strlen(fault.text) == fault.size);
}

TEST_CASE("Result holds a value or a fault, and moves") {
  thaw::Result<MoveOnly> good(MoveOnly(7));
  CHECK(good.ok());
  CHECK(good.value().number == 7);
  thaw::Result<MoveOnly> moved(std::move(good));
  CHECK(std::move(moved).value().number == 7);
  thaw::Result<int> bad(make_fault(thaw::FaultKind::out_of_range, "id ", 9));
  CHECK(!bad);
  CHECK(reads(bad.fault(), "id 9"));
  thaw::Result<int> still_bad(std::move(bad));
  CHECK(still_bad.fault().kind == thaw::FaultKind::out_of_range);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("asking for what a Result does not hold") {
  thaw::Result<int> bad(make_fault(thaw::FaultKind::not_found, "no such file: a.csv"));
  CHECK(says(message_of([&] { (void)bad.value(); }), "no such file: a.csv"));
  thaw::Result<int> good(3);
  CHECK(says(message_of([&] { (void)good.fault(); }), "holds a value"));
  bool thrown = false;
  try {
    (void)std::move(bad).value_or_throw();
  } catch (const thaw::Fault& fault) {
    thrown = says(fault, "a.csv");
  }
  CHECK(thrown);
  CHECK(std::move(good).value_or_throw() == 3);
}

TEST_CASE("the handler is given back") {
  const auto handler = [](const thaw::Fault&) {};
  const thaw::FaultHandler before = thaw::set_fault_handler(handler);
  const bool same = thaw::set_fault_handler(before) == static_cast<thaw::FaultHandler>(handler);
  CHECK(same);
}
#endif
