# gmemfs mv does with names what mv does, within the mount, out of it and into it: each case ends with the same status and tree.
# timeout: 120
make_tree() {
    mkdir -p "$1/folder/inner" "$1/empty" "$1/full" "$1/to"
    for name in one two folder/inner/three; do echo "$name" > "$1/$name"; done
    ln "$1/one" "$1/same"
    ln "$1/folder/inner/three" "$1/folder/again"
    : > "$1/full/file"
    chmod 4751 "$1/two"
    chmod 700 "$1/folder/inner"
    ln -s one "$1/link"
    ln -s to "$1/link-to-folder"
    ln -s nowhere "$1/dangling"
    mkfifo "$1/fifo"
    touch -h -d 2019-09-09T09:09:09.5 "$1/two" "$1"/*/* "$1/folder/inner/three" "$1/dangling"
}
# Names with type, mode, number of links and old times; and what is in the files.
show() {
    (
        cd "$1"
        find . -mindepth 1 \( -newermt 2020-01-01 -printf '%P %y %m %l' -o -printf '%P %y %m %l %T@' \) \
            \( -type d -o -printf ' %n' \) -printf '\n' | sort
        grep -r -D skip "" . | sort
    )
}
cases=("one new" "one two" "one same" "one one" "one to" "one to/" "one new/" "one folder" "one nowhere/new" "missing new" "link new"
    "link one" "dangling two" "one dangling" "one link-to-folder" "fifo new" "fifo two" "folder new" "folder new/" "folder/ new" "folder empty"
    "folder to" "folder one" "full empty" "folder full" "folder folder/inner" "folder folder" "one two to" "one same to" "one two new"
    "one folder full" "one missing to" "one folder/again to" "-n one two" "-n one new" "-n folder to" "-f one two" "one ./one"
    "to/../one new" "link-to-folder new")
# run_cases COMMAND FROM TO: in FROM; the last word of a case is what things go to, in TO.
run_cases() {
    local arguments status
    for arguments in "${cases[@]}"; do
        rm -rf "$2" "$3"
        cp -a tree "$2"
        [ "$2" = "$3" ] || cp -a tree "$3"
        status=0
        # shellcheck disable=SC2086 # words
        (cd "$2" && $1 ${arguments% *} "$3/${arguments##* }") > /dev/null 2>&1 || status=$?
        echo "---- $arguments: $status"
        show "$2"
        [ "$2" = "$3" ] || show "$3"
    done
}
make_tree tree
differ=""
for ends in "$MNT/a $MNT/a" "$MNT/a $PWD/b" "$PWD/a $MNT/b"; do
    read -r from to <<< "$ends"
    run_cases mv "$from" "$to" > by-mv
    run_cases "$GMEMFS mv" "$from" "$to" > by-gmemfs
    [ "$(grep -c ^---- by-mv)" = ${#cases[@]} ]
    [ "$(wc -l < by-mv)" -gt $((20 * ${#cases[@]})) ]
    diff -U 100 by-mv by-gmemfs | grep -e '^[-+ ]----' -e '^[-+]' || continue
    differ="$differ $ends"
done
is "differ:$differ" "differ:"
