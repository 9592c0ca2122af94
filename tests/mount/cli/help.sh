# --help, of the command and of each subcommand, goes to standard output and succeeds.
# mount: none
"$GMEMFS" --help | grep -q mount
for subcommand in mount umount stat df doctor test version; do
    "$GMEMFS" "$subcommand" --help 2> said | grep -q -i "usage\|$subcommand"
    is "$(cat said)" ""
done
