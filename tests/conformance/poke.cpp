#include "tests/conformance/poke.hpp"

#include "tests/conformance/driver_api.hpp"

#include <cstring>

namespace gmemfs::conformance {
namespace {

const char *const kPtx = R"(
.version 7.0
.target sm_80
.address_size 64
.visible .entry poke(.param .u64 where)
{
    .reg .b64 %rd<3>;
    .reg .b32 %r<2>;
    ld.param.u64 %rd1, [where];
    mov.u32 %r1, 0x2a2a2a2a;
    st.global.u32 [%rd1], %r1;
    ret;
}
)";

void poke_on_host(const gmemfs_lane *, void **params, void *(*translate)(unsigned long long)) {
    unsigned long long where = 0;
    std::memcpy(&where, params[0], sizeof where);
    if (void *const target = translate(where); target != nullptr) std::memset(target, kPoked, 4);
}

} // namespace

const char *poke_image() {
    const unsigned param_size = sizeof(CUdeviceptr);
    if (driver().offer_host_kernel != nullptr) driver().offer_host_kernel("poke", poke_on_host, &param_size, 1);
    return kPtx;
}

} // namespace gmemfs::conformance
