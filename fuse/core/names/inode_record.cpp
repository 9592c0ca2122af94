#include "fuse/core/names/inode_record.hpp"

#include "fuse/core/file/placement_record.hpp"

namespace gmemfs {

void record_inode(RecordWriter &record, const Inode &inode) {
    const Attributes now = inode.attributes();
    VolumeState::Node node;
    node.mode = now.mode;
    node.links = now.links;
    node.uid = now.uid;
    node.gid = now.gid;
    node.device_number = now.device_number;
    node.times = {now.accessed.tv_sec, now.accessed.tv_nsec, now.modified.tv_sec, now.modified.tv_nsec,
        now.changed.tv_sec, now.changed.tv_nsec};
    node.placement = place_of(inode.placement());
    node.target = inode.target();
    node.protection = inode.protection();
    node.flags = inode.flags();
    record.inode(inode.id(), node);
}

void record_new_inode(RecordWriter &record, const Inode &inode) {
    record_inode(record, inode);
    for (const std::string &name : inode.xattr_names()) record_xattr(record, inode, name);
}

void record_xattr(RecordWriter &record, const Inode &inode, std::string_view name) {
    const Result<std::string> value = inode.xattr(name);
    if (value)
        record.xattr(inode.id(), name, *value);
    else
        record.no_xattr(inode.id(), name);
}

} // namespace gmemfs
