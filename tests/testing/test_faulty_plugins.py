"""The published checks pass sound plug-ins and fail faulty ones, by the right check."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import avadclip.testing.sinks
import avadclip.testing.systems
from avadclip.errors import ConfigError, WeightsError
from avadclip.testing import check_encoder, check_sink, check_system

Install = Callable[..., None]


def source(kind: str) -> str:
    return Path(__file__).with_name(f"faulty_{kind}.py").read_text()


def failed_checks(group: ExceptionGroup) -> set[str]:
    return {note.partition(": ")[2] for failure in group.exceptions for note in failure.__notes__}


@pytest.mark.parametrize("name", ["sound", "tagging"])
def test_sound_encoders_pass(install_plugin: Install, name: str) -> None:
    install_plugin("made-up", source("encoders"), encoders={name: name})
    check_encoder(name)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("double", "features_are_finite_floats_of_the_promised_shape"),
        ("unpadded", "features_are_finite_floats_of_the_promised_shape"),
        ("undefined", "features_are_finite_floats_of_the_promised_shape"),
        ("centred", "a_snippet_does_not_depend_on_others_in_the_call"),
        ("drawn", "a_call_repeated_gives_the_same_features"),
        ("overwriting", "frames_are_not_changed"),
        ("blind", "different_frames_have_different_features"),
        ("any_size", "prepared_frames_have_one_size"),
        ("other_name", "identity_is_that_of_the_encoder"),
        ("new_every_time", "identity_is_that_of_the_encoder"),
        ("descending", "attributes_have_their_types"),
        ("reads_twice", "a_live_stream_gives_the_promised_features"),
        ("of_the_batch", "batches_of_windows_change_nothing"),
        ("needs_windows", "a_recording_without_windows_has_no_features"),
        ("one_stream", "two_live_streams_are_independent"),
        ("wide_tags", "tags_fit_and_do_not_depend_on_other_windows"),
        ("unknown_default", "default_sounds_are_known"),
        ("always_loud", "sound_can_be_left_out"),
    ],
)
def test_faulty_encoders_fail(install_plugin: Install, name: str, check: str) -> None:
    install_plugin("made-up", source("encoders"), encoders={name: name})
    with pytest.raises(ExceptionGroup) as failed:
        check_encoder(name)
    assert check in failed_checks(failed.value)


@pytest.mark.parametrize(
    ("name", "error", "line"),
    [
        ("returns_none", ConfigError, "returns a NoneType, needed avadclip.Encoders"),
        ("raises", ConfigError, r"cannot load \(FileNotFoundError: no weights here\)"),
        ("lacks_weights", WeightsError, "its weights are missing"),
        (
            "incomplete",
            ConfigError,
            "is no VisualEncoder: Incomplete lacks frame_offsets, .*, prepare, encode, identity",
        ),
    ],
)
def test_encoders_that_cannot_be_loaded_are_one_line(
    install_plugin: Install, name: str, error: type[Exception], line: str
) -> None:
    install_plugin("made-up", source("encoders"), encoders={name: name})
    with pytest.raises(error, match=line):
        check_encoder(name)


def test_a_sound_system_passes(install_plugin: Install) -> None:
    install_plugin("made-up", source("systems"), systems={"made": "Sound"})
    check_system("made")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("MeanOverPadding", "padding_and_other_bags_change_no_score"),
        ("MeanOverBags", "padding_and_other_bags_change_no_score"),
        ("OneScore", "padding_and_other_bags_change_no_score"),
        ("PaddedLoss", "padding_changes_no_loss"),
        ("ColumnOfLogits", "outputs_have_their_shapes"),
        ("TooManyClasses", "outputs_have_their_shapes"),
        ("BareTensor", "outputs_have_their_shapes"),
        ("Untrained", "every_parameter_has_a_gradient_in_some_epoch"),
        ("LossOfShortBags", "losses_are_finite_scalars_of_the_same_names"),
        ("LossPerBag", "losses_are_finite_scalars_of_the_same_names"),
        ("ChangingNames", "losses_are_finite_scalars_of_the_same_names"),
        ("Deaf", "it_reads_the_modalities_that_it_says"),
        ("Eavesdropper", "it_reads_the_modalities_that_it_says"),
        ("SharedCopy", "a_frozen_copy_scores_the_same"),
    ],
)
def test_faulty_systems_fail(install_plugin: Install, monkeypatch: pytest.MonkeyPatch, name: str, check: str) -> None:
    monkeypatch.setattr(avadclip.testing.systems.TrainingChecks, "all", lambda _: [])  # no fault of theirs, and slow
    install_plugin("made-up", source("systems"), systems={"made": name})
    with pytest.raises(ExceptionGroup) as failed:
        check_system("made")
    assert check in failed_checks(failed.value)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("Forgetful", "a_checkpoint_gives_the_same_scores"),
        ("CountsSteps", "a_resumed_training_ends_with_the_same_weights"),
        ("SharedCopy", "a_resumed_training_ends_with_the_same_weights"),
    ],
)
def test_systems_that_do_not_survive_their_training_fail(install_plugin: Install, name: str, check: str) -> None:
    install_plugin("made-up", source("systems"), systems={"made": name})
    with pytest.raises(ExceptionGroup) as failed:
        check_system("made")
    assert check in failed_checks(failed.value)


class Lines:
    """A file as receiver."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "lines", folder / "away"
        self._folder.mkdir()
        self.path = self._folder / "lines.jsonl"

    def received(self) -> list[str]:
        return [json.loads(line)["id"] for line in self.path.read_text().splitlines()] if self.path.is_file() else []

    @contextmanager
    def broken(self) -> Iterator[None]:
        self._folder.rename(self._away)
        yield
        self._away.rename(self._folder)


