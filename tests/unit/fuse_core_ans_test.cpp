// Unit tests: files that nvCOMP's ANS codec has packed: the simulated nvCOMP, which ends the process where it is given
// what is no stream of its own.
#include "ecc/pack/crc32c.hpp"
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <random>
#include <thread>

namespace gmemfs {
namespace {

using test::Bytes;
using test::code_of;
using test::must;
using test::noise;
using test::weights;
using Form = File::Form;
using Codecs = std::map<std::string, std::uint64_t>;

std::vector<std::string> no_nvcomp() { return {"/nowhere/libnvcomp.so.6"}; }

// Each chunk of another kind: weights, zeros, one word, bytes that ANS alone packs, noise.
Bytes mixture(std::size_t size) {
    Bytes bytes = weights(size, 9);
    const Bytes random = noise(kChunk);
    for (std::size_t chunk = 0; (chunk + 1) * kChunk <= size; ++chunk) {
        const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk);
        switch (chunk % 6) {
        case 1: std::fill_n(at, kChunk, std::byte(0)); break;
        case 2: std::fill_n(at, kChunk, std::byte(7)); break;
        case 3: std::ranges::transform(random, at, [](std::byte byte) { return byte & std::byte(0x37); }); break;
        case 4: std::ranges::copy(random, at); break;
        default: break;
        }
    }
    return bytes;
}

class AnsTest : public test::ColdTest {
protected:
    explicit AnsTest(NvcompPlaces places = test::simulated_nvcomp)
        : ColdTest(
              {.host = &simulation().host(), .host_capacity = 64 * MiB, .host_extent = 2 * MiB, .nvcomp = places}) {}
    std::unique_ptr<File> by_ans(const Bytes &bytes, Protection protection = Protection::none) {
        return packed(bytes, protection, PackBy::ans);
    }
    static void put(Slice to, const Bytes &bytes) {
        const auto buffer = simulation().buffer().bytes();
        for (std::size_t at = 0; at < bytes.size(); at += buffer.size()) {
            const auto part = buffer.first(std::min(buffer.size(), bytes.size() - at));
            std::copy_n(bytes.begin() + std::ptrdiff_t(at), part.size(), part.begin());
            must(copiers().of(simulation().device()).write({to.extent, to.offset + at, part.size()}, part));
        }
    }
    static void spoil(Slice slice) {
        must(copiers().of(simulation().device()).queue_zero(slice));
        must(copiers().of(simulation().device()).wait());
    }
    static Bytes get(Slice from, std::size_t size) {
        Bytes bytes;
        const auto buffer = simulation().buffer().bytes();
        while (bytes.size() < size) {
            const auto part = buffer.first(std::min(buffer.size(), size - bytes.size()));
            must(
                copiers().of(simulation().device()).read({from.extent, from.offset + bytes.size(), part.size()}, part));
            bytes.insert(bytes.end(), part.begin(), part.end());
        }
        return bytes;
    }
    static std::uint64_t ans_chunks(File &file) {
        std::uint64_t sum = 0;
        for (const auto &[name, count] : must(file.codecs()))
            if (name.starts_with("ans-")) sum += count;
        return sum;
    }
};

TEST_F(AnsTest, EachKindOfBytesComesBack) {
    const Bytes bytes = mixture(9 * MiB + 12345);
    const auto file = by_ans(bytes);
    Codecs codecs = must(file->codecs());
    EXPECT_EQ(codecs["zero"], 12U);
    EXPECT_EQ(codecs["fill"], 12U);
    EXPECT_EQ(codecs["raw"], 12U);
    EXPECT_GE(codecs["ans-half"], 25U) << "weights";
    EXPECT_EQ(ans_chunks(*file), 73U - 36);
    EXPECT_LT(file->allocated(), file->mappable());
    EXPECT_TRUE(all_of(*file) == bytes);
    for (const std::size_t from : {std::size_t(0), 2 * MiB - 5, 5 * MiB + 77, bytes.size() - 9})
        EXPECT_EQ(read(*file, from, 9),
            Bytes(bytes.begin() + std::ptrdiff_t(from), bytes.begin() + std::ptrdiff_t(from) + 9));
    EXPECT_EQ(file->residence(), Residence::packed);
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
}

TEST_F(AnsTest, AutomaticTakesItWhereTheImageIsSmallerForIt) {
    const auto floats = packed(weights(8 * MiB, 1), Protection::none, PackBy::automatic);
    EXPECT_EQ(must(floats->codecs()), (Codecs{{"bf16", 64}})) << "the simulated one is no better";
    Bytes text = noise(8 * MiB);
    std::ranges::transform(text, text.begin(), [](std::byte byte) { return byte & std::byte(0x37); });
    const auto letters = packed(text, Protection::none, PackBy::automatic);
    EXPECT_EQ(must(letters->codecs()), (Codecs{{"zstd", 64}}));
    EXPECT_TRUE(all_of(*letters) == text);
    // Words have few exponents, so that our own codec takes them for bf16.
    std::string words;
    std::mt19937 random(5);
    while (words.size() < 8 * MiB) words += std::to_string(1000003ULL * (random() % 500) * (random() % 3 + 7)) + ' ';
    words.resize(8 * MiB);
    const auto bytes_of_words = std::as_bytes(std::span(words));
    const auto numerals =
        packed(Bytes(bytes_of_words.begin(), bytes_of_words.end()), Protection::none, PackBy::automatic);
    EXPECT_EQ(must(numerals->codecs()), (Codecs{{"zstd", 64}}));
    Bytes shorts = noise(8 * MiB); // the lower byte of each is small
    for (std::size_t at = 0; at < shorts.size(); at += 2) shorts[at] &= std::byte(3);
    const auto numbers = packed(shorts, Protection::none, PackBy::automatic);
    EXPECT_EQ(must(numbers->codecs()), (Codecs{{"ans-half", 64}}));
    EXPECT_TRUE(all_of(*numbers) == shorts);
}

// The header says which of nvCOMP's types a tensor's bytes are; the same bytes without it are tried in each.
TEST_F(AnsTest, ASafetensorsFileSaysOfWhatTypeItsBytesAre) {
    constexpr std::size_t kTensor = 2 * MiB, kCount = 4;
    const char *const dtypes[kCount] = {"F8_E4M3", "F16", "BF16", "I8"};
    std::string header = "{";
    for (std::size_t index = 0; index < kCount; ++index)
        header += (index == 0 ? "\"t" : ",\"t") + std::to_string(index) + "\":{\"dtype\":\"" + dtypes[index] +
                  "\",\"shape\":[1],\"data_offsets\":[" + std::to_string(index * kTensor) + "," +
                  std::to_string((index + 1) * kTensor) + "]}";
    header += "}";
    header.resize(256 * KiB - 8, ' ');
    Bytes bytes(256 * KiB);
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, sizeof length);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    Bytes tensor = noise(kTensor); // which our own codecs leave raw
    std::ranges::transform(tensor, tensor.begin(), [](std::byte byte) { return byte & std::byte(0x37); });
    for (std::size_t index = 0; index < kCount; ++index) bytes.insert(bytes.end(), tensor.begin(), tensor.end());
    const auto file = by_ans(bytes);
    Codecs codecs = must(file->codecs());
    EXPECT_EQ(codecs["ans-fp8"], 16U);
    EXPECT_EQ(codecs["ans-half"], 32U);
    EXPECT_EQ(codecs["ans-bytes"] + codecs["fill"], 18U) << "I8, and the header";
    EXPECT_TRUE(all_of(*file) == bytes);
    bytes[8] = std::byte('[');
    const auto other = by_ans(bytes);
    codecs = must(other->codecs());
    EXPECT_EQ(codecs["ans-bytes"] + codecs["fill"], 65U) << "all but the first chunk";
    EXPECT_TRUE(all_of(*other) == bytes);
}

