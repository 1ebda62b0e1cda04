"""The page's modules, joined by granpipe.mapping.page as a browser would have joined them."""

import re

import pytest

from granpipe.mapping.page import MAP, PANEL

from conftest import ROOT

WEB = ROOT / "granpipe/mapping/web"
MODULES = [*PANEL, *MAP]
TEXTS = {name: (WEB / name).read_text("utf-8") for name in MODULES}


def imports_of(name: str) -> dict[str, set[str]]:
    """Return the names that a module takes, by the module that it takes them from."""
    lines = re.findall(r"^import \{ (.*) \} from '\./(\w+\.js)';$", TEXTS[name], re.MULTILINE)
    assert len(lines) == TEXTS[name].count("\nimport "), f"{name}: an import on several lines"
    taken: dict[str, set[str]] = {}
    for names, source in lines:
        taken.setdefault(source, set()).update(names.split(", "))
    return taken


def exports_of(name: str) -> set[str]:
    return set(re.findall(r"^export (?:const|function\*?|class) (\w+)", TEXTS[name], re.MULTILINE))


def test_every_module_stands_in_the_page():
    assert {path.name for path in WEB.glob("*.js")} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_stands_before_it_and_is_exported_there(name):
    for source, names in imports_of(name).items():
        assert MODULES.index(source) < MODULES.index(name)
        assert names <= exports_of(source), source


@pytest.mark.parametrize("name", MODULES)
def test_a_module_uses_what_it_imports(name):
    body = re.sub(r"^import .*$|//.*$", "", TEXTS[name], flags=re.MULTILINE)
    for names in imports_of(name).values():
        assert not [word for word in names if not re.search(rf"\b{word}\b", body)]


@pytest.mark.parametrize("name", PANEL)
def test_the_panel_needs_no_leaflet(name):
    assert not re.search(r"\bL\.|\bchart\b", TEXTS[name].partition("*/")[2])


@pytest.mark.parametrize("name", MODULES)
def test_no_module_writes_markup_or_styles_that_the_policy_forbids(name):
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setAttribute\('style'|eval\("
    )
    assert not re.search(forbidden, TEXTS[name])


def test_everything_exported_is_imported_somewhere():
    taken = {
        (source, word)
        for name in MODULES
        for source, words in imports_of(name).items()
        for word in words
    }
    assert not [(n, word) for n in MODULES for word in exports_of(n) if (n, word) not in taken]
