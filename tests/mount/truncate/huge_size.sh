# A size that no device has is refused, and the file stays as it was.
printf abc > "$MNT/f"
for size in '2**63 - 1' '2**62' '2**50'; do
    [[ $(errno_of "os.truncate('$MNT/f', $size)") =~ ^(EFBIG|ENOSPC)$ ]]
done
[[ $(errno_of "os.pwrite(os.open('$MNT/f', os.O_WRONLY), b'x', 2**63 - 2)") =~ ^(EFBIG|ENOSPC|EINVAL)$ ]]
is "$(cat "$MNT/f")" abc
