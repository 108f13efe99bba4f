"""What `doctor` finds out about learning from the site's own outcomes, and about models in shadow."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError

__all__ = ["check_learning"]

LIBRARIES = ("pandas", "optuna", "sksurv", "sklearn", "matplotlib", "reportlab")
"""Of the ``training`` extra: what a learning run imports."""


def check_learning(config: NodeConfig) -> Iterator[Finding]:
    """Say what is in shadow, and whether a learning run could do its work."""
    yield from _check_shadow(config)
    if not config.learning.enabled:
        return
    from dicom_node.workflow.promotion import require_own_models

    models = config.analysis.models
    try:
        require_own_models(models)
    except ConfigurationError as error:
        yield Finding(Level.FAIL, "learning", str(error))
        return
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            Level.FAIL,
            "learning",
            f"needs {', '.join(missing)}; install the extra with pip install 'radius-dxa-node[training]'",
        )
    elif not os.access(models, os.W_OK):
        yield Finding(Level.FAIL, "learning", f"{models} cannot be written; let the node's user write it")
    elif not config.learning.followed_up_days:
        yield Finding(
            Level.WARN,
            "learning",
            "follow-up ends with what was last told of a patient; set [learning] followed_up_days if every "
            "fracture and death is told",
        )
    else:
        settings = config.learning
        yield Finding(
            Level.OK,
            "learning",
            f"from {settings.minimum_new_fractures} new fractures on, {settings.hours} UTC",
        )


def _check_shadow(config: NodeConfig) -> Iterator[Finding]:
    from analysis.risk.registry import SHADOW_FILE, load_models

    models = config.analysis.models
    if not (models / SHADOW_FILE).exists():
        return
    try:
        names = [
            f"{model.identity.name} {model.identity.version}"
            for model in load_models(models, SHADOW_FILE).models
        ]
    except ConfigurationError as error:
        yield Finding(Level.WARN, "shadow", f"{error}; until then nothing is computed in shadow")
        return
    yield Finding(Level.OK, "shadow", f"{', '.join(names)}; computed, not sent")
