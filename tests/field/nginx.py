"""nginx as a distribution sets it up: files, HTTP/2, and git's own server behind FastCGI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.field.field import WEB, Field
from tests.transports.procs import run
from tests.transports.require import need_program

NAME = "www.field.test"

CONFIG = """\
user root;
daemon off;
pid {folder}/pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_max_body_size 100m;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    http2_max_concurrent_streams 256;
    server {{
        listen 80;
        listen 443 ssl http2;
        listen 8081 http2;
        ssl_certificate {folder}/certificate;
        ssl_certificate_key {folder}/key;
        root {folder}/www;
        location /git/ {{
            client_max_body_size 0;
            gzip off;
            fastcgi_pass unix:{folder}/fcgiwrap;
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
            fastcgi_param GIT_HTTP_EXPORT_ALL "";
            fastcgi_param GIT_PROJECT_ROOT {folder}/git;
            fastcgi_param PATH_INFO $repository;
            fastcgi_param REMOTE_USER someone;
            set $repository "";
            if ($uri ~ ^/git(/.*)$) {{ set $repository $1; }}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx; `www` has what it serves at `/`, `git` the repositories at `/git/`."""

    www: Path
    git: Path
    certificate: Path


@contextmanager
def nginx_on_web(field: Field) -> Iterator[Nginx]:
    """The nginx of `web`, which listens at all addresses."""
    nginx = need_program("nginx", "nginx-light")
    fcgiwrap = need_program("fcgiwrap", "fcgiwrap")
    folder = field.make_folder("nginx")
    made = Nginx(folder / "www", folder / "git", folder / "certificate")
    made.www.mkdir()
    made.git.mkdir()
    _make_certificate(folder)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder))
    socket = folder / "fcgiwrap"
    git_of_others = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
    env = {**git_of_others, "GIT_CONFIG_VALUE_0": "*"}
    with (
        field.serving("web", [fcgiwrap, "-s", f"unix:{socket}", "-c", "2"], env=env),
        field.serving("web", [nginx, "-e", "stderr", "-c", str(config)], 80, 443, 8081),
    ):
        yield made


def _make_certificate(folder: Path) -> None:
    names = f"subjectAltName=DNS:{NAME},DNS:web,IP:{WEB}"
    files = ("-keyout", str(folder / "key"), "-out", str(folder / "certificate"))
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", *kind, *files, "-days", "2", "-subj", f"/CN={NAME}", "-addext", names)
