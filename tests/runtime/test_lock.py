"""One owner per workspace, however the owner ends."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.errors import CannotStart, WorkspaceLocked
from runtime.lock import FILE, Holder, acquire, holder

OWNER = """
import sys, time
from pathlib import Path
from runtime.lock import acquire
lock = acquire(Path(sys.argv[1]))
lock.publish("http://127.0.0.1:1", "a-token")
print("owned", flush=True)
time.sleep(60)
"""

CONTENDER = """
import sys
from pathlib import Path
from runtime.errors import WorkspaceLocked
from runtime.lock import acquire
sys.stdin.readline()
try:
    lock = acquire(Path(sys.argv[1]))
except WorkspaceLocked:
    print("refused", flush=True)
else:
    print("owned", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _owner(var: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(var)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        try:
            yield process
        finally:
            process.kill()


def test_nobody_owns_a_workspace_that_was_never_used(tmp_path: Path) -> None:
    assert holder(tmp_path / "var") is None
    assert not (tmp_path / "var").exists()


def test_others_learn_where_the_owner_listens(tmp_path: Path) -> None:
    with _owner(tmp_path / "var") as process:
        assert holder(tmp_path / "var") == Holder(process.pid, "http://127.0.0.1:1", "a-token")


def test_a_second_owner_is_refused_with_a_sentence_that_names_the_first(tmp_path: Path) -> None:
    with _owner(tmp_path / "var") as process:
        with pytest.raises(WorkspaceLocked) as refused:
            acquire(tmp_path / "var")
        assert f"process {process.pid}, which serves http://127.0.0.1:1" in str(refused.value)
        assert str(refused.value).endswith("name another folder with --workspace.")


def test_the_lock_goes_away_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    with _owner(tmp_path / "var") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / "var" / FILE).read_text(), "the killed owner's note is still there"
        assert holder(tmp_path / "var") is None
        acquire(tmp_path / "var").release()


def test_of_many_that_want_a_workspace_at_once_one_gets_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CONTENDER, str(tmp_path / "var")]
    many = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for one in many:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    answers = []
    for one in many:
        assert one.stdout is not None
        answers.append(one.stdout.readline().strip())
    for one in many:
        one.communicate("done\n")
    assert sorted(answers) == ["owned", "refused", "refused", "refused"]


def test_looking_does_not_disturb_whoever_wants_the_workspace(tmp_path: Path) -> None:
    acquire(tmp_path).release()
    look = "import sys; from pathlib import Path; from runtime.lock import holder\n"
    look += "while True: holder(Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", look, str(tmp_path)]) as looker:
        try:
            for _ in range(200):
                acquire(tmp_path).release()
        finally:
            looker.kill()


def test_the_token_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(0o644)
    lock = acquire(tmp_path)
    lock.publish("http://127.0.0.1:1", "a-token")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    lock.release()


def test_a_released_workspace_keeps_no_token(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    lock.publish("http://127.0.0.1:1", "a-token")
    lock.release()
    lock.release()
    assert (tmp_path / FILE).read_text() == ""
    assert holder(tmp_path) is None


def test_an_owner_that_stops_says_so_until_it_is_gone(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    lock.publish("http://127.0.0.1:1", "a-token")
    lock.leave()
    assert holder(tmp_path) == Holder(os.getpid(), leaving=True)
    lock.release()
    assert holder(tmp_path) is None


def test_an_owner_that_has_not_said_where_it_listens_is_still_the_owner(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    assert holder(tmp_path) == Holder(os.getpid())
    (tmp_path / FILE).write_text("half a wri")
    assert holder(tmp_path) == Holder(0)
    lock.release()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot be written"):
        acquire(tmp_path / "file" / "var")
