"""Finds the faces in photographs and writes them aligned to the 112x112 ArcFace template.

    python tools/align_faces.py --photographs=people --output=people_aligned --yunet=face_detection_yunet_2023mar.onnx

The output keeps the folders and names of the photographs, so that `identity/image` stays `identity/image`. Beside the
crops it holds contact_sheet.png, a picture of what was found; faces.jsonl, a line a photograph with boxes, landmarks
and scores; and not_found.csv, the photographs without a face or unreadable. Stopped and started again, it goes on.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
from absl import flags
from tqdm import tqdm

from seesaw_keras import cli
from seesaw_keras.data.formats.image_files import printable
from seesaw_keras.faces import AlignmentRun, Finding, contact_sheet, open_detector
from seesaw_keras.faces.photographs import SHEET_FILE
from seesaw_keras.files import replacing

FLAGS = flags.FLAGS
flags.DEFINE_string("photographs", None, "A folder of photographs, a .zip archive, or one image file.", required=True)
flags.DEFINE_string("output", None, "The folder to write, outside of the photographs.", required=True)
flags.DEFINE_string(
    "yunet",
    None,
    "A YuNet model (face_detection_yunet_2023mar.onnx of OpenCV's model zoo): five landmarks, small and turned faces. "
    "Without it the cascades inside of OpenCV find frontal faces by their eyes.",
)
flags.DEFINE_bool(
    "all_faces",
    False,
    "Write every face of a photograph, further ones as name.face2.jpg, instead of the large central one alone.",
)
flags.DEFINE_integer("size", 112, "Side of the crops in pixels.", lower_bound=1)


def main() -> None:
    """Runs the alignment that the flags describe and prints what came of it."""
    detector = open_detector(FLAGS.yunet)
    run = AlignmentRun(FLAGS.photographs, FLAGS.output, detector, all_faces=FLAGS.all_faces, size=FLAGS.size)
    findings = list(tqdm(run, unit="photograph", smoothing=0.05))
    sheet = contact_sheet(run.photographs, findings, title=f"Faces in {Path(FLAGS.photographs).name}")
    with replacing(run.output / SHEET_FILE) as path:
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    missed = [finding for finding in findings if finding.problem]
    write_missed(missed, run.output / "not_found.csv")
    crops = sum(len(finding.crops) for finding in findings)
    print(f"{crops} faces of {len(findings) - len(missed)} photographs in {run.output}; see {SHEET_FILE}")
    if missed:
        print(f"nothing in {len(missed)} photographs; see not_found.csv")


def write_missed(findings: Sequence[Finding], file: Path) -> None:
    """Writes a CSV of photograph and problem."""
    with replacing(file) as path, path.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["photograph", "problem"])
        writer.writerows([printable(finding.name), printable(finding.problem or "")] for finding in findings)


if __name__ == "__main__":
    cli.run(main)
