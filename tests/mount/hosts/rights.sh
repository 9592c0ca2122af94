# Whoever can't read a file there gets nothing of it; the rest comes, and the exit status tells.
needs_root
as_nobody test -x "$GMEMFS" || skip "nobody can't reach $GMEMFS here"
mkdir there there/closed
echo secret > there/secret
echo secret > there/closed/secret
echo open > there/open
chmod 600 there/secret
chmod 700 there/closed
chmod 755 . there
cat > rsh << 'END'
#!/bin/sh
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
END
here_as_host
as_nobody cat there/open > /dev/null 2>&1 || skip "nobody can't reach the test's folder"
refuses "$PWD/there/secret (Permission denied)" pull host:"$PWD/there/secret" "$MNT/x"
fails test -e "$MNT/x"
said=$(pull -r host:"$PWD/there" "$MNT/copy" 2>&1) && { echo "it said nothing of what it left out"; exit 1; }
is "$(sort <<< "$said")" "$(printf 'gmemfs: fetch: host:%s: it can'"'"'t be read by this user, and is left out (Permission denied)\n' closed secret)"
is "$(ls "$MNT/copy")" open
is "$(grep -rc secret "$MNT/copy/open")" 0 || true
# The other way: nobody there may not write here.
mkdir "$MNT/mine"
chmod 755 "$MNT/mine"
refuses "(Permission denied)" push there/open host:"$MNT/mine/x"
nothing ls -A "$MNT/mine"
