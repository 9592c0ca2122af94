# A slot that held another user's small file shows none of its bytes: neither read past what was written, nor grown.
needs_root
secret() { python3 -c 'print("secret" * 600, end="")'; }
for index in $(seq 50); do secret > "$MNT/old$index"; done
slots=$("$GMEMFS" stat --json "$MNT" | json 'd["shared"]["slots"]')
[ "$slots" -gt 0 ]
rm "$MNT"/old*
for index in $(seq 50); do
    printf x > "$MNT/new$index"
    truncate -s 3600 "$MNT/new$index"
done
for index in $(seq 50); do
    is "$(tail -c +2 "$MNT/new$index" | sha256sum | cut -d ' ' -f 1)" "$(zeros 3599)"
done
