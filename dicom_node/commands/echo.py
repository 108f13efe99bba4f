"""``dicom-node echo [PEER]``: C-ECHO to one peer, or try out the configured destinations of any type."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

from dicom_node.commands.options import add_config_option, load_config, spelled_peer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "peer",
        nargs="?",
        metavar="PEER",
        help="a [[destination]]'s name, or AE@host:port; default: every destination",
    )
    parser.add_argument("--calling-ae-title", metavar="AE", help="AE title to call with; default: the node's")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.network.destinations import verify
    from dicom_node.network.sender import echo

    if options.peer and "@" in options.peer:
        peer, waits = spelled_peer(options.peer)
        calling = options.calling_ae_title or load_config(options).node.ae_title

        def answer() -> str:
            echo(peer, calling_ae_title=calling, timeouts=waits)
            return f"{peer} answers C-ECHO"

        return 0 if _answers(answer) else 1
    config = load_config(options)
    destinations = [config.destination(options.peer)] if options.peer else config.destinations
    if not destinations:
        print(
            "no [[destination]] is configured; name a peer as AE@host:port, or add one to the configuration"
        )
        return 1
    calling = options.calling_ae_title or config.node.ae_title
    answers = [
        _answers(partial(verify, destination, config.delivery, calling_ae_title=calling))
        for destination in destinations
    ]
    return 0 if all(answers) else 1


def _answers(answer: Callable[[], str]) -> bool:
    from dicom_node.errors import DeliveryError

    started = time.monotonic()
    try:
        said = answer()
    except DeliveryError as error:
        print(f"fail  {error}")
        return False
    print(f"ok    {said} ({time.monotonic() - started:.2f} s)")
    return True
