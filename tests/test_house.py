"""The architecture: who may import whom, read from the import statements themselves."""

import ast
from functools import cache
from pathlib import Path

import pytest

from conftest import ROOT

HOUSE = ROOT / "granpipe"
# Every room may import from those named behind it, and from itself.
ROOMS = {
    "commands": {
        "jobs",
        "survey",
        "mapping",
        "dataset",
        "copies",
        "photo",
        "engines",
        "stores",
        "errors",
    },
    "service": {"jobs", "mapping", "dataset", "copies", "photo", "engines", "stores", "errors"},
    "jobs": {"survey", "mapping", "dataset", "copies", "photo", "engines", "stores", "errors"},
    "survey": {"dataset", "photo", "stores", "errors"},
    "mapping": {"survey", "dataset", "photo", "stores", "errors"},
    "dataset": {"photo", "engines", "stores", "errors"},
    "copies": {"photo", "errors"},
    "photo": {"errors"},
    "engines": {"stores", "errors"},
    "stores": {"errors"},
    "checks": {"errors"},
    "errors": set(),
}
for room in ("commands", "service", "jobs", "dataset", "copies", "engines"):
    ROOMS[room].add("checks")
# The package that one room alone may import.
TENANTS = {"click": "commands", "obstore": "stores", "boto3": "stores", "folium": "mapping"}
TENANTS |= {
    "tqdm": "jobs",
    "pyspark": "engines",
    "pyogrio": "survey",
    "shapely": "survey",
    "pygeomag": "survey",
}
TENANTS |= {"flask": "service", "confluent_kafka": "service", "elastic_transport": "service"}
# What opens a path, an address or a process has no place where pictures are worked on.
BARRED = {
    "pathlib",
    "os",
    "shutil",
    "subprocess",
    "socket",
    "urllib",
    "tempfile",
    "multiprocessing",
}
MODULES = sorted(HOUSE.rglob("*.py"))
LONGEST = 300  # lines


def room_of(module: Path) -> str:
    return module.relative_to(HOUSE).parts[0].removesuffix(".py")


@cache
def imports_of(module: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it the statement stands."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write the whole name"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def rooms_entered(names: set[str]) -> set[str]:
    parts = [name.split(".") for name in names if name.startswith("granpipe.")]
    return {part[1] for part in parts if part[1] not in {"__version__"}}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_one_way_only(module):
    room = room_of(module)
    if room in {"__init__", "__main__"}:
        return
    assert rooms_entered(imports_of(module)) - {room} <= ROOMS[room]


@pytest.mark.parametrize("package", TENANTS)
def test_a_package_is_imported_in_its_room_only(package):
    users = {
        room_of(module)
        for module in MODULES
        if any(name.split(".")[0] == package for name in imports_of(module))
    }
    assert users == {TENANTS[package]}


@pytest.mark.parametrize("room", ["photo", "copies"])
def test_photographs_and_copies_never_see_a_path_or_a_process(room):
    for module in (HOUSE / room).glob("*.py"):
        seen = {name.split(".")[0] for name in imports_of(module)}
        assert not seen & BARRED, module


def test_no_module_imports_itself_by_way_of_others():
    graph = {name_of(module): set() for module in MODULES}
    for module in MODULES:
        if module == HOUSE / "__init__.py":  # it hands names on when they are asked for
            continue
        for name in imports_of(module):
            for target in (name, name.rpartition(".")[0]):
                if target in graph and target != name_of(module):
                    graph[name_of(module)].add(target)
    while graph:
        leaves = {name for name, targets in graph.items() if not targets & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: targets for name, targets in graph.items() if name not in leaves}


def name_of(module: Path) -> str:
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_tests_mirror_the_rooms():
    rooms = {folder.name for folder in HOUSE.iterdir() if (folder / "__init__.py").is_file()}
    assert rooms == ROOMS.keys() - {"checks", "errors"}
    jobs = {"jobs"}  # the three jobs are tested by the command line, in tests/ itself
    assert rooms - jobs <= {folder.name for folder in (ROOT / "tests").iterdir()}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_module_is_long(module):
    assert len(module.read_text("utf-8").splitlines()) <= LONGEST
