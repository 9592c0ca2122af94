// doctor: what this machine can do for gmemfs, and the exact fix for what it cannot.
#include "fuse/host/json_text.hpp"
#include "tools/doctor/checks.hpp"
#include "tools/host/command.hpp"
#include "vmm/device/simulator_path.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace gmemfs {
namespace {

constexpr std::array<const char *, 3> kVerdictNames = {"ok", "warn", "fail"};

const char *name_of(Verdict verdict) { return kVerdictNames.at(static_cast<std::size_t>(verdict)); }

enum class Kind { gpu, simulator };

struct Diagnosis {
    Checks checks;
    bool can_mount;    // with the driver that was looked at
    bool can_simulate; // with --simulate
};

Diagnosis diagnose(const std::string &library, Kind kind) {
    const Checks driver = check_driver(library);
    const Checks channel = kind == Kind::gpu ? check_imex_channel() : Checks(); // the simulator needs none
    const Checks nvcomp = kind == Kind::gpu ? Checks{check_nvcomp()} : Checks();
    const Checks fuse = check_fuse();
    const Checks block = check_block_devices();
    const Checks simulator = check_simulator();
    Diagnosis diagnosis = {driver, all_pass(driver) && all_pass(fuse), !simulator_path().empty() && all_pass(fuse)};
    for (const Checks &more : {channel, nvcomp, fuse, block, simulator})
        diagnosis.checks.insert(diagnosis.checks.end(), more.begin(), more.end());
    return diagnosis;
}

void print_json(const Diagnosis &diagnosis) {
    nlohmann::json checks = nlohmann::json::array();
    for (const Check &check : diagnosis.checks)
        checks.push_back(
            {{"name", check.name}, {"verdict", name_of(check.verdict)}, {"found", check.found}, {"fix", check.fix}});
    const nlohmann::json all = {
        {"can_mount", diagnosis.can_mount}, {"can_simulate", diagnosis.can_simulate}, {"checks", checks}};
    std::printf("%s\n", json_text(all, 2).c_str());
}

void print_text(const Diagnosis &diagnosis, Kind kind) {
    for (const Check &check : diagnosis.checks) {
        std::printf("%-5s %-24s %s\n", name_of(check.verdict), check.name.c_str(), check.found.c_str());
        if (!check.fix.empty()) std::printf("%30s -> %s\n", "", check.fix.c_str());
    }
    if (diagnosis.can_mount)
        std::printf("\nThis machine can mount: gmemfs mount %sMOUNTPOINT\n", kind == Kind::gpu ? "" : "--simulate ");
    else if (diagnosis.can_simulate)
        std::printf(
            "\nNo mount on a GPU here, for the reasons above; without one: gmemfs mount --simulate MOUNTPOINT\n");
    else
        std::printf("\nNo mount here, for the reasons above; nor with --simulate.\n");
}

} // namespace

int run_doctor(int argc, char **argv) {
    gboolean as_json = FALSE;
    gboolean simulate = FALSE;
    const Synopsis synopsis = {"", "Says what this machine can do for gmemfs, and the fix for what it cannot.",
        "Exit status 0: gmemfs can mount on a GPU (with --simulate: on the simulator). 1: it can't.", 0, 0};
    const CommandLine line = parse_command_line(argc, argv, synopsis,
        {{"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", nullptr},
            {"simulate", 0, 0, G_OPTION_ARG_NONE, &simulate, "Look at the simulator in place of a driver", nullptr}});
    if (line.exit_status) return *line.exit_status;
    const std::string simulator = simulator_path();
    if (simulate && simulator.empty())
        return fail(
            {ENOENT, 0, "find the simulator", "no libcuda.so.1 of gmemfs beside this program: build it with make"});
    const Kind kind = simulate ? Kind::simulator : Kind::gpu;
    const Diagnosis diagnosis = diagnose(simulate ? simulator : "libcuda.so.1", kind);
    as_json ? print_json(diagnosis) : print_text(diagnosis, kind);
    return diagnosis.can_mount ? 0 : kFailure;
}

} // namespace gmemfs
