"""Synthetic faces: procedurally generated identities with any number of images, drawn with NumPy and OpenCV.

>>> from seesaw_keras.data.synthetic import synthetic_face
>>> synthetic_face(identity=3, image=0).shape
(112, 112, 3)

An identity is a set of parameters (person.py, identity.py), an image a set of conditions (conditions.py); features.py,
hair.py and covers.py draw the identity under these conditions, relief.py lights it, camera.py applies camera effects.
Everything is seeded, and the pixels do not depend on process, Python, NumPy or processor: random bits are PCG64's own,
coordinates are rounded to a grid before drawing, and all later steps are integer or elementwise arithmetic.
"""

from seesaw_keras.data.synthetic.drawing.render import synthetic_face
from seesaw_keras.data.synthetic.source import SyntheticFaces, synthetic_pairs

__all__ = ["SyntheticFaces", "synthetic_face", "synthetic_pairs"]
