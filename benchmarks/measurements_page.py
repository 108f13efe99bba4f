"""What the engine measures, from the catalogues of its measuring modules: writes docs/measurements.md.

.venv/bin/python benchmarks/measurements_page.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from analysis.measurement import density_distribution, mechanics, morphometry
from analysis.measurement.catalogue import Quantity
from analysis.measurement.texture import quantities as texture

DOCS = Path(__file__).parent.parent / "docs"

INTRODUCTION = """# What is measured

*Written by `python benchmarks/measurements_page.py` from the engine's own catalogues; do not edit.*

Names are those of `dicom-node analyze --json`. Every value that has an estimate of its error carries it
under the same name in `uncertainty` (one standard deviation, same unit). A value that could not be
measured is `null` and a quality finding says why. How well each is measured stands in
[accuracy.md](accuracy.md); what a reader should make of the numbers in
[reading-the-results.md](reading-the-results.md).

## Densitometry
BMD (g/cm²), BMC (g) and area (cm²) of the ultradistal, mid, one-third and total region of the radius
(`regions`), the ulna and both together (`other_bones`), by Hologic's or Lunar's convention
(`analysis.roi_convention`). BMD is mineral inside the sub-pixel outline over the area of that outline;
mineral that blur has carried over the outline is counted in, soft tissue beside the bone is taken off.

![Regions, density and texture of one forearm](images/measured_regions.png)
"""

SECTIONS: tuple[tuple[str, str, str, Mapping[str, Quantity]], ...] = (
    (
        "Morphometry",
        "Shape of shaft and wrist. The shaft's section is a model whose projection, blurred by a width that "
        "is fitted too, follows the density profile.",
        "![Every shape measure on one forearm](images/morphometry.png)",
        morphometry.CATALOGUE,
    ),
    (
        "Mechanics",
        "A model of a fall on the outstretched hand: plane-stress finite elements on the density map. "
        "Material, depth and loads are assumptions (`[analysis.mechanics]`), for relative use only.",
        "![Strain of a strong and of a weak radius](images/strain_map.png)\n"
        "![Stiffness and strain over the side of the elements](images/mechanics_convergence.png)",
        mechanics.CATALOGUE,
    ),
    (
        "Density distribution",
        "How mineral is spread inside a region, on calibrated density.",
        "",
        density_distribution.CATALOGUE,
    ),
    (
        "Texture outside IBSI",
        "The IBSI features, families and engines stand in [texture.md](texture.md).",
        "",
        texture.CATALOGUE,
    ),
)


def main() -> None:
    (DOCS / "measurements.md").write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    for title, text, figures, catalogue in SECTIONS:
        parts += [f"## {title}", text, *([figures] if figures else []), _table(catalogue.values())]
    return "\n".join(parts) + "\n"


def _table(quantities: Iterable[Quantity]) -> str:
    rows = ["| name | unit | what | source |", "|---|---|---|---|"]
    rows += [
        f"| `{quantity.name}` | {quantity.unit} | {quantity.description} | {quantity.source} |"
        for quantity in quantities
    ]
    return "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
