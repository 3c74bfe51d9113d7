"""A user name for a uid that has none: without one, the Hadoop login of Spark's Java fails.

Clusters and `docker run --user` give containers uids that no container image knows. In the container image for Spark,
`/etc/passwd` is therefore a link into `/tmp`, where the container may write, and `/etc/passwd.image` is the list that
the image was built with.
"""

import os
import pwd
from pathlib import Path

from forebay.errors import MachineError
from forebay.state import write_bytes

PASSWD = Path("/etc/passwd")
BUILT_SUFFIX = ".image"  # ends the name of the list that the container image was built with


def ensure_username(passwd: Path = PASSWD) -> None:
    """Give this process's uid a name where it has none.

    Args:
        passwd: the list of users; it is extended only where it is a link.

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
                "without a name. Run it as a user of this machine, or in the container image forebay/spark, which "
                "takes any uid."
            ) from None
        known = passwd.with_name(passwd.name + BUILT_SUFFIX).read_bytes()
        entry = f"forebay-{uid}:x:{uid}:{os.getgid()}::/tmp:/usr/sbin/nologin\n"
        write_bytes(passwd.resolve(), known + entry.encode())
