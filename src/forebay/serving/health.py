"""`python -m forebay.serving.health`: whether this container's server answers; the container image's HEALTHCHECK.

It starts every few seconds, so it imports the standard library only.
"""

import sys
import urllib.error
import urllib.request

from forebay.serving.ports import container_port

TIMEOUT_S = 2.0


def main() -> int:
    """0 when the server is ready to answer, 1 otherwise."""
    url = f"http://127.0.0.1:{container_port()}/v2/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