// LZ4 and zstd take what our own codecs leave raw. Each of nvCOMP and processors reads what the other has packed.
TEST_F(AnsTest, StreamsArePackedByEitherAndReadByBoth) {
    Bytes bytes = mixture(20 * MiB + 777);
    for (std::size_t chunk = 3; (chunk + 1) * kChunk <= bytes.size(); chunk += 6) // LZ4 wants to have met them before
        for (std::size_t at = 32 * KiB; at < kChunk; ++at)
            bytes[chunk * kChunk + at] = bytes[chunk * kChunk + at - 32 * KiB];
    for (const PackBy by : {PackBy::lz4, PackBy::zstd}) {
        const char *const name = by == PackBy::lz4 ? "lz4" : "zstd";
        Storage processors(keeper_, simulation().devices(), {});
        for (Storage *const packs : {&storage_, &processors}) {
            Packer &packer = *must(packs->packer_of(simulation().device()));
            const auto plain = must(storage_.create(copiers(), simulation().device(), 21 * MiB));
            const auto target = must(storage_.create(copiers(), simulation().device(), 21 * MiB));
            const Slice from = {plain.get(), 0, round_up(bytes.size(), kChunk)}, image = {target.get(), 0, 21 * MiB};
            put(from, bytes);
            const PackPlan plan = must(packer.plan({&from, 1}, bytes.size(), by));
            EXPECT_EQ(plan.helper, packs == &storage_ ? Helper::nvcomp : Helper::processors);
            EXPECT_EQ(plan.nvcomp, 0U) << "any server reads it";
            must(packer.encode(plan, {&from, 1}, {&image, 1}));
            for (Storage *const reads : {&storage_, &processors}) {
                Packer &reader = *must(reads->packer_of(simulation().device()));
                const ImageTable table = must(reader.open({&image, 1}));
                const auto streams = std::ranges::count_if(table.entries, [](const ImageEntry &entry) {
                    return entry.codec() == Codec::lz4 || entry.codec() == Codec::zstd;
                });
                EXPECT_GE(streams, 26) << name;
                spoil(from);
                must(reader.decode(table, {&image, 1}, 0, table.entries.size(), {&from, 1}));
                EXPECT_TRUE(get(from, bytes.size()) == bytes) << name;
                spoil(from);
                const Slice window = {plain.get(), 0, 16 * kChunk};
                must(reader.decode(table, {&image, 1}, 16, 16, {&window, 1}));
                EXPECT_TRUE(
                    std::ranges::equal(get(window, window.length), std::span(bytes).subspan(16 * kChunk, 16 * kChunk)));
                must(reader.prove(table, {target.get(), 0, table.image_size}));
            }
        }
    }
}

