// Unit tests: sizes as users write them.
#include "vmm/base/units.hpp"

#include <gtest/gtest.h>

namespace gmemfs {
namespace {

TEST(Units, ParsesEverySuffix) {
    EXPECT_EQ(*parse_size("0"), 0U);
    EXPECT_EQ(*parse_size("4096"), 4096U);
    EXPECT_EQ(*parse_size("1K"), KiB);
    EXPECT_EQ(*parse_size("1k"), KiB);
    EXPECT_EQ(*parse_size("3M"), 3 * MiB);
    EXPECT_EQ(*parse_size("1.5G"), 3 * GiB / 2);
    EXPECT_EQ(*parse_size("2TiB"), 2 * TiB);
    EXPECT_EQ(*parse_size("1gb"), GiB);
    EXPECT_EQ(*parse_size("17B"), 17U);
    EXPECT_EQ(*parse_size(".5K"), 512U);
}

TEST(Units, LosesNoByteOfALargeSize) { EXPECT_EQ(*parse_size("9223372036854775807"), 9223372036854775807U); }

TEST(Units, RefusesWhatIsNoSize) {
    for (const char *text : {"", "G", "-1", "+1", "1 G", "1X", "1GiBs", "0x10", ".", "1.2.3", "1e3", " 1"}) {
        const auto size = parse_size(text);
        ASSERT_FALSE(size) << text;
        EXPECT_EQ(size.error().code, EINVAL) << text;
    }
}

TEST(Units, RefusesMoreThanAFileCanHold) {
    EXPECT_EQ(parse_size("9223372036854775808").error().code, ERANGE);
    EXPECT_EQ(parse_size("8388608T").error().code, ERANGE);
    EXPECT_EQ(parse_size("99999999999999999999999999999999999999999999").error().code, ERANGE);
}

TEST(Units, FormatsForPeople) {
    EXPECT_EQ(format_size(0), "0 B");
    EXPECT_EQ(format_size(1023), "1023 B");
    EXPECT_EQ(format_size(2 * MiB), "2 MiB");
    EXPECT_EQ(format_size(3 * GiB / 2), "1.50 GiB");
    EXPECT_EQ(format_size(143771 * MiB), "140.4 GiB");
}

} // namespace
} // namespace gmemfs
