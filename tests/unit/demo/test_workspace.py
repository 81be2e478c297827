"""The workspace changes real files and runs real tests; every bug is one that tests see."""

from pathlib import Path

import pytest

from ops.demo.bugs import BUGS, PACKAGE, Bug, broken_package
from ops.demo.workspace import Workspace


def test_the_package_is_correct(tmp_path: Path) -> None:
    assert Workspace(tmp_path, PACKAGE).run_tests().passed


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fails_until_its_right_fix(bug: Bug, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, broken_package(bug))
    assert not workspace.run_tests().passed
    workspace.edit(bug.path, bug.wrong, bug.half_right)
    assert not workspace.run_tests().passed
    workspace.edit(bug.path, bug.half_right, bug.right)
    assert workspace.run_tests().passed


def test_an_edit_needs_exactly_one_place(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"a.py": "x = 1\nx = 1\n"})
    with pytest.raises(ValueError, match="2 times"):
        workspace.edit("a.py", "x = 1", "x = 2")
    with pytest.raises(ValueError, match="0 times"):
        workspace.edit("a.py", "y = 1", "x = 2")


def test_paths_outside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        Workspace(tmp_path, {}).read("../somewhere")


def test_output_names_no_directory_of_this_machine(tmp_path: Path) -> None:
    assert str(tmp_path) not in Workspace(tmp_path, broken_package(BUGS[0])).run_tests().output
