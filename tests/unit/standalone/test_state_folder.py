"""Which folders a stack takes as its own, and what is said of the others."""

from pathlib import Path

import pytest

from server.standalone.clean import clean
from server.standalone.lifetime import make_state_folder
from server.standalone.settings import SettingsError


def test_a_folder_with_other_content_is_left_alone(tmp_path: Path) -> None:
    """Neither its mode nor its files are touched: somebody named his home, or a mounted disk."""
    tmp_path.chmod(0o755)
    (tmp_path / "letter").touch()
    with pytest.raises(SettingsError, match="MILLRACE_STATE_DIR"):
        make_state_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(FileNotFoundError):
        clean(tmp_path)
    assert (tmp_path / "letter").exists()


def test_a_folder_of_ours_is_taken_again_and_cleaned(tmp_path: Path) -> None:
    """Also when the first start ended before it had made anything else."""
    state = tmp_path / "new" / "state"
    make_state_folder(state)
    make_state_folder(state)
    assert clean(state) == [state]
    assert not state.exists()


def test_a_place_that_cannot_be_had_names_its_variable(tmp_path: Path) -> None:
    """A file where the folder should be, for one."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="MILLRACE_STATE_DIR"):
        make_state_folder(tmp_path / "file")
