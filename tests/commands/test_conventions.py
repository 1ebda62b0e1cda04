"""Options and settings as people who know other command lines expect them."""

import json
import re
import shlex

import pytest

from conftest import ROOT, picture, put, rejects, rows, save, textured, tree


@pytest.fixture
def src(tmp_path):
    for number in range(3):
        save(tmp_path / f"src/corn/{number}.jpg", picture(60, 40, number))
    return tmp_path / "src"


def size(out) -> int:
    return json.loads((out / "dataset.json").read_text())["settings"]["size"]


def test_a_dataset_keeps_its_size_and_fill_until_others_are_named(granpipe, src, out):
    granpipe("prepare", src, out, "--size", 20, "--fill", "#102030")
    before = tree(out)
    again = granpipe("prepare", src, out)
    assert "(3 unchanged)" in again.stdout
    assert again.stderr == ""
    assert tree(out) == before
    granpipe("prepare", src, out, "--fill", 0)
    assert size(out) == 20
    assert tree(out) != before


def test_a_run_says_why_it_makes_arrays_again(granpipe, src, out):
    granpipe("prepare", src, out, "--size", 20)
    stderr = granpipe("prepare", src, out, "--size", 24).stderr
    assert stderr == f"granpipe: {out}: makes 3 arrays again, since the size is now 24 (was 20)\n"
    stderr = granpipe("prepare", src, out, "--fill", "#ffffff", "--size", 16).stderr
    assert "the size is now 16 (was 24) and the fill is now #ffffff (was #000000)" in stderr


def test_limits_are_those_of_a_run(granpipe, src, out):
    granpipe("prepare", src, out, "--max-pixels", 100, code=1)
    assert set(rejects(out).values()) == {"too_large"}
    granpipe("prepare", src, out)
    assert rejects(out) == {}


def test_short_options_mean_what_they_mean_elsewhere(granpipe, src, out):
    assert granpipe("-h").output == granpipe("--help").output
    assert granpipe("-V").output.startswith("granpipe 0.")
    granpipe("prepare", src, out, "-j", 1, "--workers", 1)


def test_every_reject_is_listed_on_demand(granpipe, src, out):
    for number in range(25):
        (src / f"corn/broken{number}.jpg").write_bytes(b"no picture")
    assert "... and 5 more" in granpipe("prepare", src, out).stderr
    stderr = granpipe("prepare", src, out, "-v").stderr
    assert len(stderr.splitlines()) == 25
    assert "more" not in stderr


def test_options_may_be_set_by_variables(granpipe, src, out, monkeypatch):
    monkeypatch.setenv("GRANPIPE_PREPARE_SIZE", "12")
    monkeypatch.setenv("GRANPIPE_AUGMENT_COPIES", "2")
    granpipe("prepare", src, out)
    assert size(out) == 12
    granpipe("augment", out)
    assert len(rows(out / "augmented/labels.csv")) == 6
    granpipe("prepare", src, out, "--size", 14)
    assert size(out) == 14


def test_a_variable_is_named_as_its_option_is(granpipe, src, out, tmp_path, monkeypatch):
    monkeypatch.setenv("GRANPIPE_PREPARE_JSON", "1")
    monkeypatch.setenv("GRANPIPE_PREPARE_KEEP_TOGETHER", "burst")
    monkeypatch.setenv("GRANPIPE_AUGMENT_MIN_CROP", "0.9")
    monkeypatch.setenv("GRANPIPE_MAP_OUTPUT", f"{tmp_path}/m.html {tmp_path}/m.csv")
    report = granpipe("prepare", src, out, "--split", "50/50", "--allow-empty").stdout
    assert json.loads(report)["found"] == 3
    assert json.loads((out / "dataset.json").read_text())["settings"]["together"] == "burst"
    granpipe("augment", out)
    assert json.loads((out / "augmented/dataset.json").read_text())["settings"]["crop"] == 0.9
    granpipe("map", src)
    assert (tmp_path / "m.html").exists()
    assert (tmp_path / "m.csv").exists()


