# A file is no mount point.
# mount: none
touch file
refuses "$PWD/file: a mount point is a directory" "$GMEMFS" mount "$PWD/file" --simulate=64M
