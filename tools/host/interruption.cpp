#include "tools/host/interruption.hpp"

#include <csignal>
#include <initializer_list>

namespace gmemfs {
namespace {

volatile std::sig_atomic_t interrupted = 0;

} // namespace

void catch_interruptions() {
    struct sigaction action = {}, before = {};
    action.sa_handler = [](int) { interrupted = 1; };
    for (const int number : {SIGINT, SIGTERM}) ::sigaction(number, &action, nullptr);
    const bool is_ignored = ::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (!is_ignored) ::sigaction(SIGHUP, &action, nullptr); // else `nohup` was asked for
}

bool is_interrupted() { return interrupted != 0; }

} // namespace gmemfs