TEST_F(AnsTest, FilesOfLettersAreZstdsOnDiskAndOff) {
    Bytes text = noise(8 * MiB);
    std::ranges::transform(text, text.begin(), [](std::byte byte) { return byte & std::byte(0x37); });
    const auto file = packed(text, Protection::parity, PackBy::zstd);
    EXPECT_EQ(must(file->codecs()), (Codecs{{"zstd", 64}}));
    EXPECT_TRUE(all_of(*file) == text);
    const auto image = must(file->open_image(copiers(), File::ImageOf::packed, 7));
    EXPECT_TRUE(image->origin().is_own && !image->origin().is_made) << "it is standard";
    const auto to = simulation().buffer().bytes().first(image->size());
    must(image->read(copiers(), 0, to));
    const Bytes bytes(to.begin(), to.end());
    const auto taken = make();
    must(taken->resize(copiers(), bytes.size()));
    write(*taken, 0, bytes);
    must(taken->take_image(copiers()));
    EXPECT_TRUE(all_of(*taken) == text);
    must(taken->wake(copiers()));
    EXPECT_TRUE(all_of(*taken) == text);
    // Damage is found by its checksum, and mended by parity.
    must(file->damage(copiers(), MiB, 128 * KiB, 3, 2));
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == text);
    const auto away = with(text);
    must(away->offload(copiers(), Form::packed, PackBy::lz4));
    EXPECT_TRUE(all_of(*away) == text);
    must(away->wake(copiers()));
    EXPECT_TRUE(all_of(*away) == text);
}

