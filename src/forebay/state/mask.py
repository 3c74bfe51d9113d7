"""Hides the user and password that an address may carry."""

import re

_USERINFO = re.compile(r"(?<=://)[^/\s?#]*@")  # up to the last @ before the path, as browsers and urllib read it


def without_passwords(text: str) -> str:
    """The text with `***` in place of what stands between `://` and `@` in every address."""
    return _USERINFO.sub("***@", text)
