"""Files are there whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from opiome import files


def test_text_is_written_as_it_is_and_no_part_stays(tmp_path):
    path = files.write_text(tmp_path / "a.tsv", "µ\tone\n\r\n")
    assert path.read_bytes() == "µ\tone\n\r\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["a.tsv"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = files.write_text(tmp_path / "a.txt", "old")
    with files.whole(path) as part:
        part.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        assert part.parent == path.parent
    assert path.read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_stops_a_writer_leaves_the_old_file_and_no_part(tmp_path, error):
    path = files.write_text(tmp_path / "a.txt", "old")

    def stopped():
        with files.whole(path) as part:
            part.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(error):
        stopped()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text(encoding="utf-8") == "old"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with files.whole(path) as one, files.whole(path) as other:
        one.write_text("one", encoding="utf-8")
        other.write_text("other", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "one"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write_text(tmp_path / "none" / "a.txt", "x")


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(OSError, match="directory"):
        files.write_text(tmp_path, "x")
    assert tmp_path.is_dir()


@pytest.mark.skipif(os.name != "posix", reason="links and devices as POSIX has them")
def test_a_link_stays_a_link_and_a_device_a_device(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    files.write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    files.write_text(os.devnull, "x")
    assert not stat.S_ISREG(Path(os.devnull).stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_a_file_has_the_permissions_that_any_new_file_has(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x", encoding="utf-8")
    path = files.write_text(tmp_path / "a.txt", "x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
