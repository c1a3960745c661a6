"""What the lock files bring in: the licence of every package, and known vulnerabilities, by pip-audit.

    make audit

Exit code 0: every locked version was checked and none is known to be vulnerable; 1: some are; 2: not all were checked.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / name for name in ("requirements.lock", "requirements-source.lock")]
_UNSAID = ("", "unknown", "license", "licence")
UNKNOWN = "no licence stated"


def licence(name: str) -> str:
    """What an installed package says of its licence: expression, classifiers, first line, or the names of its files."""
    try:
        facts = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed here"
    classes = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or () if line.startswith("License ")]
    first = next(iter((facts.get("License") or "").strip().splitlines()), "")
    files = ", ".join(facts.get_all("License-File") or ())
    found = [facts.get("License-Expression") or "", " or ".join(classes), first, files and f"see its {files}"]
    return next((text for text in found if text.lower() not in _UNSAID), UNKNOWN)


def vulnerabilities(locks: list[Path]) -> tuple[list[str], str]:
    """Lines about vulnerable packages, and why some could not be checked; empty if all were."""
    with tempfile.TemporaryDirectory() as folder:
        command = shutil.which("pip-audit") or f"{folder}/bin/pip-audit"
        if not Path(command).exists():  # it is no dependency of the project
            venv.create(folder, with_pip=True)
            install = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "pip-audit"]
            if subprocess.run(install, capture_output=True).returncode:
                return [], "pip-audit cannot be installed, there may be no network: run `make audit` again with one"
        given = [option for lock in locks for option in ("-r", str(lock))]
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        done = subprocess.run([command, *given, *options], capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return [], f"pip-audit failed ({(done.stderr.strip().splitlines() or ['no message'])[-1]})"
    bad = [
        f"{package['name']} {package['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'none'}"
        for package in packages
        for each in package.get("vulns", ())
    ]
    skipped = [package for package in packages if "skip_reason" in package]
    reason = f": {skipped[0]['skip_reason']}" if skipped else ""
    return bad, f"{len(skipped)} of {len(packages)} packages could not be checked{reason}" if skipped else ""


def main() -> None:
    """Print licences, then vulnerabilities."""
    lines = [line for lock in LOCKS for line in lock.read_text(encoding="utf-8").splitlines()]
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    by_licence = defaultdict(list)
    for pin in pins:
        by_licence[licence(pin.name)].append(pin.name)
    for text, names in sorted(by_licence.items(), key=lambda pair: (pair[0] == UNKNOWN, -len(pair[1]), pair[0])):
        print(f"{len(names):4}  {text}: {', '.join(names)}")
    bad, unchecked = vulnerabilities(LOCKS)
    print(f"{len(pins)} packages are locked; pip-audit knows {len(bad)} vulnerabilities of those that it could check")
    for line in bad:
        print(line)
    if unchecked:
        print(f"not checked: {unchecked}")
    sys.exit(1 if bad else 2 if unchecked else 0)


if __name__ == "__main__":
    main()
