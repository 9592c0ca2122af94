# A mount that is read only can't hold the socket's name: an abstract one is announced, and the mount works.
# options: -o ro
[[ $(xattr user.gmemfs.socket "$MNT") == @gmemfs-* ]]
nothing ls -A "$MNT"
