"""Checks every dependency against deny.toml: its licence, whether it is banned, where it comes from.

For machines without cargo-deny, which reads the same file. It does not know about vulnerabilities.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def licence_is_allowed(expression: str, allowed: set[str]) -> bool:
    """Evaluates an SPDX expression: `A OR B`, `A AND B`, `A WITH E`, parentheses; `A/B` is the old form of OR."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)
    position = 0

    def peek() -> str | None:
        return tokens[position] if position < len(tokens) else None

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def one() -> bool:
        if peek() == "(":
            take()
            result = either()
            take()
            return result
        name = take()
        if peek() == "WITH":
            take()
            return f"{name} WITH {take()}" in allowed
        return name in allowed

    def both() -> bool:
        result = one()
        while peek() == "AND":
            take()
            result = one() and result
        return result

    def either() -> bool:
        result = both()
        while peek() in ("OR", "/"):
            take()
            result = both() or result
        return result

    return either()


def used_packages(target: str) -> list[dict]:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    return [package for package in metadata["packages"] if package["id"] in used]


def problems(package: dict, allowed: set[str], banned: dict[str, str]) -> list[str]:
    name = f"{package['name']} {package['version']}"
    found = []
    if package["name"] in banned:
        found.append(f"{name} is banned: {banned[package['name']]}")
    if package["source"] not in (None, CRATES_IO):
        found.append(f"{name} comes from {package['source']}")
    licence = package["license"]
    if licence is None:
        found.append(f"{name} states no licence")
    elif not licence_is_allowed(licence, allowed):
        found.append(f"{name} is under {licence}")
    return found


def main() -> int:
    rules = tomllib.loads(Path("deny.toml").read_text(encoding="utf-8"))
    allowed = set(rules["licenses"]["allow"])
    banned = {rule["name"]: rule["reason"] for rule in rules["bans"]["deny"]}
    packages = {package["id"]: package for target in rules["graph"]["targets"] for package in used_packages(target)}
    found = [problem for package in packages.values() for problem in problems(package, allowed, banned)]
    for problem in sorted(found):
        print(problem)
    print(f"{len(packages)} packages, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
