"""Studies that no worker survives, and a good one behind them: none blocks another or is tried for ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ground import Ground, on_ground
from node_under_fire import DICOM_NODE, NodeUnderFire, wait_for
from pydicom.dataset import Dataset

import analysis
from analysis.simulation.study import simulate_study

Figure = Callable[[str], None]

TIMEOUT_SECONDS = 12.0
"""Long enough for a good study on a busy machine."""
ATTEMPTS = 2
EXECUTION = {
    "timeout_seconds": TIMEOUT_SECONDS,
    "max_attempts": ATTEMPTS,
    "retry_seconds": 5,
    "memory_limit_bytes": 1_000_000_000,
}
FINER = 22
"""So many times finer pixels: 71 MB of them, and more than a gigabyte once they are real numbers."""
ENDED_SECONDS = 200.0


@dataclass
class End:
    """How a study ended."""

    state: str
    attempts: int
    reason: str
    finished_at: str


@dataclass
class Scene:
    """What came of four studies on one worker: too large, hanging, deadly, good."""

    ground: Ground
    ends: dict[str, End]
    deaths: int
    """How many workers the deadly study has cost."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with on_ground(tmp_path_factory.mktemp("compute"), tables={"execution": EXECUTION}) as ground:
        ground.node.hold_workers()
        studies = {
            "large": _push(ground, _finer(_forearm(9301))),
            "hanging": _push(ground, _forearm(9302)),
            "deadly": _push(ground, _forearm(9303)),
            "good": _push(ground, _forearm(9304)),
        }
        assert wait_for(lambda: set(_states(ground).values()) == {"complete"}, 30), _states(ground)
        with (
            _that_never_opens(_image(ground, studies["hanging"])),
            _that_kills_its_reader(_image(ground, studies["deadly"]), ground.node) as deaths,
        ):
            ground.node.release_workers()
            over = wait_for(lambda: not _running(ground), ENDED_SECONDS)
            assert over, f"{_states(ground)}\n{ground.node.log_tail()}"
            assert wait_for(lambda: len(ground.pacs.receipts) >= 9, 30)
        ends = {name: _end(ground, uid) for name, uid in studies.items()}
        ground.hold_all_laws()
        yield Scene(ground, ends, len(deaths))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.cell("30")
