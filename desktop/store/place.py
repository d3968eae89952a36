"""Whether a folder is a good place for a journal. Never moves or changes anything.

A write-ahead log needs memory shared by its processes, which network file systems do not give
(https://sqlite.org/wal.html); a program that keeps folders the same on several machines copies files half-written.
"""

from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "davfs", "fuse.sshfs", "fuse.rclone", "fuse.davfs2"}
    | {"fuse.glusterfs", "fuse.s3fs", "ncpfs", "coda", "lustre", "beegfs"}
)
_SYNCED = ("dropbox", "onedrive", "icloud", "mobile documents", "nextcloud", "owncloud", "google drive", "googledrive")
_SYNCED_MARKS = (".stfolder", ".dropbox", ".sync", ".owncloudsync.log", ".nextcloudsync.log")


def is_on_network(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Whether `folder` lies on a network file system; False where the system does not say."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    place = folder.resolve()
    kind, depth = "", -1
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        # The kernel writes blanks in names as octal numbers.
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t"))
        if place.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = fields[2], len(point.parts)
    return kind in _NETWORK


def is_synced(folder: Path) -> bool:
    """Whether a program that copies folders to other machines seems to look after `folder`."""
    place = folder.resolve()
    if any(part.casefold().startswith(_SYNCED) for part in place.parts):
        return True
    return any((above / mark).exists() for above in [place, *place.parents] for mark in _SYNCED_MARKS)
