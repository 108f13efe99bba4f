"""``dicom-node echo [PEER]``: C-ECHO to one peer, or to every configured destination."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, find_peer, load_config

if TYPE_CHECKING:
    from dicom_node.network.sender import Peer, Timeouts


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
    from dicom_node.network.sender import Peer, Timeouts

    if options.peer:
        peer, waits = find_peer(options.peer, options)
        calling = options.calling_ae_title or load_config(options).node.ae_title
        return 0 if _echo(peer, calling, waits) else 1
    config = load_config(options)
    if not config.destinations:
        print(
            "no [[destination]] is configured; name a peer as AE@host:port, or add one to the configuration"
        )
        return 1
    calling = options.calling_ae_title or config.node.ae_title
    waits = Timeouts.of(config.delivery)
    answers = [_echo(Peer.of(destination), calling, waits) for destination in config.destinations]
    return 0 if all(answers) else 1


def _echo(peer: Peer, calling_ae_title: str, waits: Timeouts) -> bool:
    from dicom_node.errors import DeliveryError
    from dicom_node.network.sender import echo

    started = time.monotonic()
    try:
        echo(peer, calling_ae_title=calling_ae_title, timeouts=waits)
    except DeliveryError as error:
        print(f"fail  {error}")
        return False
    print(f"ok    {peer} answers in {time.monotonic() - started:.2f} s")
    return True