def test_a_study_that_needs_too_much_memory_ends_at_the_limit(scene: Scene, figure: Figure) -> None:
    end = scene.ends["large"]
    assert (end.state, end.attempts) == ("rejected", 1)
    assert "memory_limit_bytes" in end.reason
    assert scene.ends["good"].state == "analyzed"
    figure(
        "71 MB of pixels under a limit of 1 GB: rejected at the first attempt, and the reason names the key"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.cell("31")
def test_a_worker_that_hangs_ends_at_its_limit_and_others_go_on(scene: Scene, figure: Figure) -> None:
    end = scene.ends["hanging"]
    assert (end.state, end.attempts) == ("failed", ATTEMPTS)
    assert f"took longer than [execution] timeout_seconds = {TIMEOUT_SECONDS:g}" in end.reason
    assert scene.ends["good"].state == "analyzed"
    assert scene.ends["good"].finished_at < end.finished_at
    figure(
        f"a file that cannot be opened: stopped after {TIMEOUT_SECONDS:g} s, failed after {ATTEMPTS} attempts"
    )
    figure("a good study behind it was analysed between its attempts")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.cell("32")
def test_an_object_that_kills_every_worker_is_declined_after_its_attempts(
    scene: Scene, figure: Figure
) -> None:
    end = scene.ends["deadly"]
    assert (end.state, end.attempts) == ("failed", ATTEMPTS)
    assert "the worker process died" in end.reason
    assert scene.deaths == ATTEMPTS + 1, "each attempt, and the one to write it up as declined"
    assert scene.ends["good"].state == "analyzed"
    assert scene.ends["good"].finished_at < end.finished_at
    figure(f"{scene.deaths} workers lost ({ATTEMPTS} attempts, 1 to write the refusal), then no more")


@pytest.mark.cell("33")
def test_a_model_file_with_another_hash_keeps_the_node_from_starting(tmp_path: Path, figure: Figure) -> None:
    models = tmp_path / "models"
    shutil.copytree(Path(analysis.__file__).parent / "risk" / "models", models)
    changed = next(models / entry["file"] for entry in _entries(models) if (models / entry["file"]).is_file())
    changed.write_bytes(changed.read_bytes() + b" ")
    tables = {"analysis": {"models": str(models)}}
    with on_ground(tmp_path, environment=None, tables=tables) as ground:
        refused = subprocess.run(
            [DICOM_NODE, "serve", "--config", ground.node.config], capture_output=True, text=True, check=False
        )
        assert refused.returncode == 2
        assert changed.name in refused.stderr
        changed.write_bytes(changed.read_bytes()[:-1])
        ground.node.start()
        ground.hold_all_laws()
        ground.node.kill()
        ground.node.wait()
    figure("refused, and the file named; with the file mended the node serves")


def _entries(models: Path) -> list[dict[str, str]]:
    registry = json.loads((models / "registry.json").read_text())
    return list(registry["models"])


def _forearm(seed: int) -> list[Dataset]:
    return list(simulate_study("calibrated", seed).objects.values())


def _finer(objects: list[Dataset]) -> list[Dataset]:
    """Give a forearm's image `FINER` times as many pixels in either direction, of the same forearm."""
    for dataset in objects:
        pixels = np.kron(dataset.pixel_array, np.ones((FINER, FINER), dataset.pixel_array.dtype))
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.PixelData = pixels.tobytes()
        dataset.PixelSpacing = [float(spacing) / FINER for spacing in dataset.PixelSpacing]
        dataset.ImagerPixelSpacing = [float(spacing) / FINER for spacing in dataset.ImagerPixelSpacing]
    return objects


def _push(ground: Ground, objects: list[Dataset]) -> str:
    ground.scanner.waiting += objects
    ground.scanner.push()
    assert not ground.scanner.waiting, ground.node.log_tail()
    return str(objects[0].StudyInstanceUID)


def _states(ground: Ground) -> dict[str, str]:
    return dict(ground.node.rows("SELECT study_instance_uid, state FROM studies"))


def _running(ground: Ground) -> bool:
    threading.Event().wait(0.3)  # leave the processor to the node
    return bool(set(_states(ground).values()) & {"receiving", "complete", "analyzing"})


def _image(ground: Ground, study: str) -> Path:
    paths = dict(ground.node.rows("SELECT study_instance_uid, path FROM instances WHERE kind = 'input'"))
    return ground.node.data_dir / paths[study]


def _end(ground: Ground, study: str) -> End:
    rows = ground.node.rows(
        "SELECT study_instance_uid, studies.state, attempts, analyses.reason, finished_at"
        " FROM studies JOIN analyses USING (study_instance_uid)"
    )
    ((state, attempts, reason, finished_at),) = [rest for uid, *rest in rows if uid == study]
    return End(state, int(attempts), reason, finished_at)


@contextmanager
def _that_never_opens(path: Path) -> Iterator[None]:
    """Make opening a file hang, as on a disk that no longer answers."""
    aside = path.with_suffix(".aside")
    path.rename(aside)
    os.mkfifo(path)
    try:
        yield
    finally:
        with suppress(OSError):  # nobody reads; else the node's own reader is let go
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        path.unlink()
        aside.rename(path)


@contextmanager
def _that_kills_its_reader(path: Path, node: NodeUnderFire) -> Iterator[list[int]]:
    """Kill every worker that opens a file, as the kernel does when memory runs out; yield who died."""
    killed: list[int] = []
    over = threading.Event()

    def lurk() -> None:
        while True:
            descriptor = os.open(path, os.O_WRONLY)  # returns when somebody reads
            if over.is_set():
                os.close(descriptor)
                return
            wait_for(lambda: bool(_readers(path, node)), 1)  # none: it was the last one, who was dying
            for pid in _readers(path, node):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            wait_for(lambda: not _readers(path, node), 5)
            os.close(descriptor)

    with _that_never_opens(path):
        lurker = threading.Thread(target=lurk, daemon=True)
        lurker.start()
        try:
            yield killed
        finally:
            over.set()
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            lurker.join(timeout=5)


def _readers(path: Path, node: NodeUnderFire) -> list[int]:
    """Return the workers that have a file open."""
    return [pid for pid in node.worker_pids() if _reads(pid, path)]


def _reads(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    with suppress(OSError):  # it has ended
        return any(descriptor.readlink() == path for descriptor in Path(f"/proc/{pid}/fd").iterdir())
    return False