// A stream with a checksum that fits, and that makes no chunk, is refused where it is taken.
TEST_F(AnsTest, ForgedStreamsArentTaken) {
    Bytes text = noise(2 * MiB);
    std::ranges::transform(text, text.begin(), [](std::byte byte) { return byte & std::byte(0x37); });
    const auto file = packed(Bytes([&] {
        Bytes four;
        for (int part = 0; part < 4; ++part) four.insert(four.end(), text.begin(), text.end());
        return four;
    }()),
        Protection::none, PackBy::zstd);
    const auto image = must(file->open_image(copiers(), File::ImageOf::packed, 7));
    const auto to = simulation().buffer().bytes().first(image->size());
    must(image->read(copiers(), 0, to));
    Bytes bytes(to.begin(), to.end());
    ImageHeader header = must(parse_header(std::span(bytes).first<kImageHeaderSize>(), bytes.size()));
    std::vector<ImageEntry> entries(header.chunk_count);
    std::memcpy(entries.data(), &bytes[kImageHeaderSize], entries.size() * sizeof(ImageEntry));
    ImageEntry &entry = entries[5];
    bytes[entry.offset()] ^= std::byte(1); // the frame's magic number
    entry.checksum = crc32c(std::span(bytes).subspan(entry.offset(), entry.length()));
    std::memcpy(&bytes[kImageHeaderSize], entries.data(), entries.size() * sizeof(ImageEntry));
    header.table_checksum = crc32c(std::as_bytes(std::span(entries)));
    std::ranges::copy(header_bytes(header), bytes.begin());
    const auto written = make();
    must(written->resize(copiers(), bytes.size()));
    write(*written, 0, bytes);
    const Result<void> taken = written->take_image(copiers());
    ASSERT_EQ(code_of(taken), EBADMSG);
    EXPECT_NE(taken.error().text().find("chunk 5: its bytes contradict themselves"), std::string::npos)
        << taken.error().text();
}

// Through two windows, image and bytes in extents of 2 MiB.
TEST_F(AnsTest, ImagesInHostMemoryAreReadAndWoken) {
    const Bytes bytes = mixture(40 * MiB + 5);
    const auto file = with(bytes);
    EXPECT_EQ(must(file->offload(copiers(), Form::packed, PackBy::ans)), File::OffloadOutcome::moved);
    EXPECT_TRUE(file->is_offloaded());
    EXPECT_GT(must(file->codecs())["ans-half"], 100U);
    EXPECT_GT(file->extent_infos().size(), 5U);
    EXPECT_TRUE(all_of(*file) == bytes);
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
    must(file->pack(copiers(), PackBy::ans));
    must(file->offload(copiers(), Form::as_they_are, PackBy::own));
    EXPECT_GT(must(file->codecs())["ans-half"], 100U) << "as it was packed";
    must(file->wake(copiers()));
    EXPECT_TRUE(all_of(*file) == bytes);
}

// Whatever bits are turned, the decoder isn't given the chunk.
TEST_F(AnsTest, ADamagedImageIsAnErrorAndParityMendsIt) {
    const Bytes bytes = weights(10 * MiB, 7);
    const auto bare = by_ans(bytes);
    must(bare->damage(copiers(), 0, bare->allocated(), 4096, 1));
    EXPECT_EQ(code_of(try_read(*bare, 0, bytes.size())), EIO);
    EXPECT_EQ(code_of(bare->wake(copiers())), EIO);
    EXPECT_EQ(bare->residence(), Residence::packed);
    const auto safe = by_ans(bytes, Protection::parity);
    EXPECT_EQ(safe->parity_state(), ParityState::current);
    must(safe->damage(copiers(), 200 * KiB, 128 * KiB, 3, 2));
    EXPECT_TRUE(all_of(*safe) == bytes);
    must(safe->damage(copiers(), 400 * KiB, 128 * KiB, 3, 2));
    must(safe->wake(copiers()));
    EXPECT_TRUE(all_of(*safe) == bytes);
}

