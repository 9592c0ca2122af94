# options: --ecc=on -o allow_other
# Nobody damages a file whose mount doesn't allow it; and nobody repairs or seals what is another one's.
echo text > "$MNT/f"
chmod 644 "$MNT/f"
refuses "mount it with --allow-inject" "$GMEMFS" inject "$MNT/f"
needs_root
cp "$GMEMFS" gmemfs
chmod 755 . gmemfs
as_nobody ./gmemfs verify "$MNT/f"
expect_error "only who may read and write the file" as_nobody ./gmemfs scrub "$MNT/f"
expect_error "only who may read and write the file" as_nobody ./gmemfs seal "$MNT/f"
