# Without parity user.gmemfs.ecc says off.
truncate -s 1 "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" off
