// Unit tests: the kernels' text, compiled for the host and run lane by lane, against the byte-wise reference.
#include "ecc/parity/kernels/repair.cuh"
#include "tests/support/damage.hpp"

#include <gtest/gtest.h>

namespace gmemfs {
namespace {

using kernels::Warp;

TEST(Kernels, NetworkIsMultiplicationByTheGenerator) {
    for (unsigned i = 0; i < 8; ++i)
        for (unsigned k = 0; k < 8; ++k) {
            unsigned planes = 0;
            for (const unsigned term : kernels::kNetwork.outputs[i][k].term)
                if (term != kernels::Network::kNone) planes ^= kernels::kNetwork.planes[term];
            for (unsigned symbol = 0; symbol < 256; ++symbol)
                ASSERT_EQ(__builtin_parity(planes & symbol), gf256::multiply(kGenerator[i], Symbol(symbol)) >> k & 1);
        }
}

TEST(Kernels, FieldIsTheReferences) {
    for (unsigned x = 0; x < 256; ++x) {
        ASSERT_EQ(kernels::field_times_a(x), gf256::times_a(Symbol(x)));
        if (x != 0) {
            ASSERT_EQ(kernels::field_inverse(x), gf256::divide(1, Symbol(x)));
        }
        for (unsigned y = 0; y < 256; ++y)
            ASSERT_EQ(kernels::field_multiply(x, y), gf256::multiply(Symbol(x), Symbol(y)));
    }
}

template <typename Rows>
class KernelsOfRows : public ::testing::Test {
protected:
    static constexpr unsigned kRows = Rows::value;
    KernelsOfRows() : memory_(kRows, 3) {}

    void encode() {
        for (std::uint64_t index = 0; index < memory_.block_count() + 1; ++index) // one warp more than blocks
            kernels::parity_encode<kRows>(
                Warp(index, 4), memory_.data(), memory_.parity(), memory_.checksums(), memory_.block_count());
    }
    void verify() {
        findings_ = {};
        for (std::uint64_t index = 0; index < memory_.block_count() + 1; ++index)
            kernels::parity_verify<kRows>(Warp(index, 4), memory_.data(), memory_.parity(), memory_.checksums(),
                memory_.block_count(), &findings_);
    }
    void repair() {
        kernels::RepairScratch scratch;
        for (std::uint64_t index = 0; index < 2; ++index)
            kernels::parity_repair<kRows>(Warp(index, 2), memory_.data(), memory_.parity(), memory_.checksums(),
                memory_.block_count(), &findings_, scratch);
    }

