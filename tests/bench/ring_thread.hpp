// RingThread: what one of libfuse's io_uring threads needs to copy: a stream, and its payloads as pinned memory.
#pragma once

#include "vmm/copier.hpp"

#include <fuse_lowlevel.h>

#include <dlfcn.h>
#include <memory>
#include <string>
#include <unordered_set>

namespace gmemfs {

/// One a thread, made by its first request; its payloads stay where they are until the session ends. Not thread-safe.
class RingThread {
public:
    static Result<RingThread *> current(Device &device, const std::string &library) {
        static thread_local std::unique_ptr<RingThread> mine;
        if (mine) return mine.get();
        void *const driver = ::dlopen(library.c_str(), RTLD_NOW | RTLD_NOLOAD);
        const auto register_host =
            reinterpret_cast<Register *>(driver == nullptr ? nullptr : ::dlsym(driver, "cuMemHostRegister_v2"));
        if (register_host == nullptr) return Error{ENOTSUP, 0, "register payloads", library + " can't"};
        mine.reset(new RingThread(register_host, TRY(Copier::create(device))));
        return mine.get();
    }
    Copier &copier() { return copier_; }

    /// Where the kernel has put the request's bytes, or takes the answer's from.
    Result<std::byte *> payload(fuse_req_t request) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
        char *bytes = nullptr;
        std::size_t size = 0;
        if (const int status = fuse_req_get_payload(request, &bytes, &size, nullptr); status != 0)
            return Error{-status, 0, "find payload", "the request didn't come by the ring"};
        if (registered_.insert(bytes).second) {
            TRY(copier_.device().make_current());
            TRY(copier_.device().check(
                register_host_(bytes, size, CU_MEMHOSTREGISTER_PORTABLE), "register payload with the driver"));
        }
        return reinterpret_cast<std::byte *>(bytes);
#else
        (void)request;
        return Error{ENOTSUP, 0, "find payload", "built with a libfuse before 3.18"};
#endif
    }

private:
    using Register = CUresult(void *, std::size_t, unsigned);
    RingThread(Register *register_host, Copier copier) : register_host_(register_host), copier_(std::move(copier)) {}

    Register *register_host_;
    Copier copier_;
    std::unordered_set<void *> registered_;
};

} // namespace gmemfs
