"""The page that a phone posts photographs from: `web/post.html`, with the rules that it keeps."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from granpipe.service.intake import LARGEST

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@cache
def post_page() -> tuple[bytes, str]:
    """Return the page, and its Content-Security-Policy: its own script and style, nothing else.

    The page has the size of the largest photograph that is taken.

    Examples
    --------
    >>> page, policy = post_page()
    >>> policy.partition(";")[0]
    "default-src 'none'"
    """
    text = files("granpipe.service").joinpath("web/post.html").read_text("utf-8")
    text = text.replace('data-largest=""', f'data-largest="{LARGEST}"')
    hashes = {kind: _hash(content) for kind, content in _INLINE.findall(text)}
    rules = [
        "default-src 'none'",
        f"script-src {hashes['script']}",
        f"style-src {hashes['style']}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return text.encode(), "; ".join(rules)


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
