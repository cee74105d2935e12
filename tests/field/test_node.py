"""Node, whose HTTP client has its own ideas of connections and of when to close them."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.field.field import WEB, Field
from tests.field.nginx import Nginx
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

SCRIPT = """\
const {createHash} = require("crypto")
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex")
const body = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer())
async function main(web) {
  const hashes = await Promise.all([...Array(8)].map(() => body(`${web}/noise`).then(hash)))
  console.log([...new Set(hashes)].join(" "))
  const pages = await Promise.all([...Array(200)].map(() => body(`${web}/page`)))
  console.log(pages.filter((page) => Buffer.from(page) == "page of nginx\\n").length)
}
main(process.argv[1])
"""


@pytest.mark.parametrize("at", ["local", "box"])
def test_fetch(field: Field, nginx: Nginx, at: str) -> None:
    node = need_program("node", "nodejs")
    noise = os.urandom(2 << 20)
    (nginx.www / "noise").write_bytes(noise)
    (nginx.www / "page").write_text("page of nginx\n")
    told = field.run(at, node, "-e", SCRIPT, f"http://{WEB}").split()
    assert told == [hashlib.sha256(noise).hexdigest(), "200"]
