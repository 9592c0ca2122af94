// Inode record: what a journal is told of an inode, in the values of VolumeState.
#pragma once

#include "fuse/core/journal/record.hpp"
#include "fuse/core/names/inode.hpp"

namespace gmemfs {

/// Attributes, target and placement; not xattrs and layout.
void record_inode(RecordWriter &record, const Inode &inode);
/// The same, and the xattrs that it was made with.
void record_new_inode(RecordWriter &record, const Inode &inode);
/// The extended attribute, or that there is none of this name, as it is now.
void record_xattr(RecordWriter &record, const Inode &inode, std::string_view name);

} // namespace gmemfs
