"""The radiomics line of the published MRI study on simulated forearm scans: writes docs/radiomics-line.md.

    python benchmarks/radiomics_line.py --cohort DIR --readings DIR

`--cohort` was written by ``dicom-node simulate-cohort`` with images; four fifths train, one fifth tests.
`--readings` keeps the imaging subset (people scanned and outlined twice, all texture families) between runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cohort.table import CohortTable, load_cohort
from analysis.evaluation.discrimination import Auc, auc_difference, weighted_auc
from analysis.evaluation.observed import Observed
from analysis.measurement.texture.families import PREFIXES, family_of
from analysis.simulation.cohort.people import chunk_sizes
from analysis.simulation.cohort.populations import population_of
from analysis.simulation.cohort.subjects import draw_table
from analysis.training.radiomics_line.fit import FittedLine, Subjects, fit_line, logistic, subjects_of
from analysis.training.radiomics_line.model import CLINICAL, Logistic, Variant
from analysis.training.radiomics_line.nomogram import draw_nomogram, limits_of, point_scale
from analysis.training.radiomics_line.odds_ratios import OddsRatio
from analysis.training.radiomics_line.outcomes import OUTCOMES, OutcomeName
from analysis.training.radiomics_line.reliability import Reliability, icc_interval, reliability
from analysis.training.radiomics_line.scans import Readings, read_people
from analysis.training.radiomics_line.selection import METHODS
from analysis.training.radiomics_line.stability import (
    bootstrap_selections,
    kuncheva_index,
    nogueira_index,
)

DOCS = Path(__file__).parent.parent / "docs"
SEED = 20261204
TITLES: Mapping[OutcomeName, str] = {
    "osteoporosis": "Osteoporosis at the scan (central DXA)",
    "fracture_10y": "Fracture within ten years",
}
PUBLISHED: Mapping[Variant, tuple[str, str]] = {
    "clinical": ("0.740 (0.720–0.761)", "0.708 (0.678–0.738)"),
    "radiomics": ("0.723 (0.696–0.750)", "0.666 (0.661–0.670)"),
    "combined": ("0.806 (0.741–0.864)", "0.741 (0.655–0.823)"),
}
"""AUC of the study's internal and external test: Wang WB et al., Radiol Practice 2026;41:453."""
BMD = ("ultradistal.bmd_g_cm2", "one_third.bmd_g_cm2")
FOLDS = 5

FloatArray = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, required=True, help="directory of simulate-cohort")
    parser.add_argument("--readings", type=Path, required=True, help="directory kept between runs")
    parser.add_argument("--people", type=int, default=384, help="people of the imaging subset (default 384)")
    parser.add_argument("--draws", type=int, default=50, help="bootstraps of the selection (default 50)")
    options = parser.parse_args()
    population = population_of("china-clinic")
    readings = read_people(
        population, SEED, options.people, options.readings, lambda done: print(f"{done} read", flush=True)
    )
    agreed, table = reliability(readings), load_cohort(options.cohort)
    sections = [introduction(table, readings), *reliability_section(readings, agreed)]
    for outcome in OUTCOMES:
        print(outcome, flush=True)
        sections += outcome_section(table, readings, agreed, outcome, options.draws)
    sections += all_families_section(readings, agreed)
    (DOCS / "radiomics-line.md").write_text("\n".join(sections) + "\n", encoding="utf-8")


def introduction(table: CohortTable, readings: Readings) -> str:
    return f"""# The radiomics line of a published study, on simulated forearm scans

*Written by `python benchmarks/radiomics_line.py`; do not edit.*
**Simulated training data; research use only.**

The study (Wang WB et al., Radiol Practice 2026;41:453) told osteoporosis by quantitative CT from radiomics of
spine MRI in 1,095 patients. This is its method on forearm DXA of simulated people: another organ, another
modality, another definition of osteoporosis. Figures beside each other show the method's behaviour; they are
not a replication, and an AUC is a property of the simulator.

Cohort: {len(table)} subjects, seed {table.manifest.get("seed", "–")}; four fifths train, one fifth tests.
Imaging subset for reliability: {len(readings.index)} other people, each scanned twice by one device (new
position, tilt and photons) and the first scan outlined twice (shifted, wider or tighter, wavy; Dice
overlap of the two outlines {readings.overlap.mean():.3f} on average)."""


