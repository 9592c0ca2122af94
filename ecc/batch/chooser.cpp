#include "ecc/batch/chooser.hpp"

namespace gmemfs {

Result<BackendChooser::Chosen> BackendChooser::choose(BatchSlot &slot, const BatchWork &work) {
    if (!slot.can_use_gpu(work)) return Chosen();
    const BatchDevice &device = *TRY(slot.device().get());
    const CostKind kind = {work.direction, work.algorithm, work.memory, Backend::cpu, work.page_size};
    const Hold hold(mutex_);
    if (!has_read_) read_file(device);
    if (std::optional<Chosen> chosen = compare(kept_, kind, work.page_count)) {
        chosen->choice = Choice::model;
        return *chosen;
    }
    LapClock clock;
    std::uint64_t measuring_ns = 0;
    if (!measured_.has_exactly(kind)) {
        const Result<void> measured = measure_a_little(slot, kind, measured_);
        if (!measured && measured.error().code != ENOSPC && measured.error().code != ENOMEM) return measured.error();
        if (!measured) return Chosen(); // the GPU's memory is full now
        measuring_ns = clock.lap();
    }
    std::optional<Chosen> chosen = compare(measured_, kind, work.page_count);
    if (!chosen) return Chosen(); // measuring ended in the middle, once
    chosen->choice = Choice::measured;
    chosen->measuring_ns = measuring_ns;
    return *chosen;
}

std::optional<BackendChooser::Chosen> BackendChooser::compare(
    const CostModel &model, CostKind kind, std::uint64_t page_count) {
    kind.backend = Backend::cpu;
    const std::optional<double> cpu = model.predict(kind, page_count);
    kind.backend = Backend::gpu;
    const std::optional<double> gpu = model.predict(kind, page_count);
    if (!cpu || !gpu) return {};
    const bool is_gpu = *gpu < *cpu;
    return Chosen{
        is_gpu ? Backend::gpu : Backend::cpu, Choice::model, static_cast<std::uint64_t>(is_gpu ? *gpu : *cpu), 0};
}

void BackendChooser::read_file(const BatchDevice &device) {
    has_read_ = true;
    const std::string machine = describe_machine(device, threads_);
    if (Result<CostModel> model = read_model(path_ ? *path_ : model_path(machine), machine)) kept_ = *std::move(model);
}

} // namespace gmemfs
