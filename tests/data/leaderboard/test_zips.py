"""Zips for leaderboards: equal bytes out, nothing dangerous in."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from hpscli.data.leaderboard.zips import open_zip, write_zip

LIMITS = {"largest_bytes": 64 << 20, "members": 10}


def archive(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members:
            packed.writestr(name, data, zipfile.ZIP_DEFLATED)
    path.write_bytes(content.getvalue())
    return path


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.pkl")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_the_same_content_gives_the_same_bytes_and_comes_back(tmp_path: Path) -> None:
    members = [("a/b.pkl", b"one"), ("c.json", b"two" * 1000)]
    for name in ("first.zip", "second.zip"):
        write_zip(tmp_path / name, members)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    opened = open_zip(tmp_path / "first.zip", **LIMITS)
    assert dict(opened.contents(opened.names)) == dict(members) and not opened.findings


@pytest.mark.parametrize(
    "member",
    [
        ("../outside.pkl", b"x"),
        ("a/../../outside.pkl", b"x"),
        ("/etc/passwd", b"x"),
        ("C:/x.pkl", b"x"),
        ("..\\x.pkl", b"x"),
        (link(), b"/etc/passwd"),
    ],
)
def test_a_member_that_leads_outside_is_refused(
    tmp_path: Path, member: tuple[zipfile.ZipInfo | str, bytes]
) -> None:
    opened = open_zip(archive(tmp_path / "x.zip", member, ("good.pkl", b"y")), **LIMITS)
    assert opened.names == ("good.pkl",)
    (finding,) = opened.findings
    assert finding.error and "refused" in finding.problem and finding.fix


def test_what_unpacks_to_too_much_is_refused_without_unpacking(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.zip", ("zeros.pkl", bytes(40 << 20)))
    (finding,) = open_zip(bomb, **LIMITS).findings
    assert "fold" in finding.problem
    (finding,) = open_zip(bomb, largest_bytes=1 << 20, members=10).findings
    assert "1 MB" in finding.problem
    many = archive(tmp_path / "many.zip", *[(f"{i}.pkl", b"") for i in range(11)])
    (finding,) = open_zip(many, **LIMITS).findings
    assert "11 members" in finding.problem


def test_members_twice_and_broken_ones_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning):
        twice = archive(tmp_path / "twice.zip", ("a.pkl", b"1"), ("a.pkl", b"2"))
    assert "twice" in open_zip(twice, **LIMITS).findings[0].problem
    whole = archive(tmp_path / "whole.zip", ("a.pkl", bytes(range(256)) * 40))
    data = bytearray(whole.read_bytes())
    data[60:90] = bytes(30)
    whole.write_bytes(bytes(data))
    opened = open_zip(whole, **LIMITS)
    assert dict(opened.contents(opened.names)) == {}
    assert "unpacked" in opened.findings[0].problem
    whole.write_bytes(b"PK\x03\x04 and no more")
    assert "no readable zip" in open_zip(whole, **LIMITS).findings[0].problem
