# gmemfs pull fetches files and folders from another host, whole or not at all, and says in one line what it can't fetch.
here_as_host
mkdir there "$MNT/copy"
random_bytes 20000000 > there/large
echo small > there/small
: > there/empty
printf 'odd' > there/$'od\n d"\x01'

# A file: under a name, into a folder, over a file that is there.
pull host:"$PWD/there/large" "$MNT/a name"
cmp there/large "$MNT/a name"
pull host:"$PWD/there/small" "$MNT"
cmp there/small "$MNT/small"
before=$(stat -c %i "$MNT/small")
echo another > there/small
pull host:"$PWD/there/small" "$MNT/small"
cmp there/small "$MNT/small"
differs "$(stat -c %i "$MNT/small")" "$before" # at once, by rename(2)
is "$(pull --json host:"$PWD/there/large" "$MNT/a name" | json 'd["files"], d["bytes"], d["failures"], d["transport"]')" \
    "(1, 20000000, 0, 'ssh')"

# A folder: what is in it, with links; modes by the umask, and all of it with -p.
mkdir -p there/deep/er
chmod 700 there/deep/er
echo x > there/deep/er/file
ln there/deep/er/file there/deep/other
ln -s ../small there/deep/link
chmod 4751 there/deep/er/file
pull host:"$PWD/there/deep/er/file" "$MNT/program"
is "$(mode_of "$MNT/program")" 751
touch -d '2001-02-03 04:05:06.789' there/deep/er/file
setfattr -n user.color -v blue there/deep/er/file 2> /dev/null || has_xattrs=no
setfacl -m u:65534:r there/deep/er/file 2> /dev/null || has_acls=no
pull -r host:"$PWD/there" "$MNT/copy"
diff -r there "$MNT/copy"
is "$(readlink "$MNT/copy/deep/link")" ../small
is "$(stat -c %i "$MNT/copy/deep/other")" "$(stat -c %i "$MNT/copy/deep/er/file")"
[ "${has_acls:-}" = no ] || is "$(getfacl -cn "$MNT/copy/deep/er/file" | grep -c 65534 || true)" 0
pull -rp host:"$PWD/there" "$MNT/copy"
is "$(mode_of "$MNT/copy/deep/er/file")" "$(mode_of there/deep/er/file)"
[ "${has_acls:-}" = no ] || is "$(getfacl -cn "$MNT/copy/deep/er/file")" "$(getfacl -cn there/deep/er/file)"
is "$(stat -c %y "$MNT/copy/deep/er/file")" "$(stat -c %y there/deep/er/file)"
is "$(mode_of "$MNT/copy/deep/er")" 700
[ "${has_xattrs:-}" = no ] || is "$(xattr user.color "$MNT/copy/deep/er/file")" blue
is "$(find "$MNT" -name '.gmemfs*' -not -name .gmemfs.socket | wc -l)" 0

# Out of a mount, into another filesystem; push is the other way.
pull -r host:"$MNT/copy" out
diff -r there out
push -r there host:"$MNT/pushed"
diff -r there "$MNT/pushed"
is "$(push --json there/large host:"$MNT/pushed/alone" | json 'd["files"], d["bytes"]')" "(1, 20000000)"
cmp there/large "$MNT/pushed/alone"

# Errors: one line, what and on what.
refuses "the other host: read: $PWD/nothing (No such file or directory)" pull host:"$PWD/nothing" "$MNT/x"
refuses "$PWD/there: use -r for folders" pull host:"$PWD/there" "$MNT/x"
refuses "nowhere/ (No such file or directory)" pull host:"$PWD/there/small" "$MNT/nowhere/x"
refuses "No such file or directory" push "$PWD/nothing" host:"$MNT/x"
refuses "use -r for folders" push there host:"$MNT/x"
expect_error "is gmemfs installed there?" "$GMEMFS" pull -e "$RSH" --remote-program /no/gmemfs host:/x "$MNT/x"
refuses "ended with status 3" "$GMEMFS" pull -e 'sh -c "exit 3"' host:/x "$MNT/x"
refuses "what came is no frame" "$GMEMFS" pull -e 'echo a login script greets' host:/x "$MNT/x"
for wrong in "/mnt/x" ":/x" "host:" "-oProxyCommand=x:/x"; do
    is "$(status_of pull -- "$wrong" "$MNT/x")" 2
done
is "$(status_of pull --via pigeon host:/x "$MNT/x")" 2
fails test -e "$MNT/x"

# What is in the way of a folder is told, and hinders nothing else.
rm -r "$MNT/copy/deep"
echo in the way > "$MNT/copy/deep"
echo newer > there/small
refuses "$MNT/copy/deep (Not a directory)" pull -r host:"$PWD/there" "$MNT/copy"
is "$(cat "$MNT/copy/deep" "$MNT/copy/small")" "$(printf 'in the way\nnewer')"
# A symbolic link there leads nowhere else.
rm "$MNT/copy/deep"
mkdir elsewhere
ln -s "$PWD/elsewhere" "$MNT/copy/deep"
refuses "$MNT/copy/deep (Not a directory)" pull -r host:"$PWD/there" "$MNT/copy"
nothing ls -A elsewhere
