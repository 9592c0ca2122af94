# A directory's modification time follows what is made and removed in it.
# posix
mkdir "$MNT/d"
for change in 'touch' 'mv -T x' 'rm'; do
    touch -d 2001-01-01 "$MNT/d"
    case $change in
    touch) touch "$MNT/d/f" ;;
    rm) rm "$MNT/d/g" ;;
    *) mv "$MNT/d/f" "$MNT/d/g" ;;
    esac
    [ "$(stat -c %Y "$MNT/d")" -ge 1000000000 ]
done
