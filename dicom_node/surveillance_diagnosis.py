"""What `doctor` says of surveillance: whether drift can be measured."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError

__all__ = ["check_surveillance"]


def check_surveillance(config: NodeConfig) -> Iterator[Finding]:
    """Check that the models in force have their training reference."""
    if not config.surveillance.enabled:
        yield Finding(
            Level.WARN,
            "surveillance",
            "[surveillance] enabled = false: nobody is told when a model goes wrong",
        )
        return
    from analysis.risk.versions import list_versions
    from analysis.surveillance import references_of

    directory = config.analysis.models
    try:
        known = references_of(directory)
        active = [version for version in list_versions(directory) if version.active]
    except ConfigurationError as error:
        yield Finding(Level.FAIL, "surveillance", str(error))
        return
    without = [version.name for version in active if (version.name, version.version) not in known]
    if without:
        yield Finding(
            Level.WARN,
            "surveillance",
            f"no training reference for {', '.join(without)}: drift is not measured; add it with dicom-node "
            "surveillance reference, from the cohort they were trained on",
        )
    else:
        yield Finding(
            Level.OK, "surveillance", f"{len(active)} models in force have their training reference"
        )
