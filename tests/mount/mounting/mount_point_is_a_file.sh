# A file is no mount point.
# mount: none
touch file
refuses "file" "$GMEMFS" mount "$PWD/file" --simulate=64M
