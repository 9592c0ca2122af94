// Fuzzer: the bytes of an access control list: refused, or a list that is the same when it is written and read again.
#include "fuse/core/names/acl.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace gmemfs;
    const std::string_view bytes(reinterpret_cast<const char *>(data), size);
    Result<Acl> parsed = Acl::parse(bytes);
    if (!parsed) {
        GMEMFS_ASSERT(parsed.error().code == EINVAL);
        return 0;
    }
    GMEMFS_ASSERT(parsed->bytes().size() == size);
    const Result<Acl> again = Acl::parse(parsed->bytes());
    GMEMFS_ASSERT(again.has_value());
    GMEMFS_ASSERT(again->bytes() == parsed->bytes());
    const mode_t before = parsed->mode();
    const mode_t asked = mode_t(size * 73 + data[size - 1]) & 0777;
    parsed->limit(asked); // nobody gets more than before, nor than was asked for
    GMEMFS_ASSERT(parsed->mode() == (before & asked));
    for (const uid_t uid : {1U, 2U})
        for (const gid_t gid : {3U, 4U})
            for (mode_t wanted = 1; wanted < 8; ++wanted)
                if (parsed->allows(wanted, {uid, gid, {4}}, 1, 3))
                    GMEMFS_ASSERT(again->allows(wanted, {uid, gid, {4}}, 1, 3));
    parsed->change_mode(0777);
    GMEMFS_ASSERT(parsed->mode() == 0777 && Acl::parse(parsed->bytes()).has_value());
    return 0;
}