def test_a_misspelt_variable_is_reported_and_no_other(granpipe, src, out, monkeypatch):
    for name in (
        "GRANPIPE_PREPARE_SIZ",
        "GRANPIPE_PREPARE_SEED",
        "GRANPIPE_MAP_X",
        "GRANPIPE_TOKEN",
    ):
        monkeypatch.setenv(name, "1")
    said = granpipe("prepare", src, out, "--split", "50/50", "--allow-empty").stderr
    assert [line for line in said.splitlines() if "variable" in line] == [
        "granpipe: GRANPIPE_PREPARE_SIZ: no such variable; did you mean GRANPIPE_PREPARE_SIZE?"
    ]


def test_the_former_name_of_an_option_works_and_is_not_shown(granpipe, src, out):
    granpipe("prepare", src, out, "--size", 12)
    granpipe("augment", out, "--crop", 0.9)
    settings = json.loads((out / "augmented/dataset.json").read_text())["settings"]
    assert settings["crop"] == 0.9
    assert "--crop " not in granpipe("augment", "--help").output


def test_what_is_not_there_what_is_empty_and_what_is_closed_are_three_messages(
    granpipe, tmp_path, out
):
    assert "no such folder" in granpipe("prepare", tmp_path / "nowhere", out, code=2).stderr
    (tmp_path / "empty").mkdir()
    line = granpipe("prepare", tmp_path / "empty", out, code=1).stderr
    assert re.fullmatch(rf"granpipe: {tmp_path}/empty: has no photographs.*\n", line), line
    assert not out.exists()
    (tmp_path / "empty/notes.md").write_text("no picture")
    stderr = granpipe("map", tmp_path / "empty", "-o", tmp_path / "m.html", code=1).stderr
    assert "has no photographs among its 1 file (.md 1)" in stderr


@pytest.mark.parametrize("command", ["prepare", "map"])
def test_a_photograph_in_place_of_its_folder_is_wrong_usage(granpipe, src, out, command):
    photo = src / "corn/0.jpg"
    result = granpipe(command, photo, *([out] if command == "prepare" else []), code=2)
    line = f"granpipe: {photo}: is a file, not a folder; name the photographs' folder\n"
    assert result.stderr == line
    assert not out.exists()


def test_closing_lines_fit_a_terminal_and_say_what_comes_next(granpipe, src, out):
    printed = granpipe("prepare", src, out).stdout.splitlines()
    assert printed[-2:] == [f"Written: {out}/labels.csv", f"Next: granpipe augment {out}"]
    long = [line for line in printed if len(line) > 80 and str(out) not in line]
    assert long == []


def test_the_lines_of_a_split_fit_a_terminal(granpipe, tmp_path, out):
    for number in range(10):
        label = ("alfalfa", "barley", "corn", "soybean", "wheat")[number % 5]
        save(tmp_path / f"src/{label}/{number}.png", textured(number, (32, 24)))
    printed = granpipe("prepare", tmp_path / "src", out, "--split", "60/20/20").stdout
    for said in ("each forms a group.", "Too few groups to be in every split", "Over a third"):
        assert said in printed
    assert [line for line in printed.splitlines() if len(line) > 80 and str(out) not in line] == []


def test_versions_fit_a_terminal(granpipe):
    printed = granpipe("--version").stdout.splitlines()
    assert [line for line in printed if len(line) > 80 and "-endian" not in line] == []


