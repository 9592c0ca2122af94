#include "fuse/core/names/acl.hpp"

#include <cerrno>
#include <cstring>

namespace gmemfs {
namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeadSize = 4;
constexpr std::size_t kEntrySize = 8;

Error invalid(const char *why) { return Error{EINVAL, 0, "read access control list", why}; }

template <typename Number>
Number number_at(std::string_view bytes, std::size_t at) {
    Number value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value); // little-endian machines alone
    return value;
}

template <typename Number>
void add_number(std::string &bytes, Number value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
}

} // namespace

Result<Acl> Acl::parse(std::string_view bytes) {
    if (bytes.size() < kHeadSize || (bytes.size() - kHeadSize) % kEntrySize != 0) return invalid("its size");
    if (number_at<std::uint32_t>(bytes, 0) != kVersion) return invalid("its version");
    Acl acl;
    acl.entries_.reserve(bytes.size() / kEntrySize);
    for (std::size_t at = kHeadSize; at < bytes.size(); at += kEntrySize) {
        const Tag tag = Tag(number_at<std::uint16_t>(bytes, at));
        const bool is_named = tag == Tag::user || tag == Tag::group;
        // The number of an entry that names nobody may be anything; libacl and the kernel write all ones.
        acl.entries_.push_back({tag, number_at<std::uint16_t>(bytes, at + 2),
            is_named ? number_at<std::uint32_t>(bytes, at + 4) : kNobody});
    }
    TRY(acl.check());
    return acl;
}

// The rules of acl(5), "valid ACLs". That no user is named twice isn't asked: the kernel doesn't, and the first counts.
Result<void> Acl::check() const {
    unsigned seen = 0, last = 0;
    for (const Entry &entry : entries_) {
        const auto tag = unsigned(entry.tag);
        const bool is_named = entry.tag == Tag::user || entry.tag == Tag::group;
        if (tag == 0 || (tag & (tag - 1)) != 0 || tag > unsigned(Tag::others)) return invalid("an unknown tag");
        if (entry.permissions > 7) return invalid("unknown permissions");
        if (is_named && entry.id == kNobody) return invalid("a name of nobody");
        if (tag < last || (tag == last && !is_named)) return invalid("entries out of order");
        seen |= tag;
        last = tag;
    }
    constexpr unsigned kNeeded = unsigned(Tag::owner) | unsigned(Tag::owning_group) | unsigned(Tag::others);
    if ((seen & kNeeded) != kNeeded) return invalid("one of owner, group and others is missing");
    const bool names_anybody = (seen & (unsigned(Tag::user) | unsigned(Tag::group))) != 0;
    if (names_anybody && (seen & unsigned(Tag::mask)) == 0) return invalid("the mask is missing");
    return {};
}

std::string Acl::bytes() const {
    std::string bytes;
    bytes.reserve(kHeadSize + entries_.size() * kEntrySize);
    add_number(bytes, kVersion);
    for (const Entry &entry : entries_) {
        add_number(bytes, std::uint16_t(entry.tag));
        add_number(bytes, entry.permissions);
        add_number(bytes, entry.id);
    }
    return bytes;
}

const Acl::Entry *Acl::mask() const {
    for (const Entry &entry : entries_)
        if (entry.tag == Tag::mask) return &entry;
    return nullptr;
}

const Acl::Entry &Acl::only(Tag tag) const {
    for (const Entry &entry : entries_)
        if (entry.tag == tag) return entry;
    GMEMFS_ASSERT(!"check() has found it");
    return entries_.front();
}

mode_t Acl::mode() const {
    const Entry &group = mask() != nullptr ? *mask() : only(Tag::owning_group);
    return mode_t(only(Tag::owner).permissions << 6 | group.permissions << 3 | only(Tag::others).permissions);
}

void Acl::change_mode(mode_t mode) {
    const Tag group = mask() != nullptr ? Tag::mask : Tag::owning_group;
    for (Entry &entry : entries_) {
        if (entry.tag == Tag::owner) entry.permissions = mode >> 6 & 7;
        if (entry.tag == group) entry.permissions = mode >> 3 & 7;
        if (entry.tag == Tag::others) entry.permissions = mode & 7;
    }
}

// "Access check algorithm" of acl(5): the first kind that fits decides; of groups, any one that has all that is wanted.
bool Acl::allows(mode_t wanted, const Credentials &who, uid_t owner, gid_t group) const {
    const auto has = [wanted](mode_t permissions) { return (permissions & wanted) == wanted; };
    const mode_t bound = mask() != nullptr ? mask()->permissions : 7;
    if (who.uid == owner) return has(only(Tag::owner).permissions);
    bool is_in_any = false;
    for (const Entry &entry : entries_) {
        if (entry.tag == Tag::user && entry.id == who.uid) return has(entry.permissions & bound);
        const bool fits =
            (entry.tag == Tag::owning_group && who.is_in(group)) || (entry.tag == Tag::group && who.is_in(entry.id));
        if (fits && has(entry.permissions & bound)) return true;
        is_in_any = is_in_any || fits;
    }
    return !is_in_any && has(only(Tag::others).permissions);
}

} // namespace gmemfs
