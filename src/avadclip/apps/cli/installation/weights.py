"""`avadclip weights`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avadclip.apps.cli.terminal.console import error, exit_code, report_success
from avadclip.errors import AvadclipError
from avadclip.report.words import printable

if TYPE_CHECKING:
    from avadclip.encoders.onnx.manifest import EncoderManifest

RELEASED_NAME = "avadclip-xd"
GETTABLE = ("yamnet", "clip", "wav2clip", RELEASED_NAME)
RELEASED_FILE = "avadclip-released-xd.safetensors"

weights_app = typer.Typer(no_args_is_help=True, epilog="Example: avadclip weights list")


@weights_app.callback()
def weights() -> None:
    """List, download, describe and convert the weights of models and encoders."""


@weights_app.command(epilog="Example: avadclip weights show starter")
def show(
    model: Annotated[
        str,
        typer.Argument(help="A checkpoint file, `starter`, `avadclip-xd` or hf://OWNER/NAME; or `yamnet`: its sounds."),
    ] = "starter",
) -> None:
    """Print a checkpoint's model card: description, training data, evaluation; or the sounds that YAMNet names."""
    from avadclip.encoders.onnx.manifest import KNOWN, known_manifest

    if model in KNOWN:
        _show_sounds(known_manifest(model))
        return
    from avadclip.inference.checkpoint import read_card

    typer.echo(read_card(model).rstrip())


def _show_sounds(manifest: "EncoderManifest") -> None:
    typer.echo(f"{manifest.title}: {len(manifest.names)} sounds. {manifest.licence}\n")
    typer.echo("Sounds that raise events by default:")
    for rule in manifest.default_sounds:
        typer.echo(f"  {rule.label:<20} from {rule.threshold:g}: {'; '.join(rule.names)}")
    typer.echo("\nAll sounds:")
    for name in manifest.names:
        typer.echo(f"  {name}")


@weights_app.command("list", epilog="Example: avadclip weights list --folder models/clip")
def list_weights(
    folder: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Also search this folder.")] = None,
) -> None:
    """List all weights: source, size, licence, and where they are on this machine.

    Nothing is downloaded.
    """
    from avadclip.encoders.downloads.notice import megabytes
    from avadclip.encoders.weights import known_weights
    from avadclip.inference.published_weights.download import known_release

    for weights in [*known_weights(folder), known_release()]:
        typer.echo(f"{weights.name:<12} {weights.what_for}")
        typer.echo(f"{'':<12} {weights.source}; {megabytes(weights.num_bytes)}; {weights.licence}")
        missing = f"missing; `avadclip weights get {weights.name}`"
        typer.echo(f"{'':<12} {missing if weights.found is None else printable(str(weights.found))}")


@weights_app.command(epilog="Example: avadclip weights get yamnet")
def get(
    names: Annotated[list[str], typer.Argument(help=f"{', '.join(GETTABLE)}, hf://OWNER/NAME[@REVISION], or `all`.")],
) -> None:
    """Download weights, unless they are on this machine, and print where they are.

    Commands download what they need on first use; this does it beforehand.
    """
    from avadclip.encoders.downloads.hub_models import SCHEME, is_hub_address

    unknown = [name for name in names if name not in (*GETTABLE, "all") and not is_hub_address(name)]
    if unknown:
        raise typer.BadParameter(
            f"{unknown[0]} is unknown, needed {', '.join(GETTABLE)}, {SCHEME}OWNER/NAME, or all", param_hint="NAMES"
        )
    wanted = GETTABLE if "all" in names else tuple(dict.fromkeys(names))
    num_failed = 0
    for name in wanted:
        try:
            report_success(printable(str(_obtain(name))))
        except AvadclipError as problem:
            error(str(problem))
            num_failed += 1
    raise typer.Exit(exit_code(num_failed, len(wanted)))


def _obtain(name: str) -> Path:
    from avadclip.encoders.downloads.hub_models import is_hub_address, obtain_model, read_address

    if is_hub_address(name):
        return obtain_model(read_address(name))
    if name == RELEASED_NAME:
        from avadclip.inference.published_weights.download import obtain_release

        return obtain_release()
    from avadclip.encoders.downloads.get import obtain  # without PyTorch

    return obtain(name)