def reliability_section(readings: Readings, agreed: Reliability) -> list[str]:
    rows = []
    families = np.array([family_of(name.removeprefix("texture.")) for name in agreed.names])
    inter, intra = agreed.inter > 0.75, agreed.intra > 0.75
    for family in (*PREFIXES, "all"):
        of = families == family if family != "all" else np.ones(len(families), np.bool_)
        counts = [of, of & inter, of & intra, of & inter & intra]
        shown = [str(int(count.sum())) for count in counts]
        rows.append([family, *shown, f"{counts[3].sum() / of.sum():.0%}"])
    header = ("family", "features", "between outlines", "between scans", "both", "share")
    return [
        "\n## Reliable features\n",
        "ICC(2,1) above 0.75 (the study: 287 of 387, 74 %, between readers).\n",
        *markdown(header, rows),
    ]


def outcome_section(
    table: CohortTable, readings: Readings, agreed: Reliability, outcome: OutcomeName, draws: int
) -> list[str]:
    subjects = subjects_of(table, [name for name in agreed.names if table.has(name)], outcome)
    train, test = split(subjects)
    line = fit_line(train, agreed.reliable, outcome, seed=SEED)
    scale = point_scale(line.model.models["combined"], limits_of(line.model, train))
    picture = f"nomogram-{outcome.replace('_10y', '')}.png"
    draw_nomogram(
        scale, f"Combined model: {TITLES[outcome][0].lower()}{TITLES[outcome][1:]}", DOCS / "images" / picture
    )
    cases = int(train.outcome.sum()), int(test.outcome.sum())
    return [
        f"\n## {TITLES[outcome]}\n",
        f"{len(train.outcome)} subjects train ({cases[0]} with the outcome), {len(test.outcome)} test "
        f"({cases[1]}). Features: {line.offered} measured in the cohort (core set and variogram) → "
        f"{line.reliable} reliable → {len(line.passed)} with P < 0.05 (uncorrected; "
        f"{counted(feature.test for feature in line.screened)}) → {len(line.model.parts)} in the Radscore.\n",
        *discrimination(line, train, test, outcome),
        "",
        *beyond_density(line, train, test),
        f"\n![Nomogram of the combined model](images/{picture})\n",
        "Radscore = Σ weight · (value − mean)/SD; ICC with 95 % interval (pingouin):\n",
        *radscore_table(line, readings),
        "\nOdds ratios in the training part: alone, and together with whatever is significant alone. A "
        "Radscore is tested on the subjects it was chosen on here, so its P values are optimistic.\n",
        *odds_ratio_table(line),
        "\nHighest point-biserial correlations with the outcome:\n",
        *correlation_table(line),
        f"\nSelection by other methods; stability over {draws} bootstraps (1 = always the same features, 0 = "
        "chance; Kuncheva's index only for sets of one size):\n",
        *selection_table(line, train, test, draws),
    ]


