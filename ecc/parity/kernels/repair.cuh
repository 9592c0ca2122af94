// Repair: puts right what can be put right in the blocks that a verification marked; one warp a block.
//
// For each marked block, from nothing but its bytes as they are now:
//
//     1  divide as the verification did: `difference`, the parity that the data have now against what is stored
//     2  data that match the checksum are right: what differs is parity, and is written anew
//     3  else find the up to 4 wrong symbols of each wrong codeword, without writing anything
//     4  all codewords found, and the checksum that the block would then have is the stored one: write
//     5  else the block is damaged, and stays as it is
//
// Step 4 is what a bounded-distance decoder can't know: of random patterns of more than 4 wrong symbols, 3 in 1,000 lie
// within 4 symbols of another codeword. The checksum tells them apart (docs/decisions/010-checksum-beside-parity.md).
#pragma once

#include "ecc/parity/kernels/decode.cuh"
#include "ecc/parity/kernels/parity.cuh"

namespace gmemfs::kernels {

/// Where the lanes of one warp meet: shared memory on a device.
struct RepairScratch {
    /// difference[lane][row * 8 + plane]. When a lane's 32 codewords are decoded, their Mends take its place: two words
    /// a codeword.
    uint32_t difference[32][64];
    uint32_t wrong[32];       // wrong[lane], bit j: codeword 32 * lane + j
    uint8_t remainder[32][8]; // remainder[codeword][row], of the lane whose codewords are being decoded

    GPU_INLINE void keep(unsigned lane, size_t codeword, const Mends &mends) {
        difference[lane][2 * codeword] = mends.powers;
        difference[lane][2 * codeword + 1] = mends.values;
    }
    GPU_INLINE Mends kept(unsigned lane, size_t codeword) const {
        return {difference[lane][2 * codeword], difference[lane][2 * codeword + 1]};
    }
};

/// What the lanes of a warp add up while they decode.
struct RepairSum {
    uint64_t word[4]; // change of the checksum's halves, mended symbols, codewords beyond repair
};

GPU_INLINE void tell(Findings *findings, uint64_t block, unsigned codeword, unsigned symbol, FaultKind kind) {
    const uint64_t place = atomic_add(&findings->faults_seen, 1);
    if (place < kFaultsMax)
        findings->faults[place] = {
            static_cast<uint32_t>(block), static_cast<uint16_t>(codeword), static_cast<uint8_t>(symbol), kind};
}

/// Word of plane `plane` in row `row`, as block.hpp places it.
GPU_INLINE uint32_t *word_at(Quad *rows, unsigned row, unsigned plane, unsigned lane) {
    return &rows[row * kQuadsPerRow + plane / 4 * (kQuadsPerRow / 2) + lane].word[plane % 4];
}

/// One block, seen by one warp.
template <unsigned kRows>
class BlockRepair {
public:
    GPU_INLINE BlockRepair(
        const Warp &warp, const BlockMemory<kRows> &block, uint64_t number, RepairScratch &scratch, Findings *findings)
        : warp_(warp), block_(block), number_(number), scratch_(scratch), findings_(findings) {}

    GPU_INLINE void run() {
        const BlockSum found = divide();
        if (equal(found.checksum(), *block_.checksum))
            write_parity();
        else if (found.wrong_codewords() == 0)
            write_checksum(found.checksum());
        else
            mend(found.checksum());
    }

private:
    // Fills scratch: difference and wrong.
    GPU_INLINE BlockSum divide() {
        return warp_.template sum<BlockSum>([&](unsigned lane) -> BlockSum {
            const LaneCode code = encode_lane<kRows>(block_.data, lane);
            uint32_t wrong = 0;
            unrolled<8>([&](auto row) {
                const Planes stored = load_planes(block_.parity + lane, row);
                unrolled<8>([&](auto plane) {
                    const uint32_t difference = code.parity[row].word[plane] ^ stored.word[plane];
                    scratch_.difference[lane][row * 8 + plane] = difference;
                    wrong |= difference;
                });
            });
            scratch_.wrong[lane] = wrong;
            return {{code.checksum.half[0], code.checksum.half[1], count_bits(wrong)}};
        });
    }

    // The data are right. Turns the bits of the parity that differ.
    GPU_INLINE void write_parity() {
        const auto sum = warp_.template sum<RepairSum>([&](unsigned lane) -> RepairSum {
            uint64_t symbols = 0;
            for (unsigned row = 0; row < 8; ++row) {
                uint32_t differs = 0; // bit j: codeword j's symbol in this row
                for (unsigned plane = 0; plane < 8; ++plane) {
                    const uint32_t difference = scratch_.difference[lane][row * 8 + plane];
                    if (difference != 0) *word_at(block_.parity, row, plane, lane) ^= difference;
                    differs |= difference;
                }
                symbols += count_bits(differs);
                for (unsigned codeword = 0; codeword < 32; ++codeword)
                    if ((differs >> codeword & 1) != 0)
                        tell(findings_, number_, lane * 32 + codeword, kRows + row, FaultKind::mended);
            }
            return {{0, 0, symbols, 0}};
        });
        count_mended(sum.word[2]);
    }

