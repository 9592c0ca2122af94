# sort, sed -i, split, gzip and a program run from the mount.
# posix
cd "$MNT"
seq 20000 | sort -R > lines
sort -n -o lines lines
seq 20000 | cmp - lines
sed -i 's/^7$/seven/' lines
is "$(sed -n 7p lines)" seven
split -b 10000 lines part.
cat part.* | cmp - lines
gzip -c lines | gzip -dc | cmp - lines
printf '#!/bin/sh\necho ran\n' > program
chmod +x program
is "$(./program)" ran
cd /
