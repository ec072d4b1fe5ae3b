"""uPlot, the drawing library of replay.html: fetched by npm once, by name and version, into build/.

It is not part of the tree. The package's check sum is; another package is not used.
"""
import base64
import hashlib
import os
import subprocess
import tarfile
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE, VERSION = "uplot", "1.6.32"
SHA512 = "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
FILES = ("uPlot.iife.min.js", "uPlot.min.css")


class NoLibrary(Exception):
    """It cannot be had; says why."""


def _fetch(folder):
    with tempfile.TemporaryDirectory() as place:
        try:
            done = subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=place,
                                  text=True, capture_output=True, check=False)
        except OSError as error:
            raise NoLibrary(f"npm is needed to fetch {PACKAGE}: {error.strerror}") from error
        if done.returncode != 0:
            raise NoLibrary(f"npm cannot fetch {PACKAGE}: {done.stderr.strip().splitlines()[-1:]}")
        path = os.path.join(place, done.stdout.split()[-1])
        with open(path, "rb") as file:
            if base64.b64encode(hashlib.sha512(file.read()).digest()).decode() != SHA512:
                raise NoLibrary(f"{PACKAGE} {VERSION} has another check sum than it should")
        os.makedirs(folder, exist_ok=True)
        with tarfile.open(path) as package:
            for name in FILES:
                whole = os.path.join(folder, f"{name}.{os.getpid()}")  # others may fetch as well
                with open(whole, "wb") as file:
                    file.write(package.extractfile(f"package/dist/{name}").read())
                os.replace(whole, os.path.join(folder, name))


def library(folder=os.path.join(TREE, "build", PACKAGE)):
    """(script, style) as text."""
    paths = [os.path.join(folder, name) for name in FILES]
    if not all(map(os.path.exists, paths)):
        _fetch(folder)
    texts = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return texts
