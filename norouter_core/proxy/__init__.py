"""The proxies that a host serves, HTTP and SOCKS 4, 4a and 5, terminated at the hub.

A session is one task that reads and writes byte streams (`norouter_core.byte_stream`): it reads
what the client asks for, lets a `Dialer` reach the target, and relays. It opens no socket, so it
serves clients on any host. Where bytes need no further reading (CONNECT, SOCKS, an upgrade) it
steps out, and the two ends are joined like those of any other stream.

Entry points: `norouter_core.proxy.http.HttpSession`, `norouter_core.proxy.socks.SocksSession`.
"""
