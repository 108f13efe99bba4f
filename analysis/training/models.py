"""From a cohort's table to a directory of models that the node can use: files, registry, evaluation, card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from analysis import __version__
from analysis.cohort.columns import DEATH, FRACTURE, SIMULATED_SITE, TRUTH_PREFIX
from analysis.errors import ConfigurationError
from analysis.results import ModelIdentity
from analysis.risk.model_file import SCHEMA, model_content
from analysis.risk.registry import REGISTRY_FILE, json_object, load_models, read_bytes
from analysis.risk.versions import VERSIONS_FILE, replace_file
from analysis.surveillance.reference import REFERENCE_FILE, reference_of, write_reference
from analysis.training.fit import REFITS, require_fractures
from analysis.training.model_card import model_card
from analysis.training.model_sets import MODEL_SETS, ModelSet
from analysis.training.one_model import KEPT, TrainedModel, train_model
from analysis.training.training_data import CohortLike, prepare
from analysis.training.tuning import Plan

EVALUATION_FILE = "evaluation.json"
MODEL_CARD_FILE = "model-card.md"

DIGITS, REFIT_DIGITS = 8, 5
"""Significant digits written: enough for 1e-6 in probability and few enough to be the same on every machine;
the spread of refits needs fewer."""

TREES_COMPARED = ("full", "deployable")
"""Models that are also compared with trees: those see the most features, with and without site entries."""

SIMULATED = "simulated training data; research use only"


def train_models(
    table: CohortLike,
    directory: Path,
    *,
    plan: Plan | None = None,
    models: Sequence[str] = (),
    compared_with_trees: Sequence[str] = TREES_COMPARED,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    refits: int = REFITS,
) -> None:
    """Fit every model on a cohort and write the files into `directory`.

    Writes one JSON file per model, ``registry.json`` with their SHA-256, ``versions.json``,
    ``evaluation.json``, ``reference.json`` and ``model-card.md``. The same table and plan give the same
    bytes.

    Parameters
    ----------
    table : CohortLike
        E.g. of `analysis.cohort.table.load_cohort`.
    directory : Path
        Created if needed; files of the same names are replaced.
    plan : Plan, optional
    models : sequence of str
        Names of `analysis.training.model_sets.MODEL_SETS`; all if empty.
    compared_with_trees : sequence of str
        Models that are also compared with a survival forest and gradient boosting (slow).
    progress : callable
        Called with the name of the next model, and how many of how many are done.

    Raises
    ------
    ConfigurationError
        If the cohort is too small, or lacks what every chosen model requires.
    """
    plan = plan or Plan()
    wanted = [model for model in MODEL_SETS if not models or model.name in models]
    with _one_thread():
        trained, skipped = _train_all(
            table, wanted, plan, compared_with_trees=compared_with_trees, progress=progress, refits=refits
        )
    _write(directory, trained, skipped, _about(table, plan))
    written = load_models(directory).models
    write_reference(reference_of(written, table, cohort_digest(table)), directory / REFERENCE_FILE)


def _write(
    directory: Path, trained: Sequence[TrainedModel], skipped: Sequence[str], about: Mapping[str, Any]
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    entries = [_write_model(directory, one, about) for one in trained]
    files = [{"file": entry["file"], "sha256": entry["sha256"]} for entry in entries]
    write_json(directory / REGISTRY_FILE, {"schema": SCHEMA, "models": files})
    write_json(directory / VERSIONS_FILE, {"schema": SCHEMA, "versions": entries})
    evaluation = {
        **about,
        "not_trained": skipped,
        "models": {one.model.identity.name: dict(one.evaluation) for one in trained},
    }
    write_json(directory / EVALUATION_FILE, evaluation)
    contents = [json.loads((directory / str(entry["file"])).read_bytes()) for entry in entries]
    card = model_card(contents, json.loads((directory / EVALUATION_FILE).read_bytes()))
    (directory / MODEL_CARD_FILE).write_text(card, encoding="utf-8")


def _train_all(
    table: CohortLike,
    wanted: Sequence[ModelSet],
    plan: Plan,
    *,
    compared_with_trees: Sequence[str],
    progress: Callable[[str, int, int], None],
    refits: int,
) -> tuple[list[TrainedModel], list[str]]:
    require_fractures(table.follow_up)
    progress("imputation", 0, len(wanted))
    cohort = prepare(table, wanted, plan.seed)
    trained, skipped = [], []
    for number, model_set in enumerate(wanted):
        progress(model_set.name, number, len(wanted))
        data = cohort.of_model(model_set)
        if data is None:
            skipped.append(model_set.name)
            continue
        identity = ModelIdentity(model_set.name, _version(table), training_data(table), "")
        trees = model_set.name in compared_with_trees
        trained.append(train_model(data, model_set, identity, plan, trees=trees, refits=refits))
    progress("", len(wanted), len(wanted))
    if not trained:
        raise ConfigurationError(
            f"training cohort: it lacks a column that {', '.join(skipped) or 'every model'} requires "
            "(age_years, male and densities or T-scores); add it, see docs/cohort-schema.md"
        )
    return trained, skipped


def add_reference(directory: Path, table: CohortLike) -> int:
    """Add the training reference to a directory of models that was written without one.

    Parameters
    ----------
    directory : Path
    table : CohortLike
        The very cohort that the models were trained on.

    Returns
    -------
    int
        How many versions have one now.

    Raises
    ------
    ConfigurationError
        If none of the active models was trained on this cohort.
    """
    digest = cohort_digest(table)
    content = json_object(read_bytes(directory / VERSIONS_FILE), VERSIONS_FILE)
    entries = [entry for entry in content["versions"] if entry.get("cohort_sha256") == digest]
    files = {str(entry["sha256"]) for entry in entries}
    trained = [model for model in load_models(directory).models if model.identity.sha256 in files]
    if not trained:
        raise ConfigurationError(
            f"training reference: none of the active models of {directory} was trained on this cohort "
            f"(SHA-256 {digest[:12]}…); give the cohort that versions.json names (cohort_sha256)"
        )
    write_reference(reference_of(trained, table, digest), directory / REFERENCE_FILE)
    for entry in entries:
        entry["reference"] = REFERENCE_FILE
    replace_file(directory / VERSIONS_FILE, content)
    return len(entries)


def is_simulated(table: CohortLike) -> bool:
    """Whether a simulator made the cohort: only it knows the truth, or its manifest says so."""
    truth = any(str(column).startswith(TRUTH_PREFIX) for column in table.frame.columns)
    return truth or bool(table.manifest.get(SIMULATED_SITE))


def training_data(table: CohortLike) -> str:
    """What a model was trained on, in the words that travel with every result."""
    size = len(table.follow_up.years)
    if not is_simulated(table):
        return f"a site's cohort of {size} subjects, engine {__version__}; research use only until validated"
    seed = table.manifest.get("seed")
    return (
        f"simulated cohort of {size} subjects, seed {seed}, engine {__version__}; "
        "trained on simulated data, research use only"
    )


def cohort_digest(table: CohortLike) -> str:
    """SHA-256 (hexadecimal) of the features and the follow-up that models are trained on."""
    digest = hashlib.sha256()
    for name in dict.fromkeys(name for model in MODEL_SETS for name in model.features):
        if name in table.frame.columns:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(table.features([name]), dtype=np.float64).tobytes())
    digest.update(np.asarray(table.follow_up.years, dtype=np.float64).tobytes())
    digest.update(np.asarray(table.follow_up.ending, dtype=np.int64).tobytes())
    return digest.hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> bytes:
    """Write one key of the object per line, numbers rounded; return the bytes."""
    digits = {"refits": REFIT_DIGITS, "correlation": REFIT_DIGITS}
    lines = [
        f" {json.dumps(key)}: {json.dumps(rounded(value, digits.get(key, DIGITS)), ensure_ascii=False)}"
        for key, value in content.items()
    ]
    raw = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    path.write_bytes(raw)
    return raw


def rounded(value: Any, digits: int) -> Any:
    """A JSON value whose every number has at most `digits` significant digits."""
    if isinstance(value, Mapping):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{digits}g}")
    return value


def _about(table: CohortLike, plan: Plan) -> dict[str, Any]:
    follow_up = table.follow_up
    names = ("population", "scanner", "seed", "effects", "measurement")
    return {
        "training_data": training_data(table),
        "remark": SIMULATED if is_simulated(table) else "research use only until validated",
        "engine": __version__,
        "cohort_sha256": cohort_digest(table),
        "cohort": {name: table.manifest[name] for name in names if name in table.manifest},
        "subjects": len(follow_up.years),
        "fractures": int((follow_up.ending == FRACTURE).sum()),
        "deaths": int((follow_up.ending == DEATH).sum()),
        "plan": {"search": plan.search, "trials": plan.trials, "folds": plan.folds, "seed": plan.seed},
    }


def _version(table: CohortLike) -> str:
    return f"{__version__}-n{len(table.follow_up.years)}-{cohort_digest(table)[:8]}"


def _write_model(directory: Path, trained: TrainedModel, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write one model's file; return its entry for the list of versions."""
    identity = trained.model.identity
    file = f"{identity.name}-{identity.version}.json"
    provenance = {key: about[key] for key in ("engine", "cohort_sha256", "cohort", "plan")}
    content = model_content(
        trained.model, {**provenance, "hyperparameters": trained.evaluation["hyperparameters"]}
    )
    raw = write_json(directory / file, content)
    return {
        "name": identity.name,
        "version": identity.version,
        "file": file,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "training_data": identity.training_data,
        **provenance,
        "cross_validated": trained.evaluation["cross_validated"][KEPT],
        "evaluation": EVALUATION_FILE,
        "card": MODEL_CARD_FILE,
        "reference": REFERENCE_FILE,
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are always in one order, so that the same cohort gives the same bytes."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
