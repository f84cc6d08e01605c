"""The code by which a command ends, whatever ends it; 1 is the gate's "worse" and nothing else's."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gated
import pytest
from commands import environment, one_line, shell
from fakes import write_experiment

from harness.analysis.gate import judge
from harness.analysis.gate.baseline import accept
from harness.analysis.gate.baseline_files import write_baseline
from harness.cli import exits
from harness.cli.commands import main
from harness.components.protocols import Searcher
from harness.data import Doc

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
BROKEN = [KeyError("mean"), MemoryError(), RecursionError("too deep"), SystemExit(1), ValueError()]


@dataclass(frozen=True)
class Signalled:
    """A retriever in whose work a signal comes; what it began is cleaned up."""

    number: int

    def identity(self) -> Mapping[str, str]:
        try:
            os.kill(os.getpid(), self.number)
            return {}
        finally:
            Path("cleaned").touch()

    def index(self, docs: Sequence[Doc]) -> Searcher:
        raise NotImplementedError


@dataclass(frozen=True)
class SignalledLate(Signalled):
    """One after whose work a signal comes, while Python ends."""

    def identity(self) -> Mapping[str, str]:
        atexit.register(os.kill, os.getpid(), self.number)
        return {}


def planned(folder: Path, use: str, number: int) -> None:
    retriever = {"use": f"cli.test_exits:{use}", "number": int(number)}
    write_experiment(folder, systems=[{"name": "a", "retriever": retriever}])


@pytest.mark.parametrize("error", BROKEN, ids=repr)
def test_what_breaks_in_the_gate_is_no_verdict(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def breaks(*_: object) -> None:
        raise error

    monkeypatch.setattr(judge, "judge", breaks)
    monkeypatch.chdir(tmp_path)
    file = worse(tmp_path)
    assert main(["gate", str(file), "--baselines", "baselines"]) == exits.BROKEN
    said = capsys.readouterr()
    assert said.out == ""
    assert one_line(said.err)
    assert "in harness/cli/gate.py:" in said.err
    if not isinstance(error, MemoryError | SystemExit):
        assert f"{type(error).__name__}" in said.err
        assert "--verbose" in said.err


def worse(folder: Path) -> Path:
    """An experiment whose results are worse than those accepted."""
    file = gated.experiment(folder)
    values = {"first": [0.9] * 30, "second": [0.9] * 30}
    results = gated.store(folder / "results", file, values)
    accepted = accept(results, gated.loaded(file), "why not", "2026-01-01")
    write_baseline(folder / "baselines", "experiment", accepted)
    gated.store(folder / "results", file, {**values, "second": [0.1] * 30})
    return file


GATE = "$H gate experiment.yaml --baselines baselines"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (f"{GATE} | true", exits.WORSE, ""),  # nobody reads
        (f"{GATE} <&- >&- 2>&-", exits.WORSE, ""),
        ("$H list systems >/dev/full", exits.FAILED, "harness: Standard output cannot be written:"),
        ("$H list systems >&-", exits.OK, ""),
        ("$H gate absent.yaml 2>/dev/full", exits.MEND, ""),
        ("$H rum 2>&-", exits.MEND, ""),
        ("$H --help | true", exits.OK, ""),
        ("$H rum", exits.MEND, "usage: "),
    ],
)
def test_a_verdict_is_the_same_whoever_reads_it(
    tmp_path: Path, words: str, code: int, said: str
) -> None:
    if words.startswith(GATE):
        worse(tmp_path)
    done = shell(words, tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)
    assert "Traceback" not in done.stderr


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import os, sys\n"
        "from harness.cli import streams as terminal\n"
        "terminal.prepare()\n"
        "with open('file', 'w') as file:\n"
        "    assert file.fileno() > 2\n"
        "    os.write(1, b'a library prints')\n"
        "    print('so do we', file=sys.stderr)\n"
    )
    done = shell(f"{sys.executable} own.py <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_signal_while_the_rest_is_imported(tmp_path: Path, number: signal.Signals) -> None:
    signalling = f"import os, time\nos.kill(os.getpid(), {number:d})\ntime.sleep(60)\n"
    (tmp_path / "argparse.py").write_text(signalling)
    paths = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    done = shell("exec $H list", tmp_path, PYTHONPATH=paths)
    assert done.returncode in (-number, 128 + number)
    assert done.returncode == 128 + number
    assert done.stderr == "harness: Stopped. Run the same command again to go on.\n"


def test_a_signal_in_the_middle_of_the_work(tmp_path: Path) -> None:
    planned(tmp_path, "Signalled", signal.SIGTERM)
    done = shell("exec $H plan experiment.yaml", tmp_path)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == "harness: Stopped. Run the same command again to go on.\n"
    assert (tmp_path / "cleaned").exists()


def test_a_signal_when_all_is_done(tmp_path: Path) -> None:
    planned(tmp_path, "SignalledLate", signal.SIGINT)
    done = shell("exec $H plan experiment.yaml", tmp_path)
    assert "1 of 1 trial to do" in done.stdout
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "harness: Stopped. Run the same command again to go on.\n"


def test_what_nohup_starts_goes_on(tmp_path: Path) -> None:
    planned(tmp_path, "Signalled", signal.SIGHUP)
    assert shell("trap '' HUP; $H plan experiment.yaml", tmp_path).returncode == exits.OK


def test_help_tells_all_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"\n  {code:<4} " in said for code in (0, 1, 2, 3, 4, 70, 130))
