// Inode record: writes an inode's attributes and extended attributes into a record of the journal.
#pragma once

#include "fuse/core/journal/record.hpp"
#include "fuse/core/names/inode.hpp"

namespace gmemfs {

/// Attributes, target and placement; not xattrs and layout.
void record_inode(RecordWriter &record, const Inode &inode);
/// The same, and the xattrs that it was made with.
void record_new_inode(RecordWriter &record, const Inode &inode);
/// The extended attribute's present value, or that there is none of this name.
void record_xattr(RecordWriter &record, const Inode &inode, std::string_view name);

} // namespace gmemfs
