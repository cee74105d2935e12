"""What verbs make of a spec; whatever they accept is a valid manifest."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.commands.edits import EDITS, EditError
from norouter_core.commands.parser import ParseError
from norouter_core.commands.registry import VERBS
from norouter_core.manifest import dump, load_text
from norouter_core.model import AgentMode, Forward, HostOptions, MeshSpec, ProxySpec, Route
from tests.commands.specs import built, edit

WEB = "host add web --port 8080:80 -- docker exec -i web"
DB = "host add db --alias sql -- ssh db"


def refusal(spec: MeshSpec, line: str) -> EditError:
    with pytest.raises(EditError) as caught:
        edit(spec, line)
    return caught.value


# -- hosts


def test_a_host_is_added() -> None:
    made = edit(built(), f"{WEB} --name".removesuffix(" --name"))
    host = made.spec.host("web")
    assert host is not None
    assert (host.vip, host.cmd) == ("127.0.42.101", "docker exec -i web")
    assert host.options.ports == (Forward(8080, "localhost", 80),)
    assert made.hosts == ("web",)
    assert made.data["vip"] == "127.0.42.101"


def test_a_command_that_needs_quotes_is_kept_as_words() -> None:
    host = built("host add x -- sh -c 'a b'").host("x")
    assert host is not None
    assert host.cmd == ("sh", "-c", "a b")


@pytest.mark.parametrize(
    ("line", "name", "cmd"),
    [
        ("docker exec -i web", "web", "docker exec -i web"),
        ("docker exec -it web bash", "web", "docker exec -i web"),
        ("ssh db zsh", "db", "ssh db"),
        ("docker exec -it web bash -l", "web", "docker exec -i web"),
        ("docker exec web", "web", "docker exec -i web"),
        ("sudo docker exec -i my_app.1", "my-app", "sudo docker exec -i my_app.1"),
        ("ssh db", "db", "ssh db"),
        ("ssh me@db.example.com", "db", "ssh me@db.example.com"),
        ("ssh -p 22 10.0.0.7", "ssh-10-0-0-7", "ssh -p 22 10.0.0.7"),
        ("ssh ssh://me@db:2222", "db", "ssh ssh://me@db:2222"),
        ("kubectl -n x exec -i pod --", "pod", "kubectl -n x exec -i pod --"),
        ("kubectl exec -it deploy/shop -- sh", "shop", "kubectl exec -i deploy/shop --"),
        ("lxc exec far:c1 --", "c1", "lxc exec far:c1 --"),
        ("docker compose exec api", "api", "docker compose exec -T api"),
        ("docker-compose exec -T api", "api", "docker-compose exec -T api"),
        ("nsenter --net=/run/netns/blue", "blue", "nsenter --net=/run/netns/blue"),
        ("nsenter -t 4711 -n", "nsenter-4711", "nsenter -t 4711 -n"),
        ("ip netns exec red", "red", "ip netns exec red"),
        ("ssh jump docker exec -i web", "web", "ssh jump docker exec -i web"),
        ("A=1 docker exec -i web", "web", "env A=1 docker exec -i web"),
        ("docker exec -i web norouter", "web", "docker exec -i web norouter"),
        ("docker exec -it web sh", "web", "docker exec -i web"),
        ("docker exec -it sh", "sh", "docker exec -i sh"),
        ("lxc shell c1", "c1", "lxc exec c1 --"),
        ("oc rsh -n x web", "web", "oc exec -i -n x web --"),
        ("kubectl debug -it web --image=x", "web", "kubectl debug -i web --image=x --"),
        ("gcloud compute ssh me@vm --zone z", "vm", "gcloud compute ssh me@vm --zone z --"),
        ("vagrant ssh", "vagrant", "vagrant ssh --"),
        ("limactl shell default", "default", "limactl shell default"),
        ("multipass shell web", "web", "multipass exec web --"),
        ("pct enter 101", "pct-101", "pct exec 101 --"),
        ("distrobox enter fedora", "fedora", "distrobox enter fedora --"),
        ("crictl exec -it 4f5c sh", "4f5c", "crictl exec -i 4f5c"),
        ("su - dev", "su", "su - dev"),
        ("podman machine ssh", "podman-machine", "podman machine ssh"),
    ],
)
def test_a_pasted_command_is_a_host(line: str, name: str, cmd: str) -> None:
    host = built(line).hosts[-1]
    assert (host.name, host.cmd) == (name, cmd)


def test_inferred_names_are_free() -> None:
    spec = built("docker exec -i web", "podman exec -i web", "ssh web.example.com")
    assert [host.name for host in spec.hosts] == ["local", "web", "web-2", "web-3"]


@pytest.mark.parametrize(
    ("line", "message", "argument"),
    [
        ("host add web -- ssh x", 'host "web" already has the name "web"', "name"),
        ("host add SQL -- ssh x", 'host "db" already has the name "SQL"', "name"),
        ("host add x --alias web -- ssh x", 'already has the name "web"', "alias"),
        ("host add x --alias x -- ssh x", "given twice", "alias"),
        ("host add x --vip 127.0.42.101 -- ssh x", "already has the VIP 127.0.42.101", "vip"),
        ("host add x --port 80 --port 80:81 -- ssh x", "already listens on port 80", "port"),
        ("host add", "this machine is already the host local", ""),
        ("host rm wbe", 'there is no host "wbe"', "host"),
        ("host rename web db", 'already has the name "db"', "name"),
        ("host set web", "no changes given for host web", ""),
        ("host set web --no-alias x", "has no alias", "no-alias"),
        ("host set web --here -- ssh x", "mutually exclusive", "here"),
        ("host set web --vip 127.0.42.100", "already has the VIP", "vip"),
        ("port add web 8080:81", "already listens on port 8080: 8080:localhost:80", "spec"),
        ("port rm web 81", "does not publish port 81", "port"),
        ("port retarget web 81:82", "does not publish port 81", "spec"),
        ("route add wbe 10.0.0.0/8", "not a host, alias or VIP", "via"),
        ("route add web 10.0.0.0/8 --at 3", "out of range", "at"),
        ("route rm 1", "there is no route 1", "number"),
        ("route move 1 2", "there is no route 1", "number"),
        ("proxy http web off", "has no http proxy", "address"),
        ("proxy http web off --auth a:b", "not `off`", "auth"),
        ("proxy http local 127.0.42.101:8080", "already listens", "address"),
        ("template set", "no changes given", ""),
        ("template set --no-port 80", "does not publish port 80", "no-port"),
    ],
)
def test_what_cannot_be(line: str, message: str, argument: str) -> None:
    found = refusal(built(WEB, DB), line)
    assert message in found.message
    assert found.failure.argument == argument
    assert found.hint


def test_a_wrong_name_is_guessed() -> None:
    assert refusal(built(WEB), "host rm wbe").hint == "did you mean web?"


def test_routes_go_with_their_host() -> None:
    spec = built(WEB, DB, "route add sql 10.0.0.0/8", "route add web *.x", "route add db *.y")
    made = edit(spec, "host rm db")
    assert [route.via for route in made.spec.routes] == ["web"]
    assert "2 routes" in made.message


def test_routes_follow_a_rename() -> None:
    spec = built(
        WEB, DB, "route add db 10.0.0.0/8", "route add sql *.x", "route add 127.0.42.102 *.y"
    )
    spec = built("host rename db pg", spec=spec)
    assert [route.via for route in spec.routes] == ["pg", "sql", "127.0.42.102"]


def test_a_rename_may_take_an_alias_of_the_host_and_another_case() -> None:
    spec = built(DB, "route add db *.x", "host rename db sql", "host rename sql SQL")
    assert spec.hosts[-1].name == "SQL"
    assert spec.hosts[-1].aliases == ()
    assert spec.routes[0].via in ("sql", "SQL")


def test_routes_follow_a_vip_and_an_alias_that_goes() -> None:
    spec = built(DB, "route add 127.0.42.101 *.x", "route add sql *.y")
    spec = built("host set db --vip 127.0.43.1 --no-alias sql --alias pg", spec=spec)
    assert [route.via for route in spec.routes] == ["db", "db"]
    assert spec.hosts[-1].aliases == ("pg",)


def test_options_are_set_and_taken_back() -> None:
    spec = built(WEB, "host set web --agent python --loopback off --etc-hosts on --state-dir ~/x")
    spec = built("host set web --python ~/venv/bin/python3", spec=spec)
    options = spec.hosts[-1].options
    assert (options.agent, options.loopback) == (AgentMode.PYTHON, False)
    assert options.write_etc_hosts is True
    assert options.python == "~/venv/bin/python3"
    assert options.state_dir is not None
    words = "--agent default --loopback default --etc-hosts default --state-dir default "
    words += "--python default"
    spec = built(f"host set web {words}", spec=spec)
    assert spec.hosts[-1].options == HostOptions(ports=options.ports)


def test_a_command_is_changed_and_taken_away() -> None:
    spec = built(WEB, "host set web -- ssh web")
    assert spec.hosts[-1].cmd == "ssh web"
    assert built("host set web --here", spec=spec).hosts[-1].cmd is None


# -- ports, routes, proxies, the template


def test_ports_come_and_go() -> None:
    spec = built(WEB, "port add web 22 443:10.0.0.1:8443", "port retarget web 8080:10.0.0.2:80")
    assert list(map(str, spec.hosts[-1].options.ports)) == [
        *("8080:10.0.0.2:80", "22:localhost:22", "443:10.0.0.1:8443")
    ]
    spec = built("port rm web 22 443", spec=spec)
    assert list(map(str, spec.hosts[-1].options.ports)) == ["8080:10.0.0.2:80"]


def test_a_port_of_the_template_is_not_the_hosts_own() -> None:
    spec = built(WEB, "template set --port 2222:22")
    found = refusal(spec, "port rm web 2222")
    assert "comes from the template" in found.message
    assert "template set --no-port 2222" in found.hint
    assert built("template set --no-port 2222", spec=spec).template is None


def test_routes_are_put_in_order() -> None:
    spec = built(
        WEB, "route add web *.a", "route add web *.c", "route add web *.b --at 2 --not x.b"
    )
    assert spec.routes[1] == Route("web", ("*.b",), ("x.b",))
    spec = built("route move 1 3", spec=spec)
    assert [route.to[0] for route in spec.routes] == ["*.b", "*.c", "*.a"]
    spec = built("route rm 1 3", spec=spec)
    assert [route.to[0] for route in spec.routes] == ["*.c"]


def test_proxies_are_switched() -> None:
    spec = built("proxy http local 127.0.0.1:8080 --auth me:secret", "proxy socks local [::1]:1080")
    options = spec.hosts[0].options
    assert options.http == ProxySpec("127.0.0.1", 8080, "me:secret")
    assert options.socks == ProxySpec("::1", 1080)
    spec = built("proxy http local off", "proxy socks local off", spec=spec)
    assert spec.hosts[0].options == HostOptions()


# -- whatever is said

_NAMES = st.sampled_from(["web", "WEB", "db", "sql", "local", "x", "x.y", "1", "-"])
_VIPS = st.sampled_from(["127.0.42.100", "127.0.42.101", "127.0.43.1", "0.0.0.0"])
_PORTS = st.sampled_from(["80", "80:81", "81:[::1]:1", "82:x:1", "0", "8080:10.0.0.1:80"])
_VALUES = st.one_of(
    *(_NAMES, _VIPS, _PORTS),
    st.sampled_from(["*.x", "10.0.0.0/8", "127.0.0.1:80", "127.0.42.101:80", "off", "default"]),
    st.sampled_from(["on", "python", "1", "2", "a:b", "--", "ssh x", "docker exec -i web"]),
    st.sampled_from([o.flag for verb in VERBS if verb.name in EDITS for o in verb.options]),
)
_COMMANDS = st.tuples(st.sampled_from(sorted(EDITS)), st.lists(_VALUES, max_size=6)).map(
    lambda said: " ".join([said[0], *said[1]])
)

_BEGIN = built(WEB, DB, "route add sql 10.0.0.0/8")


@given(st.lists(_COMMANDS, max_size=8))
def test_whatever_is_accepted_is_a_valid_manifest(lines: list[str]) -> None:
    spec = _BEGIN
    for line in lines:
        with contextlib.suppress(ParseError, EditError):
            spec = edit(spec, line).spec
    assert load_text(dump(spec), "made").spec == spec


def test_what_is_sure_to_go_wrong_is_told_at_once() -> None:
    message = edit(built(), "host add web -- docker exec web").message
    assert "cannot send anything there (add `-i`: docker exec -i web" in message


def test_udp_ports_are_ports_of_their_own() -> None:
    spec = built("host add x -- ssh x", "port add x 53:10.0.0.1:53/udp 53 5353/udp")
    assert list(map(str, spec.hosts[-1].options.ports)) == [
        *("53:10.0.0.1:53/udp", "53:localhost:53", "5353:localhost:5353/udp")
    ]
    spec = built("port rm x 53/udp", "port retarget x 5353:10.0.0.2:53/udp", spec=spec)
    assert list(map(str, spec.hosts[-1].options.ports)) == [
        *("53:localhost:53", "5353:10.0.0.2:53/udp")
    ]


def test_who_may_connect_is_named_and_follows_the_hosts() -> None:
    spec = built(
        *(WEB, DB, "port add web 81 --allow-from sql --allow-from 10.0.0.0/8"),
        "proxy http web 0.0.0.0:8080 --allow-from 10.0.0.0/8",
        "proxy socks web 0.0.0.0:1080 --open",
        "route add web *.x --allow-from db",
    )
    web = spec.host("web")
    assert web is not None
    assert web.options.ports[-1].allow_from == ("sql", "10.0.0.0/8")
    spec = built("port retarget web 81:82", "host rename db base", spec=spec)
    web = spec.host("web")
    assert web is not None
    assert str(web.options.ports[-1]) == "81:localhost:82"
    assert web.options.ports[-1].allow_from == ("base", "10.0.0.0/8")
    assert spec.routes[0].allow_from == ("base",)
    with pytest.raises(EditError, match="no other host may use what is for base only"):
        edit(spec, "host rm base")
    spec = built("route rm 1", "host rm base", spec=spec)
    web = spec.host("web")
    assert web is not None and web.options.ports[-1].allow_from == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("port add web 83 --allow-from nobody", "nobody"),
        ("route add web *.y --allow-from 10.0.0.0/8", "is a network"),
        ("proxy http web 0.0.0.0:8080", "is open to other machines"),
        ("template set --socks 0.0.0.0:1080", "is open to other machines"),
        ("proxy http web off --open", "--open needs an address"),
        ("host set web --only-user on", "has no effect on another machine"),
    ],
)
def test_who_may_connect_is_checked(line: str, message: str) -> None:
    with pytest.raises(EditError, match=message):
        edit(built(WEB, DB), line)
