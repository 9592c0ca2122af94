// DLPack: makes tensors over a mapping, as dlpack.h 1.1 defines them, and capsules that carry them in Python.
//
// A consumer that takes a tensor deletes it in any thread, with or without Python's lock, perhaps after Python has
// ended. So a tensor's deleter and a capsule's destructor are functions of this library, and no Python runs in them.
#pragma once

#include "client/lib/file_mapping.hpp"

namespace gmemfs::client {

/// A DLManagedTensor, or a DLManagedTensorVersioned, which holds the mapping until its deleter is called.
/// `mapping` is null for one without elements. EINVAL: unknown flags, or no shape.
Result<void *> make_tensor(std::shared_ptr<FileMapping> mapping, const gmemfs_tensor_options &options);

/// A new capsule, a PyObject, for a tensor that was made with these flags. The caller has Python's lock. Null: Python's
/// exception is set, and the tensor is deleted.
void *make_capsule(void *tensor, int flags);

} // namespace gmemfs::client
