"""What is compared with what; every stage gives plain figures for ``results.json``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from analysis.cohort.columns import TRUE_RISK
from analysis.evaluation.discrimination import weighted_auc
from analysis.evaluation.observed import observe
from analysis.training.fusion.cross_validation import fitted, nested_cross_validation
from analysis.training.fusion.data import microstructure_of, pictures_of, predictor_names
from analysis.training.fusion.export import save
from analysis.training.fusion.fit import FitPlan, Material
from analysis.training.fusion.fusion import FUSIONS, Shape
from analysis.training.fusion.heads import Targets
from analysis.training.fusion.incidence import HORIZONS, cumulative_incidence
from analysis.training.fusion.inputs import Standard
from analysis.training.fusion.prediction import FusionModel, Prediction
from analysis.training.fusion.search import SEARCHES, search_plan
from analysis.training.fusion.sequence import (
    READERS,
    SequenceNetwork,
    collect_visits,
    fit_sequence,
    tensors_of,
)
from deep_line_parts.cox import cox_risks
from deep_line_parts.study import CLINICAL_BMD, DEPLOYABLE, FULL, SIMPLIFIED, Study

IMAGE = "self-supervised"
NO_TEXTURE = ("demography", "densitometry")
ENCODERS = (
    "random",
    "segmentation",
    "self-supervised",
    "microstructure",
    "self-supervised+tuned",
    "none+tuned",
)


def oracle(study: Study) -> dict[str, Any]:
    """AUC of the true risk, and the make-up of the parts."""
    followed = study.follow_up.take(study.test)
    aucs = {}
    for years in HORIZONS:
        truth = np.asarray(study.table.frame[TRUE_RISK[years]], np.float64)[study.test]
        observed = observe(followed, years)
        aucs[str(years)] = [round(weighted_auc(truth, observed).estimate.value, 4), observed.events]
    return {"auc": aucs, "training": len(study.train), "test": len(study.test)}


def cox(study: Study) -> dict[str, Any]:
    """Ridge Cox regressions of fracture and death on the same predictors, without a network."""
    found = {}
    for name, families in {"clinical-bmd": CLINICAL_BMD, "deployable": DEPLOYABLE, "full": FULL}.items():
        material, _ = study.material(families, None)
        risks = cox_risks(material, study.follow_up, study.train, study.test, study.folds(study.train, 3))
        unknown = np.full(len(risks), np.nan)
        found[name] = study.scored(f"cox {name}", Prediction(risks, unknown))
    return found


def inputs(study: Study) -> dict[str, Any]:
    """What hand-made texture and pictures add, early fusion."""
    found = {}
    for name, families, how, every in (
        ("bmd", NO_TEXTURE, None, False),
        ("bmd + image", NO_TEXTURE, IMAGE, False),
        ("clinical-bmd", CLINICAL_BMD, None, False),
        ("simplified", SIMPLIFIED, None, False),
        ("deployable", DEPLOYABLE, None, False),
        ("deployable, all texture", DEPLOYABLE, None, True),
        ("deployable + image", DEPLOYABLE, IMAGE, False),
        ("full", FULL, None, False),
    ):
        prediction, *_ = study.fit(families, how, every=every)
        found[name] = study.scored(name, prediction)
    return found


def encoders(study: Study) -> dict[str, Any]:
    """Ways of training the encoder, on density and the picture without hand-made texture."""
    found = {}
    for how in ENCODERS:
        prediction, *_ = study.fit(NO_TEXTURE, how)
        found[how] = {
            **study.scored(f"encoder {how}", prediction),
            "gain_over_bmd": study.gain(f"encoder {how}", "bmd"),
        }
    return found


def fusions(study: Study) -> dict[str, Any]:
    """The four fusions of all families with the picture; the first network also without families."""
    found = {}
    for kind in FUSIONS:
        prediction, network, material, standard = study.fit(FULL, IMAGE, replace(study.plan, kind=kind))
        found[kind] = study.scored(kind, prediction)
        found[kind]["gain_over_cox"] = study.gain(kind, "cox full")
        absent = [family for family in FULL if family not in DEPLOYABLE]
        poorer = study.without(network, material, standard, absent)
        found[kind]["deployable_by_masking"] = study.scored(f"{kind} masked", poorer)
    return found


def missing(study: Study) -> dict[str, Any]:
    """Missing values told to the network, or filled by multiple imputation as well."""
    prediction, *_ = study.fit(FULL, None, mice=True)
    return {"mice": study.scored("mice", prediction), "gain": study.gain("mice", "full")}


def optimisers(study: Study) -> dict[str, Any]:
    """Optimisers and schedules on all tabular predictors."""
    found = {}
    for optimiser, schedule in (
        ("adam", "cosine"),
        ("sgd", "cosine"),
        ("adamw", "step"),
        ("adamw", "plateau"),
    ):
        plan = replace(study.plan, optimiser=optimiser, schedule=schedule)  # type: ignore[arg-type]
        prediction, *_ = study.fit(FULL, None, plan)
        found[f"{optimiser}, {schedule}"] = study.scored(f"{optimiser} {schedule}", prediction)
    return found


def microstructure(study: Study) -> dict[str, Any]:
    """R² of true trabecular number on the test part, by ridge regression on what each way sees."""
    names, wanted = microstructure_of(study.table)
    truth = wanted[:, 0]

    def explained(*parts: NDArray[np.float64]) -> float:
        columns = np.column_stack(parts)
        model = RidgeCV(np.logspace(-2, 4, 13)).fit(columns[study.train], truth[study.train])
        residual = truth[study.test] - model.predict(columns[study.test])
        return round(float(1 - np.mean(residual**2) / np.var(truth[study.test])), 3)

    def values(families: tuple[str, ...], *, every: bool, only: str = "") -> NDArray[np.float64]:
        material, standard = study.material(families, None, every=every)
        chosen = [place for place, name in enumerate(standard.names) if name.startswith(only)]
        return material.inputs.values[:, chosen].astype(np.float64)

    density = values(NO_TEXTURE, every=False)
    texture = values(("microstructure",), every=True)
    found = {
        "target": names[0],
        "density, age, sex": explained(density),
        "+ variogram": explained(density, values(("microstructure",), every=True, only="texture.variogram")),
        "+ all hand-made texture and shape": explained(density, texture),
    }
    for how in ("random", "segmentation", "self-supervised", "microstructure"):
        embedding = study.embedded(how).mean(dim=1).numpy().astype(np.float64)
        found[f"+ encoder {how}"] = explained(density, embedding)
        found[f"+ encoder {how} + all hand-made"] = explained(density, texture, embedding)
    return found


def search(study: Study, trials: int = 4) -> dict[str, Any]:
    """Three ways of searching on deployable predictors with the picture."""
    material, standard = study.material(DEPLOYABLE, IMAGE)
    part, folds = material.take(study.train), study.folds(study.train)
    found = {}
    for how in SEARCHES:
        plan, tried = search_plan(
            part,
            folds,
            Shape("early", standard.families),
            study.plan,
            how=how,
            trials=trials,
            progress=lambda *_: None,
        )
        network, _ = fitted(part, folds, Shape("early", standard.families), plan, lambda *_: None)
        found[how] = {"tried": tried, **study.scored(f"search {how}", study.predict(network, material))}
    return found


def nested(study: Study, trials: int = 2) -> dict[str, Any]:
    """Nested cross-validation of the whole training part, deployable with the picture."""
    material, standard = study.material(DEPLOYABLE, IMAGE)
    part = material.take(study.train)
    shape = Shape("early", standard.families)

    def choose(some: Material, folds: NDArray[np.int_], plan: FitPlan) -> FitPlan:
        return search_plan(some, folds, shape, plan, how="tpe", trials=trials, progress=lambda *_: None)[0]

    outputs, chosen = nested_cross_validation(
        part,
        outer=study.folds(study.train),
        inner=lambda index: study.folds(study.train[index], 2),
        shape=shape,
        plan=study.plan,
        choose=choose,
        progress=lambda *_: None,
    )
    risks = cumulative_incidence(outputs.log_hazard.numpy())
    followed = study.follow_up.take(study.train)
    aucs = {
        str(years): round(weighted_auc(risks[:, place], observe(followed, years)).estimate.value, 4)
        for place, years in enumerate(HORIZONS)
    }
    return {"auc": aucs, "chosen": chosen}


def sequence(study: Study) -> dict[str, Any]:
    """Readers of repeat scans, learnt and judged on the subjects who have them."""
    visits = study.table.visits()  # type: ignore[attr-defined]
    if visits is None:
        return {}
    names = predictor_names(list(study.table.frame.columns), DEPLOYABLE)
    standard = Standard.of(names, study.table.features(names)[study.train])
    ids = [str(name) for name in study.table.frame["subject_id"]]
    constant = study.table.frame.set_index("subject_id")
    earlier = np.full((len(visits), len(names)), np.nan)
    for place, name in enumerate(names):
        if name in visits:
            earlier[:, place] = visits[name].to_numpy(np.float64)
        elif name == "age_years":
            earlier[:, place] = constant.loc[visits["subject_id"], name] + visits["visit_years"].to_numpy()
        else:
            earlier[:, place] = constant.loc[visits["subject_id"], name]

    def describe(features: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = standard.apply(
            features, np.zeros((len(features), 1, 1), np.float32), np.zeros(len(features), bool)
        )
        return found.values, found.known

    lined = collect_visits(
        ids,
        study.table.features(names),
        visitors=[str(name) for name in visits["subject_id"]],
        visit_years=visits["visit_years"].to_numpy(np.float64),
        visit_features=earlier,
        describe=describe,
        most=3,
    )
    repeated = np.flatnonzero(lined.there.sum(axis=1) > 1)
    return _readers(study, lined, repeated)


def _readers(study: Study, lined: Any, repeated: NDArray[np.int_]) -> dict[str, Any]:
    """Five folds of the people with repeat scans: one is predicted, one stops, three teach."""
    material, _ = study.material(DEPLOYABLE, None)
    observed = material.targets.take(torch.from_numpy(repeated))
    folds = study.folds(repeated, 5)
    followed = study.follow_up.take(repeated)
    scale = observe(followed, 10)
    found: dict[str, Any] = {"people": len(repeated), "fractures": scale.events}
    for reader in READERS:
        log_hazard = np.zeros(observed.events.shape)
        for fold in range(5):
            kept = np.flatnonzero(folds != fold)
            torch.manual_seed(study.plan.seed)
            network = SequenceNetwork(reader, lined.values.shape[2], width=16, dropout=0.3)
            part = Targets(*(item[torch.from_numpy(kept)] for item in observed))
            stopping = folds[kept] == (fold + 1) % 5
            fit_sequence(network, lined.take(repeated[kept]), part, stopping, replace(study.plan, batch=128))
            held = np.flatnonzero(folds == fold)
            with torch.no_grad():
                log_hazard[held] = network(*tensors_of(lined.take(repeated[held]))).log_hazard.numpy()
        risk = cumulative_incidence(log_hazard)[:, -1]
        estimate = weighted_auc(risk, scale).estimate
        found[reader] = [round(number, 3) for number in (estimate.value, estimate.low, estimate.high)]
    return found


def shipped(study: Study) -> dict[str, Any]:
    """Write the network of all families with the picture; time and weigh it."""
    prediction, network, _, standard = study.fit(FULL, IMAGE)
    network.encoder.load_state_dict(study.encoder(IMAGE).state_dict())
    out = study.work / "network"
    figures = study.scored("shipped", prediction)
    about = {
        "training_data": "simulated training data; research use only",
        "subjects": {"training": len(study.train), "test": len(study.test)},
        "figures": figures,
    }
    save(network, standard, about, out)
    model = FusionModel(out)
    one = study.test[:1]
    pictures = pictures_of(study.table)
    single = model.inputs(
        study.table.features(standard.names)[one], pictures.patches[one], pictures.seen[one]
    )
    model.explain(single)
    times = []
    for _ in range(30):
        start = time.perf_counter()
        model.predict(single)
        model.explain(single)
        times.append(1000 * (time.perf_counter() - start))
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    encoder = sum(item.numel() for item in network.encoder.parameters())
    every = sum(item.numel() for item in network.parameters())
    return {
        "figures": figures,
        "gain_over_cox": study.gain("shipped", "cox full"),
        "bytes": sizes,
        "parameters": {"encoder": encoder, "all": every},
        "predict_and_explain_ms": {
            "median": round(float(np.median(times)), 1),
            "least": round(min(times), 1),
        },
    }


STAGES: dict[str, Callable[[Study], Any]] = {
    "oracle": oracle,
    "cox": cox,
    "inputs": inputs,
    "microstructure": microstructure,
    "fusions": fusions,
    "encoders": encoders,
    "shipped": shipped,
    "sequence": sequence,
    "missing": missing,
    "optimisers": optimisers,
    "search": search,
    "nested": nested,
}

CONFIRMED: dict[str, Callable[[Study], Any]] = {
    "oracle": oracle,
    "cox": cox,
    "inputs": inputs,
    "fusions": fusions,
}
"""What is told of a fresh draw: the claims, none of the tuning."""
