"""Commands that look after the machine and the state folder: doctor, prune."""

import json
from dataclasses import asdict

import click

from forebay.cli.command import command
from forebay.cli.options import address_options, json_option
from forebay.state import Home


@command("doctor")
@address_options
@json_option
def doctor_command(host: str, port: int, as_json: bool) -> int:
    """Look at Python, Java, PyTorch, disk, memory, port, state folder and S3, and say how to mend what is wrong.

    Exit code 0 when everything is well, 1 otherwise.
    """
    from forebay.doctor.checks import all_checks

    checks = []
    for check in all_checks(Home.find(), host, port):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.detail}")
            if check.fix:
                click.echo(f"{'':<19}{check.fix}")
    ok = all(check.ok for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}))
    return 0 if ok else 1
