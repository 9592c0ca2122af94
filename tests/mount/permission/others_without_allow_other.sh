# Without allow_other only the mounting user enters.
needs_root
chmod 777 "$MNT"
expect_error "Permission denied" as_nobody ls "$MNT"
