# stat of what isn't there, or isn't on gmemfs, is refused.
refuses "$MNT/none" "$GMEMFS" stat "$MNT/none"
refuses "/etc/passwd" "$GMEMFS" stat /etc/passwd
