#include "client/lib/dlpack.hpp"

#include "client/lib/origin.hpp"
#include "client/lib/python.hpp"

namespace gmemfs::client {
namespace {

// The structs of dlpack.h 1.1 (github.com/dmlc/dlpack), in their order.
struct Device {
    std::int32_t type, id;
};
struct DataType {
    std::uint8_t code, bits;
    std::uint16_t lanes;
};
struct Tensor {
    void *data;
    Device device;
    std::int32_t ndim;
    DataType dtype;
    std::int64_t *shape, *strides;
    std::uint64_t byte_offset;
};
struct Plain {
    Tensor tensor;
    void *manager;
    void (*deleter)(Plain *);
};
struct Versioned {
    std::uint32_t major, minor;
    void *manager;
    void (*deleter)(Versioned *);
    std::uint64_t flags; // bit 0: read-only
    Tensor tensor;
};

// What a tensor that is out holds on to. The memory of the struct that the consumer has is a part of it.
struct Held {
    Plain plain;
    Versioned versioned;
    std::vector<std::int64_t> shape, strides; // of elements, the last index fastest
    std::shared_ptr<FileMapping> mapping;
};

template <typename Managed>
void delete_tensor(Managed *managed) {
    if (managed == nullptr || is_copy()) return; // the original's: nothing here to be given back
    without_python_lock([&] { const std::unique_ptr<Held> last(static_cast<Held *>(managed->manager)); });
}

template <typename Managed>
void drop(void *managed) {
    delete_tensor(static_cast<Managed *>(managed));
}

constexpr const char *kPlainName = "dltensor";
constexpr const char *kVersionedName = "dltensor_versioned";

// A consumer that takes the tensor renames the capsule, and deletes the tensor itself. Neither call here touches an
// exception that is being raised, the consumer's refusal for instance.
void capsule_gone(void *capsule) {
    const gmemfs_python &its = *python();
    if (its.capsule_is_valid(capsule, kPlainName) != 0)
        drop<Plain>(its.capsule_get_pointer(capsule, kPlainName));
    else if (its.capsule_is_valid(capsule, kVersionedName) != 0)
        drop<Versioned>(its.capsule_get_pointer(capsule, kVersionedName));
}

} // namespace

Result<void *> make_tensor(std::shared_ptr<FileMapping> mapping, const gmemfs_tensor_options &options) {
    constexpr int kKnown = GMEMFS_TENSOR_VERSIONED | GMEMFS_TENSOR_READ_ONLY;
    if ((options.flags & ~kKnown) != 0 || options.ndim < 0 || (options.ndim != 0 && options.shape == nullptr))
        return Error{EINVAL, 0, "make tensor", "unknown flags, or no shape"};
    auto held = std::make_unique<Held>();
    held->mapping = std::move(mapping);
    held->shape.assign(options.shape, options.shape + options.ndim);
    held->strides.resize(held->shape.size());
    std::int64_t step = 1;
    for (std::size_t index = held->shape.size(); index-- != 0; step *= held->shape[index]) held->strides[index] = step;
    const Tensor tensor = {reinterpret_cast<void *>(options.address), // NOLINT(performance-no-int-to-ptr)
        {options.device_type, options.device_id}, options.ndim, {options.dtype_code, options.dtype_bits, 1},
        held->shape.data(), held->strides.data(), 0};
    const bool is_versioned = (options.flags & GMEMFS_TENSOR_VERSIONED) != 0;
    const std::uint64_t is_read_only = (options.flags & GMEMFS_TENSOR_READ_ONLY) != 0 ? 1 : 0;
    held->plain = {tensor, held.get(), delete_tensor<Plain>};
    held->versioned = {1, 0, held.get(), delete_tensor<Versioned>, is_read_only, tensor};
    void *const made = is_versioned ? static_cast<void *>(&held->versioned) : static_cast<void *>(&held->plain);
    (void)held.release(); // the consumer's, until it calls the deleter
    return made;
}

void *make_capsule(void *tensor, int flags) {
    const bool is_versioned = (flags & GMEMFS_TENSOR_VERSIONED) != 0;
    void *const capsule = python()->capsule_new(tensor, is_versioned ? kVersionedName : kPlainName, capsule_gone);
    if (capsule == nullptr) is_versioned ? drop<Versioned>(tensor) : drop<Plain>(tensor);
    return capsule;
}

} // namespace gmemfs::client
