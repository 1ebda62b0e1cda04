"""Clients that send a byte now and then, and phones at the edge of their network."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

HEAD = "POST /post_image HTTP/1.1\r\nHost: localhost\r\n"
FORM = "Content-Type: multipart/form-data; boundary=x\r\n"
BEGINNINGS = [
    "",
    "P",
    HEAD + "Content-Length: 100000\r\n",
    HEAD + f"Content-Length: 100000\r\n{FORM}\r\n--x\r\n",
    # This one is answered, and does not hang up.
    "GET /is_alive HTTP/1.0\r\nHost: localhost\r\n\r\n",
]
"""What slow clients send at once; then they send a byte now and then."""


@contextmanager
def strangers(port: int, count: int):
    """Have slow clients connected that never come to an end."""
    clients, is_over = [], threading.Event()
    for number in range(count):
        clients.append(socket.create_connection(("127.0.0.1", port), 60))
        clients[-1].sendall(BEGINNINGS[number % len(BEGINNINGS)].encode())

    def drip() -> None:
        while not is_over.wait(0.3):
            for number, client in enumerate(clients):
                with suppress(OSError):
                    client.sendall(b"a" if number % 5 else b"")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        yield clients
    finally:
        is_over.set()
        dripping.join()
        for client in clients:
            client.close()


def send_slowly(port: int, body: bytes, kind: str, seconds: float, **headers: str) -> int:
    """Post a form as a phone at the edge of its network does; return the status."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"{HEAD}{''.join(lines)}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 60) as phone:
        phone.sendall(head.encode())
        for place in range(0, len(body), len(body) // 19):
            phone.sendall(body[place : place + len(body) // 19])
            time.sleep(seconds / 20)
        return int(phone.recv(100).split()[1])
