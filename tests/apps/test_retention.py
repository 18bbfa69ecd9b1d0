"""The clock of retention: a machine's clock that is wrong for a while deletes nothing."""

from types import SimpleNamespace

import pytest

from avadclip.apps import retention
from avadclip.apps.retention import MAX_STEP_SECONDS, RetentionClock

HOUR, DAY = 3600.0, 86400.0
BEGIN = 1_800_000_000.0


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.wall, self.running = BEGIN, 0.0

    def run(self, seconds: float, clock: RetentionClock) -> None:
        """Let time pass, with a look at the clock every ten minutes."""
        for _ in range(round(seconds / 600)):
            self.wall, self.running = self.wall + 600, self.running + 600
            clock.now()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    clocks = SimpleNamespace(time=lambda: machine.wall, monotonic=lambda: machine.running)
    monkeypatch.setattr(retention, "time", clocks)
    return machine


def test_it_goes_as_the_machine_does(machine: Machine) -> None:
    clock = RetentionClock(BEGIN)
    machine.run(30 * DAY, clock)
    assert clock.now() == machine.wall == BEGIN + 30 * DAY


@pytest.mark.parametrize("jump", [DAY, 40 * DAY, 4000 * DAY])
def test_a_jump_is_believed_a_day_an_hour(machine: Machine, jump: float) -> None:
    clock = RetentionClock(BEGIN)
    machine.wall += jump
    assert clock.now() == BEGIN
    machine.run(HOUR / 2, clock)
    assert clock.now() == BEGIN + DAY / 2
    machine.run(jump / 20, clock)
    assert clock.now() == machine.wall


def test_a_jump_that_is_corrected_leaves_nothing_behind(machine: Machine) -> None:
    clock = RetentionClock(BEGIN)
    machine.wall += 40 * DAY
    machine.run(HOUR, clock)
    machine.wall -= 40 * DAY
    assert clock.now() == machine.wall == BEGIN + HOUR


def test_a_clock_that_was_wrong_when_the_data_were_new_is_not_believed_again(machine: Machine) -> None:
    clock = RetentionClock(BEGIN + 40 * DAY)
    machine.run(HOUR, clock)
    machine.wall += 40 * DAY
    assert clock.now() == BEGIN + HOUR


def test_a_restart_neither_adds_to_a_jump_nor_forgets_it(machine: Machine) -> None:
    clock = RetentionClock(BEGIN)
    machine.wall += 40 * DAY
    for number in range(10):
        clock = RetentionClock(clock.seen_until)
        assert clock.now() == BEGIN + number * 600 * 24
        machine.run(600, clock)


def test_a_machine_that_starts_in_1970_believes_the_right_time_at_once(machine: Machine) -> None:
    machine.wall = 0.0
    clock = RetentionClock(BEGIN)
    machine.run(HOUR, clock)
    assert clock.now() == HOUR
    machine.wall = BEGIN + HOUR
    assert clock.now() == BEGIN


def test_time_asleep_is_not_time_spent_running(machine: Machine) -> None:
    clock = RetentionClock(BEGIN)
    machine.wall, machine.running = machine.wall + 40 * DAY, machine.running + 40 * DAY
    assert clock.now() == BEGIN + 24 * MAX_STEP_SECONDS
