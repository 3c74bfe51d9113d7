"""Forms of a name that compare as people and file systems do."""

import unicodedata


def nfc(name: str) -> str:
    """A name in Unicode's composed form (NFC). macOS writes the accents of a file name as characters of their own."""
    return unicodedata.normalize("NFC", name)


def casefolded(name: str) -> str:
    """A name as Windows and macOS compare it."""
    return nfc(nfc(name).casefold())
