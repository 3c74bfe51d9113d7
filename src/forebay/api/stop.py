"""`forebay.stop`: the end of the server of this machine."""

from forebay.api.state_folder import PathLike, state_folder


def stop(home: PathLike | None = None) -> bool:
    """End the server of a state folder; requests in flight are answered first.

    Args:
        home: the state folder; without it, `FOREBAY_HOME`, else `.forebay` in the working folder.

    Returns:
        Whether one was running.

    Raises:
        MachineError: it does not end.
    """
    from forebay.local.server.control import stop_server

    with state_folder(home) as place:
        return stop_server(place)
