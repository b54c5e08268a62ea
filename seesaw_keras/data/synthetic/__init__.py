"""Synthetic faces: people who do not exist, drawn by NumPy and OpenCV, in as many pictures as wanted.

>>> from seesaw_keras.data.synthetic import synthetic_face
>>> synthetic_face(identity=3, image=0).shape
(112, 112, 3)

A person is a set of parameters (person.py, identity.py), a picture a set of circumstances (conditions.py); features.py,
hair.py and covers.py draw the one under the other, relief.py lights it, camera.py takes the picture. All is seeded, and
the pixels do not depend on process, Python, NumPy or processor: random bits are PCG64's own, coordinates are rounded to
a grid before anything is drawn, and what follows is integer or elementwise arithmetic.
"""

from seesaw_keras.data.synthetic.drawing.render import synthetic_face
from seesaw_keras.data.synthetic.source import SyntheticFaces, synthetic_pairs

__all__ = ["SyntheticFaces", "synthetic_face", "synthetic_pairs"]
