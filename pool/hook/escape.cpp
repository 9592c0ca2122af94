// Escape: hooks that only note what the driver gives besides the pool: managed memory, arrays, nodes of graphs.
#include "pool/hook/process_pool.hpp"
#include "pool/hook/real.hpp"

#include <algorithm>

using namespace gmemfs;
using namespace gmemfs::pool;

namespace {

void note(Escapes::Kind kind, std::uint64_t key, std::uint64_t bytes) {
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr) pool->escapes().made(kind, key, bytes);
}

void note_end(std::uint64_t key) {
    if (ProcessPool *const pool = ProcessPool::get(); pool != nullptr) pool->escapes().gone(key);
}

template <typename Handle>
std::uint64_t key_of(Handle *handle) {
    return reinterpret_cast<std::uint64_t>(handle);
}

std::uint64_t bytes_of(CUarray_format format) {
    switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8: return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF: return 2;
    default: return 4; // and block formats, which have less
    }
}

// With the bytes of its elements: what the device adds to fit its tiles nobody is told.
void note_array(std::uint64_t key, const CUDA_ARRAY3D_DESCRIPTOR &wanted) {
    note(PoolFigures::arrays, key,
        wanted.Width * std::max<std::uint64_t>(wanted.Height, 1) * std::max<std::uint64_t>(wanted.Depth, 1) *
            bytes_of(wanted.Format) * wanted.NumChannels);
}

} // namespace

// A program may look for a function that its driver lacks, and finds the hook.
#define NEEDS(symbol)                                                                                                  \
    if (real().symbol == nullptr) return CUDA_ERROR_NOT_SUPPORTED

extern "C" {

CUresult cuMemAllocManaged(CUdeviceptr *address, std::size_t size, unsigned flags) {
    NEEDS(cuMemAllocManaged);
    const CUresult result = real().cuMemAllocManaged(address, size, flags);
    if (result == CUDA_SUCCESS) note(PoolFigures::managed, *address, size);
    return result;
}

CUresult cuArrayCreate_v2(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *wanted) {
    NEEDS(cuArrayCreate_v2);
    const CUresult result = real().cuArrayCreate_v2(array, wanted);
    if (result == CUDA_SUCCESS)
        note_array(key_of(*array), {wanted->Width, wanted->Height, 1, wanted->Format, wanted->NumChannels, 0});
    return result;
}

CUresult cuArray3DCreate_v2(CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *wanted) {
    NEEDS(cuArray3DCreate_v2);
    const CUresult result = real().cuArray3DCreate_v2(array, wanted);
    if (result == CUDA_SUCCESS) note_array(key_of(*array), *wanted);
    return result;
}

CUresult cuArrayDestroy(CUarray array) {
    NEEDS(cuArrayDestroy);
    const CUresult result = real().cuArrayDestroy(array);
    if (result == CUDA_SUCCESS) note_end(key_of(array));
    return result;
}

// Each level has a quarter of the one before (an eighth, of three dimensions): the first one counts.
CUresult cuMipmappedArrayCreate(CUmipmappedArray *array, const CUDA_ARRAY3D_DESCRIPTOR *wanted, unsigned levels) {
    NEEDS(cuMipmappedArrayCreate);
    const CUresult result = real().cuMipmappedArrayCreate(array, wanted, levels);
    if (result == CUDA_SUCCESS) note_array(key_of(*array), *wanted);
    return result;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray array) {
    NEEDS(cuMipmappedArrayDestroy);
    const CUresult result = real().cuMipmappedArrayDestroy(array);
    if (result == CUDA_SUCCESS) note_end(key_of(array));
    return result;
}

CUresult cuGraphAddMemAllocNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *before, std::size_t count,
    CUDA_MEM_ALLOC_NODE_PARAMS *wanted) {
    NEEDS(cuGraphAddMemAllocNode);
    const CUresult result = real().cuGraphAddMemAllocNode(node, graph, before, count, wanted);
    if (result == CUDA_SUCCESS && ProcessPool::get() != nullptr) Escapes::made_node();
    return result;
}

} // extern "C"