    Random random_{7};
    test::BlockMemory memory_;
    Findings findings_{};
};

using BothRows = ::testing::Types<std::integral_constant<unsigned, 128>, std::integral_constant<unsigned, 120>>;
TYPED_TEST_SUITE(KernelsOfRows, BothRows);

TYPED_TEST(KernelsOfRows, EncodeIsTheReferenceBitForBit) {
    this->memory_.fill(this->random_);
    this->encode();
    for (unsigned block = 0; block < this->memory_.block_count(); ++block)
        for (unsigned codeword = 0; codeword < kCodewordsPerBlock; ++codeword) {
            test::Word word = this->memory_.codeword(block, codeword);
            const test::Word stored = word;
            encode(word.view());
            ASSERT_EQ(word, stored) << "block " << block << ", codeword " << codeword;
        }
    this->verify();
    EXPECT_EQ(this->findings_.blocks_wrong, 0U);
    EXPECT_EQ(this->findings_.codewords_wrong, 0U);
}

TYPED_TEST(KernelsOfRows, ZerosHaveZeroParityAndChecksum) {
    this->encode();
    for (std::size_t i = 0; i < this->memory_.block_count() * kBlockParitySize; ++i)
        ASSERT_EQ(this->memory_.parity()[i], 0);
    EXPECT_EQ(this->memory_.checksums()[0].half[0], 0U);
    EXPECT_EQ(this->memory_.checksums()[0].half[1], 0U);
}

TYPED_TEST(KernelsOfRows, AnyBitTurnedIsFound) {
    this->memory_.fill(this->random_);
    this->encode();
    for (int round = 0; round < 40; ++round) {
        auto *const at = this->memory_.data() + this->random_.below(this->memory_.data_size());
        const auto bit = static_cast<std::uint8_t>(1U << this->random_.below(8));
        *at ^= bit;
        this->verify();
        ASSERT_EQ(this->findings_.blocks_wrong, 1U);
        ASSERT_EQ(this->findings_.codewords_wrong, 1U);
        *at ^= bit;
    }
}

TYPED_TEST(KernelsOfRows, UpToFourWrongSymbolsACodewordAreMended) {
    for (int round = 0; round < 6; ++round) {
        this->memory_.fill(this->random_);
        this->encode();
        const test::BlockMemory sent = this->memory_;
        std::uint64_t symbols = 0;
        for (unsigned codeword = 0; codeword < kCodewordsPerBlock; codeword += 1 + this->random_.below(9)) {
            const std::size_t count = 1 + this->random_.below(4);
            this->memory_.damage(1, codeword, count, this->random_);
            symbols += count;
        }
        this->verify();
        EXPECT_EQ(this->findings_.blocks_wrong, 1U);
        EXPECT_EQ(this->findings_.wrong_blocks[0], 1U << 1);
        this->repair();
        EXPECT_EQ(this->findings_.blocks_mended, 1U);
        EXPECT_EQ(this->findings_.blocks_damaged, 0U);
        EXPECT_EQ(this->findings_.wrong_blocks[0], 0U);
        EXPECT_EQ(this->findings_.symbols_mended, symbols);
        EXPECT_EQ(this->findings_.faults_seen, symbols);
        ASSERT_EQ(this->memory_, sent) << "round " << round;
    }
}

TYPED_TEST(KernelsOfRows, FaultsTellBlockCodewordAndSymbol) {
    constexpr unsigned kData = TypeParam::value;
    this->memory_.fill(this->random_);
    this->encode();
    for (const unsigned symbol : {0U, 77U, kData - 1, kData, kData + 7}) {
        this->memory_.turn(2, 501, symbol, 0x40);
        this->memory_.turn(2, 40, 3, 0x02); // another one, in the data
        this->verify();
        this->repair();
        ASSERT_EQ(this->findings_.faults_seen, 2U);
        const Fault fault = this->findings_.faults[this->findings_.faults[0].codeword == 501 ? 0 : 1];
        EXPECT_EQ(fault.block, 2U);
        EXPECT_EQ(fault.codeword, 501U);
        EXPECT_EQ(fault.symbol, symbol);
        EXPECT_EQ(fault.kind, FaultKind::mended);
    }
}

TYPED_TEST(KernelsOfRows, ParityIsWrittenAnewHoweverMuchOfItIsWrong) {
    this->memory_.fill(this->random_);
    this->encode();
    const test::BlockMemory sent = this->memory_;
    for (std::size_t i = 0; i < kBlockParitySize; ++i) this->memory_.parity()[i] ^= std::uint8_t(this->random_.next());
    this->verify();
    this->repair();
    EXPECT_EQ(this->findings_.blocks_mended, 1U);
    EXPECT_GT(this->findings_.symbols_mended, 8000U);
    EXPECT_EQ(this->memory_, sent);
}

TYPED_TEST(KernelsOfRows, ChecksumIsWrittenAnewWhereTheCodewordsAgree) {
    this->memory_.fill(this->random_);
    this->encode();
    const test::BlockMemory sent = this->memory_;
    this->memory_.checksums()[1].half[1] ^= 1ULL << 50;
    this->verify();
    EXPECT_EQ(this->findings_.blocks_wrong, 1U);
    EXPECT_EQ(this->findings_.codewords_wrong, 0U);
    this->repair();
    EXPECT_EQ(this->findings_.checksums_mended, 1U);
    EXPECT_EQ(this->findings_.faults[0].kind, FaultKind::checksum_mended);
    EXPECT_EQ(this->memory_, sent);
}

// Every codeword of a block has 5 to 8 wrong symbols in turn: about 3 in 1,000 of them look like another codeword's
// few. Not one may be written.
TYPED_TEST(KernelsOfRows, NoRepairIsSilentlyWrong) {
    int looked_mendable = 0;
    for (unsigned round = 0; round < 1500; ++round) {
        if (round % 100 == 0) {
            this->memory_.fill(this->random_);
            this->encode();
        }
        const unsigned codeword = static_cast<unsigned>(this->random_.below(kCodewordsPerBlock));
        const test::Word sent = this->memory_.codeword(0, codeword);
        this->memory_.damage(0, codeword, 5 + this->random_.below(4), this->random_);
        const test::Word damaged = this->memory_.codeword(0, codeword);
        test::Word decoded = damaged;
        if (correct(decoded.view())) ++looked_mendable;
        this->findings_ = {};
        this->findings_.wrong_blocks[0] = 1;
        this->repair();
        ASSERT_EQ(this->findings_.blocks_damaged, 1U);
        ASSERT_EQ(this->findings_.blocks_mended, 0U);
        ASSERT_EQ(this->findings_.wrong_blocks[0], 1U);
        ASSERT_EQ(this->memory_.codeword(0, codeword), damaged);
        this->memory_.put(0, codeword, sent);
    }
    this->RecordProperty("looked_mendable", looked_mendable);
    EXPECT_GT(looked_mendable, 0); // else this test has shown nothing
}

// The decoder alone, on as many random codewords as there is time for, right against the reference.
TEST(Kernels, DecoderFindsWhatTheReferenceFinds) {
    Random random(11);
    int beyond = 0;
    for (int round = 0; round < 30000; ++round) {
        test::Word word(round % 2 == 0 ? 128 : 120, random);
        test::damage(word, 1 + random.below(8), random);
        // The received word modulo g is its parity plus the parity of its data.
        test::Word computed = word;
        encode(computed.view());
        std::uint8_t remainder[8];
        for (unsigned row = 0; row < 8; ++row) remainder[row] = std::uint8_t(word.parity[row] ^ computed.parity[row]);
        kernels::Mends mends;
        const bool found = kernels::find_mends(remainder, unsigned(word.size()), mends);
        test::Word mended = word;
        const auto count = correct(mended.view());
        ASSERT_EQ(found, count.has_value()) << "seed 11, round " << round;
        if (!found) {
            ++beyond;
            continue;
        }
        for (unsigned index = 0; index < 4; ++index)
            if (mends.value(index) != 0)
                word.at(word.size() - 1 - mends.power(index)) ^= std::uint8_t(mends.value(index));
        ASSERT_EQ(word, mended) << "seed 11, round " << round;
    }
    EXPECT_GT(beyond, 10000);
}

} // namespace
} // namespace gmemfs
