# --quota is what one user's files may take, to the byte; nothing is lost at the limit, and chown hands the charge on.
# options: --quota 12345=4M --quota nobody=1M
needs_root
chmod 777 "$MNT"
user() { setpriv --reuid=12345 --regid=12345 --clear-groups "$@"; }
user_used() { xattr user.gmemfs.stats "$MNT" | json 'd["quotas"]["12345"]["used"]'; }
truncate -s 1M "$MNT/f"
chown 12345 "$MNT/f"
is "$(user_used)" $((2 << 20))
truncate -s 2M "$MNT/f"
expect_error "quota exceeded" truncate -s 6M "$MNT/f"
is "$(size_of "$MNT/f")" $((2 << 20))
truncate -s 4M "$MNT/f"
is "$(errno_of "os.write(os.open('$MNT/f', os.O_WRONLY | os.O_APPEND), b'more')")" EDQUOT
truncate -s 8M "$MNT/free" # root has no quota
expect_error "quota exceeded" chown 12345 "$MNT/free"
is "$(stat -c %u "$MNT/free")" 0
chown 0 "$MNT/f"
is "$(user_used)" 0
rm "$MNT/f"
# /etc/passwd knows nobody by name.
truncate -s 1M "$MNT/n"
expect_error "quota exceeded" chown nobody "$MNT/n"
echo small > "$MNT/small"
chown nobody "$MNT/small"
