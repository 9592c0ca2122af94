# What a user sets is listed, read and removed.
# posix
touch "$MNT/f"
mkdir "$MNT/d"
for path in "$MNT/f" "$MNT/d"; do
    setfattr -n user.colour -v blue "$path"
    setfattr -n user.empty "$path"
    is "$(xattr user.colour "$path")$(xattr user.empty "$path")" blue
    says 'user.colour="blue"' getfattr --absolute-names -d "$path"
    setfattr -n user.colour -v red "$path"
    is "$(xattr user.colour "$path")" red
    setfattr -x user.colour "$path"
    expect_error "No such attribute" xattr user.colour "$path"
    expect_error "No such attribute" setfattr -x user.colour "$path"
done
