// A main() in libFuzzer's place: a fixed number of random inputs, the same each time. It keeps the fuzzers building and
// their claims true where there is no clang; it finds what is shallow, and `make fuzz` the rest.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

int main() {
    constexpr int kInputs = 20'000;
    std::mt19937_64 random(1);
    std::vector<std::uint8_t> input;
    for (int count = 0; count < kInputs; ++count) {
        // Half of them change a few bytes of the one before; small numbers are what most fields hold.
        if (count % 2 == 0) {
            input.resize(random() % (std::size_t{1} << random() % 11));
            for (std::uint8_t &byte : input) byte = static_cast<std::uint8_t>(random() % (random() % 2 == 0 ? 256 : 8));
        }
        for (int change = 0; change < 3 && !input.empty(); ++change)
            input.at(random() % input.size()) = static_cast<std::uint8_t>(random());
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%d inputs\n", kInputs);
}
