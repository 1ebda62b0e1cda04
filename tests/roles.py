"""Stand-ins for what hands out AWS's temporary keys, and a bucket that notes who asks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from proxies import served, tls

KEYS = {
    "AccessKeyId": "AKIDOFAROLE",
    "SecretAccessKey": "s3cret",
    "Expiration": "2099-01-01T00:00:00Z",
}
TOKEN = "t0ken-of-a-session"
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>{token}</SessionToken>{keys}</Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Amazon:
    """The services, at two addresses.

    Attributes
    ----------
    url, secure_url : str
        The metadata service, container credentials and S3; STS, which wants TLS.
    ca : str
        File with the certificate of who signed that of STS.
    asked : list of str
        What was asked of all but S3.
    who : list of tuple
        Key and token that each request to S3 was signed with.
    status : int
        What they all answer, but S3.
    """

    url: str = ""
    secure_url: str = ""
    ca: str = ""
    asked: list[str] = field(default_factory=list)
    who: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self) -> None:
        amazon = self.server.amazon
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/s3/"):
            signed = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
            amazon.who.append((signed, self.headers.get("X-Amz-Security-Token", "")))
            self._answer(200, "bytes")
            return
        amazon.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        if self.path.startswith("/sts"):
            keys = "".join(f"<{name}>{value}</{name}>" for name, value in KEYS.items())
            denied = (
                "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>"
            )
            done = amazon.status == 200 and "WebIdentityToken=w3b" in self.path
            self._answer(*((200, STS.format(token=TOKEN, keys=keys)) if done else (400, denied)))
        elif self.path == "/latest/api/token":
            self._answer(amazon.status, "token-of-the-machine")
        elif self.path.endswith("/security-credentials/"):
            self._answer(200, "role-of-the-machine")
        else:
            is_pod = self.path == "/pod" and self.headers.get("Authorization") == "p0d"
            is_machine = self.headers.get("X-Aws-Ec2-Metadata-Token") == "token-of-the-machine"
            status = amazon.status if is_pod or is_machine else 403
            self._answer(status, json.dumps(KEYS | {"Token": TOKEN, "Code": "Success"}))

    do_GET = do_PUT = do_POST = take  # noqa: N815

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 20:00:00 GMT")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def amazon(folder: Path) -> Iterator[Amazon]:
    """Start the services."""
    context, made = tls(folder), Amazon(ca=str(folder / "ca.pem"))
    plain, secure = (ThreadingHTTPServer(("127.0.0.1", 0), _Handler) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    made.url = f"http://127.0.0.1:{plain.server_address[1]}"
    made.secure_url = f"https://127.0.0.1:{secure.server_address[1]}"
    for server in (plain, secure):
        server.amazon, server.daemon_threads = made, True
    with served(plain), served(secure):
        yield made
