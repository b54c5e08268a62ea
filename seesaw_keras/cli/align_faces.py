"""Detects faces in photographs and writes crops aligned to the 112x112 ArcFace template.

    seesaw align_faces --photographs=people --output=people_aligned --yunet=face_detection_yunet_2023mar.onnx

The output keeps the folders and file names of the photographs, so `identity/image` stays `identity/image`. It also
contains contact_sheet.png, an overview of the detections; faces.jsonl, one line per photograph with boxes, landmarks
and scores; and not_found.csv, the photographs that are unreadable or without a face. Repeat the command to resume an
interrupted run.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.formats.image_files import printable
from seesaw_keras.faces import AlignmentRun, Finding, open_detector
from seesaw_keras.faces.photographs import SHEET_FILE
from seesaw_keras.files import replacing
from seesaw_keras.reports.pictures.alignment_sheet import contact_sheet

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("photographs", None, "Folder of photographs, .zip archive or image file.", required=True)
FLAGS.DEFINE_string("output", None, "Output folder, outside the folder of photographs.", required=True)
FLAGS.DEFINE_string(
    "yunet",
    None,
    "YuNet model (face_detection_yunet_2023mar.onnx from OpenCV's model zoo): five landmarks; detects small and turned "
    "faces. Default: OpenCV's built-in cascades, which detect frontal faces by their eyes.",
)
FLAGS.DEFINE_bool(
    "all_faces",
    False,
    "Write all faces of a photograph, additional ones as name.face2.jpg, instead of only the large central one.",
)
FLAGS.DEFINE_integer("size", 112, "Side length of the crops in pixels.", lower_bound=1)


def main() -> None:
    """Aligns the photographs and prints a summary."""
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
    """Writes a CSV file with the columns photograph and problem."""
    with replacing(file) as path, path.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["photograph", "problem"])
        writer.writerows([printable(finding.name), printable(finding.problem or "")] for finding in findings)


run = Command(main, FLAGS)
