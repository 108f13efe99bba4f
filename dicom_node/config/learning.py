"""``[learning]``: when the site's own outcomes are learnt from."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_node.config.delivering import legal_hours
from dicom_node.settings import between, must

__all__ = ["LearningSettings"]


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """``[learning]``: when challengers are trained, and from how much.

    Attributes
    ----------
    hours : str
        Hours of the day (UTC) in which a run may start by itself, e.g. ``"19:00-05:00"``.
    minimum_new_fractures : int
        Fractures told since the last run before another one starts by itself.
    minimum_fractures : int
        Of the patients that are trained on; fewer, and the run declines. Level and slope are fitted from then
        on.
    minimum_fractures_to_refit : int
        From so many on, all coefficients are fitted anew as well, and the better one of the two is kept.
    minimum_held_out_fractures : int
        Of the held-out patients, within the horizon at which champion and challenger are compared.
    held_out_share : float
        Of patients that are never trained on; what it is at the first run counts for good.
    window_years : float
        Only patients first scanned in the last so many years are learnt from and compared on; 0 = all.
    followed_up_days : float
        Every fracture and death comes to the journal within so many days, so that a patient of whom nothing
        was told has had none until then. 0 = not so: follow-up ends with what was last told of the patient.
    """

    enabled: bool = False
    hours: str = field(default="19:00-05:00", metadata=must(legal_hours))
    minimum_new_fractures: int = field(default=30, metadata=must(between(1)))
    minimum_fractures: int = field(default=50, metadata=must(between(30)))
    minimum_fractures_to_refit: int = field(default=200, metadata=must(between(40)))
    minimum_held_out_fractures: int = field(default=20, metadata=must(between(10)))
    held_out_share: float = field(default=0.3, metadata=must(between(0.1, 0.9)))
    window_years: float = field(default=0.0, metadata=must(between(0, 50)))
    followed_up_days: float = field(default=0.0, metadata=must(between(0, 3650)))
