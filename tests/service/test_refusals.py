"""What is refused, and how: one line of JSON, and nothing is kept."""

import base64
import hashlib
import io
import sqlite3

import pytest
from PIL import Image

import exif_blocks as eb
from conftest import picture, put, save
from harm import until
from online import LOCAL, form, kept, post, refused

TOKEN = "s3cret-of-ours"


@pytest.fixture
def jpeg():
    return eb.jpeg_at(10.0, 20.0)


def test_every_bad_upload_has_its_status_and_leaves_nothing(client, tmp_path, jpeg):
    here = client()
    gif = save(tmp_path / "a.gif", Image.new("P", (9, 9))).read_bytes()
    refused(here.post("/post_image", environ_overrides=LOCAL), 400)
    refused(here.post("/post_image", data={"label": "corn"}, environ_overrides=LOCAL), 400)
    for data in (b"", b"nonsense", b"\xff\xd8\xff", jpeg[:40], b"%!PS-Adobe-3.0 EPSF", gif):
        refused(post(here, data), 415)
    labels = ["", ".", "..", "../up", "a/b", "/etc", "a\\b", ".hidden", "augmented", "labels.csv"]
    labels += ["x.npy", " corn", "a\tb", "a\x00b", "c:", "x" * 101]
    for label in labels:
        refused(post(here, jpeg, label), 422)
    body, kind = form(jpeg, "caf!")
    latin = body.replace(b"caf!", b"caf\xe9")
    told = here.post("/post_image", data=latin, content_type=kind, environ_overrides=LOCAL)
    assert "UTF-8" in refused(told, 422)
    assert kept(tmp_path) == []


def test_programs_read_why_in_a_word(client, jpeg):
    here = client()
    post(here, jpeg, "corn")
    kind, large = "multipart/form-data; boundary=x", LOCAL | {"CONTENT_LENGTH": "50000000"}
    answers = [
        here.post("/post_image", environ_overrides=LOCAL),
        here.get("/photographs/none", environ_overrides=LOCAL),
        here.put("/map", environ_overrides=LOCAL),
        post(here, jpeg, "wheat"),
        here.post("/post_image", content_type=kind, environ_overrides=large),
        post(here, jpeg[:40], "corn"),
        post(here, jpeg, "a/b"),
    ]
    assert [(one.status_code, one.json["reason"]) for one in answers] == [
        (400, "no_form"),
        (404, "not_found"),
        (405, "other"),
        (409, "label_conflict"),
        (413, "too_many_bytes"),
        (415, "truncated"),
        (422, "label"),
    ]


def test_two_files_or_two_labels_in_a_form_are_refused_and_so_is_a_cut_one(client, tmp_path, jpeg):
    here = client()
    for twice in ("file", "label"):
        fields = {"file": (io.BytesIO(jpeg), "a.jpg"), "label": "corn"}
        fields[twice] = [fields[twice], (io.BytesIO(jpeg), "b.jpg") if twice == "file" else "rice"]
        answer = here.post("/post_image", data=fields, environ_overrides=LOCAL)
        assert "one file and one label" in refused(answer, 400)
    body, kind = form(jpeg, "corn")
    cut = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body[:-500])}
    refused(here.post("/post_image", content_type=kind, environ_overrides=LOCAL | cut), 408)
    assert kept(tmp_path) == []


def test_names_that_users_give_never_become_paths(client, tmp_path, jpeg):
    here = client()
    names = ["../../../evil.jpg", "/etc/passwd", "a\\..\\b.jpg", "{{7*7}}.jpg", "x.php", "日.jpg"]
    for name in names:
        assert post(here, jpeg, "corn", name).status_code == 200
    sha256 = hashlib.sha256(jpeg).hexdigest()
    assert kept(tmp_path) == [f"corn/{sha256}.jpg"]


def test_the_same_bytes_twice_are_one_object_and_under_another_label_a_conflict(
    client, tmp_path, jpeg
):
    here = client()
    assert post(here, jpeg, "corn").status_code == 200
    assert post(here, jpeg, "corn").status_code == 200
    assert "as corn" in refused(post(here, jpeg, "wheat"), 409)
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("multipart/form-data; boundary=x", "2000000000", 413),
        *(("application/x-www-form-urlencoded", "39000000", 400), ("image/jpeg", "39000000", 400)),
        ("application/json", "39000000", 400),
    ],
)
def test_a_body_that_is_too_large_or_of_another_kind_is_refused_unread(client, kind, size, status):
    class Unread(io.BytesIO):
        def read(self, *_):
            raise AssertionError("was read")

        readinto = readline = read

    answer = client().post(
        "/post_image",
        input_stream=Unread(),
        content_type=kind,
        environ_overrides=LOCAL | {"CONTENT_LENGTH": size},
    )
    refused(answer, status)


