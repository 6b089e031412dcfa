"""Opens the socket that clients connect to: inherited from the supervisor, or bound here."""

import contextlib
import socket

# Long enough for the burst of connections that waits while a busy loop finishes its turn.
BACKLOG = 2048


def listening_socket(*, inherited_fd: int | None, host: str, port: int) -> socket.socket:
    """Return a listening, non-blocking TCP socket; the caller closes it.

    An inherited one is shared with the other edges: closing ours leaves theirs, and the connections that
    wait in its queue, alone. Raises OSError when the address is taken or the descriptor is no socket.
    """
    if inherited_fd is not None:
        listening = socket.socket(fileno=inherited_fd)
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listening.setblocking(False)
    return listening


def waiting_connections(listening: socket.socket) -> list[socket.socket]:
    """Take every connection that nobody has accepted yet: closing the socket would reset them."""
    taken: list[socket.socket] = []
    with contextlib.suppress(OSError):  # BlockingIOError when there is no other
        while len(taken) < BACKLOG:
            connection, _ = listening.accept()
            connection.setblocking(False)
            taken.append(connection)
    return taken
