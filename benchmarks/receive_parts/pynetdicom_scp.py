"""Two receivers as they are commonly written with pynetdicom: the peers of the benchmark.

    python pynetdicom_scp.py {naive,durable} PORT FOLDER

naive: ``event.dataset`` and ``save_as``, everything else at its default. durable: the encoded data set
written and fsynced, a row in SQLite (WAL, synchronous = FULL), then 0x0000. Both with the two limits lifted
that would keep 16 associations out: 10 associations, and a listen backlog of 5.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.transport import ThreadedAssociationServer


class _Server(ThreadedAssociationServer):
    request_queue_size = 128


def main() -> None:
    kind, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    ae = AE(ae_title="PYNETDICOM")
    ae.maximum_associations = 100
    ae.supported_contexts = AllStoragePresentationContexts
    store = _naive(folder) if kind == "naive" else _durable(folder)
    server = ae.make_server(
        ("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)], server_class=_Server
    )
    ae._servers.append(server)
    print("ready", flush=True)
    server.serve_forever()


def _naive(folder: Path) -> object:
    def store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
        return 0x0000

    return store


def _durable(folder: Path) -> object:
    connection = sqlite3.connect(folder / "index.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE instances (uid TEXT PRIMARY KEY, path TEXT NOT NULL)")
    lock = threading.Lock()

    def store(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        path = folder / f"{uid}.dcm"
        making = folder / f"{uid}.part"
        with making.open("wb") as file:
            file.write(event.encoded_dataset())
            file.flush()
            os.fsync(file.fileno())
        making.rename(path)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        with lock:
            connection.execute("INSERT INTO instances VALUES (?, ?)", (uid, str(path)))
        return 0x0000

    return store


if __name__ == "__main__":
    main()