TEST_F(AnsTest, ADamagedImageInHostMemoryIsAnError) {
    const auto file = with(weights(10 * MiB, 7));
    must(file->offload(copiers(), Form::packed, PackBy::ans));
    must(file->damage(copiers(), MiB, file->allocated() - MiB, 512, 1));
    EXPECT_EQ(code_of(file->wake(copiers())), EIO);
    EXPECT_EQ(code_of(try_read(*file, 0, 10 * MiB)), EIO);
    EXPECT_EQ(file->residence(), Residence::packed);
}

TEST_F(AnsTest, NoDiskGetsWhatNvcompHasPacked) {
    const Bytes bytes = weights(7 * MiB + 99, 3);
    const auto file = by_ans(bytes);
    EXPECT_EQ(code_of(file->open_image(copiers(), File::ImageOf::packed, 7)), ENODATA);
    const std::uint64_t used = storage_.space().used;
    {
        const auto image = must(file->open_image(copiers(), File::ImageOf::any, 7));
        EXPECT_TRUE(image->origin().is_own && image->origin().is_made);
        const auto own = must(packed(bytes)->open_image(copiers(), File::ImageOf::packed, 7));
        EXPECT_FALSE(own->origin().is_made);
        ASSERT_EQ(image->size(), own->size());
        const auto to = simulation().buffer().bytes().first(image->size());
        must(image->read(copiers(), 0, to));
        const Bytes first(to.begin(), to.end());
        must(own->read(copiers(), 0, to));
        EXPECT_TRUE(std::ranges::equal(first, to)) << "as our own codecs make it";
    }
    EXPECT_EQ(storage_.space().used, used);
    EXPECT_EQ(must(file->codecs()), (Codecs{{"ans-half", 57}})) << "it stays as it is";
}

TEST_F(AnsTest, AnImageOfNvcompsIsntTaken) {
    const Bytes bytes = weights(4 * MiB, 3);
    const PackPlan plan = [&] {
        const auto extent = must(storage_.create(copiers(), simulation().device(), bytes.size()));
        const Slice plain = {extent.get(), 0, bytes.size()};
        std::ranges::copy(bytes, simulation().buffer().bytes().begin());
        must(copiers().of(simulation().device()).write(plain, simulation().buffer().bytes().first(bytes.size())));
        Packer &packer = *must(storage_.packer_of(simulation().device()));
        PackPlan made = must(packer.plan({&plain, 1}, bytes.size(), PackBy::ans));
        const auto target = must(storage_.create(copiers(), simulation().device(), made.image_size));
        const Slice image = {target.get(), 0, target->size()};
        must(packer.encode(made, {&plain, 1}, {&image, 1}));
        must(copiers()
                 .of(simulation().device())
                 .read({target.get(), 0, made.image_size}, simulation().buffer().bytes().first(made.image_size)));
        return made;
    }();
    EXPECT_EQ(plan.nvcomp, 6000U);
    const Bytes image(
        simulation().buffer().bytes().begin(), simulation().buffer().bytes().begin() + std::ptrdiff_t(plan.image_size));
    const auto written = make();
    must(written->resize(copiers(), image.size()));
    write(*written, 0, image);
    const Result<void> taken = written->take_image(copiers());
    EXPECT_EQ(code_of(taken), EBADMSG);
    EXPECT_NE(taken.error().text().find("only the memory of a mount"), std::string::npos) << taken.error().text();
    EXPECT_TRUE(all_of(*written) == image);
}

// Not a granule is left for a window: what the packer has kept is enough, for one reader after the other.
TEST_F(AnsTest, AFullDevicesFilesAreRead) {
    const Bytes bytes = mixture(6 * MiB);
    const auto file = by_ans(bytes);
    std::vector<std::shared_ptr<Extent>> rest;
    for (const std::uint64_t size : {64 * MiB, 2 * MiB})
        for (;;) {
            Result<std::shared_ptr<Extent>> made = storage_.create(copiers(), simulation().device(), size, size);
            if (!made) break;
            rest.push_back(*std::move(made));
        }
    EXPECT_TRUE(all_of(*file) == bytes);
    EXPECT_EQ(code_of(file->wake(copiers())), ENOSPC);
    EXPECT_EQ(file->residence(), Residence::packed);
    std::vector<std::jthread> readers;
    std::atomic<int> right = 0;
    for (int number = 0; number < 4; ++number)
        readers.emplace_back([&, number] {
            Result<Copiers> own = Copiers::create(simulation().devices());
            Result<PinnedBuffer> buffer = PinnedBuffer::create(simulation().device(), MiB);
            if (!own || !buffer) return;
            const std::uint64_t at = std::uint64_t(number) * MiB;
            const auto got = file->read(*own, at, buffer->bytes(), File::By::call);
            if (got && *got == MiB && std::ranges::equal(buffer->bytes(), std::span(bytes).subspan(at, MiB))) ++right;
        });
    readers.clear();
    EXPECT_EQ(right, 4);
}

