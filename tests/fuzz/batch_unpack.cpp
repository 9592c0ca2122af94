// Fuzzer: streams of pages that somebody else may have written, unpacked by the processors: refused or unpacked, and
// nothing is touched but the pages; and the text of a model: refused or read, and written again the same.
#include "ecc/batch/measure.hpp"
#include "ecc/pack/crc32c.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace gmemfs;

template <typename T>
T take(Result<T> result) {
    GMEMFS_ASSERT(result);
    return *std::move(result);
}

// Without threads, driver or device.
BatchSlot &slot() {
    static const std::unique_ptr<Processors> processors = take(Processors::create(0));
    static BatchDeviceOnce none({"/nowhere/libcuda.so.1", 0, {}});
    static BatchSlot only(*processors, take(PageCodec::create()), none, SlotLimits());
    return only;
}

void repack(BatchWork work, std::span<const std::byte> pages) {
    std::vector<std::byte> packed(packed_bound(work.algorithm, work.page_size) * work.page_count), back(pages.size());
    std::vector<std::uint32_t> sizes(work.page_count), checksums(work.page_count);
    work.direction = Direction::pack;
    work.packed = packed.data();
    work.packed_size = packed.size();
    work.sizes = sizes.data();
    work.checksums = checksums.data();
    take(slot().run(work, Backend::cpu));
    work.direction = Direction::unpack;
    work.pages = reinterpret_cast<std::uint64_t>(back.data());
    take(slot().run(work, Backend::cpu));
    GMEMFS_ASSERT(std::ranges::equal(pages, back));
}

// Unpacks into memory of its own: refused, or pages that come back when they are packed again.
void unpack(BatchWork work) {
    std::vector<std::byte> pages(work.plain_size() + 1, std::byte{0x5a});
    work.direction = Direction::unpack;
    work.pages = reinterpret_cast<std::uint64_t>(pages.data());
    GMEMFS_ASSERT(work.check());
    const Result<BatchReport> report = slot().run(work, Backend::cpu);
    GMEMFS_ASSERT(pages.back() == std::byte{0x5a});
    if (!report) {
        GMEMFS_ASSERT(report.error().code == EBADMSG || report.error().code == ENOBUFS);
    } else {
        GMEMFS_ASSERT(report->packed_size <= work.packed_size);
        if (work.page_count > 0) repack(work, std::span(pages).first(work.plain_size()));
    }
}

// Bytes of the input: algorithm and checksums, page size, page count, a size a page; the rest is the streams.
void unpack_bytes(std::span<const std::uint8_t> input) {
    BatchWork work;
    work.algorithm = input[0] % 2 == 0 ? Algorithm::lz4 : Algorithm::zstd;
    work.page_size = 1 + (input[1] | std::size_t{input[2]} << 8) % (input[0] % 4 < 2 ? 300 : kPageSizeMax);
    work.page_count = input[3] % 8;
    if (input.size() < 4 + work.page_count) return;
    std::vector<std::uint32_t> sizes(work.page_count + 1), checksums(work.page_count + 1);
    // In an allocation of its own, so that what is read past its end is seen.
    const std::size_t packed_size = input.size() - 4 - work.page_count;
    const auto packed = std::make_unique<std::byte[]>(packed_size);
    if (packed_size != 0) std::memcpy(packed.get(), input.data() + 4 + work.page_count, packed_size);
    std::size_t place = 0;
    for (std::uint64_t page = 0; page < work.page_count; ++page) {
        sizes[page] = input[4 + page];
        if (page + 1 == work.page_count && input[0] % 8 < 6) sizes[page] = std::uint32_t(packed_size - place);
        const std::size_t size = std::min<std::size_t>(sizes[page], packed_size - place);
        checksums[page] = crc32c({packed.get() + place, size}) ^ (input[0] == 0xff ? 1 : 0);
        place += size;
    }
    work.packed = packed.get();
    work.packed_size = packed_size;
    work.sizes = sizes.data();
    work.checksums = input[0] % 16 == 3 ? nullptr : checksums.data();
    unpack(work);
}

// A stream that was packed here, changed where the input says, with a checksum that fits.
void unpack_changed(std::span<const std::uint8_t> input) {
    BatchWork work;
    work.algorithm = input[0] % 2 == 0 ? Algorithm::lz4 : Algorithm::zstd;
    work.page_size = 1 + (input[1] | std::size_t{input[2]} << 8) % 5000;
    work.page_count = 1;
    std::vector<std::byte> page(work.page_size);
    fill_with_pages(page, input[3]);
    std::vector<std::byte> room(packed_bound(work.algorithm, work.page_size));
    std::uint32_t size = 0, checksum = 0;
    work.pages = reinterpret_cast<std::uint64_t>(page.data());
    work.packed = room.data();
    work.packed_size = room.size();
    work.sizes = &size;
    work.checksums = &checksum;
    take(slot().run(work, Backend::cpu));
    for (std::size_t byte = 4; byte + 3 <= input.size(); byte += 3)
        room[(input[byte] | std::size_t{input[byte + 1]} << 8) % size] = std::byte{input[byte + 2]};
    const auto packed = std::make_unique<std::byte[]>(size);
    std::memcpy(packed.get(), room.data(), size);
    checksum = crc32c({packed.get(), size});
    work.packed = packed.get();
    work.packed_size = size;
    unpack(work);
}

void read_model(const std::string &lines) {
    GMEMFS_ASSERT(!parse_model(lines, "m") || lines.starts_with("gmemfs batch model 1\n"));
    // The same with a first line, a machine and a checksum that fit.
    std::string text = format_model(CostModel(), "m");
    text = text.substr(0, text.find("checksum")) + lines;
    std::array<char, 32> last = {};
    std::snprintf(last.data(), last.size(), "checksum %08x\n", crc32c(std::as_bytes(std::span(text))));
    const Result<CostModel> model = parse_model(text + last.data(), "m");
    if (!model) {
        GMEMFS_ASSERT(model.error().code == EBADMSG);
        return;
    }
    GMEMFS_ASSERT(*parse_model(format_model(*model, "m"), "m") == *model);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size < 4) return 0;
    if (data[0] % 32 == 31)
        read_model(std::string(data + 1, data + size));
    else if (data[0] % 32 < 16)
        unpack_changed({data, size});
    else
        unpack_bytes({data, size});
    return 0;
}
