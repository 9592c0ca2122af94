"""Wheel: packs the package for pip (PEP 517), with nothing but the standard library: so that `pip install` from the
source tree needs no network and leaves nothing in the tree."""
import base64
import hashlib
import pathlib
import tomllib
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def _metadata(project):
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}",
             f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}", "License: MIT"]
    return "\n".join(lines) + "\n"


def _entry_points(project):
    """Where others find what plugs into them."""
    return "\n".join(line for group, points in project.get("entry-points", {}).items()
                     for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()), ""))


def _pack(directory, files):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = f"{project['name']}-{project['version']}.dist-info"
    files = {**files, f"{info}/METADATA": _metadata(project).encode(),
             f"{info}/entry_points.txt": _entry_points(project).encode(),
             f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: gmemfs\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = f"{project['name']}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted((ROOT / "gmemfs").iterdir())
             if path.suffix == ".py" or path.name == "py.typed"}
    return _pack(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _pack(wheel_directory, {"gmemfs-editable.pth": f"{ROOT}\n".encode()})
