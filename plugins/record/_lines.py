"""Lines into a file, by a thread of its own. No plugin itself."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from queue import SimpleQueue

log = logging.getLogger("vestnik.jsonl")
_MOST = 10_000  # lines that may wait for the disk
_STOP_WITHIN = 2.0  # seconds


class Writer:
    """Appends to one file. `put` never waits and never raises; `close` waits for what is left."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # the working folder may change before the thread comes to it
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._file: int | None = None
        self._torn = False  # half a line stands at the end
        self._troubled = False  # the log knows already

    def put(self, line: bytes) -> None:
        if self._lines.qsize() >= _MOST:
            self._trouble("the disk does not keep up")
            return
        with self._lock:
            self._lines.put(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"lines of {self.path.name}", daemon=True)
                self._thread.start()

    def close(self) -> None:
        with self._lock:
            thread = self._thread
            self._lines.put(None)
        if thread is not None:
            thread.join(_STOP_WITHIN)

    def _work(self) -> None:
        while True:
            line = self._lines.get()
            if line is not None:
                self._write(line + b"\n")
                continue
            with self._lock:
                if self._lines.empty():
                    self._thread = None
                    break
        self._let_go()

    def _write(self, line: bytes) -> None:
        """In one piece where the system takes it so: several processes may share the file."""
        rest = memoryview(b"\n" + line if self._torn else line)
        whole = len(rest)
        try:
            file = self._current()
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError as error:
            self._torn = self._torn or len(rest) < whole
            self._trouble(error.strerror or type(error).__name__)
            self._let_go()
        else:
            self._torn = self._troubled = False

    def _current(self) -> int:
        """The file of this name: one that was moved away, or deleted, is not written to any more."""
        if self._file is not None:
            try:
                there, open_ = self.path.stat(), os.fstat(self._file)
                if (there.st_dev, there.st_ino) == (open_.st_dev, open_.st_ino):
                    return self._file
            except FileNotFoundError:
                pass
            self._let_go()
            self._torn = False
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _trouble(self, why: str) -> None:
        if not self._troubled:
            self._troubled = True
            log.warning("path=%s outcome=lost reason=%s; lines are lost until it can be written again", self.path, why)
