// DLPack: tensors over a mapping, as dlpack.h 1.1 has them, and what Python needs to carry them.
//
// Whoever takes a tensor deletes it, in any thread, with or without Python's lock, and after Python has ended: so its
// deleter, and the destructors of capsules, are functions of this library, and no Python runs in them.
#pragma once

#include "client/lib/file_mapping.hpp"

namespace gmemfs::client {

/// A DLManagedTensor, or a DLManagedTensorVersioned, which holds the mapping until its deleter is called.
/// `mapping` is null for one without elements. EINVAL: unknown flags, or no shape.
Result<void *> make_tensor(std::shared_ptr<FileMapping> mapping, const gmemfs_tensor_options &options);

/// A new capsule, a PyObject, for a tensor that was made with these flags; the caller has Python's lock. Null with
/// Python's exception, and the tensor is deleted.
void *make_capsule(void *tensor, int flags);

} // namespace gmemfs::client
