# A packed file can be copied within the mount where there is room for the copy and little more: not all of it is decoded at once.
# size: 80M
weights 29360128 > model
cp model "$MNT/model"
"$GMEMFS" pack "$MNT/model"
truncate -s 14M "$MNT/other"
# 20 MiB are packed, 14 are the other's, 28 will be the copy's: 18 are left for all else.
python3 -c 'import os, sys
source, target = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
assert os.copy_file_range(source, target, 29360128) == 29360128' "$MNT/model" "$MNT/copy"
cmp model "$MNT/copy"
is "$(where "$MNT/model")" packed
