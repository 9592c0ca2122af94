#include "ecc/batch/measure.hpp"

#include "vmm/base/random.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <numeric>
#include <thread>

namespace gmemfs {
namespace {

constexpr std::size_t kLine = 64; // bytes of one kind in a row

} // namespace

void fill_with_pages(std::span<std::byte> bytes, std::uint64_t seed) {
    Random random(seed);
    std::array<std::byte, 16 * kLine> stock;
    for (std::byte &byte : stock) byte = static_cast<std::byte>(random.next());
    std::uint64_t counter = random.next();
    for (std::size_t place = 0; place < bytes.size(); place += kLine) {
        const std::size_t size = std::min(kLine, bytes.size() - place);
        std::array<std::byte, kLine> line = {};
        switch (random.next() % 8) {
        case 0: break;
        case 1:
        case 2:
        case 3:
            for (std::size_t word = 0; word < kLine; word += 8) {
                counter += 16;
                std::memcpy(&line[word], &counter, 8);
            }
            break;
        case 4:
        case 5: std::memcpy(line.data(), &stock[random.next() % 16 * kLine], kLine); break;
        default:
            for (std::size_t word = 0; word < kLine; word += 8) {
                const std::uint64_t value = random.next();
                std::memcpy(&line[word], &value, 8);
            }
        }
        std::memcpy(&bytes[place], line.data(), size);
    }
}

Result<std::unique_ptr<Measurement>> Measurement::create(
    BatchSlot &slot, Algorithm algorithm, PageMemory memory, std::size_t page_size, std::uint64_t page_count) {
    BatchWork work;
    work.algorithm = algorithm;
    work.page_size = page_size;
    work.page_count = page_count;
    std::unique_ptr<Measurement> made(new Measurement(slot, work));
    made->pages_.resize(work.plain_size());
    fill_with_pages(made->pages_, 1);
    for (Streams *const streams : {&made->packed_, &made->target_}) {
        streams->bytes.resize(packed_bound(algorithm, page_size) * page_count);
        streams->sizes.resize(page_count);
        streams->checksums.resize(page_count);
    }
    made->work_.pages = reinterpret_cast<std::uint64_t>(made->pages_.data());
    TRY(slot.run(made->work(Direction::pack, page_count, made->packed_), Backend::cpu));
    if (memory == PageMemory::device) TRY(made->put_on_device());
    return made;
}

Result<void> Measurement::put_on_device() {
    const BatchDevice &device = *TRY(slot_.device().get());
    TRY(device.device().make_current());
    const Driver &driver = device.device().driver();
    DeviceBuffer buffer = TRY(DeviceBuffer::create(device.device(), pages_.size()));
    const Stream stream = TRY(Stream::create(device.device()));
    TRY(device.device().check(
        driver.cuMemcpyHtoDAsync(buffer.address(), pages_.data(), pages_.size(), stream.get()), "copy to the device"));
    TRY(device.device().check(driver.cuStreamSynchronize(stream.get()), "wait for the device"));
    device_pages_.emplace(std::move(buffer));
    work_.memory = PageMemory::device;
    work_.pages = device_pages_->address();
    return {};
}

BatchWork Measurement::work(Direction direction, std::uint64_t page_count, Streams &streams) const {
    BatchWork work = work_;
    work.direction = direction;
    work.page_count = page_count;
    work.packed = streams.bytes.data();
    work.packed_size = streams.bytes.size();
    work.sizes = streams.sizes.data();
    work.checksums = streams.checksums.data();
    return work;
}

Result<BatchReport> Measurement::run(Direction direction, Backend backend, std::uint64_t page_count) {
    GMEMFS_ASSERT(page_count <= work_.page_count);
    return slot_.run(work(direction, page_count, direction == Direction::pack ? target_ : packed_), backend);
}

Result<BatchReport> Measurement::median_of(
    unsigned rounds, Direction direction, Backend backend, std::uint64_t page_count) {
    std::vector<BatchReport> reports;
    for (unsigned round = 0; round < rounds; ++round) reports.push_back(TRY(run(direction, backend, page_count)));
    const auto middle = reports.begin() + rounds / 2;
    std::nth_element(reports.begin(), middle, reports.end(),
        [](const BatchReport &one, const BatchReport &two) { return one.times.total_ns < two.times.total_ns; });
    return *middle;
}

Result<void> measure_a_little(BatchSlot &slot, CostKind kind, CostModel &model) {
    constexpr unsigned kRounds = 3;
    const std::uint64_t most = std::clamp<std::uint64_t>(8 * MiB / kind.page_size, 1, 2048);
    const auto measurement = TRY(Measurement::create(slot, kind.algorithm, kind.memory, kind.page_size, most));
    for (const Backend backend : {Backend::cpu, Backend::gpu}) {
        kind.backend = backend;
        TRY(measurement->run(kind.direction, backend, most)); // makes the staging
        for (const std::uint64_t count : {std::uint64_t{1}, std::max<std::uint64_t>(1, most / 16), most}) {
            const BatchReport report = TRY(measurement->median_of(kRounds, kind.direction, backend, count));
            model.add(kind, {count, report.times.total_ns});
        }
    }
    return {};
}

std::string describe_machine(const BatchDevice &device, unsigned threads) {
    std::string processor = "unknown processor";
    std::ifstream told("/proc/cpuinfo");
    for (std::string line; std::getline(told, line);)
        if (line.starts_with("model name") && line.find(": ") != std::string::npos) {
            processor = line.substr(line.find(": ") + 2);
            break;
        }
    const DeviceInfo &info = device.device().info();
    const Driver &driver = device.device().driver();
    std::string text = processor + " x " + std::to_string(std::thread::hardware_concurrency()) + ", " +
                       std::to_string(threads) + " threads, " + codec_versions() + "; " + info.name + ", " +
                       info.uuid_text() + ", driver " + std::to_string(driver.version) +
                       (driver.offer_host_kernel != nullptr ? ", simulated" : "");
    if (device.can_compute()) text += ", nvCOMP " + std::to_string(device.nvcomp().version());
    std::erase(text, '\n');
    return text;
}

} // namespace gmemfs
