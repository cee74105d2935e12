"""The file of a session: saving loses nothing, of the file or of the work."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from norouter_core.manifest import ManifestError, VipChoice, load_file
from norouter_core.manifest.schema import modeline
from norouter_core.model import HostOptions, HostSpec, MeshSpec, ProxySpec
from norouter_core.session.document import Document, SaveFailed
from tests.manifest.manifests import specs

TEXT = """\
# my mesh
hosts:
  local:   # this machine
  web:
    cmd: docker exec -i web
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(TEXT)
    return path


def more(spec: MeshSpec) -> MeshSpec:
    return spec.with_host(HostSpec("db", "127.0.42.109", "ssh db"))


def test_a_new_document(tmp_path: Path) -> None:
    document = Document.empty()
    spec = more(MeshSpec())
    assert not document.unsaved(MeshSpec()) and document.unsaved(spec)
    with pytest.raises(SaveFailed, match="no file yet"):
        document.save(spec)
    path = str(tmp_path / "new.yaml")
    assert document.diff(spec).splitlines()[:2] == ["--- /dev/null", "+++ manifest"]
    rendered = document.render(spec)
    assert document.save(spec, path) == path == document.path
    assert not document.unsaved(spec) and document.diff(spec) == ""
    assert Path(path).read_text() == rendered
    assert rendered.startswith(modeline()) and modeline()
    assert load_file(path).spec == spec
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666 & ~umask


def test_hosts_without_a_vip_in_the_file_keep_the_one_that_they_got(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("hosts:\n  local:\n  web:\n    cmd: x\n")
    document = Document.load(file, VipChoice(in_use={"127.0.42.1"}))
    web = HostSpec("web", "127.0.43.101", "x", aliases=("www",))
    assert document.save(document.spec.with_host(web)) == str(file)
    assert file.read_text() == 'hosts:\n  local:\n  web:\n    cmd: x\n    aliases: ["www"]\n'
    assert document.diff(document.spec.with_host(web)) == ""


def test_a_session_may_begin_with_hosts_and_nothing_to_save() -> None:
    spec = MeshSpec((HostSpec("local", "127.0.42.100"),))
    assert not Document.empty(spec).unsaved(spec)
    assert "+  local:" in Document.empty(spec).diff(spec)


def test_a_loaded_document(file: Path) -> None:
    document = Document.load(file)
    assert document.path == str(file) and not document.unsaved(document.spec)
    assert document.diff(document.spec) == "" and document.render(document.spec) == TEXT
    spec = more(document.spec)
    assert document.unsaved(spec)
    diff = document.diff(spec).splitlines()
    assert diff[:2] == [f"--- {file}", f"+++ {file}"]
    assert '+    cmd: "ssh db"' in diff and not [line for line in diff if line.startswith("-  ")]
    assert document.save(spec) == str(file)
    assert Document.load(file).spec == spec
    assert file.read_text().startswith("# my mesh\n")


def test_saving_what_is_saved_touches_nothing(file: Path) -> None:
    document = Document.load(file)
    before = file.stat()
    document.save(document.spec)
    assert (file.read_text(), file.stat()) == (TEXT, before)


def test_errors_of_loading(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ManifestError):
        Document.load(tmp_path / "none.yaml")
    file.write_text("hosts: [")
    with pytest.raises(ManifestError):
        Document.load(file)
    file.write_text("host: {}\n")
    assert [problem.line for problem in Document.load(file).warnings] == [1, 1]


def test_what_another_program_wrote_is_not_lost(file: Path) -> None:
    document = Document.load(file)
    file.write_text(TEXT + "  other: {cmd: x}\n")
    with pytest.raises(SaveFailed, match="another program has changed") as failed:
        document.save(more(document.spec))
    assert failed.value.can_force and "load it again" in failed.value.hint
    assert "other" in file.read_text()
    document.save(more(document.spec), force=True)
    assert "other" not in file.read_text()
    document.save(document.spec)


def test_a_file_that_is_gone_is_written_again(file: Path) -> None:
    document = Document.load(file)
    file.unlink()
    document.save(document.spec)
    assert file.read_text() == TEXT


def test_saving_under_another_name(file: Path, tmp_path: Path) -> None:
    document = Document.load(file)
    other = tmp_path / "other.yaml"
    other.write_text("precious")
    with pytest.raises(SaveFailed, match="exists") as failed:
        document.save(document.spec, str(other))
    assert failed.value.can_force and other.read_text() == "precious"
    assert document.path == str(file)
    document.save(document.spec, str(other), force=True)
    assert other.read_text() == TEXT and document.path == str(other)
    with pytest.raises(SaveFailed, match="exists"):
        document.save(more(document.spec), str(file))


def test_links_and_permissions_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file.name)
    document = Document.load(link)
    document.save(more(document.spec))
    assert link.is_symlink() and os.readlink(link) == file.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert load_file(file).spec == document.spec
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "mesh.yaml"]


@pytest.mark.parametrize("kind", ["broken", "folder", "missing/x.yaml", "slash/", "fifo", "nu\0l"])
def test_places_that_take_no_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.rglob("*"))
    document = Document.empty()
    with pytest.raises(SaveFailed) as failed:
        document.save(more(MeshSpec()), str(tmp_path) + "/" + kind)
    assert failed.value.hint and failed.value.message.isprintable()
    assert sorted(tmp_path.rglob("*")) == before and document.path == ""


def test_a_failed_write_leaves_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document.load(file)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveFailed, match="No space left"):
        document.save(more(document.spec))
    assert file.read_text() == TEXT and list(file.parent.iterdir()) == [file]
    assert document.unsaved(more(document.spec))


def test_a_password_is_nobody_elses(tmp_path: Path) -> None:
    options = HostOptions(http=ProxySpec("127.0.0.1", 8080, "a:b"))
    spec = MeshSpec((HostSpec("local", "127.0.42.100", options=options),))
    path = Document.empty().save(spec, str(tmp_path / "new.yaml"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_mesh_that_no_manifest_can_say_is_not_written(tmp_path: Path) -> None:
    spec = more(MeshSpec())
    bad = replace(spec, hosts=(replace(spec.hosts[0], vip="nowhere"),))
    with pytest.raises(SaveFailed, match="could not be loaded"):
        Document.empty().save(bad, str(tmp_path / "new.yaml"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_the_encoding_stays(file: Path, codec: str) -> None:
    file.write_bytes(TEXT.encode(codec))
    document = Document.load(file)
    document.save(more(document.spec))
    assert file.read_bytes().decode(codec).startswith("# my mesh")
    assert file.read_bytes()[:2] == TEXT.encode(codec)[:2]
    assert Document.load(file).spec == document.spec


def test_home(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Document.empty().save(MeshSpec(), "~/in-home.yaml") == f"{tmp_path}/in-home.yaml"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs(), specs())
def test_what_is_saved_loads_back_equal_whatever_was_in_the_file(
    tmp_path: Path, before: MeshSpec, after: MeshSpec
) -> None:
    path = str(tmp_path / "mesh.yaml")
    Document.empty().save(before, path, force=True)
    document = Document.load(path)
    assert document.spec == before
    document.save(after)
    assert Document.load(path).spec == after
