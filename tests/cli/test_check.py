"""What `norouter` prints for a person to begin with: an example, the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from norouter_tui.cli.check import check_file
from tests.programs import ROOT, Program

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("verb", ["show-example", "show-ex"])
def test_the_printed_example_is_a_manifest_without_a_warning(norouter: Program, verb: str) -> None:
    shown = norouter(verb)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("# ") and "yaml-language-server" not in shown.stdout
    checked = norouter("check", "-", input=shown.stdout)
    assert checked.returncode == 0
    assert checked.stdout.startswith("<stdin>: valid; 5 hosts, 5 ports, 1 route\n")
    assert "         HTTP proxy at 127.0.0.1:18080\n" in checked.stdout
    assert "  via ssh: *.internal.example.com, 10.0.0.0/8, but not 10.0.42.0/24\n" in checked.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_check_finds_the_examples_fine(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_file(str(path)) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{path}: valid; ") and said.err == ""


def test_check_tells_which_proxies_ask_for_a_password_and_not_which(norouter: Program) -> None:
    mesh = "hosts: {local: {socks: {listen: '[::1]:1080', auth: 'alice:secret'}}}"
    done = norouter("check", "-", input=mesh)
    assert "SOCKS proxy at [::1]:1080 (asks for user and password)\n" in done.stdout
    assert "alice" not in done.stdout


def test_check_lists_who_may_connect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        "hosts:\n"
        "  local:\n"
        "    onlyUser: true\n"
        "    http: {listen: '127.0.0.1:8080', allowFrom: [local]}\n"
        "    ports: [80, {forward: 81, allowFrom: [local, 10.0.0.0/8]}]\n"
        "routes: [{via: local, to: ['*.x'], allowFrom: [local]}]\n"
    )
    assert check_file(str(file)) == 0
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[2:]] == [
        "127.0.42.100:80 -> localhost:80",
        "127.0.42.100:81 -> localhost:81 (only for local, 10.0.0.0/8)",
        "HTTP proxy at 127.0.0.1:8080 (only for local)",
        "accepts only connections of the user that runs norouter",
        "via local: *.x (only for local)",
    ]


def test_check_names_what_a_strangers_manifest_would_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        "hosts:\n"
        "  local: {vip: 127.0.42.1, stateDir: {pathOnAgent: /etc/sudoers.d}, writeEtcHosts: true}\n"
        "  web: {vip: 127.0.42.2, cmd: [sh], aliases: [github.com, web.internal, plain]}\n"
    )
    assert check_file(str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("  local "))
    assert lines[first + 1 : first + 3] == [
        "         writes the files hosts, hostaliases and README in /etc/sudoers.d",
        "         adds its names to /etc/hosts",
    ]
    assert lines[-1] == "  these names hide public ones: github.com"
    file.write_text("hosts: {local: {vip: 127.0.42.1}, web: {vip: 127.0.42.2, cmd: [sh]}}")
    assert check_file(str(file)) == 0
    shown = capsys.readouterr().out
    assert "writes" not in shown and "adds" not in shown and "hide" not in shown


def test_the_schema_is_printed_and_lies_where_it_says(norouter: Program) -> None:
    printed, path, line = (norouter("schema", *words) for words in ([], ["--path"], ["--modeline"]))
    place = Path(path.stdout.removesuffix("\n"))
    assert place.read_text() == printed.stdout
    assert json.loads(printed.stdout)["$schema"].endswith("/2020-12/schema")
    assert line.stdout == f"# yaml-language-server: $schema={place.resolve().as_uri()}\n"


def test_show_installer_carries_its_own_version_alone(norouter: Program) -> None:
    done = norouter("show-installer", "--version", "9.9")
    assert (done.returncode, done.stdout) == (2, "")
    assert "for 9.9, run show-installer of that version" in done.stderr
