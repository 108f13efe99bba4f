"""The page docs/evaluation.md from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation_parts.goals import HORIZONS, Goal, goals

PUBLISHED = (
    ("Lumbar DXA, network, 5 years (Kuopio OSTPRE, PMC8102403)", "0.63", "deployable"),
    ("Garvan, any fracture, with femoral-neck BMD", "0.75", "clinical-bmd"),
    ("pQCT radius and femoral neck, men (PMC3179319)", "0.77–0.80", "clinical-bmd-texture"),
    ("Femoral-neck BMD alone, men (PMC3179319)", "0.73", "bmd-only"),
    ("QFracture, osteoporotic fracture, women / men (BMJ 2011;342:d3651)", "0.82 / 0.74", "age-sex"),
)
"""Published figure -> the simulated model with comparable inputs."""


def page(figures: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    sections = (
        _head(figures),
        _goals(figures),
        _discrimination(figures),
        _ladder(figures),
        _calibration(figures),
    )
    rest = (_externals(figures), _subgroups(figures), _realism(figures), _limits())
    return "\n".join(line for section in (*sections, *rest) for line in section) + "\n"


def _head(figures: Mapping[str, Any]) -> Iterator[str]:
    sizes = figures["sizes"]
    yield "# The risk models against the limit of what can be known"
    yield ""
    yield (
        f"Made by `python benchmarks/evaluation.py` on {figures['made_on']}, {figures['machine']}; every "
        f"number is "
        "also in [evaluation.json](evaluation.json)."
    )
    yield ""
    yield (
        "**Simulated training data; research use only.** People, bones and fractures are simulated "
        "([cohort.md](cohort.md)). Absolute figures are properties of the simulator and say nothing about "
        "patients; "
        "what can be judged is how close the models come to the *oracle* (the true risk given everything "
        "that acts, "
        "but not the frailty that nobody can observe) and to the *attainable* (the same features with "
        f"{sizes['large']:,} training subjects)."
    )
    yield ""
    yield (
        f"Development: {sizes['train'] + sizes['internal']:,} subjects, each scanned by the phantom and "
        f"measured by "
        f"the engine, {sizes['train']:,} for training (five-fold cross-validation inside), "
        f"{sizes['internal']:,} for "
        f"the internal test. Large draws ({sizes['test']:,} for testing, {sizes['large']:,} for the "
        f"attainable) are "
        "not scanned: an emulator fitted on the scans draws what a scan would have measured. Their seeds "
        "were used "
        "for nothing else. Every model is applied to everybody, what is missing replaced by its expectation; "
        "the node uses a smaller model where a whole family of inputs is missing."
    )


def _goals(figures: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Goals"
    yield ""
    yield "| measure | must | aim | found | must | aim |"
    yield "|---|---|---|---|---|---|"
    for goal in goals(figures):
        yield _goal_row(goal)


def _goal_row(goal: Goal) -> str:
    aim = "–" if goal.aim_met is None else _verdict(goal.aim_met)
    return f"| {goal.measure} | {goal.must} | {goal.aim} | {goal.found} | {_verdict(goal.must_met)} | {aim} |"


def _verdict(met: bool) -> str:
    return "yes" if met else "**no**"


def _discrimination(figures: Mapping[str, Any]) -> Iterator[str]:
    for key, title in (("test", "large test draw"), ("internal", "internal test, imaged")):
        part = figures[key]["discrimination"]
        yield ""
        yield f"## AUC by horizon, {title}"
        yield ""
        yield f"| model | {' | '.join(f'{years} y' for years in HORIZONS)} | over oracle, 10 y |"
        yield "|---|---|---|---|---|---|"
        yield f"| fractures | {' | '.join(str(part[years]['events']) for years in HORIZONS)} | |"
        yield f"| oracle | {' | '.join(_interval(part[years]['oracle']) for years in HORIZONS)} | 1 |"
        for name in part["10"]["models"]:
            cells = " | ".join(_interval(part[years]["models"][name]) for years in HORIZONS)
            yield f"| `{name}` | {cells} | {part['10']['over_oracle'][name]['value']:.3f} |"
    attainable = figures["test"]["attainable"]
    yield ""
    yield "The same features with the large training cohort (attainable), large test draw:"
    yield ""
    yield f"| model | {' | '.join(f'{years} y' for years in HORIZONS)} | ours over it, 10 y |"
    yield "|---|---|---|---|---|---|"
    for name, ratios in figures["test"]["over_attainable"].items():
        cells = " | ".join(f"{attainable[years]['models'][name]['value']:.3f}" for years in HORIZONS)
        yield f"| `{name}` | {cells} | {_interval(ratios['10'], 4)} |"


def _ladder(figures: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Each step of the ladder, 10 years, large test draw"
    yield ""
    yield (
        "Paired DeLong tests. The power is for the difference that the large training cohort shows to be "
        "there; where "
        "that is not known (comparators), for the one found. A claim needs an interval without 0 and 80 % "
        "power."
    )
    yield ""
    yield "| first | second | subjects | AUC | difference (95 %) | power | claim |"
    yield "|---|---|---|---|---|---|---|"
    for step in figures["test"]["ordering"]:
        found = step["difference"]
        yield (
            f"| {step['first']} | {step['second']} | {step['subjects']:,} | {step['auc_first']:.3f} / "
            f"{step['auc_second']:.3f} | {found['value']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f}) "
            f"| {100 * step['power']:.0f} % for {step['assumed_difference']:+.4f} | "
            f"{_verdict(step['claim'])} |"
        )


def _calibration(figures: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Calibration"
    yield ""
    yield "| cohort | model | years | observed % | expected % | O:E (95 %) | slope (95 %) | ICI % |"
    yield "|---|---|---|---|---|---|---|---|"
    for key, title in (("internal", "internal"), ("test", "large draw")):
        for name, by_horizon in figures[key]["calibration"].items():
            for years, row in by_horizon.items():
                slope = _interval(row["slope"], 2) if row["slope"] else "–"
                ici = f"{100 * row['ici']:.2f}" if row["ici"] is not None else "–"
                yield (
                    f"| {title} | `{name}` | {years} | {100 * row['observed']:.2f} | "
                    f"{100 * row['expected']:.2f} "
                    f"| {_interval(row['observed_to_expected'], 2)} | {slope} | {ici} |"
                )
    yield ""
    ratios, slopes = (
        "/".join(f"{row[what]['value']:.3f}" for row in figures["test"]["attainable_calibration"].values())
        for what in ("observed_to_expected", "slope")
    )
    events = figures["training"]["case_mix"]["events"]
    yield (
        f"The same features with the large training cohort: O:E {ratios}, slope {slopes}. That is what the "
        "form of the model costs; the rest is the training cohort's own chance: with its "
        + ", ".join(f"{count} fractures in {years} y" for years, count in events.items())
        + " it knows their level to "
        + ", ".join(f"± {196 / max(count, 1) ** 0.5:.0f} %" for count in events.values())
        + " (95 %), whatever the test draw."
    )


def _externals(figures: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## External cohorts"
    yield ""
    yield (
        "`external-population`: another population, the same scanner. `external-scanner`: an older, sicker "
        "hospital population under a scanner of other pixels, blur, dose and scale. AUCs depend on who is "
        "in a "
        "cohort: each has its own oracle."
    )
    yield ""
    yield (
        "| cohort | subjects | fractures | model | AUC 10 y | of its oracle | O:E 1/3/5/10 y before | after, "
        "cross-fitted |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, both in figures["external"].items():
        for kind, part in both.items():
            for model, horizons in part["recalibration"].items():
                auc = part["discrimination"]["10"]["models"][model]
                before, after = (
                    "/".join(
                        f"{horizons[years][when]['value']:.2f}" if years in horizons else "–"
                        for years in HORIZONS
                    )
                    for when in ("before", "after")
                )
                yield (
                    f"| {name}, {kind} | {part['case_mix']['subjects']:,} | "
                    f"{part['case_mix']['fractures_10y']} "
                    f"| `{model}` | {_interval(auc)} "
                    f"| {part['discrimination']['10']['over_oracle'][model]['value']:.3f} | {before} | "
                    f"{after} |"
                )


def _subgroups(figures: Mapping[str, Any]) -> Iterator[str]:
    for model, variables in figures["test"]["subgroups"].items():
        yield ""
        yield f"## Subgroups, `{model}`, 10 years, large test draw"
        yield ""
        yield "| variable | group | subjects | fractures | AUC (95 %) | O:E (95 %) |"
        yield "|---|---|---|---|---|---|"
        for variable in variables:
            for level in variable["levels"]:
                auc = _interval(level["auc"]) if level["auc"] else "–"
                ratio = level["observed_to_expected"]
                yield (
                    f"| {variable['variable']} | {level['level']} | {level['subjects']:,} | "
                    f"{level['fractures']} "
                    f"| {auc} | {_interval(ratio, 2) if ratio else '–'} |"
                )
    yield ""
    yield (
        "The AUC within a group says how well its own members are ordered; age groups hold people of like "
        "risk, so "
        "theirs is lower by nature."
    )


def _realism(figures: Mapping[str, Any]) -> Iterator[str]:
    models = figures["test"]["discrimination"]["10"]["models"]
    yield ""
    yield "## Published figures beside simulated ones"
    yield ""
    yield "| published | AUC | simulated, comparable inputs | AUC 10 y |"
    yield "|---|---|---|---|"
    for study, published, name in PUBLISHED:
        yield f"| {study} | {published} | `{name}` | {models[name]['value']:.3f} |"


def _limits() -> Sequence[str]:
    return (
        "",
        "## What this cannot show",
        "",
        "- Whether any model predicts fractures of patients: the same simulator made training and test "
        "cohorts. A site "
        "must recalibrate and validate on its own follow-up first "
        "([evaluation-how-to.md](evaluation-how-to.md)).",
        "- The large draws rest on the emulator; how well it stands in for scans is measured in "
        "[cohort.md](cohort.md).",
        "- Hazards are log-linear in the simulator: that a log-linear model comes close to the limit is no "
        "evidence "
        "that it would in people.",
    )


def _interval(estimate: Mapping[str, float], decimals: int = 3) -> str:
    return (
        f"{estimate['value']:.{decimals}f} ({estimate['low']:.{decimals}f}–{estimate['high']:.{decimals}f})"
    )
