#include "tools/remote/trusted_net.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <system_error>

namespace gmemfs {
namespace {

constexpr unsigned kMapped = 96; // bits before an IPv4 address

NetAddress mapped(const in_addr &address) {
    NetAddress whole = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::memcpy(&whole[kMapped / 8], &address, sizeof address);
    return whole;
}

Error bad(const std::string &text) { return Error{EINVAL, 0, "--trusted-net", text + ": it is ADDRESS/BITS"}; }

} // namespace

Result<NetAddress> parse_address(const std::string &text) {
    in_addr four = {};
    if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return mapped(four);
    NetAddress six;
    if (::inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return six;
    return bad(text);
}

Result<TrustedNet> TrustedNet::parse(const std::string &text) {
    TrustedNet made;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string one = text.substr(at, end - at);
        const std::size_t slash = std::min(one.find('/'), one.size());
        const std::string address = one.substr(0, slash);
        Net net = { TRY(parse_address(address)), 128 };
        if (slash < one.size()) {
            const unsigned before = address.find(':') == std::string::npos ? kMapped : 0;
            const char *const last = one.data() + one.size();
            const auto [stop, code] = std::from_chars(one.data() + slash + 1, last, net.bits);
            if (code != std::errc() || stop != last || net.bits > 128 - before) return bad(one);
            net.bits += before;
        }
        made.nets_.push_back(net);
        at = end + 1;
    }
    return made;
}

bool TrustedNet::holds(const NetAddress &address) const {
    return std::any_of(nets_.begin(), nets_.end(), [&](const Net &net) {
        const unsigned bytes = net.bits / 8, rest = net.bits % 8;
        if (!std::equal(address.begin(), address.begin() + bytes, net.address.begin())) return false;
        return rest == 0 || (address.at(bytes) ^ net.address.at(bytes)) >> (8 - rest) == 0;
    });
}

bool TrustedNet::holds_host(const std::string &host) const {
    const std::size_t at = host.rfind('@');
    const std::string name = at == std::string::npos ? host : host.substr(at + 1);
    addrinfo hints = {}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (nets_.empty() || ::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return false;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    for (const addrinfo *next = found; next != nullptr; next = next->ai_next) {
        NetAddress address = {};
        if (next->ai_family == AF_INET) {
            sockaddr_in four = {};
            std::memcpy(&four, next->ai_addr, sizeof four);
            address = mapped(four.sin_addr);
        } else if (next->ai_family == AF_INET6) {
            sockaddr_in6 six = {};
            std::memcpy(&six, next->ai_addr, sizeof six);
            std::memcpy(address.data(), &six.sin6_addr, address.size());
        }
        if (!holds(address)) return false;
    }
    return true;
}

} // namespace gmemfs
