"""Face detection, alignment, embedding and identification in photographs: NumPy, OpenCV and LiteRT, no TensorFlow.

>>> from seesaw_keras.faces import align, main_face, open_detector
>>> detector = open_detector("face_detection_yunet_2023mar.onnx")  # doctest: +SKIP
>>> faces = detector.detect(photograph)  # doctest: +SKIP
>>> crop = align(photograph, faces[main_face(faces, photograph.shape)].landmarks)  # doctest: +SKIP

The public names are loaded on first use.
"""

from typing import TYPE_CHECKING

from seesaw_keras import lazy

if TYPE_CHECKING:
    from seesaw_keras.faces.alignment import TEMPLATE, align, similarity_transform, template, warp
    from seesaw_keras.faces.cascades import CascadeDetector
    from seesaw_keras.faces.detection import main_face, open_detector
    from seesaw_keras.faces.embedder import FaceEmbedder, VerifyResult
    from seesaw_keras.faces.face import Face, FaceDetector
    from seesaw_keras.faces.face_gallery import Candidate, Gallery
    from seesaw_keras.faces.gallery_file import GalleryError
    from seesaw_keras.faces.photographs import AlignmentRun, Finding
    from seesaw_keras.faces.yunet import YuNetDetector

__all__ = [
    "TEMPLATE",
    "AlignmentRun",
    "Candidate",
    "CascadeDetector",
    "Face",
    "FaceDetector",
    "FaceEmbedder",
    "Finding",
    "Gallery",
    "GalleryError",
    "VerifyResult",
    "YuNetDetector",
    "align",
    "main_face",
    "open_detector",
    "similarity_transform",
    "template",
    "warp",
]

_MODULES = {
    "alignment": ("TEMPLATE", "align", "similarity_transform", "template", "warp"),
    "cascades": ("CascadeDetector",),
    "detection": ("main_face", "open_detector"),
    "embedder": ("FaceEmbedder", "VerifyResult"),
    "face": ("Face", "FaceDetector"),
    "face_gallery": ("Candidate", "Gallery"),
    "gallery_file": ("GalleryError",),
    "photographs": ("AlignmentRun", "Finding"),
    "yunet": ("YuNetDetector",),
}

__getattr__, __dir__ = lazy.attach(
    __name__, {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
)
