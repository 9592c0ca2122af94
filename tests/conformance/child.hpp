// Child: another process of the same program, which plays a role and talks over a socket.
//
// Started by spawn and exec, never by fork alone: the driver's state must not be copied.
#pragma once

#include "vmm/base/fd.hpp"

#include <cuda.h>

#include <array>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace gmemfs::conformance {

inline constexpr int kNotReached = -1;
inline constexpr int kChildSocket = 3; ///< where the child finds its end

/// What parent and child say to each other, in both directions; a descriptor may come with it.
struct Message {
    std::array<std::int32_t, 16> results; ///< CUresults of the role's steps, in its order
    std::uint64_t number;                 ///< what the role says
    std::uint64_t size;
    std::array<unsigned char, 64> fabric;

    Message() : number(0), size(0), fabric{} { results.fill(kNotReached); }
    CUresult result(std::size_t step) const { return static_cast<CUresult>(results.at(step)); }
};

bool send(int socket, const Message &message, const Fd *fd = nullptr);
bool receive(int socket, Message &message, Fd *fd = nullptr);

/// Killed and reaped in the destructor. Not thread-safe.
class Child {
public:
    using Words = std::vector<std::string>;
    /// `environment` holds NAME=VALUE lines that are added, or replace what is there.
    explicit Child(const std::string &role, const Words &arguments = {}, const Words &environment = {});
    ~Child();
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    /// Empty, and a failure of the test, where the child died or is silent for 30 s.
    Message receive(Fd *fd = nullptr);
    void send(const Message &message = {}, const Fd *fd = nullptr);
    void kill();  ///< SIGKILL, and reaped
    int finish(); ///< closes the socket, waits; the exit status, or 128 and the signal
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    Fd socket_;
    std::string role_;
};

/// The program's own path and the driver's, for children. Set once by main.
void set_program(const std::string &driver_library);

} // namespace gmemfs::conformance
