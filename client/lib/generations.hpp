// Generations: which one a file has, and waiting for the next one.
#pragma once

#include "client/lib/broker_session.hpp"

#include <cstdint>
#include <string>

namespace gmemfs::client {

/// The generation of the file that `path` leads to now; 0: there is none. ENOTTY: the path is on no gmemfs mount.
Result<std::uint64_t> generation_of(const std::string &path);

/// Waits until the path leads to a file of another generation than `known`, and returns that; 0: to no file. Its
/// directory is there. Asks nothing meanwhile. The mount's servers may end and follow each other.
/// ETIMEDOUT: not by `end`. EINTR: a signal came. ENOENT: the directory isn't there, or not any more. EACCES: it can't
/// be listed and searched, or the file can't be read. EINVAL: it is no file. ENOTTY: the path is on no gmemfs mount.
/// EPROTO: the mount's server is of a version before.
Result<std::uint64_t> wait_for_generation(const std::string &path, std::uint64_t known, BrokerSession::Time end);

} // namespace gmemfs::client
