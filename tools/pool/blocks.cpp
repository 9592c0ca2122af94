#include "tools/pool/blocks.hpp"

#include "fuse/host/json_text.hpp"
#include "tools/host/mounts.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>

namespace gmemfs {
namespace {

using nlohmann::json;

std::uint64_t number_of(const json &block, const char *key) { return block.value(key, std::uint64_t(0)); }

} // namespace

// An attribute has room for some hundreds; the next ones are asked for by where they begin.
Result<json> list_blocks(const std::string &path) {
    TRY(find_mount_of(path));
    json blocks = json::array();
    for (std::uint64_t from = 0;;) {
        const std::string name = "user.gmemfs.pool." + std::to_string(from);
        const Result<std::string> value = read_attribute(path, name.c_str());
        if (!value && value.error().code == ENODATA)
            return Error{ENODATA, 0, "list blocks", path + ": it is no file of a running program's pool"};
        if (!value) return Error(value.error());
        const json more = json_of(*value);
        if (!more.is_array()) return Error{EPROTO, 0, "list blocks", path + ": user.gmemfs.pool is no JSON array"};
        if (more.empty()) return blocks;
        for (const json &block : more) blocks.push_back(block);
        const std::uint64_t end = number_of(blocks.back(), "offset") + number_of(blocks.back(), "size");
        if (end <= from) return Error{EPROTO, 0, "list blocks", path + ": user.gmemfs.pool doesn't go on"};
        from = end;
    }
}

void print_blocks(const json &blocks) {
    std::printf("%14s %14s %-8s %14s\n", "offset", "size", "state", "asked");
    for (const json &block : blocks)
        std::printf("%14ju %14ju %-8s %14s\n", uintmax_t(number_of(block, "offset")),
            uintmax_t(number_of(block, "size")), block.value("state", "").c_str(),
            block.contains("asked") ? std::to_string(number_of(block, "asked")).c_str() : "-");
}

} // namespace gmemfs
