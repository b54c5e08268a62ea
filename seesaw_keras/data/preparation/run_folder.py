"""Output folder of one resumable run; a run with other settings is refused.

>>> from seesaw_keras.data.preparation.run_folder import RunFolder
>>> folder = RunFolder("out", "faces_emore", {"settings": {"seed": 0}})
>>> write_table(folder.path / "a.csv", ["a", "b"], [[1, 2]])
>>> folder.finish({"counts": {"rows": 1}}, {"a.csv": sha256_of(folder.path / "a.csv")})["counts"]
{'rows': 1}

`.progress` holds intermediate results and is deleted at the end; `manifest.json` is written last and contains no dates:
the same run writes the same bytes.
"""

import csv
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seesaw_keras.files import replacing, sha256_of

__all__ = ["LEFT_OUT", "MANIFEST", "LeftOut", "RunFolder", "write_table"]

LEFT_OUT = "left_out.csv"
MANIFEST = "manifest.json"


class LeftOut(NamedTuple):
    """A line of `left_out.csv`: an image, or an identity if there is no position.

    Attributes:
        reason: undecodable, duplicate, few images or near.
        position: position of the image in the input, from 0.
        name: name of the image.
        identity: its name or label in the input.
        detail: description of the problem.
    """

    reason: str
    position: int | str
    name: str
    identity: str
    detail: str


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a CSV file atomically."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Flattens nested dictionaries; the keys are dotted paths."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {path: leaf for key, item in value.items() for path, leaf in _flat(item, f"{name}.{key}".strip(".")).items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); delete the whole output folder and start again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a JSON object; delete the whole output folder and start again")
    return content


class RunFolder:
    """The output folder of a run.

    Args:
        path: the folder; created if it does not exist.
        source: the input; the output folder must not lie inside it.
        run: description of the run, as JSON: its input and its settings.

    Attributes:
        path: the folder.
        progress: a sub-folder for intermediate results that a resumed run reuses.
        manifest: manifest of a run that finished earlier, after its files were verified; None otherwise.

    Raises:
        ValueError: if the folder lies inside `source`, holds other files or another run, or its files do not match the
            manifest.
    """

    def __init__(self, path: str | Path, source: str | Path, run: Mapping[str, Any]) -> None:
        self.path = Path(path)
        if Path(source).is_dir() and self.path.resolve().is_relative_to(Path(source).resolve()):
            raise ValueError(f"{path}: inside the input folder {source}; choose a folder outside of it")
        self.progress = self.path / ".progress"
        self._run = dict(run)
        self.manifest: dict[str, Any] | None = None
        started, manifest = self.progress / "run.json", self.path / MANIFEST
        if manifest.exists():
            self.manifest = _read(manifest)
            self._compare(self.manifest)
            self._check_files(self.manifest)
            shutil.rmtree(self.progress, ignore_errors=True)
        elif started.exists():
            self._compare(_read(started))
            for partial in self.path.rglob(".*.partial.*"):
                partial.unlink()
        else:
            if self.path.is_dir() and any(entry != self.progress for entry in self.path.iterdir()):
                raise ValueError(f"{self.path}: not empty, and not from an interrupted run; choose another folder")
            with replacing(started) as beside:
                beside.write_text(json.dumps(self._run), "utf-8")

    def _compare(self, found: Mapping[str, Any]) -> None:
        there = _flat({key: found.get(key) for key in self._run})
        asked = _flat(json.loads(json.dumps(self._run)))
        for name in [*asked, *there]:
            if asked.get(name) != there.get(name):
                raise ValueError(
                    f"{self.path}: contains a run with {name} = {there.get(name)!r}, not {asked.get(name)!r}; choose "
                    f"another folder, or delete this one to start again"
                )

    def _check_files(self, manifest: Mapping[str, Any]) -> None:
        for name, digest in manifest.get("files", {}).items():
            file = self.path / name
            if not file.is_file() or sha256_of(file) != digest:
                raise ValueError(
                    f"{file}: missing or different from {MANIFEST}; delete {self.path} and prepare the set again"
                )

    def finish(self, facts: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
        """Writes the manifest (the run, then `facts`, then the SHA-256 of `files` by name) and returns it."""
        manifest = {**self._run, **facts, "files": dict(sorted(files.items()))}
        with replacing(self.path / MANIFEST) as beside:
            beside.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
        shutil.rmtree(self.progress)
        return manifest