def split(subjects: Subjects) -> tuple[Subjects, Subjects]:
    """Four fifths and one fifth, the outcome equally frequent in both."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(subjects.outcome))
    train, test = train_test_split(rows, test_size=0.2, random_state=SEED, stratify=subjects.outcome)
    return subjects.take(np.sort(train)), subjects.take(np.sort(test))


def discrimination(line: FittedLine, train: Subjects, test: Subjects, outcome: OutcomeName) -> list[str]:
    rows, found = [], {}
    for variant, published in PUBLISHED.items():
        aucs = [auc_of(predicted(line, part, variant), part) for part in (train, test)]
        found[variant] = aucs[1]
        row = [variant, *(interval(auc) for auc in aucs)]
        rows.append(row + list(published if outcome == "osteoporosis" else ()))
    header = ["model", "AUC train", "AUC test"]
    if outcome == "osteoporosis":
        header += ["study, internal (MRI)", "study, external (MRI)"]
    gain = auc_difference(found["combined"], found["clinical"])
    return [
        *markdown(header, rows),
        f"\nCombined minus clinical, test: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}), DeLong P "
        f"{p_value(gain.p_value)}. Clinical: age and sex, as in the study.",
    ]


def predicted(line: FittedLine, subjects: Subjects, variant: Variant) -> FloatArray:
    parts = [subjects.names.index(part.name) for part in line.model.parts]
    score = line.model.radscore_of(subjects.features[:, parts])
    return line.model.predict_of(subjects.clinical, score, variant)


def auc_of(score: FloatArray, subjects: Subjects) -> Auc:
    return weighted_auc(score, Observed(subjects.outcome == 1, subjects.weight, 10.0))


def beyond_density(line: FittedLine, train: Subjects, test: Subjects) -> list[str]:
    """What the Radscore adds to age, sex and the radius's own BMD: the study had no such model."""
    parts = [train.names.index(part.name) for part in line.model.parts]

    def columns(subjects: Subjects, with_score: bool) -> dict[str, FloatArray]:
        values = dict(zip(CLINICAL, subjects.clinical.T, strict=True))
        values |= {name: subjects.candidates[name] for name in BMD}
        if with_score:
            values["Radscore"] = line.model.radscore_of(subjects.features[:, parts])
        return values

    def complete(subjects: Subjects) -> Subjects:
        known = np.isfinite([subjects.candidates[name] for name in BMD]).all(axis=0)
        return subjects.take(known)

    train, test = complete(train), complete(test)
    aucs = []
    for with_score in (False, True):
        model: Logistic = logistic(columns(train, with_score), train.outcome, train.weight)
        aucs.append(auc_of(model.log_odds(columns(test, with_score)), test))
    gain = auc_difference(aucs[1], aucs[0])
    return [
        "Beyond density: age, sex and BMD of the radius (ultradistal, one-third) reach "
        f"{interval(aucs[0])} in the test, with the Radscore {interval(aucs[1])}: {gain.value:+.3f} "
        f"({gain.low:+.3f} to {gain.high:+.3f}), P {p_value(gain.p_value)}."
    ]


def radscore_table(line: FittedLine, readings: Readings) -> list[str]:
    rows = []
    for part in sorted(line.model.parts, key=lambda part: -abs(part.weight)):
        column = readings.names.index(part.name)
        first, second, other = (
            getattr(readings, which)[:, column] for which in ("index", "repeat", "other_observer")
        )
        agreements = [
            f"{icc:.2f} ({low:.2f}–{high:.2f})"
            for icc, low, high in (icc_interval(first, other), icc_interval(first, second))
        ]
        rows.append([f"`{part.name}`", f"{part.weight:+.4f}", *agreements])
    return markdown(("feature", "weight", "ICC between outlines", "ICC between scans"), rows)


def odds_ratio_table(line: FittedLine) -> list[str]:
    def cells(row: OddsRatio | None) -> list[str]:
        if row is None:
            return ["–", "–"]
        return [f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f})", p_value(row.p)]

    together = {row.name: row for row in line.multivariable}
    rows = [
        [row.name, row.per, str(row.subjects), *cells(row), *cells(together.get(row.name))]
        for row in line.univariable
    ]
    return markdown(("predictor", "per", "n", "alone", "P", "together", "P"), rows)


def correlation_table(line: FittedLine) -> list[str]:
    best = sorted(line.screened, key=lambda feature: -abs(feature.correlation))[:8]
    rows = [
        [f"`{f.name}`", f"{f.correlation:+.3f}", p_value(f.correlation_p), f.test, p_value(f.p)] for f in best
    ]
    return markdown(("feature", "r", "P", "test", "P of test"), rows)


