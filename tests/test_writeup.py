"""The arithmetic of WRITEUP.txt: what stands before an equals sign makes what stands behind it."""

import ast
import math
import operator
import re

import pytest

from conftest import ROOT

TEXT = (ROOT / "WRITEUP.txt").read_text("utf-8")
UNITS = {
    "USD/TB-month": 1e-12,
    "MB/s": 1e6,
    "kB/s": 1e3,
    "million": 1e6,
    "TB": 1e12,
    "GB": 1e9,
    "MB": 1e6,
    "kB": 1e3,
    "ms": 1e-3,
    "M": 1e6,
    **dict.fromkeys(["USD a year", "USD", "core-h", "/s", "min", "B", "s", "h"], 1),
}
_UNIT = "|".join(map(re.escape, UNITS))
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_TERM = rf"(?:root)?\(*{_NUMBER} ?(?:{_UNIT})?(?![A-Za-z])(?:\)|\^\d+)*"
_SUM = re.compile(
    rf"(?P<sum>{_TERM}(?: [-+x/] {_TERM})+) *= *(?P<result>{_NUMBER}) ?(?P<unit>{_UNIT})?"
)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def value(text: str) -> float:
    """Return what an expression comes to, in units of one."""
    text = re.sub(rf"({_NUMBER}) ?({_UNIT})(?![A-Za-z])", _in_ones, text)
    text = text.replace(",", "").replace(" x ", " * ").replace("^", "**")
    return _evaluated(ast.parse(text.strip(), mode="eval").body)


def _in_ones(match: re.Match[str]) -> str:
    return f"({match[1]} * {UNITS[match[2]]})" if UNITS[match[2]] != 1 else match[1]


def _evaluated(node: ast.expr) -> float:
    if isinstance(node, ast.Constant):
        return float(node.value)
    if isinstance(node, ast.Call):
        return math.sqrt(_evaluated(node.args[0]))
    return _OPERATORS[type(node.op)](_evaluated(node.left), _evaluated(node.right))


def sums() -> list[tuple[str, str, str]]:
    """Return every sum, without a parenthesis that only opens before it, its result and unit."""
    found = [(one["sum"], one["result"], one["unit"] or "") for one in _SUM.finditer(TEXT)]
    return [
        (text[1:] if text.count("(") > text.count(")") else text, result, unit)
        for text, result, unit in found
    ]


@pytest.mark.parametrize(("text", "result", "unit"), sums(), ids=lambda one: one)
def test_a_sum_is_right_to_its_last_digit(text, result, unit):
    shown = float(result.replace(",", ""))
    step = 10.0 ** -len(result.partition(".")[2])
    assert value(text) / UNITS.get(unit, 1) == pytest.approx(shown, abs=0.51 * step), text


def test_nearly_every_equals_sign_is_checked():
    signs = len(re.findall(r" = ", re.sub(r"^[=-]+$", "", TEXT, flags=re.MULTILINE)))
    assert len(sums()) >= signs - 4


def test_lines_are_short():
    assert [line for line in TEXT.splitlines() if len(line) > 80] == []
