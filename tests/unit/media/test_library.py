"""Which library of pictures is installed, said truly; and one that lacks what we need is refused by name."""

from __future__ import annotations

import subprocess
import sys

import PIL
import pytest
from PIL import features

from server.media.pictures.library import (
    PictureLibrary,
    PictureLibraryUnfit,
    check_library,
    library_of_a_fresh_process,
)


def test_what_is_installed_is_fit() -> None:
    """With its version, and all three abilities: the set-up has seen to it."""
    found = check_library()
    assert found.name.removeprefix("pillow-simd ").removeprefix("pillow ") == PIL.__version__
    assert (found.webp, found.avif, found.icc) == (True, True, True)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"webp"}, "lacks WebP; .*make setup"),
        ({"littlecms2"}, "lacks colour profiles; .*make setup"),
        ({"webp", "littlecms2"}, "lacks WebP and colour profiles"),
    ],
)
def test_a_library_that_lacks_something_is_refused(
    lacking: set[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is missing, with what to do."""
    asked = features.check
    monkeypatch.setattr(features, "check", lambda name: name not in lacking and asked(name))
    with pytest.raises(PictureLibraryUnfit, match=said):
        check_library()


def test_no_library_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what it is, not as an error of an import."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(PictureLibraryUnfit, match="make setup"):
        check_library()


def test_avif_comes_from_the_library_or_the_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either it is said to be missing; pictures of other types can be processed all the same."""
    asked = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and asked(name))
    assert check_library().avif
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not check_library().avif


def test_a_fresh_process_says_the_same() -> None:
    """Asked twice it is started once."""
    library_of_a_fresh_process.cache_clear()
    assert library_of_a_fresh_process() == check_library()
    assert library_of_a_fresh_process() is library_of_a_fresh_process()


def test_a_fresh_process_that_crashes_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one whose library was built for another processor."""
    library_of_a_fresh_process.cache_clear()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PictureLibraryUnfit, match="ended with 1"):
        library_of_a_fresh_process()
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(PictureLibraryUnfit, match="could not be asked"):
        library_of_a_fresh_process()


def test_asking_imports_no_library_into_the_asking_process() -> None:
    """A worker of other queues, or a server, never pays for it."""
    code = (
        "import sys, server.media.pictures.library as one; one.library_of_a_fresh_process(); "
        "sys.exit('PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_is_told_in_one_line() -> None:
    """As operators read it."""
    assert (
        str(PictureLibrary("pillow-simd 1.2", webp=True, avif=False, icc=True))
        == "pillow-simd 1.2 (webp, icc)"
    )
