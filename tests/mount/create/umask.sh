# The umask is taken off the mode, once.
# posix
umask 027
touch "$MNT/f"
mkdir "$MNT/d"
is "$(mode_of "$MNT/f") $(mode_of "$MNT/d")" "640 750"