def test_a_report_is_one_json_object_on_demand(granpipe, src, out):
    (src / "corn/broken.jpg").write_bytes(b"no picture")
    result = granpipe("prepare", src, out, "--json", "--split", "50/50", "--allow-empty")
    report = json.loads(result.stdout)
    assert report["found"] == 4
    assert report["prepared"] == {"corn": 3}
    assert report["rejected"] == {"unreadable": 1}
    assert sum(report["split"]["counts"]["corn"].values()) == 3
    assert (report["command"], report["dry_run"]) == ("prepare", False)
    assert 0 < report["seconds"] < 60
    copies = json.loads(granpipe("augment", out, "--json", "--copies", 2).stdout)
    assert copies["command"] == "augment"
    assert copies["written"] == {"corn": 2 * report["split"]["counts"]["corn"]["train"]}
    assert copies["rejected"] == {}


def test_a_dry_run_of_augment_says_what_the_run_does(granpipe, src, out):
    granpipe("prepare", src, out, "--size", 12)
    granpipe("augment", out, "--copies", 3)
    before = tree(out)
    dry = granpipe("augment", out, "--copies", 2, "--seed", 4, "--dry-run").output
    assert tree(out) == before
    wet = granpipe("augment", out, "--copies", 2, "--seed", 4).output
    deleted = "".join(f"Would delete: corn/{number}.jpg.3.npy\n" for number in range(3))
    assert dry == f"{wet}{deleted}Nothing was written: this was a dry run.\n"
    assert "6 copies" in dry
    assert "3 arrays deleted" in dry
    assert (
        "(6 unchanged)" in granpipe("augment", out, "--copies", 2, "--seed", 4, "--dry-run").output
    )


def test_a_dry_run_lists_what_would_be_deleted(granpipe, src, out):
    granpipe("prepare", src, out)
    (src / "corn/1.jpg").unlink()
    before = tree(out)
    lines = granpipe("prepare", src, out, "--dry-run").stdout.splitlines()
    assert "Would delete: corn/1.jpg.npy" in lines
    report = json.loads(granpipe("prepare", src, out, "--dry-run", "--json").stdout)
    assert report["unwanted"] == ["corn/1.jpg.npy"]
    granpipe("augment", out, "--copies", 2)
    stdout = granpipe("augment", out, "--copies", 1, "--dry-run").stdout
    assert [line for line in stdout.splitlines() if line.startswith("Would")] == [
        *(f"Would delete: corn/{number}.jpg.2.npy" for number in range(3)),
    ]
    assert {path: data for path, data in tree(out).items() if "augmented" not in path} == before


