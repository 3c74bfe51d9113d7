"""Addresses as they may be shown: without the user and password that some carry."""

import re

_USERINFO = re.compile(r"(?<=://)[^/\s?#]*@")  # up to the last @ before the path, as browsers and urllib read it


def without_passwords(text: str) -> str:
    """The text with `***` for what stands between `://` and `@` in the addresses in it."""
    return _USERINFO.sub("***@", text)
