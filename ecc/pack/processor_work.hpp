// ProcessorWork: chunks that liblz4 and libzstd pack and decode, on the host, where there is no nvCOMP for them.
//
// Each chunk crosses the bus as it is and packed: slow, and right. One thread does it.
#pragma once

#include "ecc/pack/foreign_work.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace gmemfs {

/// A standard stream of a chunk, into `to`. Its size; 0: it would have more than kPackedMax bytes.
std::size_t encode_stream(Codec codec, std::span<const std::byte> plain, std::span<std::byte> to);
/// Takes any bytes. False: they are no stream that makes exactly a chunk; `plain` holds anything then.
bool decode_stream(Codec codec, std::span<const std::byte> packed, std::span<std::byte> plain);

/// See ForeignWork. It passes over chunks of nvCOMP's ANS.
class ProcessorWork final : public ForeignWork {
public:
    ProcessorWork(Device &device, CUstream stream)
        : device_(device), stream_(stream), plain_(kChunk), again_(kChunk), packed_(kChunk) {}

    Result<void> plan(
        const Chunks &chunks, std::span<ImageEntry> entries, PackBy by, const TensorTypes &types) override;
    Result<void> encode(const Chunks &chunks, std::span<const ImageEntry> entries, CUdeviceptr findings) override;
    Result<void> decode(const Chunks &chunks, std::span<const ImageEntry> entries) override;
    /// Whether decode() would succeed; there are no plain bytes.
    Result<void> prove(const Chunks &chunks, std::span<const ImageEntry> entries);

private:
    enum class Target { device, none };
    Result<void> unpack(const Chunks &chunks, std::span<const ImageEntry> entries, Target target);
    Result<void> download(std::span<std::byte> to, CUdeviceptr from);
    Result<void> upload(CUdeviceptr to, std::span<const std::byte> from);

    Device &device_;
    const CUstream stream_;
    std::vector<std::byte> plain_, again_, packed_;
};

} // namespace gmemfs
