// Options: structs of the C interface that begin with their size, read and filled in; and how its functions return.
#pragma once

#include "client/lib/last_error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace gmemfs::client {

/// An older caller's struct is shorter: what it lacks is 0. A newer one's is longer: what we don't know must be 0.
template <typename Options>
Result<Options> read_options(const Options *given) {
    Options options = {};
    if (given == nullptr) return options;
    const std::size_t size = given->struct_size;
    const auto *const bytes = reinterpret_cast<const unsigned char *>(given);
    if (size < sizeof(std::size_t) || size > 4096)
        return Error{EINVAL, 0, "read options", "struct_size isn't set to the struct's size"};
    for (std::size_t index = sizeof options; index < size; ++index)
        if (bytes[index] != 0)
            return Error{E2BIG, 0, "read options", "they ask for what this libgmemfs doesn't know: update it"};
    std::memcpy(&options, bytes, std::min(size, sizeof options));
    return options;
}

/// What the caller's struct, older or newer, has room for.
template <typename Info>
int hand_out(const Info &known, Info *info) {
    const std::size_t size = info->struct_size;
    if (size < sizeof(std::size_t) || size > 4096)
        return fail(Error{EINVAL, 0, "describe", "struct_size isn't set to the struct's size"});
    std::memset(info, 0, size);
    std::memcpy(info, &known, std::min(size, sizeof known));
    info->struct_size = size;
    return 0;
}

/// The value to the caller, or the error to the thread.
template <typename Value, typename Out>
int hand_over(Result<Value> result, Out *out) {
    if (!result) return fail(result.error());
    *out = *std::move(result);
    return 0;
}

} // namespace gmemfs::client
