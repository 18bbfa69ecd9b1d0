"""The clock that retention goes by: a wrong clock of the machine must not delete anything."""

import time

PACE = 24.0  # a day is believed per hour of running
MAX_STEP_SECONDS = 1200.0  # between two readings; the rest was not spent running, whatever the machine's counter says
OLDEST_BELIEVED = 1_735_689_600.0  # 2025; a machine without a clock of its own starts in 1970


class RetentionClock:
    """A clock that follows the machine's forward by at most `PACE` while the program runs, and backward at once.

    After a jump of 40 days, or after 40 days without running, it takes 40 hours of running to catch up.

    Args:
        seen_until: Unix time at which an earlier clock of the same data stopped.
    """

    def __init__(self, seen_until: float) -> None:
        self.seen_until = seen_until
        """Unix time to keep for the next clock."""
        self._last_reading = time.monotonic()

    def now(self) -> float:
        """Unix time, the machine's or an earlier one."""
        reading, machine = time.monotonic(), time.time()
        running_seconds = min(reading - self._last_reading, MAX_STEP_SECONDS)
        self._last_reading = reading
        if machine < OLDEST_BELIEVED:
            return machine
        self.seen_until = min(machine, self.seen_until + PACE * running_seconds)
        return self.seen_until
