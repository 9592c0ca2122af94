# A fault at every k-th driver call of server and keeper, at their starts, too: a mount that fails says why and leaves nothing; else
# operations fail with a sensible errno or succeed, do when they are tried again, and what is there is what was written.
# mount: none
# timeout: 240
python3 "$TESTS/faults/walk.py" --gmemfs "$GMEMFS" --mount-point "$MNT" --runtime-folder "$GMEMFS_RUNTIME_DIR" --step 23
