"""Face gallery: enroll people by name from photographs and videos, and identify them in others.

    seesaw gallery enroll   --gallery people.gallery --model phone.tflite people
    seesaw gallery enroll   --gallery people.gallery --model phone.tflite --name "Ada Lovelace" ada.jpg ada.mp4
    seesaw gallery identify --gallery people.gallery --model phone.tflite --k 3 photographs door.mp4
    seesaw gallery list     --gallery people.gallery
    seesaw gallery remove   --gallery people.gallery "Ada Lovelace"
    seesaw gallery export   --gallery people.gallery --out people.npz

`enroll` takes a folder with one sub-folder per person or, with --name, files and folders that show one person. It uses
the main face of each photograph, and of a video one frame every --every seconds. Each photograph is stored separately:
repeat the command to resume an interrupted run; enrolled photographs are skipped. `identify` prints one line per
candidate: file, name, similarity, and whether it reaches the threshold. `remove` permanently deletes a person from the
file, but not from exported copies. Embeddings are biometric data: protect the file like passwords.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.embedder_flags import define_embedder_flags, embedder_from_flags
from seesaw_keras.data.formats.image_files import natural_key, printable
from seesaw_keras.data.images import IMAGE_SUFFIXES
from seesaw_keras.faces.embedder import Photograph
from seesaw_keras.faces.face_gallery import Gallery, checked_name
from seesaw_keras.faces.gallery_file import GalleryError, GalleryFile
from seesaw_keras.faces.video import VIDEO_SUFFIXES, frames
from seesaw_keras.files import replacing

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("gallery", None, "Gallery file; `enroll` creates it for a single --model.", required=True)
define_embedder_flags(FLAGS)
FLAGS.DEFINE_string("name", None, "enroll: name of the person in all the files.")
FLAGS.DEFINE_float("every", 1.0, "Seconds between the sampled frames of a video.", 0.0)
FLAGS.DEFINE_integer("k", 1, "identify: number of candidates.", 1)
FLAGS.DEFINE_string("out", None, "export: .npz file to write, with `embeddings` and `names`.")


def listed(path: Path) -> list[Path]:
    """Returns [path] for a file; for a folder, all photographs and videos below it in natural order."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob("*") if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    files = [file for file in found if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and file.is_file()]
    if not files:
        raise ValueError(f"{path}: no photographs or videos in it")
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


def by_person(paths: list[str]) -> list[tuple[str, Path]]:
    """Returns (name, file) of every file to enroll."""
    found = []
    for root in map(Path, paths):
        files = listed(root)
        if FLAGS.name is None:
            require_folders_of_people(root, files)
        found += [(checked_name(printable(FLAGS.name or file.parent.name)), file) for file in files]
    return found


def require_folders_of_people(root: Path, files: list[Path]) -> None:
    """Raises a ValueError if the files are not in one sub-folder per person."""
    for file in files:
        if file in (root, root / file.name):
            raise ValueError(
                f"{file}: the person's name is unknown; move the file to a folder of that name, or set --name"
            )
    above = sorted({file.parent.parent for file in files})
    if len(above) > 1:
        raise ValueError(
            f"{root}: ambiguous: the folders in {above[0]} and those in {above[1]} could be people; give one of them"
        )


def pictures(file: Path) -> Iterator[tuple[str, Photograph]]:
    """Yields (label, image) of the photograph, or of each sampled frame of the video."""
    if file.suffix.lower() not in VIDEO_SUFFIXES:
        yield printable(str(file)), file
        return
    for seconds, image in tqdm(frames(file, every=FLAGS.every), unit="picture", leave=False, disable=None):
        yield f"{printable(str(file))} at {seconds:.1f} s", image


def attempts(file: Path, work: Callable[[Photograph], Any]) -> Iterator[tuple[str, Any, str]]:
    """Yields (label, result of `work`, error message) for each image; the message is empty on success."""
    try:
        for label, image in pictures(file):
            try:
                yield label, work(image), ""
            except GalleryError:  # affects all images
                raise
            except ValueError as error:
                yield label, None, str(error).removeprefix(f"{label}: ").removeprefix("image 0: ")
    except GalleryError:
        raise
    except ValueError as error:  # the video cannot be read
        yield printable(str(file)), None, str(error)


