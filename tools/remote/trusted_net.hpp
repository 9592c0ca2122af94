// TrustedNet: the networks over which bytes may go that nobody has encrypted, as the user names them.
#pragma once

#include "vmm/base/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gmemfs {

/// An address of either family, as IPv6 has it (IPv4-mapped).
using NetAddress = std::array<std::uint8_t, 16>;

/// A value. Thread-safe.
class TrustedNet {
public:
    /// "10.0.0.0/8,fd00::/8"; an address without a slash is itself alone; empty: none. EINVAL: it is none of these.
    static Result<TrustedNet> parse(const std::string &text);
    bool holds(const NetAddress &address) const;
    /// Whether all addresses that the host resolves to are in it; "user@" isn't part of the name. False where the name
    /// doesn't resolve: ssh may know it by another one.
    bool holds_host(const std::string &host) const;

private:
    struct Net {
        NetAddress address;
        unsigned bits; // that count
    };
    std::vector<Net> nets_;
};

/// Nothing to be read as an address is EINVAL.
Result<NetAddress> parse_address(const std::string &text);

} // namespace gmemfs
