"""From what a user writes to a store, or to one line that says why not."""

import pytest

from granpipe.errors import DatasetError
from granpipe.stores.folder import Folder
from granpipe.stores.urls import join, open_file, open_store

Bucket = pytest.importorskip("granpipe.stores.bucket", reason="the extra s3 is missing").Bucket


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://lake", "lake", ""),
        ("s3://lake/", "lake", ""),
        ("s3://lake/a/b", "lake", "a/b"),
        ("s3://lake/a/b///", "lake", "a/b"),
        ("S3://my.lake-2/ä o", "my.lake-2", "ä o"),
    ],
)
def test_an_address_of_s3_is_a_bucket_and_a_prefix(url, bucket, prefix):
    store = open_store(url)
    assert isinstance(store, Bucket)
    assert (store.bucket, store.prefix) == (bucket, prefix)


@pytest.mark.parametrize("path", ["out", "./s3:", "C:\\out", "C:/out", "a:b", "s3", "x s3://a"])
def test_all_else_without_a_scheme_is_a_folder(path):
    assert isinstance(open_store(path), Folder)


@pytest.mark.parametrize(
    "url",
    [
        *("s3:/lake/out", "s3://", "s3:///out", "s3://a", "s3://key:secret@lake/out"),
        *("s3://lake//a", "s3://lake/a//b", "s3://lake/../b", "s3://lake/./b", "s3://la ke/a"),
        *("s3://lake?secret=x", "s3://lake:9000/a", "s3://lake#x/a", "s3://lake\n/a"),
        *("s3://lake/a\nb", "s3://lake/a\0b", "s3://lake/a\\b", "s3://lake/a\x7f"),
    ],
)
def test_an_address_that_is_none_is_one_line_that_does_not_repeat_it(url):
    with pytest.raises(DatasetError) as error:
        open_store(url)
    assert str(error.value) == "s3://...: write s3://bucket/prefix, and no credentials"


@pytest.mark.parametrize("url", ["https://host/secret", "gs://lake/a", "file:///tmp", "s3a://lake"])
def test_another_scheme_is_one_line(url):
    with pytest.raises(DatasetError, match=r"\.\.\.: only folders and s3://bucket/prefix"):
        open_store(url)


@pytest.mark.parametrize(
    "words",
    [
        ("prepare", "img", "s3:/lake/out"),
        ("augment", "gs://lake"),
        ("map", "img", "-o", "s3://a.csv"),
    ],
)
def test_no_folder_is_made_of_a_scheme(granpipe, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert granpipe(*words, code=1).stderr.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_without_the_extra_a_bucket_is_one_line(granpipe, monkeypatch, tmp_path):
    monkeypatch.setattr("granpipe.stores.urls.find_spec", lambda name: None)
    result = granpipe("prepare", "s3://lake/img", tmp_path, code=1)
    assert result.stderr == "granpipe: s3:// needs an extra: pip install 'granpipe[s3]'\n"


def test_a_file_stands_in_a_store():
    store, name = open_file("s3://lake/maps/map.html")
    assert (store.url, name) == ("s3://lake/maps", "map.html")
    store, name = open_file("s3://lake/map.html")
    assert (store.url, name) == ("s3://lake", "map.html")
    with pytest.raises(DatasetError, match="is a bucket; name a file in it"):
        open_file("s3://lake")


@pytest.mark.parametrize(
    ("inner", "outer", "is_inside"),
    [
        ("s3://lake/img/out", "s3://lake/img", True),
        ("s3://lake/img", "s3://lake/img", True),
        ("s3://lake/img", "s3://lake", True),
        ("s3://lake/img-2", "s3://lake/img", False),
        ("s3://lake/img", "s3://pond", False),
        ("s3://lake/img", "img", False),
    ],
)
def test_a_store_is_within_another(inner, outer, is_inside):
    assert open_store(inner).is_within(open_store(outer)) == is_inside


def test_joining_is_for_people_to_read():
    assert [join(url, "a") for url in ("/", ".", "s3://lake", "s3://lake/b/")] == [
        "/a",
        "./a",
        "s3://lake/a",
        "s3://lake/b/a",
    ]