def test_a_dry_run_of_map_writes_nothing_and_its_report_is_one_json_object(
    granpipe, src, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ("map", src, "-o", "a.csv", "-o", "b.html")
    dry = granpipe(*words, "--dry-run").stdout
    assert dry.endswith("3 not; 0 other files ignored.\nNothing was written: this was a dry run.\n")
    planned = json.loads(granpipe(*words, "--dry-run", "--json").stdout)
    assert (planned["command"], planned["dry_run"], planned["written"]) == ("map", True, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]
    report = json.loads(granpipe(*words, "--json").stdout)
    assert report["written"] == ["a.csv", "b.html"]
    assert report["verdicts"] == {"no_exif": report["found"]} == {"no_exif": 3}


def test_advice_is_for_what_it_helps(granpipe, tmp_path, out):
    whole = (ROOT / "img/corn/DSC_0093.JPG").read_bytes()
    put(tmp_path / "src/corn/cut.jpg", whole[: len(whole) // 2])
    put(tmp_path / "src/corn/no-end.jpg", whole.removesuffix(b"\xff\xd9"))
    assert granpipe("prepare", tmp_path / "src", out, code=1).stderr.splitlines()[:2] == [
        "corn/cut.jpg: truncated: the file ends before its pixels do; copy the original again",
        "corn/no-end.jpg: truncated: lacks only its end marker, it seems; save it again",
    ]


SAID = {
    **{"--crop": "--min-crop", "--side": "--split-only", "--copies": "balance:2000. See"},
    **{"--shard-format": "jpeg:95", "--preview": "end in .png.", "--drop": "one of blurred, dark"},
}


@pytest.mark.parametrize(
    "words",
    [
        *(f"prepare --size {value}" for value in ("0", "100000", "big", "224x224")),
        *(f"prepare --fill {value}" for value in ("256", "-1", "'#12345'", "red")),
        "prepare --fill \u0661",  # a digit, but not one of 0 to 9
        *("prepare --workers 0", "prepare --workers -3", "prepare --max-pixels 0"),
        *("prepare --split 80", "prepare --split 80/30", "prepare --split lots"),
        *("prepare --keep-together fields", "prepare --hold-out spring", "prepare --drop nice"),
        *("prepare --seed x", "prepare --engine fast", "prepare --max-memory 0"),
        *("prepare --folds x", "prepare --preview a.jpg", "prepare --shard-size 0"),
        *(f"prepare --shard-format {value}" for value in ("gif", "jpeg:101", "png:3")),
        *(f"augment --copies {value}" for value in ("0", "-1", "9" * 400, "balance:0", "balanced")),
        *(f"augment --crop {value}" for value in ("0", "1.01", "nan")),
        *("augment --flip-horizontal 1.5", "augment --flip-vertical -0.5", "augment --rotate 200"),
        *("augment --brightness 1.5", "augment --gamma 2", "augment --gamma -1"),
        *("augment --side x", "augment --seed x", "augment --workers 0"),
        *("augment --preview a.jpg", "map --base-url here"),
        *("map --thumbnails -1", "map --thumbnails 9999", "map --redact -1", "map --redact x"),
        *("map --title ''", "map --output map.txt", "map --workers 0"),
    ],
)
def test_every_wrong_value_is_reported_alike(granpipe, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    command, *option = shlex.split(words)
    line = granpipe(command, "a", *["b"][: command == "prepare"], *option, code=2).stderr
    assert SAID.get(option[0], option[0]) in line
    assert not any(tmp_path.iterdir())
    name = r"'--?[a-z-]+'( / '--[a-z]+')?"
    end = rf"\. See granpipe {command} --help\.\n"
    assert re.fullmatch(
        rf"granpipe: Invalid value for {name}: .*\S (is|does) not? .*{end}", line
    ), line


@pytest.mark.parametrize(
    "words",
    ["prepare x out", "augment x", "map x", "map src --dataset x", "map src --overlay x.kml"],
)
def test_missing_input_is_wrong_usage(granpipe, src, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    line = granpipe(*words.split(), code=2).stderr
    assert re.fullmatch(r"granpipe: x\S*: no such (folder|file|table); .*\n", line), line


def test_a_shell_completes_folders():
    from click.shell_completion import ShellComplete

    from granpipe.commands.group import cli

    completions = ShellComplete(cli, {}, "granpipe", "_GRANPIPE_COMPLETE").get_completions
    assert [one.type for one in completions(["prepare"], "im")] == ["dir"]
    assert "augment" in [one.value for one in completions([], "")]


def test_dataset_json_tells_the_command_that_makes_it(granpipe, src, out, tmp_path):
    words = ("--size", 20, "--fill", "#0a0b0c", "--drop", "blank", "--split", "50/50", "--folds", 2)
    granpipe("prepare", src, out, *words, "--hold-out", "after:2030-01-01", "--allow-empty")
    granpipe("augment", out, "--copies", "balance:4", "--rotate", 5, "--warmth", 0.1)
    commands = [
        json.loads((out / name / "dataset.json").read_text())["command"]
        for name in ("", "augmented")
    ]
    fresh = str(tmp_path / "fresh")
    for line in commands:
        operands = (
            line.replace("SOURCE", str(src)).replace("OUTPUT", fresh).replace("DATASET", fresh)
        )
        more = ["--allow-empty"] * ("prepare" in line)
        granpipe(*shlex.split(operands)[1:], *more)
    assert tree(tmp_path / "fresh") == tree(out)
