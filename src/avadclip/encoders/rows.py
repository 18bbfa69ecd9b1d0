"""Growing buffer of feature rows."""

import numpy as np
from numpy.typing import NDArray

SPARE = 64  # the buffer grows by a 64th more than needed; numpy fills it with zeros, so it uses memory


class Rows:
    """Buffer that appends batches of rows in place; a list and `np.concatenate` would need twice the memory.

    Args:
        width: length of a row.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._buffer = np.empty((0, width), np.float32)
        self._num_rows = 0

    def __len__(self) -> int:
        return self._num_rows

    def append(self, batch: NDArray[np.float32]) -> None:
        """Add rows [N, width]."""
        end = self._num_rows + len(batch)
        if end > len(self._buffer):
            self._resize(end + end // SPARE)
        self._buffer[self._num_rows : end] = batch
        self._num_rows = end

    def take(self, num_rows: int | None = None) -> NDArray[np.float32]:
        """The first `num_rows` rows, or all, [T, width]; without a copy, so nothing may be appended afterwards."""
        self._resize(self._num_rows if num_rows is None else num_rows)
        return self._buffer

    def _resize(self, num_rows: int) -> None:
        # Without a check for other references: there are none before `take`.
        self._buffer.resize((num_rows, self.width), refcheck=False)
