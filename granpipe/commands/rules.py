"""What options of `prepare` say in a language of their own, parsed when they are used."""

# The parsers are imported when they run: `granpipe --help` is to answer at once.
# ruff: noqa: PLC0415


def hold_out(text: str) -> str:
    """Return a rule of --hold-out."""
    from granpipe.dataset.hold_out import parse_hold_out

    return text if text == "none" else str(parse_hold_out(text))


def shares(text: str) -> str:
    """Return the shares of --split."""
    from granpipe.dataset.shares import parse_shares

    return text if text in {"given", "none"} else str(parse_shares(text))


def together(text: str) -> str:
    """Return the rules of --keep-together."""
    from granpipe.dataset.together import parse_together

    return str(parse_together(text))
