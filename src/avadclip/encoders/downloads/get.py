from pathlib import Path

from avadclip.encoders.downloads.sources import WeightFiles
from avadclip.errors import WeightsError


def obtain_files(manifest: WeightFiles) -> Path:
    from avadclip.encoders.weights import cache_folder

    main = next(iter(manifest.files.values()))
    folder = cache_folder() / f"{manifest.name}-{main.sha256[:12]}"
    if not all((folder / n).is_file() for n in manifest.files):
        raise WeightsError("missing; stub")
    return folder
