"""The proxies that a host serves, HTTP and SOCKS 4, 4a and 5, terminated at the hub.

A session is the peer of its client's end: it reads what the client asks for, has a `Dialer` reach
it, and relays. It opens no socket and awaits nothing, so it serves a client on any host. Where
bytes need no further reading (CONNECT, SOCKS, an upgrade) it steps out, and the two ends are
joined as those of any other stream.

Entry points: `norouter_core.proxy.http.http_session`, `norouter_core.proxy.socks.socks_session`.
"""
