#include "client/lib/last_error.hpp"

#include <cstring>
#include <type_traits>

namespace gmemfs::client {
namespace {

struct LastError {
    char text[2048];
    int driver;
};
static_assert(std::is_trivially_destructible_v<LastError>);
constinit thread_local LastError last_error = {};

} // namespace

int fail(const Error &error) {
    const std::string text = error.text();
    constexpr std::size_t kHalf = sizeof last_error.text / 2 - 2;
    if (text.size() < sizeof last_error.text) {
        std::memcpy(last_error.text, text.c_str(), text.size() + 1);
    } else { // a very long path: what failed is said first, what to do last
        std::memcpy(last_error.text, text.data(), kHalf);
        std::memcpy(last_error.text + kHalf, "...", 3);
        std::memcpy(last_error.text + kHalf + 3, text.data() + text.size() - kHalf, kHalf);
        last_error.text[2 * kHalf + 3] = '\0';
    }
    last_error.driver = error.driver;
    return error.code;
}

int finish(const Result<void> &result) { return result ? 0 : fail(result.error()); }

const char *last_error_text() { return last_error.text; }
int last_error_driver() { return last_error.driver; }

} // namespace gmemfs::client
