"""One run of learning: cohort, challengers, comparison, and what is registered of it.

Nothing is registered before everything is made, and each challenger as a whole: a run that is killed leaves
files that the next one removes, and a row that says it was interrupted.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.config import LearningSettings
from dicom_node.errors import ConfigurationError, NodeError
from dicom_node.faults import reach
from dicom_node.storage.journal import Journal
from dicom_node.storage.learning import LearningRun, RunState
from dicom_node.storage.records import Severity
from dicom_node.workflow.learning.cohort import UNFOLLOWED, SiteCohort, site_cohort
from dicom_node.workflow.promotion import require_own_models, shadow_model

if TYPE_CHECKING:
    from analysis.training.challenger import Challenge, Limits
    from analysis.training.tuning import Plan

__all__ = ["CohortCount", "Learning", "learning_lock"]

_UNFOLLOWED_REASON = (
    "of most patients nothing is known after their first scan: learnt from those with an outcome alone, "
    "risks would come out too high. Set [learning] followed_up_days, or import ends of follow-up"
)

BY_ITSELF = "schedule"
"""Who started a run that the node started."""


@dataclass(frozen=True, slots=True)
class CohortCount:
    """How much there is to learn from: patients and fractures of one part of the cohort."""

    patients: int
    fractures: int
    deaths: int


class Learning:
    """The site's learning over one journal.

    Parameters
    ----------
    models : Path
        ``[analysis] models``.
    folder : Path
        Of the data directory, for what is being made.
    today : callable
    plan : Plan, optional
        How hyperparameters of a refit are searched for.
    manifest : mapping, optional
        What is said of where the patients come from.
    """

    def __init__(
        self,
        journal: Journal,
        settings: LearningSettings,
        models: Path,
        folder: Path,
        *,
        today: Callable[[], date],
        plan: Plan | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._models = models
        self._folder = folder
        self._today = today
        self._plan = plan
        self._manifest = manifest

    def preview(self) -> dict[str, Any]:
        """Say what a run would learn from now; nothing is trained. New patients are assigned all the same."""
        return self._counted(self._cohort())

    def run(self, started_by: str, progress: Callable[[str], None] = lambda step: None) -> LearningRun:
        """Train, compare and put challengers in shadow.

        Returns
        -------
        LearningRun
            Done, or declined with the reason.

        Raises
        ------
        ConfigurationError
            If another run is under way, or the models are the shipped ones.
        """
        require_own_models(self._models)
        with learning_lock(self._folder):
            for leftover in self._folder.glob("run-*"):
                shutil.rmtree(leftover)
            number = self._journal.begin_learning(started_by)
            try:
                state, reason, figures = self._learn(number, started_by, progress)
            except Exception as error:
                told = str(error) if isinstance(error, NodeError) else type(error).__name__
                self._journal.end_learning(number, "failed", told)
                self._journal.note_event(Severity.ERROR, "learning_failed", f"learning run {number}: {told}")
                raise
            self._journal.end_learning(number, state, reason, figures)
        return self._journal.learning_runs(1)[0]

    def _learn(
        self, number: int, started_by: str, progress: Callable[[str], None]
    ) -> tuple[RunState, str, dict[str, Any]]:
        progress("gathering the cohort")
        cohort = self._cohort()
        patients = len(cohort.training) + len(cohort.held_out)
        if cohort.left_out.get(UNFOLLOWED, 0) > patients:
            return "declined", _UNFOLLOWED_REASON, self._counted(cohort)
        from analysis.training.challenger import make_challengers  # takes a while to import

        staging = self._folder / f"run-{number:05d}"
        reach("learning.before_training")
        challenges = make_challengers(
            self._models,
            cohort.training,
            cohort.held_out,
            staging,
            limits=_limits(self._settings),
            plan=self._plan,
            progress=progress,
        )
        reach("learning.before_registration")
        for challenge in challenges.made:
            self._register(challenge, number, started_by)
        reach("learning.after_registration")
        shutil.rmtree(staging, ignore_errors=True)
        figures = self._counted(cohort) | {
            "challenges": [_told(challenge) for challenge in challenges.made],
            "declined": dict(challenges.declined),
        }
        if challenges.made:
            return "done", "", figures
        return "declined", "; ".join(f"{name}: {why}" for name, why in challenges.declined.items()), figures

    def _register(self, challenge: Challenge, number: int, started_by: str) -> None:
        """Put a challenger in shadow with its report; the shadow's list, replaced last, makes it count."""
        report = f"reports/{challenge.name}-{challenge.challenger}"
        _copy_whole(challenge.report, self._models / report)
        _add_to_entry(challenge.models, challenge.name, {"report": report, "held_out": _told(challenge)})
        reach("learning.in_registration")
        shadow_model(
            self._models,
            self._journal,
            challenge.name,
            challenge.challenger,
            user=started_by,
            reason=f"learning run {number}: {challenge.kind} on {challenge.training_fractures} fractures",
            source=challenge.models,
        )
        self._journal.note_event(
            Severity.INFO,
            "challenger_in_shadow",
            f"learning run {number}: {challenge.name} {challenge.challenger} is computed in shadow; "
            "compare it with the model in force and promote it, or not (dicom-node models)",
        )

    def _cohort(self) -> SiteCohort:
        return site_cohort(self._journal, self._settings, self._today(), manifest=self._manifest)

    def _counted(self, cohort: SiteCohort) -> dict[str, Any]:
        return {
            "training": asdict(_count(cohort.training)),
            "held_out": asdict(_count(cohort.held_out)),
            "left_out": dict(cohort.left_out),
        }


@contextmanager
def learning_lock(folder: Path) -> Iterator[None]:
    """Keep any other run away while this one lasts; the kernel lets go of it whatever ends the process.

    Raises
    ------
    ConfigurationError
        If another run is under way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                "another learning run is under way; wait for its end (dicom-node learn status)"
            ) from None
        yield


def _limits(settings: LearningSettings) -> Limits:
    from analysis.training.challenger import Limits

    return Limits(
        settings.minimum_fractures, settings.minimum_fractures_to_refit, settings.minimum_held_out_fractures
    )


def _count(table: Any) -> CohortCount:
    from analysis.cohort.columns import DEATH, FRACTURE

    ending = table.follow_up.ending
    return CohortCount(len(table), int((ending == FRACTURE).sum()), int((ending == DEATH).sum()))


def _told(challenge: Challenge) -> dict[str, Any]:
    """A challenge as plain JSON, without the places of files that are about to go."""
    return {name: value for name, value in asdict(challenge).items() if name not in ("models", "report")}


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a directory so that it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(source, half)
    shutil.rmtree(target, ignore_errors=True)
    half.rename(target)


def _add_to_entry(directory: Path, name: str, more: Mapping[str, Any]) -> None:
    """Say more of a version in the list that training wrote."""
    from analysis.risk.versions import VERSIONS_FILE

    path = directory / VERSIONS_FILE
    content = json.loads(path.read_bytes())
    content["versions"] = [
        {**entry, **more} if entry["name"] == name else entry for entry in content["versions"]
    ]
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
