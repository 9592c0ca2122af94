// Protocol fuzz: any bytes, as a broker and as a peer would take them: refused, or what they say is sound.
#include "client/wire/protocol.hpp"

using namespace gmemfs;

static void check(const protocol::AnswerPart &part) {
    std::size_t descriptors = 0;
    for (const protocol::ExtentRecord &extent : part.extents) {
        GMEMFS_ASSERT(extent.offset + extent.length >= extent.offset);
        GMEMFS_ASSERT(extent.offset + extent.length <= part.answer.allocated);
        descriptors += extent.handle_type == protocol::kDescriptor ? 1 : 0;
    }
    GMEMFS_ASSERT(descriptors == part.descriptor_count && descriptors <= protocol::kExtentsPerMessage);
    GMEMFS_ASSERT(part.answer.first + part.extents.size() <= part.answer.extent_count);
    GMEMFS_ASSERT(std::strlen(part.answer.text.data()) < part.answer.text.size());
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte *>(data), size);
    if (const auto request = protocol::parse_request(bytes)) {
        if (const auto *const attach = std::get_if<protocol::Attach>(&*request)) {
            GMEMFS_ASSERT(attach->handle_types >= 1 && attach->handle_types <= 3); // it picks from a table of three
            GMEMFS_ASSERT(attach->lease <= 3);
        }
    }
    if (const auto part = protocol::parse_answer(bytes)) check(*part);
    if (const auto entry = protocol::parse_entry(bytes)) {
        check(entry->part);
        GMEMFS_ASSERT(entry->index < entry->file_count);
        GMEMFS_ASSERT(!entry->name.empty() && entry->name.size() <= kNameMax);
        GMEMFS_ASSERT(entry->name.find('/') == std::string::npos && entry->name != "." && entry->name != "..");
    }
    return 0;
}
