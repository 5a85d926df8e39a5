"""Holding an operation: its lease is renewed while work goes on, and losing it stops the work."""

import threading
from types import TracebackType
from typing import Self

from imgrepl.engine import owner
from imgrepl.errors import Conflict, ImgreplError, Unavailable
from imgrepl.gallery import operations
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation


class Lease:
    """An operation that this process owns, from `with` to the end of the block.

    Claims it on entry: raises `Conflict` (`OperationBusy`) when a living owner holds it. A thread
    renews the lease at a third of its length; when the operation was taken over or cancelled
    meanwhile, `stop` is set, and `lost` says which.
    """

    def __init__(
        self,
        index: GalleryIndex,
        operation_id: OperationId,
        *,
        lease_seconds: float,
        stop: threading.Event,
    ) -> None:
        self._index = index
        self._operation_id = operation_id
        self._lease_seconds = lease_seconds
        self._stop = stop
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.lost: ImgreplError | None = None
        self.canceled = False
        self.operation: Operation

    def __enter__(self) -> Self:
        with self._index.begin() as tx:
            self.operation = operations.claim(
                tx,
                self._operation_id,
                owner.this_process(),
                self._lease_seconds,
                may_replace=owner.is_gone,
            )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def fence(self) -> int:
        """The token of this claim: writes of an older one are refused."""
        return self.operation.fence

    def _renew(self) -> None:
        while not self._done.wait(self._lease_seconds / 3):
            try:
                with self._index.begin() as tx:
                    current = operations.renew(
                        tx, self._operation_id, self.fence, self._lease_seconds
                    )
            except Conflict as error:
                self.lost = error
                self._stop.set()
                return
            except Unavailable:
                continue  # the index was busy: there are two more tries before the lease ends
            if current.cancel_requested:
                self.canceled = True
                self._stop.set()
                return
