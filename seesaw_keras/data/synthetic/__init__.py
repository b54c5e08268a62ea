"""Synthetic faces: people who do not exist, drawn by NumPy and OpenCV, in as many pictures as wanted.

>>> from seesaw_keras.data.synthetic import synthetic_face
>>> synthetic_face(identity=3, image=0).shape
(112, 112, 3)
"""

from seesaw_keras.data.synthetic.render import synthetic_face
from seesaw_keras.data.synthetic.source import SyntheticFaces, synthetic_pairs

__all__ = ["SyntheticFaces", "synthetic_face", "synthetic_pairs"]
