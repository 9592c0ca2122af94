// Must: takes the value out of a Result that a test relies on.
#pragma once

#include "vmm/base/result.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <type_traits>
#include <utility>

namespace gmemfs::test {

/// The value, or a failure of the test that shows the Error, and the end of the program.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << result.error().text();
        std::abort();
    }
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

} // namespace gmemfs::test