def check_lines(tmp_path: Path) -> None:
    lines = Lines(tmp_path)
    check_sink("made", {"path": str(lines.path)}, received=lines.received, broken=lines.broken)


def test_a_sound_sink_passes(install_plugin: Install, tmp_path: Path) -> None:
    install_plugin("made-up", source("sinks"), sinks={"made": "Sound"})
    check_lines(tmp_path)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("Careless", "nothing_is_delivered_while_the_receiver_is_broken"),
        ("Careless", "failed_messages_arrive_later_in_order"),
        ("Silent", "a_delivered_message_has_arrived"),
        ("Stubborn", "nothing_is_delivered_while_the_receiver_is_broken"),
        ("WithoutEnds", "a_delivered_message_has_arrived"),
        ("LastFirst", "failed_messages_arrive_later_in_order"),
        ("Choosy", "messages_of_all_kinds_are_taken_without_an_exception"),
        ("LeavesThread", "a_closed_sink_leaves_no_thread_and_opens_again"),
        ("OpensOnce", "a_closed_sink_leaves_no_thread_and_opens_again"),
        ("TakesAnything", "unknown_settings_are_refused"),
    ],
)
def test_faulty_sinks_fail(
    install_plugin: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, check: str
) -> None:
    monkeypatch.setattr(avadclip.testing.sinks, "PATIENCE_SECONDS", 0.7)
    monkeypatch.setattr(avadclip.testing.sinks, "STOP_SECONDS", 0.5)
    install_plugin("made-up", source("sinks"), sinks={"made": name})
    try:
        with pytest.raises(ExceptionGroup) as failed:
            check_lines(tmp_path)
    finally:
        import made_up

        for event in made_up.LeavesThread.left:
            event.set()
    assert check in failed_checks(failed.value)


def test_a_sink_that_cannot_be_opened_is_one_line(install_plugin: Install, tmp_path: Path) -> None:
    install_plugin("made-up", source("sinks"), sinks={"made": "CannotOpen"})
    with pytest.raises(ConfigError, match=r"`made` .* of made-up 1.0 .* cannot be opened \(KeyError: 'token'\)"):
        check_lines(tmp_path)
