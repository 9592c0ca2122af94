#include "vmm/base/secret.hpp"

#include <sys/random.h>

namespace gmemfs {

Result<Secret> make_secret() {
    Secret secret = {};
    const ssize_t count = ::getrandom(secret.data(), secret.size(), 0);
    if (count != static_cast<ssize_t>(secret.size())) return Error{count < 0 ? errno : EIO, 0, "make secret"};
    return secret;
}

} // namespace gmemfs
