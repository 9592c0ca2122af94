# A removed file lives for as long as somebody has it open.
# posix
printf before > "$MNT/f"
exec 3>> "$MNT/f" 4< "$MNT/f"
rm "$MNT/f"
fails test -e "$MNT/f"
printf ' and after' >&3
is "$(cat <&4)" "before and after"
exec 3>&- 4<&-
nothing ls -A "$MNT"
