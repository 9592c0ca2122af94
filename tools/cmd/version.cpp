// version: of gmemfs, of what it was built against, and of what it finds here.
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "vmm/device/driver.hpp"

#include <fuse_lowlevel.h>
#include <nlohmann/json.hpp>

namespace gmemfs {
namespace {

std::string cuda_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

} // namespace

int run_version(int argc, char **argv) {
    gboolean as_json = FALSE;
    const Synopsis synopsis = {"", "Shows the versions of gmemfs, libfuse, CUDA's header and the driver.", "", 0, 0};
    const CommandLine line =
        parse_command_line(argc, argv, synopsis, {{"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print JSON", nullptr}});
    if (line.exit_status) return *line.exit_status;
    const auto driver = Driver::open("libcuda.so.1");
    const std::string found = driver ? cuda_text((*driver)->version) : "";
    if (as_json) {
        nlohmann::json versions = {
            {"gmemfs", GMEMFS_VERSION}, {"libfuse", fuse_pkgversion()}, {"cuda_header", cuda_text(CUDA_VERSION)}};
        versions["driver"] = driver ? nlohmann::json(found) : nlohmann::json(nullptr);
        std::printf("%s\n", json_text(versions, 2).c_str());
        return 0;
    }
    std::printf("gmemfs %s\nlibfuse %s\nbuilt against CUDA %s\n", GMEMFS_VERSION, fuse_pkgversion(),
        cuda_text(CUDA_VERSION).c_str());
    if (driver)
        std::printf("driver: CUDA %s%s\n", found.c_str(),
            (*driver)->offer_host_kernel != nullptr ? ", simulated by gmemfs" : "");
    else
        std::printf("driver: none that answers; `gmemfs doctor` says why\n");
    return 0;
}

} // namespace gmemfs