@weights_app.command(epilog="Example: avadclip weights push runs/mine/model.safetensors hf://owner/name")
def push(
    source: Annotated[Path, typer.Argument(exists=True, help="A checkpoint file, or an exported folder.")],
    address: Annotated[str, typer.Argument(help="hf://OWNER/NAME, with @BRANCH for another branch than main.")],
) -> None:
    """Share a model on the Hugging Face hub, and print the address of the commit.

    A new repository is private. Its model is replaced; its page, README.md,
    is made from the checkpoint's card where there is none. Log in beforehand by
    `hf auth login`, or set HF_TOKEN.
    """
    from avadclip.inference.sharing import push_model

    report_success(str(push_model(source, address)))


@weights_app.command(
    epilog="Example: avadclip weights convert ViT-B-16.pt --out models/clip. "
    "Or: avadclip weights convert model_xd_t.pth model_xd_s.pth --keep-encoder models/clip"
)
def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="An encoder: OpenAI's ViT-B-16.pt, Hugging Face's pytorch_model.bin, or Wav2CLIP.pt. "
            "Or the model of AVadCLIP's authors, teacher then student: model_xd_t.pth model_xd_s.pth "
            "(linked in the README of github.com/WanshunSu/AVadCLIP). "
            "Or that of another system: VadCLIP's model_xd.pth, HL-Net's wsanodet_mix2.pkl, MACIL-SD's macil_sd.pkl.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output folder for an encoder, output file for a model.",
            show_default=f"beside the source; {RELEASED_FILE}",
        ),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="For a model: folder with CLIP's tokenizer.json, and its weights if the files contain none.",
            show_default="Hugging Face's cache",
        ),
    ] = None,
    keep_encoder: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="For a model: write its CLIP encoder into this folder, for use in detection."
        ),
    ] = None,
) -> None:
    """Convert published weights to safetensors, once.

    The sources are pickles: they are read without running code from them,
    and tensor names and shapes are checked.
    """
    if len(sources) > 2:
        raise typer.BadParameter(
            f"{len(sources)} files, needed one for an encoder or two for a model", param_hint="SOURCES"
        )
    if len(sources) == 2:
        _convert_model(sources[0], sources[1], out, clip, keep_encoder)
        return
    from avadclip.inference.published_weights.systems import recognise

    system = recognise(sources[0])
    if system == "VadCLIP":
        _convert_vadclip(sources[0], out, clip, keep_encoder)
        return
    if clip is not None or keep_encoder is not None:
        raise typer.BadParameter("--clip and --keep-encoder need a model on CLIP features")
    if system is None:
        _convert_encoder(sources[0], out)
        return
    from avadclip.inference.published_weights.systems import convert_system

    out = _model_file(out, sources[0], f"avadclip-{system}.safetensors")
    convert_system(sources[0], system, out)
    _print_model(out)


def _convert_encoder(source: Path, out: Path | None) -> None:
    if out is not None and out.is_file():
        raise typer.BadParameter(f"{printable(str(out))} is a file, needed a folder", param_hint="--out")
    from avadclip.encoders.convert import convert_weights

    converted = convert_weights(source, source.parent if out is None else out)
    report_success(printable(str(converted.path)))
    if converted.note:
        typer.echo(converted.note, err=True)


def _convert_model(
    teacher: Path, student: Path, out: Path | None, clip: Path | None, keep_encoder: Path | None
) -> None:
    from avadclip.inference.published_weights.conversion import convert_released

    out = _model_file(out, teacher, RELEASED_FILE)
    convert_released(teacher, student, out, clip_folder=clip, keep_encoder=keep_encoder)
    _print_model(out)


def _convert_vadclip(source: Path, out: Path | None, clip: Path | None, keep_encoder: Path | None) -> None:
    from avadclip.inference.published_weights.conversion import convert_vadclip

    out = _model_file(out, source, "avadclip-vadclip-xd.safetensors")
    convert_vadclip(source, out, clip_folder=clip, keep_encoder=keep_encoder)
    _print_model(out)


def _model_file(out: Path | None, source: Path, name: str) -> Path:
    if out is not None and out.is_dir():
        raise typer.BadParameter(f"{printable(str(out))} is a folder, needed a file", param_hint="--out")
    return source.with_name(name) if out is None else out


def _print_model(out: Path) -> None:
    shown = printable(str(out))
    report_success(shown)
    typer.echo(
        f"accuracy and thresholds were not validated; `avadclip weights show {shown}` prints what is known",
        err=True,
    )
