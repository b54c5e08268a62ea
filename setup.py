"""Package metadata and dependencies; build system and tool settings are in pyproject.toml."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (HERE / "seesaw_keras/_version.py").read_text("utf-8"), re.M)[1]

# Ranges hold what was tested; constraints.txt holds the exact versions that `make` installs.
REQUIRES = [
    "tensorflow>=2.21,<2.22",
    "tf-keras>=2.21,<2.22",
    "tensorflow-model-optimization>=0.8.1,<0.9",
    "ai-edge-litert>=2.3,<2.4",
    "numpy>=2.0,<3",
    "h5py>=3.11,<4",
    # opencv-python links libGL and aborts without a display; before 4.13 WebP's EXIF orientation is ignored; 5.0 has
    # lost CascadeClassifier.
    "opencv-python-headless>=4.13,<5",
    # TensorFlow Model Optimization holds absl-py at 1.x.
    "absl-py>=1.4,<2",
    "matplotlib>=3.8,<4",
    "jinja2>=3.1.6,<4",
    # TensorFlow no longer pulls TensorBoard in.
    "tensorboard>=2.20,<2.22",
    "tqdm>=4.66,<5",
]

EXTRAS = {
    # The last release, of 2023; it has wheels up to Python 3.11.
    "addons": ["tensorflow-addons>=0.23,<0.24; python_version < '3.12'"],
    "torch": ["torch>=2.6,<3"],
    "onnx": ["onnxruntime>=1.20,<2"],
    # Only pre-releases exist, so one of them is pinned; wheels are for Linux on x86-64.
    "micro": ["tflite-micro==0.dev20261023182759; sys_platform == 'linux' and platform_machine == 'x86_64'"],
    "serving": ["tensorflow-serving-api>=2.21,<2.22"],
    "dev": [
        "build>=1.2",
        "hypothesis>=6.100,<7",
        "mypy>=1.10",
        "pillow>=10",
        "pytest>=8,<10",
        "pytest-xdist>=3.6,<4",
        "ruff>=0.6",
        "scikit-learn>=1.5,<2",
        "scipy>=1.13,<2",
    ],
}


class BuildWithReleasedModels(build_py):
    """Puts the released models of tflite/ into the package, where seesaw_keras/models/pretrained.py finds them."""

    def run(self):
        super().run()
        if not self.editable_mode:
            released = Path(self.build_lib) / "seesaw_keras" / "released"
            shutil.copytree(HERE / "tflite", released, ignore=shutil.ignore_patterns("firmware"), dirs_exist_ok=True)


setup(
    cmdclass={"build_py": BuildWithReleasedModels},
    name="seesaw_keras",
    version=VERSION,
    description="SeesawFaceNets (arXiv 1908.09124) for TensorFlow/Keras, down to proven int8 TFLite Micro models",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["seesaw_keras", "seesaw_keras.*"]),
    package_data={
        "seesaw_keras": [
            "py.typed",
            "reports/templates/*",
            "serving/examples/*",
            "tflite/micro/templates/*",
        ],
    },
    entry_points={"console_scripts": ["seesaw = seesaw_keras.cli.__main__:main"]},
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    zip_safe=False,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
