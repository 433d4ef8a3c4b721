# SPDX-License-Identifier: Apache-2.0
"""Install the services of the tests once: `python -m tests.services.install`.

Downloads go through Maven, npm, debootstrap and the container engine, as this machine configures them. What is
there already is left alone. Exit status 1 when something is missing and `CI` is set, else 0 with a sentence
about what the tests will skip.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.services import containers
from tests.services.cache import (
    ASYNCAPI,
    DEBIAN_PACKAGES,
    DEBIAN_SUITE,
    GRAFANA_TYPES,
    POM,
    asyncapi_dir,
    grafana_types_dir,
    kafka_dir,
    services_dir,
    timescale_dir,
)
from tests.services.process import ServiceError

JAVA_AT_LEAST = 17


def say(text: str) -> None:
    """One line of progress."""
    print(f"services: {text}", flush=True)  # noqa: T201  the program's own output


def _run(command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
    with log.open("wb") as sink:
        ended = subprocess.run(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False,
            env={**os.environ, **(environment or {})},
        )
    if ended.returncode:
        tail = log.read_bytes()[-2000:].decode(errors="replace")
        raise ServiceError(f"{command[0]} ended with status {ended.returncode} ({log}):\n{tail}")


def _need(programs: dict[str, str]) -> None:
    missing = [f"{program} (package {package})" for program, package in programs.items()
               if shutil.which(program) is None]
    if missing:
        raise ServiceError(f"needs {', '.join(missing)}; install it")


def java_version() -> int:
    """The major version of `java`; raises `ServiceError` when there is none."""
    _need({"java": "default-jre-headless"})
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', shown)
    if found is None:
        raise ServiceError("`java -version` does not tell its version; install a JDK of 17 or later")
    return int(found[1])


def remove_tree(folder: Path) -> None:
    """Delete a folder within its file system; raises `ServiceError` while something is mounted in it."""
    inside = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()
              if Path(line.split()[1]).is_relative_to(folder)]
    if inside:
        raise ServiceError(f"mounted inside {folder}: {', '.join(inside)}; umount these first")
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


def install_kafka() -> None:
    """Copy the broker's jars into the cache; raises `ServiceError`."""
    target = kafka_dir()
    if java_version() < JAVA_AT_LEAST:
        raise ServiceError(f"java is older than {JAVA_AT_LEAST}; install a newer JDK")
    if target.is_dir():
        return
    _need({"mvn": "maven"})
    say(f"Kafka: copying the jars to {target}")
    partial = target.with_suffix(".partial")
    remove_tree(partial)
    _run(["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={partial}"],
         services_dir() / "kafka-install.log")
    partial.rename(target)


def debian_mirror() -> str:
    """The address from which apt of this machine gets Debian itself; raises `ServiceError`."""
    _need({"apt-get": "apt"})
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)",
         "Created-By: Packages", "Origin: Debian", "Label: Debian"],
        capture_output=True, text=True, check=False,
    ).stdout.split()
    if not listed:
        raise ServiceError("apt knows no Debian mirror; run `apt-get update` first")
    return listed[0]


def apt_proxies() -> dict[str, str]:
    """Give the proxies of apt as the environment variables that debootstrap's downloads read."""
    shown = subprocess.run(
        ["apt-config", "shell", "http_proxy", "Acquire::http::Proxy", "https_proxy", "Acquire::https::Proxy"],
        capture_output=True, text=True, check=False,
    ).stdout
    return dict(re.findall(r"^(\w+)='(.*)'$", shown, re.MULTILINE))


def _need_namespaces() -> None:
    if os.geteuid() != 0:
        raise ServiceError("needs root (debootstrap, chroot); run as root, or name a server in "
                           "DRUKTE_TEST_DATABASE")
    _need({"unshare": "util-linux", "setpriv": "util-linux", "chroot": "coreutils"})
    private = ["unshare", "--mount", "--propagation", "private", "--", "true"]
    if subprocess.run(private, capture_output=True, check=False).returncode:
        raise ServiceError("this machine allows no mount namespace (`unshare --mount`); name a server in "
                           "DRUKTE_TEST_DATABASE")


def install_timescale() -> None:
    """Make a small Debian with TimescaleDB in the cache; raises `ServiceError`."""
    _need_namespaces()
    target = timescale_dir()
    if target.is_dir():
        return
    _need({"debootstrap": "debootstrap"})
    say(f"TimescaleDB: Debian {DEBIAN_SUITE} with {', '.join(DEBIAN_PACKAGES)} to {target}; a minute or two")
    partial = target.with_suffix(".partial")
    remove_tree(partial)
    # Own mount and process namespaces: whatever debootstrap mounts or starts ends with it.
    _run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
         "--", "debootstrap", "--variant=minbase", f"--include={','.join(DEBIAN_PACKAGES)}",
         DEBIAN_SUITE, partial, debian_mirror()],
        services_dir() / "timescale-install.log", apt_proxies(),
    )
    for leftover in ("var/cache/apt/archives", "var/lib/postgresql/17"):
        remove_tree(partial / leftover)
    partial.rename(target)


def _install_npm(what: str, packages: Path, target: Path) -> None:
    _need({"node": "nodejs", "npm": "npm"})
    if target.is_dir():
        return
    say(f"{what}: copying the packages to {target}")
    partial = target.with_suffix(".partial")
    remove_tree(partial)
    partial.mkdir()
    shutil.copyfile(packages, partial / "package.json")
    _run(["npm", "install", "--prefix", partial, "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
         services_dir() / f"{target.name.rpartition('-')[0]}-install.log")
    partial.rename(target)


def install_grafana_types() -> None:
    """Copy Grafana's published types and the TypeScript compiler into the cache; raises `ServiceError`."""
    _install_npm("Grafana's types", GRAFANA_TYPES, grafana_types_dir())


def install_asyncapi() -> None:
    """Copy AsyncAPI's own JSON Schema and a validator into the cache; raises `ServiceError`."""
    _install_npm("AsyncAPI's schema", ASYNCAPI, asyncapi_dir())


def install_containers() -> None:
    """Fetch the images; raises `ServiceError`."""
    for image in (containers.KAFKA_IMAGE, containers.TIMESCALE_IMAGE):
        if not containers.image_present(image):
            say(f"pulling {image}")
            containers.pull(image)


def main() -> int:
    """Install all; the exit status."""
    services_dir().mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], None]] = {"Kafka": install_kafka, "TimescaleDB": install_timescale}
    if containers.engine_answers():
        steps = {"containers": install_containers}
    steps["Grafana's types"] = install_grafana_types
    steps["AsyncAPI's schema"] = install_asyncapi
    missing = 0
    for name, install in steps.items():
        try:
            install()
        except (ServiceError, subprocess.CalledProcessError, OSError) as error:
            missing += 1
            fate = "fail" if os.environ.get("CI") else "be skipped"
            say(f"{name}: not installed, its tests will {fate}: {error}")
        else:
            say(f"{name}: ready")
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
