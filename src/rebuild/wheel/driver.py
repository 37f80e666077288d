"""Calls one hook of a build backend as a frontend does (PEP 517).

Usage: driver.py REQUEST requires|wheel

Everything that decides the build is in REQUEST, a JSON file. Runs in the sandbox alone.
"""

import importlib
import json
import os
import re
import sys
from importlib import metadata


def backend(request):
    """The backend's object, looked for in the source first where the source says so."""
    folders = [os.path.join(request["source"], path) for path in request["backend-path"]]
    sys.path[:0] = folders
    module, _, attributes = request["backend"].partition(":")
    found = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        found = getattr(found, name)
    return found


def is_missing(requirement):
    """Whether no distribution of that name is there. Its version is the lock's affair."""
    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    try:
        metadata.version(name.group() if name else requirement)
    except metadata.PackageNotFoundError:
        return True
    return False


def requires(hooks):
    """What the backend asks for besides what the source says: it must be in the lock already."""
    hook = getattr(hooks, "get_requires_for_build_wheel", None)
    asked = list(hook({})) if hook else []
    missing = [text for text in asked if is_missing(text)]
    for text in asked:
        print("the backend asks for", text)
    # With a marker it may not be meant for this interpreter; the build will tell.
    if any(";" not in text for text in missing):
        sys.exit("not locked: " + ", ".join(missing) + " (add it to `requires` in the definition)")


def main():
    path, step = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    # This script's own folder is no place to import from.
    del sys.path[0]
    source = request["source"]
    os.umask(int(request["umask"], 8))
    os.chdir(source)
    if step == "requires":
        for name, mode in request["modes"].items():
            os.chmod(os.path.join(source, name), mode)
        for name, time in request["times"].items():
            os.utime(os.path.join(source, name), (time, time))
        requires(backend(request))
    else:
        os.makedirs(request["out"], exist_ok=True)
        print("wrote", backend(request).build_wheel(request["out"], {}, None))


main()
