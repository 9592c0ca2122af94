# -o ro makes a mount that can't be changed.
# options: -o ro
is "$(errno_of "open('$MNT/f', 'w')")" EROFS
is "$(errno_of "os.mkdir('$MNT/d')")" EROFS
