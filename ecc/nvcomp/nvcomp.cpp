#include "ecc/nvcomp/nvcomp.hpp"

#include "ecc/nvcomp/places.hpp"

#include <dlfcn.h>

namespace gmemfs {
namespace {

// Its own symbols first, because nvCOMP's libraries export those of liblz4 as well. The sanitizers' runtimes must be
// first themselves, and refuse it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kHow = RTLD_NOW | RTLD_LOCAL;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr int kHow = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kHow = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif
#else
constexpr int kHow = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

constexpr int kMajor = 6;
constexpr const char *kDoing = "open nvCOMP";
constexpr const char *kSimulated = "gmemfs_simulated_nvcomp"; // a symbol of the one over host memory

Error missing(const std::string &why) {
    return Error{ENOTSUP, 0, kDoing, why + "; get it by `" + kNvcompCommand + "`, or name it by $GMEMFS_NVCOMP"};
}

struct Opened {
    void *handle;
    std::string library;
};

Result<Opened> open_first(const std::vector<std::string> &places) {
    std::string why = "there is none";
    for (const std::string &place : places) {
        if (void *const handle = ::dlopen(place.c_str(), kHow)) return Opened{handle, place};
        const char *const error = ::dlerror(); // NOLINT(concurrency-mt-unsafe): glibc keeps one a thread
        if (&place == &places.front() && error != nullptr) why = error;
    }
    return missing(why);
}

template <typename Function>
Result<void> find(void *handle, const std::string &name, Function &function) {
    function = reinterpret_cast<Function>(::dlsym(handle, name.c_str()));
    if (function == nullptr) return missing("it lacks " + name);
    return {};
}

Result<int> version_of(void *handle) {
    NvcompStatus (*get_properties)(NvcompProperties *) = nullptr;
    TRY(find(handle, "nvcompGetProperties", get_properties));
    NvcompProperties properties = {};
    if (get_properties(&properties) != 0 || properties.version / 1000 != kMajor)
        return missing("it is version " + std::to_string(properties.version / 1000) + ", and " +
                       std::to_string(kMajor) + " is needed");
    return static_cast<int>(properties.version);
}

Result<void> find_codec(void *handle, const std::string &prefix, NvcompCodec &codec) {
    TRY(find(handle, prefix + "CompressGetTempSize", codec.compress_temp_size));
    TRY(find(handle, prefix + "CompressGetMaxOutputChunkSize", codec.compress_bound));
    TRY(find(handle, prefix + "CompressAsync", codec.compress));
    TRY(find(handle, prefix + "DecompressGetTempSize", codec.decompress_temp_size));
    return find(handle, prefix + "DecompressAsync", codec.decompress);
}

} // namespace

Result<std::unique_ptr<const Nvcomp>> Nvcomp::open(const Driver &driver, const std::vector<std::string> &places) {
    const Opened opened = TRY(open_first(places));
    const bool is_simulator = driver.offer_host_kernel != nullptr;
    if ((::dlsym(opened.handle, kSimulated) != nullptr) != is_simulator)
        return Error{ENOTSUP, 0, kDoing,
            is_simulator ? "the simulator runs none of nvCOMP's kernels: batches go to the processors (GMEMFS_CPU)"
                         : opened.library + " is for the simulator: unset $GMEMFS_NVCOMP"};
    std::unique_ptr<Nvcomp> nvcomp(new Nvcomp);
    nvcomp->library_ = opened.library;
    TRY(nvcomp->load(opened.handle));
    return std::unique_ptr<const Nvcomp>(std::move(nvcomp));
}

Result<void> Nvcomp::load(void *handle) {
    version_ = TRY(version_of(handle));
    TRY(find(handle, "nvcompGetStatusString", status_text_));
    TRY(find_codec(handle, "nvcompBatchedLZ4", lz4_));
    TRY(find_codec(handle, "nvcompBatchedZstd", zstd_));
    return find_codec(handle, "nvcompBatchedANS", ans_);
}

Result<void> Nvcomp::check(NvcompStatus status, const char *doing) const {
    if (status == 0) return {};
    const char *const text = status_text_(status);
    return Error{
        EIO, 0, doing, "nvCOMP's status " + std::to_string(status) + ": " + (text == nullptr ? "unknown" : text)};
}

Result<std::string> find_nvcomp(const std::vector<std::string> &places) {
    const Opened opened = TRY(open_first(places));
    const int version = TRY(version_of(opened.handle));
    std::string path = opened.library;
    if (Dl_info info = {}; ::dladdr(::dlsym(opened.handle, "nvcompGetProperties"), &info) != 0) path = info.dli_fname;
    return path + ", version " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 100) + "." +
           std::to_string(version % 100);
}

} // namespace gmemfs
