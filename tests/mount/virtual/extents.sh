# user.gmemfs.extents tells each extent: offset, length, device, handle type, id.
truncate -s 8M "$MNT/f"
xattr user.gmemfs.extents "$MNT/f" > extents
is "$(json '[(e["offset"], e["length"]) for e in d]' < extents)" "[(0, 8388608)]"
is "$(json 'all({"device", "handle_type", "id"} <= set(e) for e in d)' < extents)" True
touch "$MNT/empty"
is "$(xattr user.gmemfs.extents "$MNT/empty" | json d)" "[]"
