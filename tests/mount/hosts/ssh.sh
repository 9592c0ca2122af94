# pull and push by ssh itself: right bytes, ssh's own errors, and a forced command in authorized_keys that lets nothing else be done.
# timeout: 120
server=$(python3 "$TESTS/hosts/start_sshd.py" ssh) || { echo "$server"; exit 77; }
trap 'kill "$server"' EXIT
ssh="ssh -F $PWD/ssh/config"
by_ssh=(-e "$ssh" --remote-program "$GMEMFS")
mkdir there there/deep
random_bytes 30000000 > there/large
echo x > "there/deep/a name"
"$GMEMFS" pull -r "${by_ssh[@]}" here:"$PWD/there" "$MNT/copy"
diff -r there "$MNT/copy"
is "$("$GMEMFS" push --json --via ssh "${by_ssh[@]}" "$MNT/copy/large" here:"$PWD/back" | json 'd["transport"], d["bytes"]')" "('ssh', 30000000)"
cmp there/large back

# ssh's own failures are ssh's to say; gmemfs says how it ended.
expect_error "ended with status 255: the connection failed" "$GMEMFS" pull -e "$ssh" nohost.invalid:/x "$MNT/x"
expect_error "status 127: is gmemfs installed there?" "$GMEMFS" pull -e "$ssh" --remote-program no-such-gmemfs here:/x "$MNT/x"
# The other user's shell prints something at its start.
expect_error "a login script" "$GMEMFS" pull -e "$ssh here echo hello there, my friend\; exec" --remote-program "$GMEMFS" here:/x "$MNT/x"

# A forced command: whatever is asked for, `send` answers; so a pull works, a push doesn't, nor does a shell.
sed -i "s|^|command=\"$GMEMFS send --stdio\" |" ssh/user.pub
"$GMEMFS" pull "${by_ssh[@]}" here:"$PWD/there/large" "$MNT/again"
cmp there/large "$MNT/again"
rm back
fails "$GMEMFS" push "${by_ssh[@]}" "$MNT/again" here:"$PWD/back" 2> said
fails test -e back
