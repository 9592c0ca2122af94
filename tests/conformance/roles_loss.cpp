// Roles, loss: a process that loses the context of one of its two devices, and goes on with the other.
#include "tests/conformance/child.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/poke.hpp"
#include "tests/conformance/roles.hpp"

#include <algorithm>
#include <cstdlib>

namespace gmemfs::conformance {

int lose_one(const std::vector<std::string> &) {
    Message answer;
    const auto at = [&](LossStep which) -> std::int32_t & { return answer.results.at(std::size_t(which)); };
    require(driver().cuInit(0), "initialise");
    use_context(0);
    const Mapped alive{Memory(kGranule)};
    const OwnStream alive_stream;
    use_context(1);
    const Memory memory(kGranule, kDescriptor, 1);
    Reservation lost(kGranule), nowhere(kGranule);
    lost.map(memory);
    lost.allow(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
    const OwnStream lost_stream;
    // As the server has it: pinned once, for all devices' contexts.
    void *pinned = nullptr;
    require(driver().cuMemHostAlloc(&pinned, kGranule, CU_MEMHOSTALLOC_PORTABLE), "pin host memory");
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    at(LossStep::load) = driver().cuModuleLoadData(&module, poke_image());
    if (at(LossStep::load) != CUDA_SUCCESS) return send(kChildSocket, answer) ? 0 : 1;
    require(driver().cuModuleGetFunction(&function, module, "poke"), "find kernel");
    CUdeviceptr where = nowhere.address();
    void *params[] = {&where};
    require(driver().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, lost_stream.get(), params, nullptr), "launch");
    at(LossStep::synchronise) = driver().cuStreamSynchronize(lost_stream.get());
    at(LossStep::bind) = driver().cuCtxSetCurrent(nullptr);
    use_context(0);
    const Bytes bytes = pattern(kGranule, 71);
    auto *const staged = static_cast<std::uint8_t *>(pinned);
    std::copy(bytes.begin(), bytes.end(), staged);
    at(LossStep::write) = driver().cuMemcpyHtoDAsync(alive.address(), pinned, kGranule, alive_stream.get());
    at(LossStep::wait) = driver().cuStreamSynchronize(alive_stream.get());
    std::fill_n(staged, kGranule, std::uint8_t(0));
    at(LossStep::read) = driver().cuMemcpyDtoHAsync(pinned, alive.address(), kGranule, alive_stream.get());
    at(LossStep::wait_again) = driver().cuStreamSynchronize(alive_stream.get());
    answer.number = std::equal(bytes.begin(), bytes.end(), staged) ? 1 : 0;
    at(LossStep::wait_for_lost) = driver().cuStreamSynchronize(lost_stream.get());
    // The lost device's memory needs no context of its own.
    const CUmemAllocationProp wanted = properties(0, 1);
    CUmemGenericAllocationHandle handle = 0;
    at(LossStep::create) = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
    at(LossStep::unmap) = driver().cuMemUnmap(lost.address(), kGranule);
    at(LossStep::unpin) = driver().cuMemFreeHost(pinned);
    const bool is_told = send(kChildSocket, answer);
    std::_Exit(is_told ? 0 : 1);
}

int look(const std::vector<std::string> &arguments) {
    require(driver().cuInit(0), "initialise");
    Message asked;
    do {
        CUdevice found = 0;
        Message answer;
        answer.results[0] = driver().cuDeviceGet(&found, std::stoi(arguments.at(0)));
        if (!send(kChildSocket, answer)) return 1;
    } while (receive(kChildSocket, asked));
    return 0;
}

} // namespace gmemfs::conformance