def test_a_window_that_is_none_is_refused(client):
    here = client()
    windows = ["0,0,nan,1", "nan,0,1,1", "0,nan,1,1", "0,0,1,nan", "0,0,inf,1", "-inf,0,1,1"]
    windows += ["0,0,1e400,1", "0,1,1,0", "-181,0,1,1", "0,-91,1,1"]
    windows += ["1,2,3", "1,2,3,4,5", "a,b,c,d"]
    for window in windows:
        answer = here.get(f"/positions.geojson?bbox={window}", environ_overrides=LOCAL)
        refused(answer, 400)
    for window in ("", "179,-10,-179,10", "180,-90,-180,90", "-180,-90,180,90", "0,0,0,0"):
        answer = here.get(f"/positions.geojson?bbox={window}", environ_overrides=LOCAL)
        assert answer.json["features"] == []


def test_labels_of_every_script_are_taken_and_what_makes_no_folder_is_not(client, tmp_path, jpeg):
    here = client()
    photos = [eb.jpeg_at(1.0, 2.0, picture=picture(seed=number)) for number in range(3)]
    labels = ("weizen 2024", "\u5c0f\u9ea6", "\N{EAR OF MAIZE}")
    for photo, label in zip(photos, labels, strict=True):
        assert post(here, photo, label).status_code == 200
        assert here.get("/positions.geojson?label=" + label, environ_overrides=LOCAL).json
    bad = ["a\nb", "a\r\nX: y", "a\u202eb", "a\u2028b", "\ufeffcorn", "c\x1b[2Jd", "corn\u00a0"]
    bad += ["corn ", ".granpipe", "..", "a" * 300, "\N{EAR OF MAIZE}" * 64]
    for label in bad:
        refused(post(here, jpeg, label), 422)
    assert len(kept(tmp_path)) == 3


def test_a_label_that_is_a_file_is_refused_and_another_label_is_taken(client, tmp_path, jpeg):
    here = client()
    assert post(here, jpeg, "corn").status_code == 200
    (tmp_path / "state/photographs/notes.txt").write_text("of somebody")
    other = eb.jpeg_at(11.0, 21.0)
    refused(post(here, other, "notes.txt"), 422)
    assert post(here, other, "corn").status_code == 200


def test_other_methods_are_refused_and_head_is_get_without_a_body(client, capfd):
    here = client()
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"):
        for route in ("/post_image", "/map", "/is_alive"):
            refused(here.open(route, method=method, environ_overrides=LOCAL), 405)
    assert "BREW" not in capfd.readouterr().err
    head = here.head("/is_alive", environ_overrides=LOCAL)
    assert (head.status_code, head.data) == (200, b"")
    options = here.open("/post_image", method="OPTIONS", environ_overrides=LOCAL)
    assert (options.status_code, options.headers.get("Access-Control-Allow-Origin")) == (200, None)


def test_multipart_nonsense_is_refused(client, tmp_path):
    here = client()
    bodies = [b"", b"--x", b"--x\r\n\r\n\r\n--x--", b"\0" * 5000, b"--x\r\n" * 3000]
    bodies += [b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 50 + b"--x--\r\n"]
    for body in bodies:
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain", ""):
            answer = here.post("/post_image", data=body, content_type=kind, environ_overrides=LOCAL)
            assert 400 <= answer.status_code < 500
            refused(answer, answer.status_code)
    assert kept(tmp_path) == []


def test_without_a_token_only_programs_of_this_machine_are_answered(client, jpeg):
    here = client()
    ok = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "0.0.0.0:8000"}
    assert here.get("/is_alive", environ_overrides=ok).status_code == 200
    mapped = ok | {"REMOTE_ADDR": "::ffff:127.0.0.1"}
    assert here.get("/is_alive", environ_overrides=mapped).status_code == 200
    strangers = [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "::ffff:192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HOST": "evil.example"},
        {"HTTP_HOST": "localhost.evil.example:8000"},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://["},
        {"HTTP_HOST": "localhost@evil.example"},
        {"HTTP_HOST": "["},
        {"HTTP_HOST": "localhost.:8000"},
        {"HTTP_VIA": "1.1 evil"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
        {"HTTP_X_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_ORIGINAL_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_CLUSTER_CLIENT_IP": "127.0.0.1"},
        {"HTTP_CF_CONNECTING_IP": "127.0.0.1"},
        {"REQUEST_URI": "http://evil.example/is_alive"},
        {"REQUEST_URI": "http://[/is_alive"},
        {"REQUEST_URI": "evil.example:443"},
        {"HTTP_ORIGIN": "http://localhost:9999"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
    ]
    for stranger in strangers:
        for route in ("/is_alive", "/map", "/positions.geojson", "/photographs/x", "/none"):
            refused(here.get(route, environ_overrides=LOCAL | stranger), 403)
        refused(post(here, jpeg, **stranger), 403)
    assert post(here, jpeg, HTTP_ORIGIN="http://localhost:8000").status_code == 200
    visit = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "navigate"}
    visit |= {"HTTP_SEC_FETCH_DEST": "document"}
    assert here.get("/map", environ_overrides=LOCAL | visit).status_code == 200
    refused(post(here, jpeg, **visit), 403)
    framed = visit | {"HTTP_SEC_FETCH_DEST": "iframe"}
    refused(here.get("/map", environ_overrides=LOCAL | framed), 403)


