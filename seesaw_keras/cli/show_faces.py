"""Draws a contact sheet of a data set: one row per identity, one column per image.

    seesaw show_faces --out sheet.png
    seesaw show_faces --data faces_emore --identities 20 --images 12 --out sheet.png

With `--views` it shows the effect of `--set teacher_views=` and `--set degrade=` of `seesaw train`: the first image of
each identity, its views as given to the teacher, and below them the degraded views as given to the student:

    seesaw show_faces --data faces_emore --identities 5 --views 8 --out views.png

Without `--data` it shows the built-in demo data, synthetic faces.
"""

import cv2

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.records import Source
from seesaw_keras.data.sources import open_source
from seesaw_keras.data.synthetic import SyntheticFaces
from seesaw_keras.data.views import Views
from seesaw_keras.files import replacing
from seesaw_keras.reports.pictures.face_sheets import face_sheet, view_sheet

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string(
    "data",
    None,
    "Data set: .rec, .tfrecord, .csv, .zip, or a folder of these or of identity/image. Default: synthetic faces.",
)
FLAGS.DEFINE_string("out", "sheet.png", "PNG file to write.")
FLAGS.DEFINE_integer("identities", 10, "Rows: the first identities of the data set.", lower_bound=1)
FLAGS.DEFINE_integer("images", 10, "Columns: the first images of each identity.", lower_bound=1)
FLAGS.DEFINE_integer(
    "views", 0, "Columns: augmented views of the first image of each identity. 0: show its images.", lower_bound=0
)
FLAGS.DEFINE_integer("size", 112, "Side length of each image on the sheet in pixels.", lower_bound=16, upper_bound=1024)
FLAGS.DEFINE_integer("seed", 0, "Seed of the synthetic identities.", lower_bound=0)


def main() -> None:
    """Draws the sheet and writes it."""
    if not FLAGS.out.lower().endswith(".png"):
        raise ValueError(f"--out {FLAGS.out!r} must end in .png")
    source: Source
    if FLAGS.data is None:
        source = SyntheticFaces(FLAGS.identities, FLAGS.images, size=FLAGS.size, seed=FLAGS.seed)
    else:
        source = open_source(FLAGS.data)
    if FLAGS.views:
        sheet = view_sheet(source, images=FLAGS.identities, views=Views(FLAGS.views), size=FLAGS.size)
    else:
        sheet = face_sheet(source, identities=FLAGS.identities, images=FLAGS.images, size=FLAGS.size)
    _, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    with replacing(FLAGS.out) as beside:
        beside.write_bytes(png.tobytes())
    print(f"{FLAGS.out}: {sheet.shape[1]} x {sheet.shape[0]} pixels, {FLAGS.data or 'synthetic faces'}")


run = Command(main, FLAGS)
