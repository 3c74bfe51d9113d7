"""A name for a uid that has none: Java's login for Hadoop, which Spark cannot do without, fails otherwise.

Clusters and `docker run --user` give containers uids that no image knows. The Spark image therefore keeps its list of
users where such a container may write: `/etc/passwd` there is a link into `/tmp`, and the list itself lies beside it.
"""

import os
import pwd
from pathlib import Path

from forebay.errors import MachineError
from forebay.state import write_bytes

PASSWD = Path("/etc/passwd")
IMAGE_LIST = ".image"  # suffix of the list that the image came with


def ensure_username(passwd: Path = PASSWD) -> None:
    """Give this process's uid a name where it has none.

    Args:
        passwd: the list of users; written only where it is a link.

    Raises:
        MachineError: the uid has no name, and the list cannot be extended.
    """
    uid = os.getuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        if not passwd.is_symlink():
            raise MachineError(
                f"This process runs as uid {uid}, which {passwd} does not name, and Spark's Java does not start "
                "without a name. Run it as a user of this machine, or in the image forebay/spark, which takes any uid."
            ) from None
        known = passwd.with_name(passwd.name + IMAGE_LIST).read_bytes()
        ours = f"forebay-{uid}:x:{uid}:{os.getgid()}::/tmp:/usr/sbin/nologin\n"
        write_bytes(passwd.resolve(), known + ours.encode())