def test_the_token_guards_every_route_but_those_that_say_whether_it_works(client, jpeg, capfd):
    here = client(GRANPIPE_TOKEN=TOKEN)
    far = {"REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "granpipe.example"}
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    for route in ("/is_alive", "/healthz", "/readyz"):
        assert here.get(route, environ_overrides=far).status_code == 200
    for route in ("/map", "/metrics", "/positions.geojson", "/photographs/x", "/none"):
        for wrong in ({}, {"HTTP_AUTHORIZATION": "Bearer x"}, {"HTTP_AUTHORIZATION": "x"}):
            refused(here.get(route, environ_overrides=far | wrong), 401)
    assert here.get("/map", environ_overrides=far | bearer).status_code == 200
    known = {"HTTP_AUTHORIZATION": f"Basic {basic}"}
    assert here.get("/map", environ_overrides=far | known).status_code == 200
    cookie = {"HTTP_COOKIE": f"granpipe={TOKEN}"}
    assert here.get("/map", environ_overrides=far | cookie).status_code == 200
    refused(post(here, jpeg, **far, **cookie), 401)
    refused(post(here, jpeg, **far, **known), 401)
    refused(post(here, jpeg, **far), 401)
    assert post(here, jpeg, **far, **bearer).status_code == 200
    told = capfd.readouterr().err
    assert TOKEN not in told and basic not in told
    assert told.count("\n") == 25


@pytest.mark.parametrize(
    "place",
    [("91", "0"), ("x", "0"), ("nan", "0"), ("1", "inf"), ("1", ""), ("1e400", "1"), ("\0", "1")],
)
def test_a_position_that_is_none_is_400_and_keeps_nothing(client, tmp_path, jpeg, place):
    form = dict(zip(("latitude", "longitude"), place, strict=True))
    data = {"file": (io.BytesIO(jpeg), "a.jpg"), "label": "corn"} | form
    refused(client().post("/post_image", data=data, environ_overrides=LOCAL), 400)
    assert kept(tmp_path) == []


def test_what_is_not_known_or_not_a_digest_is_404(client):
    here = client()
    for name in ("x", "0" * 64, "..%2f..%2fetc", "A" * 64):
        refused(here.get(f"/photographs/{name}", environ_overrides=LOCAL), 404)
    refused(here.get("/nothing", environ_overrides=LOCAL), 404)
    refused(here.get("/post_image", environ_overrides=LOCAL), 405)


def test_a_store_or_queue_that_is_down_is_503_and_says_when_to_try_again(
    client, tmp_path, jpeg, monkeypatch
):
    here = client()
    put(tmp_path / "state/photographs", b"a file where the folder should be")
    answer = post(here, jpeg)
    refused(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    (tmp_path / "state/photographs").unlink()
    (tmp_path / "state/events.sqlite").mkdir()
    refused(post(here, jpeg), 503)
    (tmp_path / "state/events.sqlite").rmdir()
    until(lambda: post(here, jpeg).status_code == 200, "a look whether the queue is back")
    waiting = sqlite3.connect(tmp_path / "state/events.sqlite").execute(
        "SELECT count(*) FROM events"
    )
    assert waiting.fetchone() == (1,)


def test_a_photograph_that_was_received_says_so(client, jpeg):
    here = client()
    post(here, jpeg, "corn")
    sha256 = hashlib.sha256(jpeg).hexdigest()
    told = here.get(f"/photographs/{sha256}", environ_overrides=LOCAL).json
    assert (told["state"], told["label"]) == ("received", "corn")


def test_every_file_of_real_damage_is_refused_or_rejected_but_never_an_error(client, photos):
    here = client()
    for path in sorted((photos / "broken").iterdir()):
        assert post(here, path.read_bytes(), "corn").status_code in {200, 415}


def test_a_picture_of_each_kind_is_kept_under_its_own_ending(client, tmp_path):
    here = client()
    for suffix in (".jpg", ".png", ".webp", ".tif", ".bmp"):
        photo = save(tmp_path / f"x{suffix}", picture(seed=3)).read_bytes()
        assert post(here, photo, suffix[1:], "no-name").status_code == 200
    assert [name.rpartition(".")[2] for name in kept(tmp_path)] == [
        *("bmp", "jpg", "png", "tif", "webp")
    ]
