"""The names of a mesh on every kind of host: by DNS, and in its /etc/hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.transports.manifest_run import READY, prepare_run, running
from tests.transports.mesh import Mesh, Place
from tests.transports.one_of_each import VIPS, OneOfEach
from tests.transports.procs import kill_all, processes_in, run, wait_gone
from tests.transports.readme_hosts import BACKEND, SERVICE, ReadmeHosts
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

TRANSPORTS = ("+tcp", "+notcp")


def dig(at: Place, server: str, transport: str, *names: str) -> list[str]:
    """The addresses that a real dig gets for these names in a place's network."""
    need_program("dig", "bind9-dnsutils")
    options = ("+short", "+tries=1", "+timeout=10", "+nosearch", transport, "-p", "10053")
    return run(*at.net("dig", f"@{server}", *options, *names)).split()


def test_dns_knows_every_name_on_every_host(medley: OneOfEach, tmp_path: Path) -> None:
    """This machine serves it at every VIP, another host at its own and at this machine's."""
    text = medley.manifest()
    hosts = medley.hosts()
    names = [host.name for host in hosts]
    vips = [host.vip for host in hosts]
    trial = prepare_run(text, medley.hub, medley.places)
    with running(trial, text, medley.hub, medley.env, tmp_path):
        for at in hosts:
            for asked in hosts:
                if medley.hub not in (at.place, asked.place) and at is not asked:
                    continue
                for transport in TRANSPORTS:
                    told = dig(at.place, asked.vip, transport, *names)
                    assert told == vips, f"{at.name} asks {asked.name} {transport}"


def test_other_names_are_those_of_the_host_itself_and_for_its_own_clients(
    stage: ReadmeHosts, tmp_path: Path
) -> None:
    """Docker's own DNS knows its containers, a cluster's its services; no other host asks them."""
    pod = "kubectl --context=west exec -i bastion --"
    hosts = {
        "local": {"vip": "127.0.42.100"},
        "docker": {"vip": "127.0.42.101", "cmd": "docker exec -i bastion"},
        "kube": {"vip": "127.0.42.102", "cmd": pod},
    }
    text = yaml.safe_dump({"hosts": hosts})
    places = {"docker": stage.places["docker/bastion"], "kube": stage.places["west"]}
    nginx = run(*stage.places["docker/nginx"].enter("hostname", "-i")).strip()
    with running(prepare_run(text, stage.hub, places), text, stage.hub, stage.env, tmp_path):
        for transport in TRANSPORTS:
            assert dig(places["docker"], "127.0.42.101", transport, "nginx") == [nginx]
            assert dig(places["kube"], "127.0.42.102", transport, SERVICE) == [BACKEND]
            assert dig(stage.hub, "127.0.42.101", transport, "nginx") == []
            assert dig(stage.hub, "127.0.42.102", transport, SERVICE) == []


# -- /etc/hosts --------------------------------------------------------------------------------

# A mount in docker, podman and the pod, a file of its own in LXD; by ssh comes a user who may not.
WRITERS = ("docker", "kube", "lxd", "podman")


def with_hosts_files(medley: OneOfEach) -> str:
    """The mesh of all hosts, where all but this machine have the names written."""
    mesh = yaml.safe_load(medley.manifest())
    for name in (*WRITERS, "ssh"):
        mesh["hosts"][name]["writeEtcHosts"] = True
        mesh["hosts"][name]["aliases"] = [f"{name}.mesh.test"]
    return str(yaml.safe_dump(mesh))


def hosts_files(medley: OneOfEach) -> dict[str, str]:
    """Every host's /etc/hosts, to the byte, as hex."""
    hosts = medley.hosts(*WRITERS, "ssh")
    read = ("python3", "-c", "print(open('/etc/hosts', 'rb').read().hex())")
    return {host.name: run(*host.place.enter(*read)).strip() for host in hosts}


def names_lead(medley: OneOfEach) -> None:
    """On every host that may write its file, the system itself knows all names."""
    wanted = [(host.name, host.vip) for host in medley.hosts()]
    wanted += [(f"{name}.mesh.test", VIPS[name]) for name in WRITERS]
    for at in medley.hosts(*WRITERS):
        told = run(*at.place.enter("getent", "hosts", *(name for name, _ in wanted)))
        assert [line.split()[0] for line in told.splitlines()] == [vip for _, vip in wanted]


def test_hosts_files_have_the_names_and_are_put_back(medley: OneOfEach, tmp_path: Path) -> None:
    text, before = with_hosts_files(medley), hosts_files(medley)
    trial = prepare_run(text, medley.hub, medley.places)
    with running(trial, text, medley.hub, medley.env, tmp_path) as mesh:
        names_lead(medley)
        assert hosts_files(medley)["ssh"] == before["ssh"]
        said = [event for event in mesh.events if event["event"] == "log"]
        refused = [event for event in said if "/etc/hosts" in event["text"]]
        assert [event["host"] for event in refused] == ["ssh"], refused
    assert hosts_files(medley) == before


@pytest.mark.parametrize("victims", ["hub", "hub and agents"])
def test_hosts_files_after_a_kill(victims: str, medley: OneOfEach, tmp_path: Path) -> None:
    text, before = with_hosts_files(medley), hosts_files(medley)
    killed = Mesh(medley.hub, medley.hosts(*WRITERS, "ssh"), tmp_path, text)
    try:
        killed.start(wait_ready=READY, env=medley.env)
        killed.wait_event("ready", READY)
        agents = killed.agents()
        assert len(agents) == len(killed.spec)
        names_lead(medley)
        kill_all([killed.program.pid, *(agents if victims == "hub and agents" else ())])
        assert not wait_gone(lambda: agents & processes_in(killed.inodes), 20)
        # Its agents put the files back; where none was left to do it, the next one does.
        assert (hosts_files(medley) == before) == (victims == "hub")
    finally:
        killed.close()
    trial = prepare_run(text, medley.hub, medley.places)
    with running(trial, text, medley.hub, medley.env, tmp_path):
        names_lead(medley)
    assert hosts_files(medley) == before
