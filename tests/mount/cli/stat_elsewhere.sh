# stat of what isn't there, or isn't on gmemfs, is refused.
refuses "$MNT/none (No such file" "$GMEMFS" stat "$MNT/none"
refuses "/etc/passwd is on no gmemfs mount" "$GMEMFS" stat /etc/passwd