def enroll(paths: list[str]) -> None:
    """Enrolls people and prints a summary."""
    todo = by_person(paths)
    counts = Counter[str]()
    with Gallery(FLAGS.gallery, embedder_from_flags(FLAGS)) as gallery:
        for name, file in tqdm(todo, unit="file", disable=None):
            for label, added, problem in attempts(file, partial(gallery.enroll, name)):
                counts["not enrolled" if problem else "added" if added else "there already"] += 1
                if problem:
                    tqdm.write(f"not enrolled: {label}: {problem}")
        people = len(gallery.people())
    faces = ", ".join(f"{counts[kind]:,} {kind}" for kind in ("added", "there already", "not enrolled"))
    print(f"{FLAGS.gallery}: {people:,} people; faces: {faces}")
    if not counts["added"] + counts["there already"]:
        raise ValueError("nobody was enrolled")


def identify(paths: list[str]) -> None:
    """Prints the people identified in photographs and videos."""
    todo = [file for path in paths for file in listed(Path(path))]
    if not Path(FLAGS.gallery).is_file():
        raise FileNotFoundError(f"{FLAGS.gallery}: no such gallery")
    with Gallery(FLAGS.gallery, embedder_from_flags(FLAGS)) as gallery:
        for file in tqdm(todo, unit="file", disable=None):
            for label, found, problem in attempts(file, partial(gallery.identify, k=FLAGS.k)):
                if problem:
                    tqdm.write(f"{label}\t-\t-\t{problem}")
                for name, similarity, same in found or ():
                    answer = {True: "yes", False: "no", None: "no threshold"}[same]
                    tqdm.write(f"{label}\t{name}\t{similarity:.4f}\t{answer}")


def list_people(arguments: list[str]) -> None:
    """Prints each person's name and number of embeddings."""
    no_more(arguments)
    with GalleryFile(FLAGS.gallery) as file:
        people = file.people()
    for name in sorted(people, key=natural_key):
        print(f"{name}\t{people[name]}")


def remove(names: list[str]) -> None:
    """Deletes people."""
    with GalleryFile(FLAGS.gallery) as file:
        for name in names:
            count = file.remove(checked_name(name))
            print(f"{FLAGS.gallery}: {name} and {count} embeddings are deleted")


def export(arguments: list[str]) -> None:
    """Writes all embeddings and names to an .npz file."""
    no_more(arguments)
    if not FLAGS.out or not FLAGS.out.endswith(".npz"):
        raise ValueError("--out: required, a file that ends in .npz")
    with GalleryFile(FLAGS.gallery) as file:
        everything, model = file.changes(None), file.model
    with replacing(FLAGS.out) as beside:
        beside.touch(0o600)
        np.savez(
            beside, embeddings=everything.vectors, names=np.array(everything.names, str), model_sha256=model.sha256
        )
    print(f"{FLAGS.out}: {len(everything.names):,} embeddings of {len(set(everything.names)):,} people")


def no_more(arguments: list[str]) -> None:
    """Raises a ValueError if there are unexpected arguments."""
    if arguments:
        raise ValueError(f"unexpected argument {arguments[0]!r}; see --help")


COMMANDS = {"enroll": enroll, "identify": identify, "list": list_people, "remove": remove, "export": export}
OF_SOMETHING = {"enroll": "files or folders", "identify": "files or folders", "remove": "names"}


def main(arguments: list[str]) -> None:
    """Runs the command named by the first argument."""
    command, *rest = arguments or [""]
    if command not in COMMANDS:
        raise ValueError(f"unknown subcommand {command!r}: choose from {', '.join(COMMANDS)}; see --help")
    if command in OF_SOMETHING and not rest:
        raise ValueError(f"{command} requires {OF_SOMETHING[command]}; see --help")
    COMMANDS[command](rest)


run = Command(main, FLAGS, positional=True)