    // Data and parity agree in 1,024 codewords, so it is the checksum that is wrong.
    GPU_INLINE void write_checksum(const Checksum &checksum) {
        warp_.once([&] {
            *block_.checksum = checksum;
            atomic_add(&findings_->checksums_mended, 1);
            tell(findings_, number_, 0, 0, FaultKind::checksum_mended);
        });
        count_mended(0);
    }

    GPU_INLINE void mend(const Checksum &found) {
        RepairSum total{};
        for (unsigned lane = 0; lane < 32; ++lane) {
            if (scratch_.wrong[lane] == 0) continue;
            const RepairSum sum = decode_codewords_of(lane);
            for (unsigned word = 0; word < 4; ++word) total.word[word] += sum.word[word];
        }
        const Checksum mended = {{found.half[0] + total.word[0], found.half[1] + total.word[1]}};
        if (total.word[3] != 0 || !equal(mended, *block_.checksum)) {
            warp_.once([&] {
                atomic_add(&findings_->blocks_damaged, 1);
                tell(findings_, number_, 0, 0, FaultKind::damaged);
            });
            return;
        }
        for (unsigned lane = 0; lane < 32; ++lane)
            if (scratch_.wrong[lane] != 0) write_codewords_of(lane);
        count_mended(total.word[2]);
    }

    // The 32 codewords of a lane are decoded by 32 lanes, one each.
    GPU_INLINE RepairSum decode_codewords_of(unsigned owner) {
        warp_.each_lane([&](unsigned codeword) {
            for (unsigned row = 0; row < 8; ++row) {
                unsigned symbol = 0;
                for (unsigned plane = 0; plane < 8; ++plane)
                    symbol |= (scratch_.difference[owner][row * 8 + plane] >> codeword & 1) << plane;
                scratch_.remainder[codeword][row] = static_cast<uint8_t>(symbol);
            }
        });
        return warp_.template sum<RepairSum>([&](unsigned codeword) -> RepairSum {
            if ((scratch_.wrong[owner] >> codeword & 1) == 0) return {};
            Mends mends;
            if (!find_mends(scratch_.remainder[codeword], kRows + kParityRows, mends)) return {{0, 0, 0, 1}};
            scratch_.keep(owner, codeword, mends);
            Checksum change{};
            uint64_t symbols = 0;
            for (unsigned index = 0; index < 4; ++index) {
                if (mends.value(index) == 0) continue;
                ++symbols;
                if (mends.power(index) < kParityRows) continue; // the checksum is over the data
                const unsigned row = kRows + kParityRows - 1 - mends.power(index);
                for (unsigned plane = 0; plane < 8; ++plane)
                    if ((mends.value(index) >> plane & 1) != 0)
                        add_turned_bits<kRows>(change, row, plane, owner,
                            *word_at(block_.data, row, plane, owner) & 1u << codeword, 1u << codeword);
            }
            return {{change.half[0], change.half[1], symbols, 0}};
        });
    }

    // Atomic, because the codewords of 32 lanes share words.
    GPU_INLINE void write_codewords_of(unsigned owner) {
        warp_.each_lane([&](unsigned codeword) {
            if ((scratch_.wrong[owner] >> codeword & 1) == 0) return;
            const Mends mends = scratch_.kept(owner, codeword);
            for (unsigned index = 0; index < 4; ++index) {
                if (mends.value(index) == 0) continue;
                const unsigned symbol = kRows + kParityRows - 1 - mends.power(index);
                for (unsigned plane = 0; plane < 8; ++plane)
                    if ((mends.value(index) >> plane & 1) != 0)
                        atomic_xor(symbol < kRows ? word_at(block_.data, symbol, plane, owner)
                                                  : word_at(block_.parity, symbol - kRows, plane, owner),
                            1u << codeword);
                tell(findings_, number_, owner * 32 + codeword, symbol, FaultKind::mended);
            }
        });
    }

    GPU_INLINE void count_mended(uint64_t symbols) {
        warp_.once([&] {
            atomic_add(&findings_->blocks_mended, 1);
            atomic_add(&findings_->symbols_mended, symbols);
            atomic_and(&findings_->wrong_blocks[number_ / 32], ~(1u << number_ % 32));
        });
    }

    const Warp &warp_;
    const BlockMemory<kRows> &block_;
    const uint64_t number_;
    RepairScratch &scratch_;
    Findings *const findings_;
};

/// kernel parity_repair: the blocks that findings->wrong_blocks marks; each warp looks at every count()-th. Afterwards
/// the marks that are left are those of damaged blocks.
template <unsigned kRows>
GPU_INLINE void parity_repair(const Warp &warp, uint8_t *data, uint8_t *parity, Checksum *checksums,
    uint64_t block_count, Findings *findings, RepairScratch &scratch) {
    for (uint64_t number = warp.index(); number < block_count; number += warp.count()) {
        if ((findings->wrong_blocks[number / 32] >> number % 32 & 1) == 0) continue;
        const BlockMemory<kRows> block(data, parity, checksums, number);
        BlockRepair<kRows>(warp, block, number, scratch, findings).run();
    }
}

} // namespace gmemfs::kernels
