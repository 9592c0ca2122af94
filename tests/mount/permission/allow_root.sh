# With allow_root, root and who mounts get in and others don't: libfuse itself answers them, with EACCES.
# options: -o allow_root
needs_root
echo text > "$MNT/file"
chmod 777 "$MNT"
for _ in 1 2 3; do
    expect_error "Permission denied" as_nobody stat "$MNT/other"
    expect_error "Permission denied" as_nobody mkdir "$MNT/folder"
    is "$(cat "$MNT/file")" text
done
