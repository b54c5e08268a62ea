"""Faces in photographs: detected, aligned to the ArcFace template. NumPy and OpenCV only, no TensorFlow.

>>> from seesaw_keras.faces import align, main_face, open_detector
>>> detector = open_detector("face_detection_yunet_2023mar.onnx")
>>> faces = detector.detect(photograph)
>>> crop = align(photograph, faces[main_face(faces, photograph.shape)].landmarks)
"""

from seesaw_keras.faces.alignment import TEMPLATE, align, similarity_transform, template, warp
from seesaw_keras.faces.cascades import CascadeDetector
from seesaw_keras.faces.detection import Face, FaceDetector, main_face, open_detector
from seesaw_keras.faces.photographs import AlignmentRun, Finding
from seesaw_keras.faces.sheet import contact_sheet
from seesaw_keras.faces.yunet import YuNetDetector

__all__ = [
    "TEMPLATE",
    "AlignmentRun",
    "CascadeDetector",
    "Face",
    "FaceDetector",
    "Finding",
    "YuNetDetector",
    "align",
    "contact_sheet",
    "main_face",
    "open_detector",
    "similarity_transform",
    "template",
    "warp",
]