def selection_table(line: FittedLine, train: Subjects, test: Subjects, draws: int) -> list[str]:
    passed = [train.names.index(name) for name in line.passed]
    mean, sd = train.features[:, passed].mean(axis=0), train.features[:, passed].std(axis=0, ddof=1)
    z = (train.features[:, passed] - mean) / sd
    rows = []
    for method, chosen in line.chosen.items():
        print(f"stability of {method}", flush=True)
        selections = bootstrap_selections(
            METHODS[method], z, train.outcome, train.weight, draws=draws, seed=SEED
        )
        index, low, high = nogueira_index(selections)
        kuncheva = kuncheva_index(selections)
        shared = len(set(chosen) & set(line.chosen["LASSO"]))
        rows.append(
            [
                method,
                str(len(chosen)),
                str(shared),
                f"{index:.2f} ({low:.2f}–{high:.2f})",
                "–" if np.isnan(kuncheva) else f"{kuncheva:.2f}",
                interval(auc_of(refitted(sorted(chosen), train, test), test)),
            ]
        )
    header = ("method", "features", "also in LASSO", "Nogueira", "Kuncheva", "AUC test, logistic on them")
    return markdown(header, rows)


def refitted(names: Sequence[str], train: Subjects, test: Subjects) -> FloatArray:
    """Log-odds in the test of a logistic model on the chosen features alone."""

    def columns(subjects: Subjects) -> dict[str, FloatArray]:
        return {name: subjects.features[:, subjects.names.index(name)] for name in names}

    return logistic(columns(train), train.outcome, train.weight).log_odds(columns(test))


def all_families_section(readings: Readings, agreed: Reliability) -> list[str]:
    """The study at its full width, on the imaging subset itself: cross-validated, osteoporosis alone."""
    from sklearn.model_selection import StratifiedKFold

    subjects = subjects_of(subset_table(readings), readings.names, "osteoporosis")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    scores = {variant: np.empty(len(subjects.outcome)) for variant in PUBLISHED}
    sizes = []
    for train, test in folds.split(subjects.clinical, subjects.outcome):
        line = fit_line(subjects.take(train), agreed.reliable, "osteoporosis", seed=SEED, methods=("LASSO",))
        sizes.append(len(line.model.parts))
        for variant in PUBLISHED:
            scores[variant][test] = predicted(line, subjects.take(test), variant)
    aucs = {variant: auc_of(score, subjects) for variant, score in scores.items()}
    gain = auc_difference(aucs["combined"], aucs["clinical"])
    return [
        "\n## All families on the imaging subset\n",
        f"{len(readings.names)} features of all families, {len(agreed.reliable)} reliable; "
        f"{len(subjects.outcome)} people, {int(subjects.outcome.sum())} with osteoporosis, {FOLDS}-fold "
        "cross-validation of the whole line (screen and LASSO inside; the ICC rule, which knows no outcome, "
        f"outside). {min(sizes)} to {max(sizes)} features per fold. Ten-year "
        "fracture is not tried: the subset has too few.\n",
        *markdown(("model", "AUC"), [[variant, interval(auc)] for variant, auc in aucs.items()]),
        f"\nCombined minus clinical: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}), P "
        f"{p_value(gain.p_value)}.",
    ]


def subset_table(readings: Readings) -> CohortTable:
    """Outcomes and predictors of the people of the imaging subset, with their features."""
    population = population_of("china-clinic")
    sizes = chunk_sizes(int(readings.subject_ids.max()) + 1)
    people = pd.concat(
        [draw_table(population, SEED, chunk, size, {}) for chunk, size in enumerate(sizes)], ignore_index=True
    )
    chosen = people.iloc[readings.subject_ids].reset_index(drop=True)
    return CohortTable(pd.concat([chosen, pd.DataFrame(readings.index, columns=readings.names)], axis=1))


def interval(auc: Auc) -> str:
    return f"{auc.estimate.value:.3f} ({auc.estimate.low:.3f}–{auc.estimate.high:.3f})"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def counted(words: Iterable[str], sort: Callable[[str], str] = str) -> str:
    found = list(words)
    return ", ".join(f"{word} {found.count(word)}" for word in sorted(set(found), key=sort))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *(f"| {' | '.join(r)} |" for r in rows)]


if __name__ == "__main__":
    main()