class WithoutNvcomp : public AnsTest {
protected:
    WithoutNvcomp() : AnsTest(no_nvcomp) {}
};

TEST_F(WithoutNvcomp, ItIsMissedWhereItWasAskedForAlone) {
    const Bytes bytes = weights(8 * MiB, 7);
    const auto file = with(bytes);
    const Result<File::PackOutcome> refused = file->pack(copiers(), PackBy::ans);
    ASSERT_EQ(code_of(refused), ENOPKG);
    EXPECT_NE(refused.error().text().find("pip install nvidia-libnvcomp-cu13"), std::string::npos);
    EXPECT_EQ(code_of(file->offload(copiers(), Form::packed, PackBy::ans)), ENOPKG);
    EXPECT_EQ(file->residence(), Residence::plain);
    EXPECT_EQ(must(file->pack(copiers(), PackBy::automatic)), File::PackOutcome::packed);
    EXPECT_EQ(must(file->codecs()), (Codecs{{"bf16", 64}}));
}

// The next server's packer, over the image of the one before.
class NextServer : public AnsTest {
protected:
    Result<void> decode(NvcompPlaces places, std::uint32_t version) {
        const Bytes bytes = weights(2 * MiB, 1);
        std::ranges::copy(bytes, simulation().buffer().bytes().begin());
        const auto extent = must(storage_.create(copiers(), simulation().device(), bytes.size()));
        const auto target = must(storage_.create(copiers(), simulation().device(), bytes.size()));
        const Slice plain = {extent.get(), 0, bytes.size()}, image = {target.get(), 0, bytes.size()};
        must(copiers().of(simulation().device()).write(plain, simulation().buffer().bytes().first(bytes.size())));
        Packer &before = *must(storage_.packer_of(simulation().device()));
        must(before.encode(must(before.plan({&plain, 1}, bytes.size(), PackBy::ans)), {&plain, 1}, {&image, 1}));
        const auto next = must(Packer::create(keeper_, simulation().device(), places));
        ImageTable table = must(next->open({&image, 1}));
        EXPECT_EQ(table.nvcomp, 6000U);
        table.nvcomp = version;
        EXPECT_EQ(code_of(next->prepare(version)), version == 6000 && places != no_nvcomp ? 0 : ENOPKG);
        return next->decode(table, {&image, 1}, 0, table.entries.size(), {&plain, 1});
    }
};

TEST_F(NextServer, ReadsWhatTheSameVersionHasPacked) { must(decode(test::simulated_nvcomp, 6000)); }

TEST_F(NextServer, SaysWhatIsMissing) {
    const Result<void> lacking = decode(no_nvcomp, 6000);
    ASSERT_EQ(code_of(lacking), ENOPKG);
    EXPECT_NE(lacking.error().text().find("nvCOMP 6.0.0 has packed it"), std::string::npos);
    EXPECT_NE(lacking.error().text().find("pip install nvidia-libnvcomp-cu13"), std::string::npos);
    const Result<void> other = decode(test::simulated_nvcomp, 6120);
    ASSERT_EQ(code_of(other), ENOPKG);
    EXPECT_NE(other.error().text().find("nvCOMP 6.1.20 has packed it"), std::string::npos) << other.error().text();
    EXPECT_NE(other.error().text().find("is version 6.0.0"), std::string::npos);
}

} // namespace
} // namespace gmemfs
