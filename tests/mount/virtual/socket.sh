# There is no broker yet, and user.gmemfs.socket says so.
is "$(errno_of "os.getxattr('$MNT', 'user.gmemfs.socket')")" ENODATA
